/* One who means ill, for tests of the bridge: siege PORT KIND RATE SECONDS
 *   noise    bytes that are nothing, from 64 ports
 *   checks   connectivity checks with a wrong password, from 64 ports
 *   hello    clients that begin a DTLS handshake and leave it there
 *   media    a client whose sound comes at that rate (packets a second)
 *   replay   a client who sends one packet of sound again and again
 * Writes its fingerprint, then reads who it is, a line for each client: the bridge's ufrag and
 * password, its own, and an SSRC, and at the end a line with the bridge's fingerprint. When the
 * attack begins it writes "begins", and at the end what came of it. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bridge/transport.h"
#include "crypto/random.h"
#include "os/loop.h"

#define CLIENTS_MAX 1000
#define PORTS 64
#define BATCH 32
#define PACKET_MAX 1300
#define PATIENCE (30 * USEC_PER_SEC)

struct client {
    int fd;
    char ufrag[32], pwd[64], own_ufrag[32], own_pwd[64];
    unsigned ssrc;
    struct path path;
    struct transport *transport;
    unsigned hellos; /* datagrams of DTLS that left */
};

struct siege {
    struct address bridge;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    struct client clients[CLIENTS_MAX];
    size_t count;
    bool half; /* only the first datagram of DTLS leaves */
    uint8_t packets[BATCH][PACKET_MAX];
    size_t lens[BATCH];
    uint16_t sequence;
    uint64_t sent, refused;
};

static void fail(const char *what)
{
    fprintf(stderr, "siege: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_port(const struct address *to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof name) < 0)
        fail("socket");
    return fd;
}

static struct address local_of(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        fail("getsockname");
    return address_v4(127, 0, 0, 1, ntohs(name.sin_port));
}

static void client_start(struct siege *s, struct client *c, const char *fingerprint)
{
    const struct transport_config config = {
        .dtls = s->dtls,
        .srtp = s->srtp,
        .ufrag = slice_str(c->own_ufrag),
        .pwd = slice_str(c->own_pwd),
        .client = true,
        .tie_breaker = c->ssrc,
        .seed = c->ssrc,
    };
    c->fd = open_port(&s->bridge);
    c->path = (struct path){local_of(c->fd), s->bridge};
    if (transport_new(&config, &c->transport) ||
        transport_set_fingerprint(c->transport, SLICE("sha-256"), slice_str(fingerprint)) ||
        transport_set_remote(c->transport, clock_monotonic(), slice_str(c->ufrag),
                             slice_str(c->pwd)) ||
        transport_add_remote(c->transport, clock_monotonic(), &c->path))
        fail("client");
}

static void client_pump(struct siege *s, struct client *c)
{
    uint8_t bytes[2048];
    ssize_t len;
    struct transport_media media;
    usec_t now = clock_monotonic();
    while ((len = recv(c->fd, bytes, sizeof bytes, 0)) > 0) {
        int err = transport_input(c->transport, now, &c->path, bytes, (size_t)len, &media);
        (void)err; /* others' media, which he does not want */
    }
    (void)transport_tick(c->transport, now);
    struct path path;
    struct slice out;
    while (transport_poll(c->transport, &path, &out)) {
        bool dtls = out.data[0] >= 20 && out.data[0] < 64;
        c->hellos += dtls;
        if (s->half && dtls && c->hellos > 1)
            continue;
        (void)send(c->fd, out.data, out.len, 0);
    }
}

static bool all_there(const struct siege *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct client *c = &s->clients[i];
        if (s->half ? c->hellos == 0
                    : transport_state(c->transport, clock_monotonic()) != TRANSPORT_CONNECTED)
            return false;
    }
    return true;
}

static void pump_until(struct siege *s, usec_t end, bool there)
{
    while (clock_monotonic() < end && !(there && all_there(s))) {
        for (size_t i = 0; i < s->count; i++)
            client_pump(s, &s->clients[i]);
        (void)poll(NULL, 0, 2);
    }
    if (there && !all_there(s)) {
        fprintf(stderr, "siege: not all came so far\n");
        exit(1);
    }
}

static void make_noise(struct siege *s)
{
    for (size_t i = 0; i < BATCH; i++) {
        random_bytes(s->packets[i], PACKET_MAX);
        s->lens[i] = 20 + (size_t)s->packets[i][0] * 4;
        random_bytes(s->packets[i], 1);
    }
}

static void make_checks(struct siege *s)
{
    struct client *c = &s->clients[0];
    struct path path;
    struct slice out;
    usec_t end = clock_monotonic() + PATIENCE;
    do {
        if (clock_monotonic() > end)
            fail("no check");
        (void)poll(NULL, 0, 1);
        (void)transport_tick(c->transport, clock_monotonic());
    } while (!transport_poll(c->transport, &path, &out));
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(s->packets[i], out.data, out.len);
        s->lens[i] = out.len;
    }
}

