/* A TCP download beside the class: additive increase, halving on loss (Reno), always something to
 * send. */
#ifndef TESTS_MEDIA_RIVAL_H
#define TESTS_MEDIA_RIVAL_H

#include "pipe.h"

#define RIVAL_PACKET 1500
#define RIVAL_WINDOW 4096 /* packets on the way at most */

struct rival {
    struct bottleneck *line;
    usec_t delay; /* there and back, without the queue */
    double window;
    double slow_start; /* until the window is so large */
    usec_t recover;    /* losses until then are of one event */
    struct rival_packet {
        usec_t at; /* when the sender learns of it */
        bool lost;
    } way[RIVAL_WINDOW];
    size_t first, last;
    uint64_t bits; /* acknowledged */
};

void rival_init(struct rival *rival, struct bottleneck *line, usec_t delay);
void rival_step(struct rival *rival, usec_t now);

#endif
