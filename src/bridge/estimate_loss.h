/* How much may be sent given what is lost: the rate and the loss of the way itself that explain
 * best what was sent and lost in the last seconds (WebRTC's second loss-based estimator). Loss that
 * does not depend on the rate lowers nothing until it is heavy. */
#ifndef BRIDGE_ESTIMATE_LOSS_H
#define BRIDGE_ESTIMATE_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define LOSS_OBSERVATIONS 15

struct loss_observation {
    uint64_t bytes; /* told about */
    uint64_t lost;
    double bps; /* at which they were sent */
};

struct loss {
    struct loss_observation seen[LOSS_OBSERVATIONS];
    unsigned count; /* ever; the newest is count - 1 */
    struct loss_observation running;
    usec_t first_sent, last_sent; /* of the running one */
    double bps;                   /* INFINITY: no limit */
    double inherent;              /* share the way itself loses */
    double average;               /* share lost lately */
    double raise_max;             /* after a cut, until raise_at */
    usec_t raise_at;
    usec_t hold;
    usec_t hold_until;
    usec_t cut_at; /* 0: never */
    bool rising;
};

struct loss_input {
    double acked;     /* what arrives; 0: unknown */
    double delay_bps; /* what the delay allows */
    double least;     /* what is sent in any case */
    bool idle;        /* less is sent than may be */
};

void loss_init(struct loss *loss);
/* A packet told about, in order of sending; sizes on the wire. */
void loss_add(struct loss *loss, usec_t sent, uint32_t size, bool lost);
/* One that was told to be lost has come after all. */
void loss_take_back(struct loss *loss, uint32_t size);
/* After each feedback. */
void loss_update(struct loss *loss, usec_t now, const struct loss_input *input);
/* A probe came through at this rate. */
void loss_raise(struct loss *loss, double bps);
/* Whether it holds the rate below what the delay allows. */
bool loss_limits(const struct loss *loss, double delay_bps);

/* Whether the way itself loses so much, at any rate. */
bool loss_explained(const struct loss *loss);

#endif
