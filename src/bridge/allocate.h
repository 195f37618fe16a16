/* Which layer of which source, at which frame rate, one receiver gets within its bandwidth. Pure:
 * the caller orders the sources (on stage, selected, then by speech) and has applied last-N. */
#ifndef BRIDGE_ALLOCATE_H
#define BRIDGE_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOCATE_LAYERS 3
#define ALLOCATE_TIDS 3
#define ALLOCATE_STEPS (ALLOCATE_LAYERS * ALLOCATE_TIDS)
#define ALLOCATE_STAGE_HEIGHT 360 /* a source on stage gets this before the others move */

/* One way to send a source. */
struct allocate_step {
    uint64_t bps;
    int8_t layer;
    int8_t tid;
};

struct allocate_source {
    uint64_t bps[ALLOCATE_LAYERS][ALLOCATE_TIDS]; /* measured, of temporal layers up to that one;
                                                     0: the layer is off */
    int height[ALLOCATE_LAYERS];
    unsigned layer_count;
    int max_height; /* -1: any; 0: not wanted */
    unsigned max_tid;
    bool on_stage;
    bool desktop;        /* frames are dropped before lines are */
    int before;          /* layer granted last time; -1: none */
    unsigned before_tid; /* and its temporal layers */
    bool was_limited;    /* last time the bandwidth kept it below its wish */
    /* Results. */
    int granted; /* -1: none */
    unsigned tid;
    bool limited;
    /* Inside: its steps, each dearer than the one before; how far it may go, where it stands. */
    struct allocate_step steps[ALLOCATE_STEPS];
    int step_count;
    int ceiling;
    int at; /* -1: nothing */
};

/* Fills in the results and returns the bits per second granted. Unless `may_raise`, a source that
 * was limited stays where it was. `ret_raised`: a source that was limited got (or would have got)
 * more. */
uint64_t allocate_run(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise, bool *ret_raised);
/* The layer it would get without limits: the highest that is on and not above max_height, else the
 * lowest that is on (of a screen that is drawn large, the best of that height); -1: none. */
int allocate_ideal(const struct allocate_source *source);
/* What the least of it costs; 0: it is off or not wanted. */
uint64_t allocate_least(const struct allocate_source *source);

#endif
