/* Workers with real sockets on loopback; the clients are transports in the client's role. */
#include "bridge/worker.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bridge/feed.h"
#include "os/tcp.h"
#include "os/udp.h"
#include "proto/framed.h"

#define CLIENTS 8
static const char PASSED[] = "darasa_bridge_passed_to_workers_total";
static const char CLIENT_PWD[] = "client-password-of-24-ch";

struct client {
    char name[16];
    char ufrag[16];
    char server_ufrag[16];
    uint32_t ssrc;
    struct udp *udp; /* NULL: by TCP */
    int tcp;         /* -1: by UDP */
    bool deaf;       /* reads nothing */
    size_t extra;    /* bytes of its packets of sound beyond 60 */
    struct path path;
    struct framed framed;
    struct dtls_context *dtls;
    struct transport *transport;
    usec_t wake;
    uint16_t seq;
    unsigned heard[CLIENTS]; /* RTP per sender, by SSRC - 1000 */
};

struct bench {
    struct loop *loop;
    struct srtp_engine *srtp;
    struct worker *workers[2];
    struct metrics *metrics[2];
    struct address address;
    struct client clients[CLIENTS];
    struct arena *arena;
    unsigned connected; /* notices */
    unsigned quiet;
    unsigned forwarded;
    unsigned named; /* notices of a state while that one's datagram was being worked on */
    int witness;
    struct witness *page;
    bool feed_attached;
};

static void on_state(void *arg, const char *conference, const char *endpoint,
                     enum transport_state state, usec_t rtt)
{
    struct bench *b = arg;
    struct witness_entry entry;
    if (witness_read(b->witness, &entry)) {
        assert_string_equal(entry.where, conference);
        assert_string_equal(entry.who, endpoint);
        b->named++;
    }
    b->connected += state == TRANSPORT_CONNECTED;
    b->quiet += state == TRANSPORT_QUIET;
}

static void on_notice(void *arg, const char *conference, const struct conference_notice *notice)
{
    struct bench *b = arg;
    b->forwarded += notice->type == CONFERENCE_FORWARDED;
}

static void on_feed(void *arg, const char *conference, const char *recording, bool attached)
{
    struct bench *b = arg;
    assert_string_equal(recording, "rec-1");
    b->feed_attached = attached;
}

static void on_peer_lost(void *arg, unsigned peer, int err)
{
    fail_msg("worker %u lost: %s", peer, err_name(err));
}

static void join_workers(struct bench *b)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_link(b->workers[0], 1, pair[0]);
    worker_link(b->workers[1], 0, pair[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    worker_link_streams(b->workers[0], 1, pair[0]);
    worker_link_streams(b->workers[1], 0, pair[1]);
}

/* A port number that is free for UDP and TCP: what the system gives for one may be taken for the
 * other. */
static struct address free_address(void)
{
    for (int i = 0; i < 100; i++) {
        struct address at = address_v4(127, 0, 0, 1, 0);
        int udp, tcp;
        assert_int_equal(udp_open(&at, 0, &udp), 0);
        assert_int_equal(socket_local(udp, &at), 0);
        int err = tcp_listen(&at, true, &tcp);
        close(udp);
        if (err)
            continue;
        close(tcp);
        return at;
    }
    fail_msg("no free port");
    return (struct address){0};
}

static struct bench *bench_new(void)
{
    static struct bench bench;
    struct bench *b = &bench;
    *b = (struct bench){.loop = loop_new(), .arena = arena_new(CONTROL_ARENA_MAX)};
    assert_int_equal(srtp_engine_new(SRTP_BEST, &b->srtp), 0);
    b->address = free_address();
    for (unsigned i = 0; i < CLIENTS; i++)
        b->clients[i].tcp = -1;
    assert_int_equal(witness_create(&b->witness), 0);
    assert_int_equal(witness_map(b->witness, &b->page), 0);
    for (unsigned i = 0; i < 2; i++) {
        int page, fd;
        assert_int_equal(metrics_create("bridge", i, &page), 0);
        assert_int_equal(metrics_map(page, true, &b->metrics[i]), 0);
        close(page);
        const struct worker_config config = {
            .loop = b->loop,
            .metrics = b->metrics[i],
            .witness = b->page,
            .number = i,
            .voices = CLIENTS, /* all talk at once */
            .handler = {on_state, on_notice, on_feed, on_peer_lost, b},
        };
        assert_int_equal(worker_new(&config, &b->workers[i]), 0);
        assert_int_equal(udp_open(&b->address, UDP_SHARE, &fd), 0);
        struct udp *probe;
        assert_int_equal(udp_new(dup(fd), &probe), 0);
        b->address = *udp_local(probe);
        udp_free(&probe);
        assert_int_equal(worker_add_socket(b->workers[i], fd), 0);
        assert_int_equal(tcp_listen(&b->address, true, &fd), 0);
        assert_int_equal(worker_add_listener(b->workers[i], fd), 0);
    }
    join_workers(b);
    return b;
}

static void bench_free(struct bench *b)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        transport_free(&b->clients[i].transport);
        dtls_context_free(&b->clients[i].dtls);
        udp_free(&b->clients[i].udp);
        if (b->clients[i].tcp >= 0)
            close(b->clients[i].tcp);
    }
    for (size_t i = 0; i < 2; i++) {
        worker_free(&b->workers[i]);
        metrics_unmap(&b->metrics[i]);
    }
    witness_unmap(&b->page);
    close(b->witness);
    srtp_engine_free(&b->srtp);
    arena_free(&b->arena);
    loop_free(&b->loop);
}

