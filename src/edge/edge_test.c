/* The edge in this process, so that a leak shows: clients over loopback, signal and web played
 * here. tests/integration/edge_test.py tests the program from outside. */
#include "edge/edge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "edge/bus.h"
#include "edge/ws.h"
#include "os/link.h"

#define SOCKETS 500

struct client {
    int fd;
    struct buf in;
    uint64_t id;
};

struct fixture {
    struct loop *loop;
    struct edge *edge;
    struct link *peers[EDGE_PEERS]; /* the far ends */
    uint64_t last_id;
    uint16_t last_type;
    size_t frames;
    int lost;
    uint16_t port;
    char folder[64];
};

static void on_frame(void *arg, const struct link_frame *frame)
{
    struct fixture *f = arg;
    f->last_id = frame->id;
    f->last_type = frame->type;
    f->frames++;
}

static void on_closed(void *arg, int err)
{
    struct fixture *f = arg;
    f->lost = err;
}

static void on_lost(void *arg, enum edge_peer peer, int err)
{
    struct fixture *f = arg;
    (void)peer;
    f->lost = err;
}

static void turn(struct fixture *f, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(loop_turn(f->loop, USEC_PER_MSEC), 0);
}

static void connect_peer(struct fixture *f, enum edge_peer peer)
{
    int ends[2];
    const struct link_handler handler = {on_frame, on_closed, f};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(edge_link(f->edge, peer, ends[0]), 0);
    assert_int_equal(link_new(f->loop, ends[1], 64 << 20, &handler, &f->peers[peer]), 0);
}

static void put_file(const struct fixture *f, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, name);
    assert_int_equal(unlink(path), 0);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.folder = "/tmp/edge-unit-XXXXXX"};
    const struct edge_handler handler = {.lost = on_lost, .arg = f};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_non_null(mkdtemp(f->folder));
    int root = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct edge_roots roots = {root, dup(root), dup(root), -1};
    f->loop = loop_new();
    assert_int_equal(edge_new(f->loop, NULL, &roots, &handler, &f->edge), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, SOCKETS), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    f->port = ntohs(address.sin_port);
    assert_int_equal(edge_listen(f->edge, CONN_PLAIN, fd), 0);
    connect_peer(f, EDGE_SIGNAL);
    connect_peer(f, EDGE_WEB);
}

static void end(struct fixture *f)
{
    edge_free(&f->edge);
    for (size_t i = 0; i < EDGE_PEERS; i++)
        link_free(&f->peers[i]);
    loop_free(&f->loop);
    assert_int_equal(rmdir(f->folder), 0);
}

static void client_open(struct fixture *f, struct client *client, const char *request)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(f->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    buf_init(&client->in, 8 << 20);
    assert_int_equal(connect(client->fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client->fd, request, strlen(request), MSG_NOSIGNAL),
                     (ssize_t)strlen(request));
}

static void client_close(struct client *client)
{
    close(client->fd);
    buf_done(&client->in);
}

/* Reads what is there. */
static bool client_read(struct client *client)
{
    uint8_t *at = buf_reserve(&client->in, 65536);
    assert_non_null(at);
    ssize_t got = recv(client->fd, at, 65536, MSG_DONTWAIT);
    if (got > 0)
        buf_commit(&client->in, (size_t)got);
    return got > 0;
}

static void client_await(struct fixture *f, struct client *client, size_t len)
{
    for (int i = 0; client->in.len < len; i++) {
        assert_true(i < 5000);
        turn(f, 1);
        while (client_read(client))
            ;
    }
}

static void await_frame(struct fixture *f, uint16_t type)
{
    for (int i = 0; f->frames == 0; i++) {
        assert_true(i < 5000);
        turn(f, 1);
    }
    f->frames = 0;
    assert_int_equal(f->last_type, type);
}

