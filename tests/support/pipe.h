/* One direction of a seeded network in virtual time: a queue that drains at a rate and overflows,
 * its own or one shared with others, then loss (random or in bursts), repetition, delay and jitter.
 * A run is a function of its seed. */
#ifndef TESTS_PIPE_H
#define TESTS_PIPE_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/units.h"

#define PIPE_PACKET_MAX 1500
#define PIPE_PACKETS 8192
#define PIPE_OVERHEAD 44 /* of IPv4, UDP and the SRTP tag, unless said otherwise */

/* A drop-tail queue before a line. */
struct bottleneck {
    uint64_t rate_bps;
    usec_t queue;   /* longest wait before packets are dropped */
    usec_t free_at; /* when the queue is empty */
    uint64_t bits;  /* that went through */
    uint64_t dropped;
};

struct pipe_shape {
    double loss;      /* 0..1 */
    double burst;     /* packets lost in a row on average; up to 1: at random */
    double duplicate; /* 0..1 */
    usec_t delay;
    usec_t jitter;     /* added at random, so that packets overtake each other */
    uint64_t rate_bps; /* 0: no limit */
    usec_t queue;      /* longest wait in the queue before packets are dropped */
};

struct pipe_packet {
    usec_t at;
    uint64_t order;
    size_t len;
    bool rtcp;
    uint8_t bytes[PIPE_PACKET_MAX];
};

struct pipe {
    struct pipe_shape shape;
    uint64_t random;
    uint64_t sent;
    uint64_t dropped;
    long overhead;       /* of a packet on the wire; may be negative */
    uint64_t wire_bytes; /* sent, with that */
    struct bottleneck own;
    struct bottleneck *shared; /* instead of its own rate and queue; NULL: none */
    bool losing;               /* within a burst */
    size_t count;
    struct pipe_packet **heap; /* earliest first */
};

/* When the packet of so many bytes on the wire is through; false: there is no room for it. */
bool bottleneck_pass(struct bottleneck *line, usec_t now, size_t bytes, usec_t *ret_at);
/* How long a packet would wait now. */
usec_t bottleneck_wait(const struct bottleneck *line, usec_t now);

void pipe_init(struct pipe *pipe, uint64_t seed, struct pipe_shape shape);
void pipe_done(struct pipe *pipe);
/* A number in [0, 1). */
double pipe_random(struct pipe *pipe);
void pipe_send(struct pipe *pipe, usec_t now, struct slice bytes, bool rtcp);
/* The next packet that has arrived by now; NULL: none. The caller frees it. */
struct pipe_packet *pipe_receive(struct pipe *pipe, usec_t now);

#endif
