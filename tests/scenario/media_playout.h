/* How a browser plays one voice: a buffer whose length follows how much packets sway, faster and
 * slower play to keep it so, and made-up sound where there is nothing to play. Whole packets only.
 */
#ifndef TESTS_MEDIA_PLAYOUT_H
#define TESTS_MEDIA_PLAYOUT_H

#include <stdbool.h>

#include "base/units.h"

#define PLAYOUT_BUCKETS 100 /* of lateness, each PLAYOUT_BUCKET long */
#define PLAYOUT_BUCKET (20 * USEC_PER_MSEC)

struct playout {
    usec_t length;  /* of a packet in time; 0: nothing came yet */
    uint64_t next;  /* the packet whose turn is next, counted by its time */
    usec_t at;      /* when that is */
    uint64_t have;  /* which came, from `next` on */
    usec_t bridged; /* made up since the last packet was played */
    /* The least transit of the last seconds and the ones before; both clocks' difference is in it.
     */
    usec_t least, least_before, least_from;
    double late[PLAYOUT_BUCKETS]; /* share of packets by lateness */
    usec_t target;
    /* What was heard. */
    usec_t played;
    usec_t concealed; /* made up */
};

/* A packet of `length`, made at `captured`, came now; `copy`: inside another one. */
void playout_add(struct playout *playout, usec_t now, usec_t captured, usec_t length, bool copy);
/* Plays up to now. */
void playout_run(struct playout *playout, usec_t now);

#endif
