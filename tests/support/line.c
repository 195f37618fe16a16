/* A line between two network interfaces with delay, jitter, loss, a rate and a drop-tail queue, for
 * kernels without netem: line IF_A IF_B [ip], then one line of text on standard input for every
 * change:
 *   delay_ms jitter_ms loss_percent rate_kbps queue_ms
 * once for both ways, or from A to B and then from B to A. An empty line asks how long a packet
 * would wait in the two queues now: "ms ms" on standard output.
 * Ends with standard input. Interfaces must not offload checksums or segmentation. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pipe.h"

struct end {
    int fd;
    struct pipe out; /* what arrived here and leaves at the other end */
};

static usec_t now_usec(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int open_end(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    address.sll_ifindex = (int)if_nametoindex(name);
    struct packet_mreq all = {.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    int room = 4 * 1024 * 1024, ignore = 1;
    if (fd < 0 || address.sll_ifindex == 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof ignore) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) {
        fprintf(stderr, "line: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

static void take(struct end *end, usec_t now)
{
    uint8_t frame[PIPE_PACKET_MAX + 1];
    for (int i = 0; i < 256; i++) {
        ssize_t len = recv(end->fd, frame, sizeof frame, MSG_TRUNC);
        if (len <= 0)
            return;
        if (len > PIPE_PACKET_MAX) {
            fprintf(stderr, "line: a frame of %zd bytes: offloading is on\n", len);
            exit(1);
        }
        pipe_send(&end->out, now, slice_of(frame, (size_t)len), false);
    }
}

static void give(struct end *from, struct end *to, usec_t now)
{
    struct pipe_packet *packet;
    while ((packet = pipe_receive(&from->out, now)) != NULL) {
        (void)!send(to->fd, packet->bytes, packet->len, 0); /* a full card loses it, as cards do */
        free(packet);
    }
}

/* The five numbers of one way; false: there are none. */
static bool read_shape(char **at, struct pipe_shape *ret_shape)
{
    double values[5];
    for (int i = 0; i < 5; i++) {
        char *end;
        values[i] = strtod(*at, &end);
        if (end == *at)
            return false;
        *at = end;
    }
    *ret_shape = (struct pipe_shape){
        .delay = (usec_t)(values[0] * 1000),
        .jitter = (usec_t)(values[1] * 1000),
        .loss = values[2] / 100,
        .rate_bps = (uint64_t)(values[3] * 1000),
        .queue = (usec_t)(values[4] * 1000),
    };
    return true;
}

static void obey(struct end *a, struct end *b, char *text, usec_t now)
{
    char *at = text;
    if (!read_shape(&at, &a->out.shape)) {
        printf("%.1f %.1f\n", (double)bottleneck_wait(&a->out.own, now) / 1000,
               (double)bottleneck_wait(&b->out.own, now) / 1000);
        (void)fflush(stdout);
    } else if (!read_shape(&at, &b->out.shape)) {
        b->out.shape = a->out.shape;
    }
}

static int wait_ms(const struct end *a, const struct end *b, usec_t now)
{
    usec_t next = now + 50 * USEC_PER_MSEC;
    if (a->out.count > 0)
        next = usec_min(next, a->out.heap[0]->at);
    if (b->out.count > 0)
        next = usec_min(next, b->out.heap[0]->at);
    usec_t wait = usec_max(next - now, 0);
    return (int)((wait + 999) / 1000);
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4)
        return 2;
    (void)prctl(PR_SET_PDEATHSIG, 9); /* a test that dies takes its lines with it */
    struct end a = {.fd = open_end(argv[1])}, b = {.fd = open_end(argv[2])};
    pipe_init(&a.out, 1, (struct pipe_shape){0});
    pipe_init(&b.out, 2, (struct pipe_shape){0});
    if (argc == 4) /* a rate is that of IP's bytes, without Ethernet's */
        a.out.overhead = b.out.overhead = -ETH_HLEN;
    (void)setvbuf(stdin, NULL, _IONBF, 0); /* poll tells of every line */
    puts("ready");
    (void)fflush(stdout);
    char text[256];
    for (;;) {
        struct pollfd fds[] = {{.fd = 0, .events = POLLIN},
                               {.fd = a.fd, .events = POLLIN},
                               {.fd = b.fd, .events = POLLIN}};
        if (poll(fds, 3, wait_ms(&a, &b, now_usec())) < 0 && errno != EINTR)
            return 1;
        usec_t now = now_usec();
        if (fds[0].revents) {
            if (!fgets(text, sizeof text, stdin))
                return 0;
            obey(&a, &b, text, now);
        }
        take(&a, now);
        take(&b, now);
        give(&a, &b, now);
        give(&b, &a, now);
    }
}
