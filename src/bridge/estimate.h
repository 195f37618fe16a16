/* How much one receiver's way can carry, told by its transport-wide feedback: the smaller of a
 * delay-gradient estimate with additive-multiplicative control and a loss-based one. Plain on
 * purpose; probes (packets sent only to learn) let it rise above what the media needs. */
#ifndef BRIDGE_ESTIMATE_H
#define BRIDGE_ESTIMATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

#define ESTIMATE_HISTORY 2048 /* packets sent and not yet told about; a power of two */
#define ESTIMATE_INITIAL 2500000
#define ESTIMATE_MIN 30000
#define ESTIMATE_MAX 20000000
#define ESTIMATE_TREND 20 /* packet groups the slope is taken over */

struct estimate_sent {
    usec_t at;
    int64_t sequence; /* unwrapped; tells whether the entry is this packet's */
    uint32_t size;
    bool told;
};

/* A burst of packets that left together. */
struct estimate_group {
    usec_t first_sent;
    usec_t last_sent;
    usec_t last_arrival;
    bool valid;
};

/* The least delay of single packets in this period and the one before; both clocks' difference is
 * in it. */
struct estimate_least {
    usec_t now;
    usec_t before;
    usec_t from; /* 0: nothing known */
};

struct estimate {
    struct estimate_sent sent[ESTIMATE_HISTORY];
    int64_t next; /* unwrapped number of the next packet */
    int64_t acked;
    /* Arrivals on the receiver's clock, unwrapped. */
    int64_t reference;
    bool has_reference;
    struct estimate_group group;
    struct estimate_group before;
    double accumulated;
    double smoothed;
    double trend_x[ESTIMATE_TREND];
    double trend_y[ESTIMATE_TREND];
    struct estimate_least recent; /* over what came just now */
    struct estimate_least least;  /* over long: what the way takes without a queue */
    unsigned deltas;
    double threshold;
    double slope;
    usec_t threshold_at;
    usec_t overuse_since;
    unsigned overuse_count;
    enum { ESTIMATE_NORMAL, ESTIMATE_OVERUSE, ESTIMATE_UNDERUSE } use;
    enum { ESTIMATE_HOLD, ESTIMATE_INCREASE } control;
    /* Bytes acknowledged in the running window, by arrival. */
    usec_t acked_from;
    usec_t acked_to;
    uint64_t acked_bytes;
    double acked_bps; /* 0: not known yet */
    double capacity;  /* of the link when it was last overused; 0: unknown */
    double delay_bps;
    double loss_bps;
    double loss; /* smoothed share */
    uint32_t window_lost;
    uint32_t window_told;
    usec_t window_at;
    usec_t decreased_at;
    usec_t updated_at;
    usec_t rtt;
    /* A probe: packets [first, last) sent within a short time. */
    int64_t probe_first;
    int64_t probe_last;
    uint64_t probe_bytes;
    usec_t probe_sent_from, probe_sent_to;
    usec_t probe_from, probe_to;
    uint32_t probe_packets;
    bool probing;
    usec_t probe_ended;
};

void estimate_init(struct estimate *estimate, usec_t now);
/* Counts a packet about to leave and gives its transport sequence number. */
uint16_t estimate_send(struct estimate *estimate, usec_t now, size_t size);
/* The FCI of a transport feedback packet. ERR_FORMAT. */
int estimate_feedback(struct estimate *estimate, usec_t now, struct slice fci) MUST_USE;
/* What is sent from here to estimate_probe_end is measured by itself. */
void estimate_probe_begin(struct estimate *estimate);
void estimate_probe_end(struct estimate *estimate, usec_t now);
uint64_t estimate_bps(const struct estimate *estimate);
bool estimate_overused(const struct estimate *estimate);
usec_t estimate_rtt(const struct estimate *estimate);

#endif