static int apply(struct bench *b, size_t worker, uint16_t type, const char *json)
{
    struct control_message message;
    arena_reset(b->arena);
    int err = control_parse(type, slice_str(json), b->arena, &message);
    return err ? err : worker_apply(b->workers[worker], &message);
}

static void announce(struct bench *b, size_t worker, const struct client *c)
{
    char json[1024];
    (void)snprintf(
        json, sizeof json,
        "{\"conference\":\"c%zu\",\"endpoint\":\"%s\",\"ice\":{\"session\":\"s\",\"ufrag\":\"%s\","
        "\"pwd\":\"server-password-of-24-ch\",\"remote_ufrag\":\"%s\",\"remote_pwd\":"
        "\"%s\"},\"fingerprint\":{\"hash\":\"sha-256\",\"value\":\"%s\"},\"sources\":"
        "[{\"name\":\"%s-a0\",\"kind\":\"audio\",\"ssrcs\":[%u]}]}",
        worker, c->name, c->server_ufrag, c->ufrag, CLIENT_PWD, dtls_context_fingerprint(c->dtls),
        c->name, (unsigned)c->ssrc);
    assert_int_equal(apply(b, worker, CONTROL_ENDPOINT, json), 0);
}

static void client_open(struct bench *b, struct client *c)
{
    struct address any = address_v4(127, 0, 0, 1, 0);
    int fd;
    udp_free(&c->udp);
    assert_int_equal(udp_open(&any, 0, &fd), 0);
    assert_int_equal(udp_new(fd, &c->udp), 0);
    c->path = (struct path){*udp_local(c->udp), b->address};
}

