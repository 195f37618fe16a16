/* Whether somebody else fills the queue on the way: a queue of our own making empties soon after we
 * send less. Then the delay tells nothing of what we may send, and who gives way to it gets nothing
 * beside a download; what is lost tells instead. */
#ifndef BRIDGE_ESTIMATE_BESIDE_H
#define BRIDGE_ESTIMATE_BESIDE_H

#include <stdbool.h>

#include "base/units.h"

/* What is stood up for beside others: a small picture and a voice. */
#define BESIDE_MOST 350000 /* bit/s */

struct beside {
    usec_t since; /* when the queue was there for the first time; 0: it was empty */
    usec_t empty; /* when it was, but for moments; 0: it is there */
    bool on;
    double lost; /* share that the way lost before */
    usec_t cut_at;
};

/* With every feedback: how long packets wait in queues, and the share lost of late. */
void beside_update(struct beside *beside, usec_t now, usec_t queue, double lost);
/* Whether to look with a probe if more would come through all the same, at this estimate. */
bool beside_suspects(const struct beside *beside, usec_t now, double bps);
/* That probe let the estimate rise from one to the other. */
void beside_probed(struct beside *beside, double from, double to);
/* Whether so much more is lost than before that it may be our doing. */
bool beside_loses(const struct beside *beside, double lost);
/* The factor by which the estimate falls, for what is lost. */
double beside_cut(struct beside *beside, usec_t now, usec_t rtt, double lost);

#endif
