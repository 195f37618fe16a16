/* Puts the packets of one SSRC back into order: a packet that came late, or by a repair, goes where
 * it belongs; what came twice goes once; what never came is told as a number. In-order packets pass
 * without a copy. */
#ifndef RECORD_SEQ_ORDER_H
#define RECORD_SEQ_ORDER_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

/* A repair is asked for some times within the first second: who waits this long waits in vain. */
#define SEQ_ORDER_WAIT (2500 * USEC_PER_MSEC)

struct seq_order;

struct seq_packet {
    usec_t arrival;
    uint32_t lost;      /* packets missing between the one before and this one */
    struct slice bytes; /* valid during the call */
};

/* Takes the packets in order. */
struct seq_sink {
    void (*packet)(void *arg, const struct seq_packet *packet);
    void *arg;
};

struct seq_order *seq_order_new(void);
void seq_order_free(struct seq_order **order);
/* One packet as it arrived; whatever is now in order goes to the sink. ERR_MEMORY: dropped. */
int seq_order_input(struct seq_order *order, uint16_t seq, usec_t arrival, struct slice bytes,
                    const struct seq_sink *sink) MUST_USE;
/* Gives up waiting for what has been missing for too long at `now`; USEC_NEVER: for everything. */
void seq_order_tick(struct seq_order *order, usec_t now, const struct seq_sink *sink);

#endif
