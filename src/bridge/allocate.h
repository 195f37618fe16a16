/* Which layer of which source one receiver gets within its bandwidth. Pure: the caller orders the
 * sources (on stage, selected, then by speech) and has applied last-N. */
#ifndef BRIDGE_ALLOCATE_H
#define BRIDGE_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOCATE_LAYERS 3
#define ALLOCATE_STAGE_HEIGHT 360 /* a source on stage gets this before the others get anything */

struct allocate_source {
    uint64_t bps[ALLOCATE_LAYERS]; /* measured; 0: the layer is off */
    int height[ALLOCATE_LAYERS];
    unsigned layer_count;
    int max_height; /* -1: any; 0: not wanted */
    bool on_stage;
    int before;       /* granted last time; -1: none */
    bool was_limited; /* last time the bandwidth kept it below its wish */
    /* Results. */
    int granted; /* -1: none */
    bool limited;
};

/* Fills in the results and returns the bits per second granted. Unless `may_raise`, a source that
 * was limited stays where it was. `ret_raised`: a source that was limited got (or would have got)
 * more. */
uint64_t allocate_run(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise, bool *ret_raised);
/* The layer it would get without limits: the highest that is on and not above max_height, else the
 * lowest that is on; -1: none. */
int allocate_ideal(const struct allocate_source *source);

#endif