#define UPGRADE                                                                                    \
    "GET /xmpp-websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"     \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define PACKED "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static void socket_open(struct fixture *f, struct client *client, bool packed)
{
    const char *last = packed ? "permessage-deflate; server_no_context_takeover; "
                                "client_no_context_takeover\r\n\r\n"
                              : "K+xOo=\r\n\r\n";
    client_open(f, client, packed ? UPGRADE PACKED "\r\n" : UPGRADE "\r\n");
    await_frame(f, BUS_WS_OPEN);
    client->id = f->last_id;
    assert_int_equal(link_send(f->peers[EDGE_SIGNAL], BUS_WS_ACCEPT, client->id, SLICE("{}")), 0);
    client_await(f, client, 97);
    while (!slice_ends(buf_slice(&client->in), slice_str(last)))
        client_await(f, client, client->in.len + 1);
    buf_clear(&client->in);
}

static void send_many(struct fixture *f, const struct client *clients, size_t count,
                      struct slice text)
{
    struct buf head;
    buf_init(&head, 4 + 8 * SOCKETS);
    for (unsigned i = 0; i < 4; i++)
        buf_add_byte(&head, (uint8_t)(count >> (8 * i)));
    for (size_t c = 0; c < count; c++)
        for (unsigned i = 0; i < 8; i++)
            buf_add_byte(&head, (uint8_t)(clients[c].id >> (8 * i)));
    const struct slice parts[] = {buf_slice(&head), text};
    assert_int_equal(link_send_parts(f->peers[EDGE_SIGNAL], BUS_WS_TEXT_MANY, 0, parts, 2), 0);
    buf_done(&head);
}

/* One text to 500: everybody gets the same bytes, compressed where that was agreed. */
static void test_fan_out(void **state)
{
    (void)state;
    struct fixture f;
    struct deflate *engine = NULL;
    struct buf packed, plain, small;
    struct client *clients = calloc(SOCKETS, sizeof *clients);
    char text[3000];
    begin(&f);
    assert_non_null(clients);
    assert_int_equal(deflate_new(&engine), 0);
    memset(text, 'a', sizeof text);
    buf_init(&packed, 100000);
    buf_init(&plain, 100000);
    buf_init(&small, 100000);
    assert_int_equal(deflate_compress(engine, slice_of(text, sizeof text), &small), 0);
    ws_put_packed(&packed, buf_slice(&small));
    ws_put_text(&plain, slice_of(text, sizeof text));
    for (size_t i = 0; i < SOCKETS; i++)
        socket_open(&f, &clients[i], i % 2);
    for (int round = 0; round < 3; round++) {
        send_many(&f, clients, SOCKETS, slice_of(text, sizeof text));
        for (size_t i = 0; i < SOCKETS; i++) {
            struct slice want = i % 2 ? buf_slice(&packed) : buf_slice(&plain);
            client_await(&f, &clients[i], want.len);
            assert_true(slice_eq(buf_slice(&clients[i].in), want));
            buf_clear(&clients[i].in);
        }
    }
    /* The link breaks: all of them are dropped without a close frame. */
    link_free(&f.peers[EDGE_SIGNAL]);
    for (int i = 0; f.lost == 0; i++) {
        assert_true(i < 1000);
        turn(&f, 1);
    }
    assert_int_equal(f.lost, ERR_CLOSED);
    turn(&f, 3);
    for (size_t i = 0; i < SOCKETS; i++) {
        char byte;
        assert_true(recv(clients[i].fd, &byte, 1, MSG_DONTWAIT) <= 0);
        client_close(&clients[i]);
    }
    free(clients);
    buf_done(&packed);
    buf_done(&plain);
    buf_done(&small);
    deflate_free(&engine);
    end(&f);
}

