/* What a sender's own way to us carries. Congestion control of browsers knows no less than a small
 * picture beside the voice: where both are too much, half of all packets are lost, checks of ICE
 * and feedback among them. Then the pictures are to stay away, whoever wants them, and are tried
 * again later. Counts by the transport-wide sequence numbers
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01); who sends none is left alone. */
#ifndef BRIDGE_UPLINK_H
#define BRIDGE_UPLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/units.h"

enum uplink_stage {
    UPLINK_ALL,
    UPLINK_TRIAL,  /* cameras of up to UPLINK_TRIAL_HEIGHT lines, for a while */
    UPLINK_SCREEN, /* no cameras */
    UPLINK_SOUND,
};

#define UPLINK_TRIAL_HEIGHT 180
/* What it takes away for, at first; twice as long each time when it was taken back too early. */
#define UPLINK_WAIT (30 * USEC_PER_SEC)
#define UPLINK_WAIT_MAX (240 * USEC_PER_SEC)

struct uplink {
    enum uplink_stage stage;
    uint32_t arrived, bytes; /* since `at` */
    int64_t highest;         /* as of `at` */
    usec_t at;
    unsigned bad; /* looks in a row */
    usec_t from;  /* looks before count for nothing: what was asked takes its time */
    usec_t until; /* when more is tried, the stage stays */
    usec_t wait;
    usec_t tried; /* last; 0: never */
};

/* A packet with a transport-wide sequence number came; `size`: its RTP. */
static inline void uplink_arrived(struct uplink *uplink, size_t size)
{
    uplink->arrived++;
    uplink->bytes += (uint32_t)size;
}
/* `highest`: sequence number, unwrapped, of the newest that came. Returns whether the stage is
 * another one. */
bool uplink_tick(struct uplink *uplink, usec_t now, int64_t highest);

#endif
