#include "record/seq_order.h"

#include <stdlib.h>

/* More than 2.5 s of a 3 Mb/s stream. */
#define SLOTS 1024u
/* The first packet to arrive need not be the first that was sent. */
#define SETTLE (200 * USEC_PER_MSEC)
#define SETTLE_BACK 64
/* That many packets in a row from far behind: the sender began anew. */
#define STRAYS_MAX 3u

struct held {
    usec_t arrival;
    size_t len;
    uint8_t bytes[];
};

struct seq_order {
    struct held *slots[SLOTS]; /* by the low bits of the sequence number */
    size_t held;
    uint16_t next; /* sequence number to be delivered next */
    bool started;
    bool settling; /* nothing was delivered yet */
    usec_t started_at;
    uint16_t start; /* the first that arrived */
    uint32_t lost;  /* since the last delivered */
    uint16_t stray_next;
    uint32_t strays;
};

struct seq_order *seq_order_new(void)
{
    return calloc(1, sizeof(struct seq_order));
}

void seq_order_free(struct seq_order **order)
{
    if (!*order)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free((*order)->slots[i]);
    free(*order);
    *order = NULL;
}

static void deliver(struct seq_order *order, usec_t arrival, struct slice bytes,
                    const struct seq_sink *sink)
{
    struct seq_packet packet = {arrival, order->lost, bytes};
    order->lost = 0;
    order->next++;
    sink->packet(sink->arg, &packet);
}

static struct held **slot_of(struct seq_order *order, uint16_t seq)
{
    return &order->slots[seq % SLOTS];
}

static void deliver_ready(struct seq_order *order, const struct seq_sink *sink)
{
    for (struct held **slot; order->held && *(slot = slot_of(order, order->next));) {
        struct held *held = *slot;
        *slot = NULL;
        order->held--;
        deliver(order, held->arrival, slice_of(held->bytes, held->len), sink);
        free(held);
    }
}

/* Counts what stands before the first held packet as lost, and goes on with that one. */
static void skip_hole(struct seq_order *order, const struct seq_sink *sink)
{
    while (order->held && !*slot_of(order, order->next)) {
        order->next++;
        order->lost++;
    }
    deliver_ready(order, sink);
}

static void restart(struct seq_order *order, uint16_t seq, const struct seq_sink *sink)
{
    while (order->held)
        skip_hole(order, sink);
    order->lost += order->started ? 1 : 0;
    order->started = true;
    order->next = seq;
    order->strays = 0;
}

static int hold(struct seq_order *order, uint16_t seq, usec_t arrival, struct slice bytes)
{
    struct held **slot = slot_of(order, seq);
    if (*slot)
        return 0;
    struct held *held = malloc(sizeof(*held) + bytes.len);
    if (!held)
        return ERR_MEMORY;
    held->arrival = arrival;
    held->len = bytes.len;
    if (bytes.len)
        memcpy(held->bytes, bytes.data, bytes.len);
    *slot = held;
    order->held++;
    return 0;
}

/* True when the sender really goes on from `seq`, far from what is expected. */
static bool is_restart(struct seq_order *order, uint16_t seq)
{
    order->strays = seq == order->stray_next ? order->strays + 1 : 1;
    order->stray_next = (uint16_t)(seq + 1);
    return order->strays >= STRAYS_MAX;
}

/* Before anything is delivered: packets are only held, and an earlier one moves the start. */
static int settle(struct seq_order *order, uint16_t seq, usec_t arrival, struct slice bytes)
{
    int place = (int16_t)(uint16_t)(seq - order->start);
    if (place < -SETTLE_BACK || place >= (int)SLOTS - SETTLE_BACK)
        return ERR_AGAIN;
    if ((int16_t)(uint16_t)(seq - order->next) < 0)
        order->next = seq;
    return hold(order, seq, arrival, bytes);
}

int seq_order_input(struct seq_order *order, uint16_t seq, usec_t arrival, struct slice bytes,
                    const struct seq_sink *sink)
{
    if (!order->started) {
        restart(order, seq, sink);
        order->settling = true;
        order->started_at = arrival;
        order->start = seq;
    }
    if (order->settling && arrival - order->started_at < SETTLE) {
        int err = settle(order, seq, arrival, bytes);
        if (err != ERR_AGAIN)
            return err;
    }
    if (order->settling) {
        order->settling = false;
        deliver_ready(order, sink);
    }
    int ahead = (int16_t)(uint16_t)(seq - order->next);
    if (ahead < 0) {
        if (ahead > -(int)SLOTS || !is_restart(order, seq))
            return 0;
        restart(order, seq, sink);
        ahead = 0;
    }
    while (ahead >= (int)SLOTS && order->held) {
        skip_hole(order, sink);
        ahead = (int16_t)(uint16_t)(seq - order->next);
    }
    if (ahead >= (int)SLOTS) {
        order->lost += (uint32_t)ahead;
        order->next = seq;
        ahead = 0;
    }
    int err = 0;
    if (ahead == 0)
        deliver(order, arrival, bytes, sink);
    else
        err = hold(order, seq, arrival, bytes);
    deliver_ready(order, sink);
    seq_order_tick(order, arrival, sink);
    return err;
}

void seq_order_tick(struct seq_order *order, usec_t now, const struct seq_sink *sink)
{
    if (order->settling) {
        if (now != USEC_NEVER && now - order->started_at < SETTLE)
            return;
        order->settling = false;
        deliver_ready(order, sink);
    }
    while (order->held) {
        uint16_t first = order->next;
        while (!*slot_of(order, first))
            first++;
        if (now != USEC_NEVER && now - (*slot_of(order, first))->arrival < SEQ_ORDER_WAIT)
            break;
        skip_hole(order, sink);
    }
}
