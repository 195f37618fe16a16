/* What arrived from one sender's transport, for transport-wide feedback to it. */
#ifndef BRIDGE_FEEDBACK_H
#define BRIDGE_FEEDBACK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

#define FEEDBACK_WINDOW 1024 /* packets; a power of two */
/* Senders estimate from feedback that comes this often; slower when little arrives, and for a voice
 * in long packets so that it does not cost as much as a tenth of it. */
#define FEEDBACK_INTERVAL (50 * USEC_PER_MSEC)
#define FEEDBACK_INTERVAL_IDLE (100 * USEC_PER_MSEC)
#define FEEDBACK_INTERVAL_SPARSE (250 * USEC_PER_MSEC)

struct feedback {
    usec_t arrivals[FEEDBACK_WINDOW]; /* by sequence; negative: not arrived */
    int64_t base;                     /* first to be told about next */
    int64_t highest;
    usec_t sent;
    uint32_t fresh;                   /* arrivals since the last feedback */
    uint32_t counted, counted_before; /* in this second and the one before */
    usec_t counted_from;
    uint32_t media; /* an SSRC of the sender */
    uint8_t number;
    bool started;
};

void feedback_arrived(struct feedback *feedback, usec_t now, uint16_t sequence, uint32_t ssrc);
/* Whether it is one of the next that are to come. */
bool feedback_expects(const struct feedback *feedback, uint16_t sequence) MUST_USE;
/* When the next one is due; USEC_NEVER: nothing arrived. */
usec_t feedback_due(const struct feedback *feedback);
/* Appends one RTCP packet; false when there is nothing (more) to tell or no room. Call until
 * false. */
bool feedback_put(struct feedback *feedback, usec_t now, uint32_t sender, struct writer *w);

#endif
