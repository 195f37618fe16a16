/* Makes a run of Opus packets gapless on a grid of their own durations, as players want it: they
 * play sound without looking at timestamps. Where the sender was silent, or its clock runs slow,
 * packets are put in; where it runs fast, one is left out. What is heard is never off by more than
 * 40 ms. */
#ifndef RECORD_OPUS_FILLER_H
#define RECORD_OPUS_FILLER_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/units.h"

/* The longest packet put in: six frames of 20 ms. */
#define OPUS_FILLER_MAX ((size_t)14)

struct opus_filler {
    bool started;
    usec_t next; /* where the next packet will be heard */
    uint8_t toc; /* of the last packet */
};

enum opus_filler_step {
    OPUS_FILLER_TAKE, /* write the packet at *ret_at */
    OPUS_FILLER_PUT,  /* write `fill` at *ret_at, then ask again */
    OPUS_FILLER_DROP, /* leave the packet out */
};

struct opus_fill {
    usec_t at;
    usec_t duration;
    uint8_t bytes[OPUS_FILLER_MAX];
    size_t len;
};

/* What to do with a packet that belongs at `time`. `fill` is set for TAKE (time and duration only)
 * and PUT. A packet that is no Opus is dropped. */
enum opus_filler_step opus_filler_step(struct opus_filler *filler, usec_t time, struct slice packet,
                                       struct opus_fill *ret_fill);

#endif
