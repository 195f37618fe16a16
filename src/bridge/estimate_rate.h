/* Additive increase, multiplicative decrease of the rate that the delay allows. */
#ifndef BRIDGE_ESTIMATE_RATE_H
#define BRIDGE_ESTIMATE_RATE_H

#include "bridge/estimate_acked.h"
#include "bridge/estimate_delay.h"

struct rate {
    double bps;
    bool held; /* not raised at the next occasion */
    usec_t updated_at;
    usec_t decreased_at; /* 0: never */
    double least;        /* what is sent in any case */
};

struct rate_input {
    enum delay_use use;
    const struct acked *arrived;
    usec_t rtt;
    bool sways;  /* the way, more than its queue is long */
    bool probed; /* a probe may be what fills the queue */
    double most; /* it does not rise above */
};

void rate_init(struct rate *rate, usec_t now, double bps);
void rate_update(struct rate *rate, usec_t now, const struct rate_input *input);
/* A probe came through at this rate. */
void rate_raise(struct rate *rate, double bps);

#endif
