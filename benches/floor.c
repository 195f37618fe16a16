/* The least that the bridge's work can cost here: replays what it sent (darasa load --schedule) to
 * as many receivers, at the same times and in the same messages, encrypting with AES-128-GCM and
 * sending with GSO, and nothing else. Prints its CPU per packet.
 *
 * usage: bench-floor SCHEDULE SENDER_CORE RECEIVER_CORE */
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/srtp_cipher.h"
#include "load/crowd.h"
#include "os/udp.h"
#include "os/usage.h"

#define BATCH_DATAGRAMS 128
#define BATCH_BYTES ((size_t)BATCH_DATAGRAMS * 1600)
#define MESSAGES_MAX ((size_t)4 * 1000 * 1000)
/* The generator takes what one batch of the bridge sent in several calls, so close together. */
#define SAME_BATCH 200
#define HEADER 20
#define TAG 16
#define RECEIVERS_MAX 2048

struct floor {
    struct crowd_message *messages;
    size_t count;
    struct srtp_engine *engine;
    struct gcm_key *keys[RECEIVERS_MAX];
    struct udp *udp;
    uint16_t port;
    uint64_t packets;
    struct udp_datagram out[BATCH_DATAGRAMS];
    uint8_t bytes[BATCH_BYTES];
    uint8_t plain[2048];
};

static bool pin(const char *core)
{
    uint64_t number;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (slice_to_u64(slice_str(core), CPU_SETSIZE - 1, &number))
        return false;
    CPU_SET(number, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static bool read_schedule(struct floor *f, const char *path)
{
    FILE *file = fopen(path, "rb");
    f->messages = calloc(MESSAGES_MAX, sizeof *f->messages);
    if (!file || !f->messages)
        return false;
    f->count = fread(f->messages, sizeof *f->messages, MESSAGES_MAX, file);
    (void)fclose(file); /* only read */
    for (size_t i = 0; i < f->count; i++)
        if (f->messages[i].guest >= RECEIVERS_MAX || f->messages[i].size < HEADER + TAG ||
            f->messages[i].last < HEADER + TAG || f->messages[i].count > BATCH_DATAGRAMS ||
            f->messages[i].size > 1600)
            return false;
    return f->count > 0;
}

static struct udp *open_socket(void)
{
    const struct address any = address_v4(0, 0, 0, 0, 0);
    struct udp *udp = NULL;
    int fd;
    return udp_open(&any, 0, &fd) == 0 && udp_new(fd, &udp) == 0 ? udp : NULL;
}

/* Takes everything, as the generator does, until it is killed. */
static void receive(struct udp *udp, const char *core)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* if it fails the parent kills us anyway */
    if (!pin(core))
        _exit(1);
    const struct udp_datagram *datagrams;
    struct pollfd wait = {.fd = udp_fd(udp), .events = POLLIN};
    size_t count;
    for (;;) {
        while (udp_receive(udp, &datagrams, &count) == 0)
            ;
        (void)poll(&wait, 1, -1); /* looks again whatever it says */
    }
}

static size_t seal(struct floor *f, const struct crowd_message *m, size_t at,
                   struct udp_datagram *out)
{
    size_t from = at;
    for (unsigned i = 0; i < m->count; i++, f->packets++) {
        size_t size = i + 1 < m->count ? m->size : m->last;
        uint8_t iv[GCM_IV_SIZE] = {0}, *to = f->bytes + at;
        memcpy(iv, &f->packets, sizeof f->packets);
        memcpy(to, f->plain, HEADER);
        const struct slice parts[TEXT_PARTS] = {slice_of(f->plain + HEADER, size - HEADER - TAG)};
        (void)gcm_seal(f->keys[m->guest], iv, slice_of(to, HEADER), parts, to + HEADER);
        at += size;
    }
    unsigned host = m->guest + 1;
    *out = (struct udp_datagram){
        .path = {.local = address_v4(127, 0, 0, 1, 0),
                 .remote = address_v4(127, (uint8_t)(16 + (host >> 16)), (uint8_t)(host >> 8),
                                      (uint8_t)host, f->port)},
        .data = slice_of(f->bytes + from, at - from),
        .segment = m->count > 1 ? m->size : 0};
    return at;
}

/* Sends messages from `i` on that belong together, in chunks as the bridge does; returns the next.
 */
static size_t send_batch(struct floor *f, size_t i)
{
    uint32_t last = f->messages[i].at;
    while (i < f->count && f->messages[i].at - last <= SAME_BATCH) {
        size_t at = 0, count = 0;
        unsigned datagrams = 0;
        for (; i < f->count && f->messages[i].at - last <= SAME_BATCH; i++) {
            const struct crowd_message *m = &f->messages[i];
            if (datagrams + m->count > BATCH_DATAGRAMS)
                break;
            datagrams += m->count;
            last = m->at;
            at = seal(f, m, at, &f->out[count++]);
        }
        if (udp_send(f->udp, f->out, count) < count)
            (void)fputs("bench-floor: the socket was full\n", stderr);
    }
    return i;
}

static void replay(struct floor *f)
{
    usec_t start = clock_monotonic();
    for (size_t i = 0; i < f->count;) {
        usec_t wait = start + f->messages[i].at - clock_monotonic();
        const struct timespec ts = {.tv_sec = wait / USEC_PER_SEC,
                                    .tv_nsec = wait % USEC_PER_SEC * 1000};
        if (wait > 0)
            (void)nanosleep(&ts, NULL); /* woken early it is just early */
        i = send_batch(f, i);
    }
}

int main(int argc, char **argv)
{
    static struct floor f;
    struct udp *sink = open_socket();
    f.udp = open_socket();
    if (argc != 4 || !sink || !f.udp || !read_schedule(&f, argv[1]) || !pin(argv[2]) ||
        srtp_engine_new(SRTP_BEST, &f.engine))
        return 1;
    f.port = udp_local(sink)->port;
    for (size_t i = 0; i < RECEIVERS_MAX; i++) {
        uint8_t key[SRTP_KEY_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8)};
        f.keys[i] = gcm_key_new(f.engine, key);
        if (!f.keys[i])
            return 1;
    }
    pid_t child = fork();
    if (child == 0)
        receive(sink, argv[3]);
    usec_t before = usage_own_cpu();
    replay(&f);
    usec_t cpu = usage_own_cpu() - before;
    (void)kill(child, SIGKILL); /* ours, and not reaped yet */
    (void)waitpid(child, NULL, 0);
    (void)printf("{\"packets\":%" PRIu64 ",\"messages\":%zu,\"cpu_us_per_packet\":%.4f,"
                 "\"drops\":%u}\n",
                 f.packets, f.count, (double)cpu / (double)f.packets, udp_drops(sink));
    return 0;
}
