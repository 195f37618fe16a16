/* Whether a queue grows on the way: the trend of one-way delays of packet groups against a
 * threshold that learns how much the way sways (as in WebRTC's own sender, so that both ends of a
 * way judge it alike), and by how much the fastest packets are late. */
#ifndef BRIDGE_ESTIMATE_DELAY_H
#define BRIDGE_ESTIMATE_DELAY_H

#include <stdbool.h>

#include "base/units.h"

#define DELAY_TREND 20 /* packet groups the slope is taken over */

enum delay_use { DELAY_NORMAL, DELAY_OVERUSE, DELAY_UNDERUSE };

/* A burst of packets that left together. */
struct delay_group {
    usec_t first_sent;
    usec_t last_sent;
    usec_t last_arrival;
    bool valid;
};

/* The least delay of single packets in this period and the one before; both clocks' difference is
 * in it. */
struct delay_least {
    usec_t now;
    usec_t before;
    usec_t from; /* 0: nothing known */
    unsigned packets, packets_before;
};

struct delay {
    struct delay_group group;
    struct delay_group before;
    double accumulated;
    double smoothed;
    double x[DELAY_TREND];
    double y[DELAY_TREND];
    unsigned deltas;
    double slope;
    double threshold;
    usec_t threshold_at;
    usec_t overuse_since;
    unsigned overuse_count;
    struct delay_least recent; /* over what came just now */
    struct delay_least latest; /* the same of the slowest, all negative */
    struct delay_least least;  /* over long: what the way takes without a queue */
    unsigned late;             /* packets in a row that are far behind */
    usec_t sway;               /* how far single packets are behind the fastest, on average */
    enum delay_use use;
};

void delay_init(struct delay *delay);
/* A packet that arrived, `arrival` by the receiver's clock; in any order. */
void delay_add(struct delay *delay, usec_t now, usec_t sent, usec_t arrival);
/* Whether a packet of that delay came out of a queue. */
bool delay_waited(const struct delay *delay, usec_t sent, usec_t arrival);
/* By how much the slowest packets of the last moment are behind the fastest. */
usec_t delay_spread(const struct delay *delay);
/* How many packets that moment had. */
unsigned delay_packets(const struct delay *delay);
/* By how much the fastest packets of the last moment are behind the fastest of the last seconds. */
usec_t delay_queue(const struct delay *delay);

#endif
