/* How much one receiver's way can carry, told by its transport-wide feedback: the smaller of what
 * the delay (estimate_delay, estimate_rate) and what the loss (estimate_loss) allow. Probes
 * (estimate_probe) let it rise above what the media needs. */
#ifndef BRIDGE_ESTIMATE_H
#define BRIDGE_ESTIMATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "bridge/estimate_acked.h"
#include "bridge/estimate_beside.h"
#include "bridge/estimate_delay.h"
#include "bridge/estimate_idle.h"
#include "bridge/estimate_loss.h"
#include "bridge/estimate_probe.h"
#include "bridge/estimate_rate.h"
#include "bridge/sent.h"

/* A picture and a voice; the first probes look further within a second. */
#define ESTIMATE_INITIAL 300000
#define ESTIMATE_MIN 30000
#define ESTIMATE_MAX 20000000

struct estimate {
    struct sent sent;
    int64_t acked;
    /* Arrivals on the receiver's clock, unwrapped. */
    int64_t reference;
    bool has_reference;
    struct delay delay;
    struct rate rate;
    struct acked arrived;
    struct loss loss;
    struct idle idle;
    struct beside beside;
    struct probe probe;
    double need; /* that would be of use */
    usec_t rtt;
    uint64_t told_count; /* packets whose fate is known, ever */
    uint64_t lost_count; /* of these; one that comes after all is taken off */
    usec_t told_at;      /* the last feedback; 0: none yet */
    usec_t asked_at;     /* the oldest packet since that one; 0: none */
};

/* ERR_MEMORY. */
int estimate_init(struct estimate *estimate, usec_t now, uint32_t seed) MUST_USE;
void estimate_done(struct estimate *estimate);
/* Before anything was sent: the way is taken for one of that rate. */
void estimate_begin(struct estimate *estimate, usec_t now, uint64_t bps);
/* Counts a packet about to leave, which is then the newest of `sent`, and gives its transport
 * sequence number. `probe`: it leaves only for a probe. */
uint16_t estimate_send(struct estimate *estimate, usec_t now, size_t size, bool probe);
/* The FCI of a transport feedback packet. ERR_FORMAT. */
int estimate_feedback(struct estimate *estimate, usec_t now, struct slice fci) MUST_USE;
/* `need`: what would be of use if the way carried it; not above the estimate: no need to probe.
 * `least`: what is sent in any case; the estimate does not go below. */
void estimate_want(struct estimate *estimate, uint64_t need, uint64_t least);
/* Whether the way was ever full. */
bool estimate_settled(const struct estimate *estimate);
/* Every few milliseconds; `can_probe`: there is something to send a probe on. Returns how many
 * bytes to send now for a probe. */
size_t estimate_tick(struct estimate *estimate, usec_t now, bool can_probe);
uint64_t estimate_bps(const struct estimate *estimate);
/* No feedback comes though packets leave: the way is broken. */
bool estimate_stalled(const struct estimate *estimate, usec_t now);
/* How long packets wait in queues on the way. */
usec_t estimate_queue(const struct estimate *estimate);
bool estimate_probing(const struct estimate *estimate);
/* Bytes to send now for the probe that runs. */
size_t estimate_probe_fill(const struct estimate *estimate, usec_t now);
usec_t estimate_rtt(const struct estimate *estimate);

#endif