/* Whatever is under way when the process ends is freed. */
static void test_end_in_the_middle(void **state)
{
    (void)state;
    struct fixture f;
    struct client clients[7];
    begin(&f);
    put_file(&f, "index.html", "<!--#include virtual=\"/config.js\" -->x");
    put_file(&f, "file.bin", "0123456789");
    client_open(&f, &clients[0], "GET /half HTT");
    client_open(&f, &clients[1], "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    client_open(&f, &clients[2], "GET /file.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    client_await(&f, &clients[2], 100);
    client_open(&f, &clients[3], "GET /api/waits HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n");
    await_frame(&f, BUS_HTTP_REQUEST);
    client_open(&f, &clients[4], "GET /jitsi/Room HTTP/1.1\r\nHost: a\r\n\r\n");
    await_frame(&f, BUS_HTTP_REQUEST);
    client_open(&f, &clients[5], UPGRADE "\r\n");
    await_frame(&f, BUS_WS_OPEN);
    socket_open(&f, &clients[6], true);
    turn(&f, 5);
    remove_file(&f, "index.html");
    remove_file(&f, "file.bin");
    end(&f);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        client_close(&clients[i]);
}

/* A page whose configuration comes: the text stands where the include stood. */
static void test_page(void **state)
{
    (void)state;
    static const char head[] = "{\"status\":200}";
    struct fixture f;
    struct client client;
    begin(&f);
    put_file(&f, "index.html", "<BASE HREF='x'>[<!--#include virtual=\"/config.js\" -->]");
    client_open(&f, &client, "GET /jitsi/Room HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await_frame(&f, BUS_HTTP_REQUEST);
    const struct slice parts[] = {slice_of("\x0e\0\0", 4), slice_str(head), SLICE("config")};
    assert_int_equal(sizeof head - 1, 0x0e);
    assert_int_equal(
        link_send_parts(f.peers[EDGE_WEB], BUS_HTTP_RESPONSE, f.last_id, parts, ARRAY_LEN(parts)),
        0);
    client_await(&f, &client, 200);
    while (!slice_ends(buf_slice(&client.in), SLICE("[config]")))
        client_await(&f, &client, client.in.len + 1);
    assert_true(
        slice_ends(buf_slice(&client.in), SLICE("\r\n\r\n<base href=\"/jitsi/\" />[config]")));
    client_close(&client);
    remove_file(&f, "index.html");
    end(&f);
}

#define LARGE ((off_t)24 * 1024 * 1024)

/* A client that takes nothing for a while and then all at once: whatever waits is out by one write,
 * and the rest of the file must follow without anybody asking. */
static void test_client_in_bursts(void **state)
{
    (void)state;
    struct fixture f;
    struct client client;
    off_t got = 0;
    begin(&f);
    put_file(&f, "large.bin", "");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/large.bin", f.folder);
    assert_int_equal(truncate(path, LARGE), 0);
    client_open(&f, &client, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; got < LARGE; i++) {
        assert_true(i < 200);
        turn(&f, 20); /* until the socket is full, and then some */
        while (client_read(&client)) {
            got += (off_t)client.in.len;
            buf_clear(&client.in);
        }
    }
    client_close(&client);
    remove_file(&f, "large.bin");
    end(&f);
}

static void test_settings(void **state)
{
    (void)state;
    struct fixture f;
    const char *key = NULL;
    begin(&f);
    const struct {
        const char *key;
        const char *value;
        int err;
    } cases[] = {
        {"edge.head_ms", "100", 0},
        {"edge.head_ms", "1", ERR_FORMAT},
        {"edge.head_ms", "\"100\"", ERR_FORMAT},
        {"limits.connections", "20000", 0},
        {"limits.connections", "0", ERR_FORMAT},
        {"edge.queue_bytes", "1048576", 0},
        {"edge.queue_bytes", "1", ERR_FORMAT},
        {"listen.trusted_proxy", "\"\"", 0},
        {"listen.trusted_proxy", "\"10.0.0.0/8, ::1,2001:db8::/32\"", 0},
        {"listen.trusted_proxy", "\"10.0.0.0/33\"", ERR_FORMAT},
        {"listen.trusted_proxy", "\"proxy.test\"", ERR_FORMAT},
        {"listen.trusted_proxy", "7", ERR_FORMAT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        json_t *settings = json_pack("{s:o}", cases[i].key, value);
        assert_non_null(settings);
        assert_int_equal(edge_set_settings(f.edge, settings, &key), cases[i].err);
        if (cases[i].err)
            assert_string_equal(key, cases[i].key);
        json_decref(settings);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fan_out),  cmocka_unit_test(test_end_in_the_middle),
        cmocka_unit_test(test_page),     cmocka_unit_test(test_client_in_bursts),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
