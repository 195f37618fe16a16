/* How much of what is sent arrives, by the receiver's clock: a slow estimate that trusts samples
 * less the further off they are, and what came just now. */
#ifndef BRIDGE_ESTIMATE_ACKED_H
#define BRIDGE_ESTIMATE_ACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

struct acked {
    double bps;    /* 0: not known yet */
    double recent; /* over the last two windows; 0: not known yet */
    double variance;
    usec_t newest;
    usec_t span; /* of the running window */
    uint64_t bytes;
    usec_t span_before;
    uint64_t bytes_before;
    bool started;
    /* While packets come out of a queue: what the way carries. */
    usec_t busy_span;
    uint64_t busy_bytes;
    bool busy; /* the newest packet had waited */
};

/* `waited`: it comes out of a queue. */
void acked_add(struct acked *acked, usec_t arrival, uint32_t size, bool waited);
/* What the way carries, measured while it was full; 0: it was not. */
double acked_capacity(const struct acked *acked);
/* What is sent will change soon: the next samples count for more. */
void acked_doubt(struct acked *acked);

#endif
