/* Whether less is sent than may be: then what arrives tells nothing about what could. A budget
 * that fills at a share of the estimate and is spent by what is sent. */
#ifndef BRIDGE_ESTIMATE_IDLE_H
#define BRIDGE_ESTIMATE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

struct idle {
    double budget; /* bits not sent though they might have been */
    usec_t at;
    bool idle;
};

void idle_init(struct idle *idle, usec_t now);
/* True when it has just ceased to be idle. */
bool idle_sent(struct idle *idle, usec_t now, double bps, uint32_t size);

#endif