static int connect_to(const struct address *to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void client_open_tcp(struct bench *b, struct client *c)
{
    if (c->tcp >= 0)
        close(c->tcp);
    c->framed.len = 0;
    c->tcp = connect_to(&b->address);
    c->path = (struct path){.remote = b->address};
    assert_int_equal(socket_local(c->tcp, &c->path.local), 0);
}

static void client_enter(struct bench *b, size_t worker, unsigned number, bool tcp)
{
    struct client *c = &b->clients[number];
    (void)snprintf(c->name, sizeof c->name, "%08x", number + 1);
    (void)snprintf(c->ufrag, sizeof c->ufrag, "clnt%u", number);
    (void)snprintf(c->server_ufrag, sizeof c->server_ufrag, "%zusrv%u", worker, number);
    c->ssrc = 1000 + number;
    if (tcp)
        client_open_tcp(b, c);
    else
        client_open(b, c);
    assert_int_equal(dtls_context_new(&c->dtls), 0);
    const struct transport_config config = {
        .dtls = c->dtls,
        .srtp = b->srtp,
        .ufrag = slice_str(c->ufrag),
        .pwd = slice_str(CLIENT_PWD),
        .client = true,
        .tie_breaker = number,
        .seed = number,
    };
    assert_int_equal(transport_new(&config, &c->transport), 0);
    const char *fingerprint = worker_fingerprint(b->workers[worker]);
    assert_int_equal(
        transport_set_fingerprint(c->transport, SLICE("sha-256"), slice_str(fingerprint)), 0);
    announce(b, worker, c);
    usec_t now = clock_monotonic();
    assert_int_equal(transport_set_remote(c->transport, now, slice_str(c->server_ufrag),
                                          SLICE("server-password-of-24-ch")),
                     0);
    assert_int_equal(transport_add_remote(c->transport, now, &c->path), 0);
}

static void client_join(struct bench *b, size_t worker, unsigned number)
{
    client_enter(b, worker, number, false);
}

static void client_send(struct client *c, const struct path *path, struct slice bytes)
{
    if (c->tcp >= 0) {
        uint8_t frame[FRAMED_PREFIX + FRAMED_MAX];
        store_u16(frame, (uint16_t)bytes.len);
        memcpy(frame + FRAMED_PREFIX, bytes.data, bytes.len);
        ssize_t len = (ssize_t)(FRAMED_PREFIX + bytes.len);
        assert_int_equal(send(c->tcp, frame, (size_t)len, MSG_NOSIGNAL), len);
        return;
    }
    const struct udp_datagram out = {.path = *path, .data = bytes};
    assert_int_equal(udp_send(c->udp, &out, 1), 1);
}

static void client_input(struct client *c, usec_t now, const struct path *path, uint8_t *data,
                         size_t len)
{
    struct transport_media media;
    int err = transport_input(c->transport, now, path, data, len, &media);
    if (err == 0 && media.kind == TRANSPORT_RTP)
        c->heard[load_u32(media.packet.data + 8) - 1000]++;
}

static void client_read_tcp(struct client *c, usec_t now)
{
    uint8_t bytes[4096], *data;
    size_t len;
    ssize_t got;
    while (!c->deaf && (got = recv(c->tcp, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        struct slice input = slice_of(bytes, (size_t)got);
        while (framed_next(&c->framed, &input, &data, &len) == 0)
            client_input(c, now, &c->path, data, len);
        assert_int_equal(input.len, 0);
    }
}

static void client_pump(struct client *c)
{
    if (!c->transport)
        return;
    usec_t now = clock_monotonic();
    const struct udp_datagram *in;
    size_t count;
    if (c->tcp >= 0)
        client_read_tcp(c, now);
    while (c->udp && udp_receive(c->udp, &in, &count) == 0)
        for (size_t i = 0; i < count; i++)
            client_input(c, now, &in[i].path, (uint8_t *)(uintptr_t)in[i].data.data,
                         in[i].data.len);
    (void)transport_tick(c->transport, now); /* the loop below never sleeps long */
    struct path path;
    struct slice bytes;
    while (transport_poll(c->transport, &path, &bytes))
        client_send(c, &path, bytes);
}

static void run(struct bench *b, usec_t time)
{
    usec_t end = clock_monotonic() + time;
    while (clock_monotonic() < end) {
        for (size_t i = 0; i < CLIENTS; i++)
            client_pump(&b->clients[i]);
        assert_int_equal(loop_turn(b->loop, 5 * USEC_PER_MSEC), 0);
    }
}

static void client_talk(struct client *c)
{
    struct path path;
    struct srtp *srtp;
    assert_true(transport_ready(c->transport, &path, &srtp));
    uint8_t packet[20 + 1060] = {0x90, 111}, out[1200];
    memcpy(packet + 12, "\xbe\xde\0\1\x10\x90\0\0", 8); /* audio level: loud */
    store_u16(packet + 2, c->seq);
    store_u32(packet + 4, (uint32_t)c->seq++ * 960);
    store_u32(packet + 8, c->ssrc);
    struct srtp_job job = {.srtp = srtp, .out = out, .out_size = sizeof out};
    job.clear = slice_of(packet, 20);
    job.body = slice_of(packet + 20, 60 + c->extra);
    srtp_protect(&job, 1);
    assert_int_equal(job.err, 0);
    client_send(c, &path, slice_of(out, job.out_len));
}

/* Whether the clients know it too: the bridge's last flight may still be on its way. */
static bool all_ready(const struct bench *b)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        struct path path;
        struct srtp *srtp;
        if (b->clients[i].transport && !transport_ready(b->clients[i].transport, &path, &srtp))
            return false;
    }
    return true;
}

static void wait_connected(struct bench *b, unsigned want)
{
    for (int i = 0; i < 200 && (b->connected < want || !all_ready(b)); i++)
        run(b, 50 * USEC_PER_MSEC);
    assert_true(b->connected >= want); /* more: the round trip time changed */
    assert_true(all_ready(b));
}

static uint64_t counter(struct bench *b, size_t worker, const char *name)
{
    return *metrics_counter(b->metrics[worker], name);
}

/* Eight clients of worker 0: the kernel gives about half of them to worker 1's socket. */
static void datagrams_find_their_worker_and_sound_everybody(void **state)
{
    struct bench *b = bench_new();
    assert_int_equal(apply(b, 0, CONTROL_CONFERENCE, "{\"conference\":\"c0\",\"record\":null}"), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_join(b, 0, i);
    wait_connected(b, CLIENTS);
    for (int i = 0; i < 20; i++) {
        client_talk(&b->clients[0]);
        client_talk(&b->clients[1]);
        run(b, 20 * USEC_PER_MSEC);
    }
    run(b, 200 * USEC_PER_MSEC);
    assert_int_equal(b->clients[0].heard[0], 0); /* nobody hears himself */
    assert_in_range(b->clients[0].heard[1], 19, 20);
    for (unsigned i = 1; i < CLIENTS; i++)
        assert_in_range(b->clients[i].heard[0], 19, 20);
    /* Which worker's socket gets a client's datagrams is the kernel's choice, by their port. */
    for (int moves = 0; moves < 32 && counter(b, 1, PASSED) == 0; moves++) {
        client_open(b, &b->clients[0]);
        client_talk(&b->clients[0]);
        run(b, 50 * USEC_PER_MSEC);
    }
    assert_true(counter(b, 1, PASSED) > 0);
    assert_int_equal(counter(b, 1, PASSED),
                     counter(b, 0, "darasa_bridge_taken_from_workers_total"));
    assert_true(counter(b, 0, "darasa_bridge_datagrams_sent_total") > 140);
    bench_free(b);
}

static void the_witness_names_whose_datagram_it_is(void **state)
{
    struct bench *b = bench_new();
    struct witness_entry entry;
    for (unsigned i = 0; i < 4; i++)
        client_join(b, i % 2, i);
    wait_connected(b, 4);
    assert_true(b->named >= 4);
    assert_false(witness_read(b->witness, &entry));
    bench_free(b);
}

static void a_new_link_is_told_at_once_whose_paths_are_whose(void **state)
{
    struct bench *b = bench_new();
    for (unsigned i = 0; i < CLIENTS; i++)
        client_join(b, 0, i);
    wait_connected(b, CLIENTS);
    join_workers(b); /* as after one of them was replaced: it knows nothing */
    run(b, 20 * USEC_PER_MSEC);
    for (int i = 0; i < 10; i++) {
        for (unsigned k = 0; k < CLIENTS; k++)
            client_talk(&b->clients[k]);
        run(b, 20 * USEC_PER_MSEC);
    }
    run(b, 100 * USEC_PER_MSEC);
    for (unsigned k = 1; k < CLIENTS; k++)
        assert_in_range(b->clients[0].heard[k], 9, 10);
    bench_free(b);
}

/* Its NAT forgets it six times: the kernel gives each new port to either worker's socket. */
static void a_client_moves_and_is_heard_on(void **state)
{
    struct bench *b = bench_new();
    client_join(b, 0, 0);
    client_join(b, 0, 1);
    wait_connected(b, 2);
    for (int move = 0; move < 6; move++) {
        client_open(b, &b->clients[0]);
        unsigned before = b->clients[1].heard[0], back = b->clients[0].heard[1];
        for (int i = 0; i < 40; i++) {
            client_talk(&b->clients[0]);
            client_talk(&b->clients[1]);
            run(b, 20 * USEC_PER_MSEC);
        }
        run(b, 100 * USEC_PER_MSEC);
        /* What he says is never lost; what he hears is back after a check and its answer. */
        assert_in_range(b->clients[1].heard[0] - before, 38, 40);
        assert_in_range(b->clients[0].heard[1] - back, 30, 40);
        run(b, USEC_PER_SEC); /* or the choice would be held for the old path's late packets */
    }
    bench_free(b);
}

/* Another network and other credentials, again and again; a restart is no new session. */
static void other_credentials_in_the_same_session_restart_ice(void **state)
{
    struct bench *b = bench_new();
    struct client *c = &b->clients[0];
    client_join(b, 0, 0);
    client_join(b, 0, 1);
    wait_connected(b, 2);
    for (int restart = 0; restart < 3; restart++) {
        (void)snprintf(c->ufrag, sizeof c->ufrag, "agn%d", restart);
        (void)snprintf(c->server_ufrag, sizeof c->server_ufrag, "0again%d", restart);
        client_open(b, c);
        announce(b, 0, c);
        usec_t now = clock_monotonic();
        assert_int_equal(
            transport_restart(c->transport, slice_str(c->ufrag), slice_str(CLIENT_PWD)), 0);
        assert_int_equal(transport_set_remote(c->transport, now, slice_str(c->server_ufrag),
                                              SLICE("server-password-of-24-ch")),
                         0);
        assert_int_equal(transport_add_remote(c->transport, now, &c->path), 0);
        unsigned before = b->clients[1].heard[0], back = c->heard[1];
        for (int i = 0; i < 40; i++) {
            client_talk(c);
            client_talk(&b->clients[1]);
            run(b, 20 * USEC_PER_MSEC);
        }
        run(b, 100 * USEC_PER_MSEC);
        assert_in_range(b->clients[1].heard[0] - before, 38, 40);
        assert_in_range(c->heard[1] - back, 30, 40);
        assert_false(transport_over(c->transport));
    }
    assert_int_equal(counter(b, 0, "darasa_bridge_refused_total{reason=\"unknown ufrag\"}"), 0);
    memcpy(b->clients[1].server_ufrag, c->server_ufrag, sizeof c->server_ufrag);
    char json[256];
    (void)snprintf(
        json, sizeof json,
        "{\"conference\":\"c0\",\"endpoint\":\"%s\",\"ice\":{\"session\":\"s\",\"ufrag\":"
        "\"%s\",\"pwd\":\"server-password-of-24-ch\"},\"sources\":[]}",
        b->clients[1].name, c->server_ufrag);
    assert_int_equal(apply(b, 0, CONTROL_ENDPOINT, json), ERR_FORMAT); /* another's */
    bench_free(b);
}

static void what_signal_no_longer_mentions_goes(void **state)
{
    struct bench *b = bench_new();
    client_join(b, 0, 0);
    client_join(b, 0, 1);
    wait_connected(b, 2);
    worker_sync(b->workers[0]);
    announce(b, 0, &b->clients[1]);
    assert_int_equal(apply(b, 0, CONTROL_SYNC_DONE, "{}"), 0);
    run(b, 200 * USEC_PER_MSEC);
    assert_true(transport_over(b->clients[0].transport)); /* it was told */
    assert_false(transport_over(b->clients[1].transport));
    assert_int_equal(
        apply(b, 0, CONTROL_ENDPOINT_GONE, "{\"conference\":\"c0\",\"endpoint\":\"00000001\"}"),
        ERR_NOT_FOUND);
    unsigned connected = b->connected;
    worker_renotify(b->workers[0]);
    assert_int_equal(b->connected, connected + 1);
    assert_int_equal(apply(b, 0, CONTROL_CONFERENCE_GONE, "{\"conference\":\"c0\"}"), 0);
    run(b, 200 * USEC_PER_MSEC);
    assert_true(transport_over(b->clients[1].transport));
    bench_free(b);
}

static void bad_orders_leave_nothing_behind(void **state)
{
    struct bench *b = bench_new();
    const char *json = "{\"conference\":\"c0\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"0abc\","
                       "\"pwd\":\"too short\"}}";
    assert_int_equal(apply(b, 0, CONTROL_ENDPOINT, json), ERR_FORMAT);
    json = "{\"conference\":\"c0\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"0abc\",\"pwd\":"
           "\"server-password-of-24-ch\"},\"fingerprint\":{\"hash\":\"md5\",\"value\":\"00\"}}";
    assert_true(apply(b, 0, CONTROL_ENDPOINT, json) < 0);
    assert_int_equal(
        apply(b, 0, CONTROL_ENDPOINT_GONE, "{\"conference\":\"c0\",\"endpoint\":\"e\"}"),
        ERR_NOT_FOUND);
    client_join(b, 0, 0);
    wait_connected(b, 1);
    bench_free(b);
}

static void a_recording_is_fed(void **state)
{
    struct bench *b = bench_new();
    int pair[2];
    uint8_t bytes[4096];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_feed(b->workers[0], "rec-1", pair[0]);
    assert_int_equal(
        apply(b, 0, CONTROL_CONFERENCE,
              "{\"conference\":\"c0\",\"record\":{\"recording\":\"rec-1\",\"scope\":\"all\"}}"),
        0);
    assert_int_equal(write(pair[1], "\0\0\0", 3), 3);
    run(b, 50 * USEC_PER_MSEC);
    assert_false(b->feed_attached);
    assert_int_equal(write(pair[1], "\0\0\0\0\0", 5), 5);
    run(b, 50 * USEC_PER_MSEC);
    assert_true(b->feed_attached);
    ssize_t n = read(pair[1], bytes, sizeof bytes);
    assert_true(n > (ssize_t)FEED_HEAD_SIZE);
    assert_memory_equal(bytes, "\xda\x5a\x01\x01", 4); /* BEGIN */
    close(pair[1]);
    run(b, 50 * USEC_PER_MSEC);
    assert_false(b->feed_attached);

    /* The recorder comes back with what it has, and gets the end. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_feed(b->workers[0], "rec-1", pair[0]);
    uint8_t held[8] = {(uint8_t)n, (uint8_t)(n >> 8)};
    assert_int_equal(write(pair[1], held, 8), 8);
    run(b, 50 * USEC_PER_MSEC);
    assert_true(b->feed_attached);
    assert_int_equal(apply(b, 0, CONTROL_CONFERENCE, "{\"conference\":\"c0\",\"record\":null}"), 0);
    run(b, 50 * USEC_PER_MSEC);
    n = read(pair[1], bytes, sizeof bytes);
    assert_true(n >= (ssize_t)FEED_HEAD_SIZE);
    assert_int_equal(bytes[3], FEED_END);
    assert_int_equal(read(pair[1], bytes, sizeof bytes), 0); /* closed behind it */
    close(pair[1]);
    bench_free(b);
}

static uint64_t ended(struct bench *b, size_t worker, const char *reason)
{
    char name[METRICS_NAME_MAX];
    (void)snprintf(name, sizeof name, "darasa_bridge_tcp_ended_total{reason=\"%s\"}", reason);
    return counter(b, worker, name);
}

/* Seven over TCP, about half of whose connections reach worker 1 first, and one over UDP. */
static void connections_find_their_worker_and_sound_everybody(void **state)
{
    struct bench *b = bench_new();
    for (unsigned i = 0; i < CLIENTS; i++)
        client_enter(b, 0, i, i > 0);
    wait_connected(b, CLIENTS);
    for (int i = 0; i < 20; i++) {
        client_talk(&b->clients[0]);
        client_talk(&b->clients[1]);
        run(b, 20 * USEC_PER_MSEC);
    }
    run(b, 200 * USEC_PER_MSEC);
    assert_in_range(b->clients[0].heard[1], 19, 20);
    for (unsigned i = 1; i < CLIENTS; i++)
        assert_in_range(b->clients[i].heard[0], 19, 20);
    assert_int_equal(counter(b, 0, "darasa_bridge_tcp_connections"), CLIENTS - 1);
    assert_int_equal(counter(b, 1, "darasa_bridge_tcp_connections"), 0);
    assert_true(ended(b, 1, "other worker") > 0); /* but for one run in 2^7 */
    bench_free(b);
}

static void a_client_connects_again_and_is_heard_on(void **state)
{
    struct bench *b = bench_new();
    client_enter(b, 0, 0, true);
    client_enter(b, 0, 1, true);
    wait_connected(b, 2);
    client_open_tcp(b, &b->clients[0]);
    assert_int_equal(
        transport_add_remote(b->clients[0].transport, clock_monotonic(), &b->clients[0].path), 0);
    run(b, 300 * USEC_PER_MSEC);
    for (int i = 0; i < 20; i++) {
        client_talk(&b->clients[0]);
        client_talk(&b->clients[1]);
        run(b, 20 * USEC_PER_MSEC);
    }
    run(b, 100 * USEC_PER_MSEC);
    assert_in_range(b->clients[1].heard[0], 19, 20);
    assert_in_range(b->clients[0].heard[1], 19, 20);
    assert_int_equal(counter(b, 0, "darasa_bridge_tcp_connections"), 2);
    bench_free(b);
}

static void who_does_not_read_loses_what_is_late_and_holds_up_nobody(void **state)
{
    struct bench *b = bench_new();
    for (unsigned i = 0; i < 3; i++)
        client_enter(b, 0, i, i > 0);
    wait_connected(b, 3);
    b->clients[1].deaf = true;
    b->clients[0].extra = 1000;
    for (int i = 0; i < 150; i++) {
        client_talk(&b->clients[0]);
        if (i % 15 == 0)
            run(b, 10 * USEC_PER_MSEC);
    }
    run(b, 200 * USEC_PER_MSEC);
    assert_true(counter(b, 0, "darasa_bridge_tcp_dropped_total{kind=\"audio\"}") > 0);
    assert_int_equal(counter(b, 0, "darasa_bridge_tcp_dropped_total{kind=\"control\"}"), 0);
    assert_int_equal(b->clients[2].heard[0], 150);
    b->clients[1].deaf = false;
    b->clients[0].extra = 0;
    run(b, 500 * USEC_PER_MSEC);
    unsigned before = b->clients[1].heard[0];
    for (int i = 0; i < 20; i++) {
        client_talk(&b->clients[0]);
        run(b, 5 * USEC_PER_MSEC);
    }
    run(b, 200 * USEC_PER_MSEC);
    assert_int_equal(b->clients[1].heard[0] - before, 20);
    bench_free(b);
}

static void silent_and_senseless_connections_keep_nobody_out(void **state)
{
    enum { SILENT = 600 };
    static int fds[SILENT];
    const struct rlimit room = {4 * SILENT, 4 * SILENT};
    struct bench *b = bench_new();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &room), 0);
    for (size_t i = 0; i < SILENT; i++) {
        fds[i] = connect_to(&b->address);
        if (i % 16 == 0)
            run(b, USEC_PER_MSEC);
    }
    uint64_t accepted = 0;
    for (int i = 0; i < 200 && accepted < SILENT; i++) {
        run(b, 10 * USEC_PER_MSEC);
        accepted = counter(b, 0, "darasa_bridge_tcp_accepted_total") +
                   counter(b, 1, "darasa_bridge_tcp_accepted_total");
    }
    assert_int_equal(accepted, SILENT);
    assert_in_range(ended(b, 0, "made room") + ended(b, 1, "made room"), SILENT - 512, SILENT);
    assert_int_equal(send(fds[SILENT - 1], "\xff\xff", 2, 0), 2);
    assert_int_equal(send(fds[SILENT - 2], "\0\4abcd", 6, 0), 6);
    client_enter(b, 0, 0, true);
    wait_connected(b, 1);
    assert_int_equal(ended(b, 0, "malformed") + ended(b, 1, "malformed"), 1);
    assert_int_equal(ended(b, 0, "no endpoint") + ended(b, 1, "no endpoint"), 1);
    for (int i = 0; i < 100 && ended(b, 0, "silent") == 0; i++)
        run(b, 100 * USEC_PER_MSEC);
    assert_true(ended(b, 0, "silent") > 0);
    assert_int_equal(counter(b, 0, "darasa_bridge_tcp_connections"), 1);
    for (size_t i = 0; i < SILENT; i++)
        close(fds[i]);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_find_their_worker_and_sound_everybody),
        cmocka_unit_test(the_witness_names_whose_datagram_it_is),
        cmocka_unit_test(a_new_link_is_told_at_once_whose_paths_are_whose),
        cmocka_unit_test(a_client_moves_and_is_heard_on),
        cmocka_unit_test(connections_find_their_worker_and_sound_everybody),
        cmocka_unit_test(a_client_connects_again_and_is_heard_on),
        cmocka_unit_test(who_does_not_read_loses_what_is_late_and_holds_up_nobody),
        cmocka_unit_test(silent_and_senseless_connections_keep_nobody_out),
        cmocka_unit_test(other_credentials_in_the_same_session_restart_ice),
        cmocka_unit_test(what_signal_no_longer_mentions_goes),
        cmocka_unit_test(bad_orders_leave_nothing_behind),
        cmocka_unit_test(a_recording_is_fed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
