/* Classes over the networks that pupils have, and what each of them still sees and hears; shared by
 * the test that bounds the figures and the bench that tells them. All in virtual time: a run is a
 * function of its seed. Where `raw` is not NULL, it gets a line of figures ten times a second. */
#ifndef TESTS_NETWORKS_H
#define TESTS_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/units.h"

#define NETWORKS_STEPS 5
#define NETWORKS_SHARERS 20
#define NETWORKS_OUTAGES 3

/* A line whose rate changes: 40 s at each. */
struct networks_step {
    uint64_t rate_bps;
    usec_t settled;   /* until the right layer comes for 3 s, without much of a queue */
    usec_t freeze;    /* longest time without a new picture while one is told as sent */
    usec_t picture;   /* until a picture comes at all; -1: none did */
    usec_t silence;   /* longest made-up sound */
    double concealed; /* percent of the sound */
};
void networks_steps(uint64_t seed, FILE *raw, struct networks_step ret[NETWORKS_STEPS]);

/* A line that loses 30 %, in bursts of that many packets on average. */
struct networks_lossy {
    double frames; /* a second */
    int layer;     /* at the end */
    usec_t freeze; /* no picture at all is one, too */
    double frozen; /* percent of the time in freezes over a second */
    usec_t silence;
    double concealed;
};
void networks_lossy(uint64_t seed, double burst, FILE *raw, struct networks_lossy *ret);

/* Twenty behind one line. */
struct networks_shared {
    double least, most, mean; /* kb/s of one */
    double full;              /* percent of the line */
    double rival;             /* kb/s of the download */
    double concealed;         /* percent, of who hears worst */
    usec_t queue;             /* longest time over 150 ms */
    usec_t queue_full;        /* longest time over 195 ms */
    double together; /* correlation of two pupils' estimates, on average: what is sent sways with
                        the picture that all get */
};
void networks_shared(uint64_t seed, bool download, FILE *raw, struct networks_shared *ret);

/* One of thirty on 64 kb/s with loss and three outages, for so long. */
struct networks_poor {
    double concealed;              /* percent, outside outages */
    usec_t back[NETWORKS_OUTAGES]; /* sound, after an outage */
    uint64_t down, up;             /* bytes with IP headers; down: before loss */
    double probes;                 /* percent of the media bytes */
};
void networks_poor(uint64_t seed, usec_t time, FILE *raw, struct networks_poor *ret);

#endif
