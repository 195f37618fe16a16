/* What one sender may take of everybody's time: a policer of one rate and one bucket, kept by
 * virtual scheduling (ITU-T I.371, the generic cell rate algorithm): the moment up to which the
 * sender has used its rate. */
#ifndef BRIDGE_POLICER_H
#define BRIDGE_POLICER_H

#include <stdbool.h>

#include "base/units.h"

struct policer {
    usec_t used_until;
};

/* Whether the sender may have more now: not while it is `burst` ahead of its rate. */
static inline bool policer_open(const struct policer *p, usec_t now, usec_t burst)
{
    return p->used_until <= now + burst;
}

/* `cost` is how long the rate takes for this. */
static inline void policer_charge(struct policer *p, usec_t now, usec_t cost)
{
    p->used_until = usec_max(p->used_until, now) + cost;
}

#endif