/* New packets of sound each time. */
static void make_media(struct siege *s)
{
    struct client *c = &s->clients[0];
    struct srtp_job jobs[BATCH];
    uint8_t headers[BATCH][12], body[160] = {0};
    struct path path;
    struct srtp *srtp;
    if (!transport_ready(c->transport, &path, &srtp))
        fail("the session ended");
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(headers[i], (uint8_t[12]){0x80, 111}, 12);
        store_u16(headers[i] + 2, s->sequence);
        store_u32(headers[i] + 4, s->sequence++ * 960U);
        store_u32(headers[i] + 8, c->ssrc);
        jobs[i] = (struct srtp_job){.srtp = srtp,
                                    .clear = slice_of(headers[i], 12),
                                    .body = slice_of(body, sizeof body),
                                    .out = s->packets[i],
                                    .out_size = PACKET_MAX};
    }
    srtp_protect(jobs, BATCH);
    for (size_t i = 0; i < BATCH; i++)
        s->lens[i] = jobs[i].err ? 0 : jobs[i].out_len;
}

static void make_replay(struct siege *s)
{
    make_media(s);
    for (size_t i = 1; i < BATCH; i++) {
        memcpy(s->packets[i], s->packets[0], s->lens[0]);
        s->lens[i] = s->lens[0];
    }
}

static void send_batch(struct siege *s, int fd)
{
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){s->packets[i], s->lens[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int sent = sendmmsg(fd, messages, BATCH, 0);
    s->sent += sent > 0 ? (uint64_t)sent : 0;
    s->refused += sent < BATCH ? (uint64_t)(BATCH - (sent > 0 ? sent : 0)) : 0;
}

/* As many batches as are due; with `fresh` each is made anew. */
static void attack(struct siege *s, const int *ports, size_t port_count, double rate, usec_t time,
                   bool fresh)
{
    usec_t began = clock_monotonic(), now;
    uint64_t batches = 0;
    while ((now = clock_monotonic()) - began < time) {
        uint64_t due = (uint64_t)((double)(now - began) * rate / 1e6 / BATCH);
        for (; batches < due; batches++) {
            if (fresh)
                make_media(s);
            send_batch(s, ports[batches % port_count]);
        }
        for (size_t i = 0; i < s->count; i++)
            client_pump(s, &s->clients[i]);
        (void)poll(NULL, 0, 1);
    }
}

/* The next word of the line, cut off. */
static const char *word(char **line)
{
    const char *found = strsep(line, " \n");
    if (!found)
        fail("too few words");
    return found;
}

static void copy(char *to, size_t size, const char *from)
{
    if ((size_t)snprintf(to, size, "%s", from) >= size)
        fail("too long a word");
}

static void read_clients(struct siege *s)
{
    char line[512];
    while (fgets(line, sizeof line, stdin) && strchr(line, ' ')) {
        if (s->count == CLIENTS_MAX)
            fail("too many clients");
        struct client *c = &s->clients[s->count++];
        char *rest = line;
        copy(c->ufrag, sizeof c->ufrag, word(&rest));
        copy(c->pwd, sizeof c->pwd, word(&rest));
        copy(c->own_ufrag, sizeof c->own_ufrag, word(&rest));
        copy(c->own_pwd, sizeof c->own_pwd, word(&rest));
        c->ssrc = (unsigned)strtoul(word(&rest), NULL, 10);
    }
    line[strcspn(line, "\n")] = 0;
    for (size_t i = 0; i < s->count; i++)
        client_start(s, &s->clients[i], line);
}

int main(int argc, char **argv)
{
    static struct siege s;
    int ports[PORTS];
    if (argc != 5) {
        fprintf(stderr, "usage: siege PORT KIND RATE SECONDS\n");
        return 2;
    }
    const char *kind = argv[2];
    double rate = strtod(argv[3], NULL);
    usec_t time = (usec_t)(strtod(argv[4], NULL) * 1e6);
    struct rlimit files = {4096, 4096};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || dtls_context_new(&s.dtls) ||
        srtp_engine_new(SRTP_BEST, &s.srtp))
        fail("start");
    s.bridge = address_v4(127, 0, 0, 1, (uint16_t)strtoul(argv[1], NULL, 10));
    s.half = strcmp(kind, "hello") == 0;
    bool media = strcmp(kind, "media") == 0, replay = strcmp(kind, "replay") == 0;
    bool strange = !s.half && !media && !replay;
    printf("%s\n", dtls_context_fingerprint(s.dtls));
    (void)fflush(stdout);
    read_clients(&s);
    if (!strange)
        pump_until(&s, clock_monotonic() + PATIENCE, true);
    if (strcmp(kind, "noise") == 0)
        make_noise(&s);
    else if (strcmp(kind, "checks") == 0)
        make_checks(&s);
    else if (replay)
        make_replay(&s);
    printf("begins\n");
    (void)fflush(stdout);
    if (s.half) {
        pump_until(&s, clock_monotonic() + time, false);
    } else {
        for (size_t i = 0; i < PORTS; i++)
            ports[i] = strange ? open_port(&s.bridge) : s.clients[0].fd;
        if (strange)
            s.count = 0; /* who is known by no check */
        attack(&s, ports, PORTS, rate, time, media);
    }
    printf("{\"sent\": %llu, \"refused\": %llu}\n", (unsigned long long)s.sent,
           (unsigned long long)s.refused);
    return 0;
}
