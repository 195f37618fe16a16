#include "bridge/pacer.h"

#include <assert.h>

#define BURST (5 * USEC_PER_MSEC)
#define BURST_MIN 1500 /* bytes: a packet at least */
/* Above the estimate, so that pictures, which come in lumps, do not wait long. */
#define BPS_MIN 200000 /* a small picture */
#define FACTOR_PERCENT 250
#define FACTOR_SETTLED_PERCENT 150
#define FACTOR_CONGESTED_PERCENT 110
#define EVEN_CONGESTED_PERCENT 80
#define EVEN_NEW_PERCENT 150
#define DRAIN (250 * USEC_PER_MSEC) /* a key frame is out after that */
#define DEBT (500 * USEC_PER_MSEC)

void pacer_init(struct pacer *p, usec_t now)
{
    *p = (struct pacer){.at = now};
}

static uint64_t rate_of(const struct pacer *p, const struct pacer_input *in)
{
    if (in->congested)
        return in->estimate_bps * FACTOR_CONGESTED_PERCENT / 100 / 8;
    uint64_t bps = in->media_bps < in->estimate_bps ? in->media_bps : in->estimate_bps;
    uint64_t percent = in->settled ? FACTOR_SETTLED_PERCENT : FACTOR_PERCENT;
    uint64_t rate = (bps > BPS_MIN ? bps : BPS_MIN) * percent / 100 / 8;
    /* A way that carries much more than its media leaves no queue behind a whole picture. */
    if (in->estimate_bps / 8 > rate)
        rate = in->estimate_bps / 8;
    uint64_t hurried = p->queued[PACER_STAGE] + p->queued[PACER_TILE];
    uint64_t drain = hurried * (uint64_t)(USEC_PER_SEC / DRAIN);
    return drain > rate ? drain : rate;
}

static int64_t topped_up(int64_t budget, uint64_t rate, usec_t passed)
{
    int64_t burst = (int64_t)rate * BURST / USEC_PER_SEC;
    int64_t debt = (int64_t)rate * DEBT / USEC_PER_SEC;
    burst = burst > BURST_MIN ? burst : BURST_MIN;
    budget += (int64_t)rate * passed / USEC_PER_SEC;
    return budget > burst ? burst : budget < -debt ? -debt : budget;
}

void pacer_tick(struct pacer *p, usec_t now, const struct pacer_input *in)
{
    uint64_t rate = rate_of(p, in);
    usec_t passed = usec_min(usec_max(now - p->at, 0), DEBT);
    p->at = now;
    p->budget = topped_up(p->budget, rate, passed);
    uint64_t percent = in->congested ? EVEN_CONGESTED_PERCENT
                       : in->settled ? 100
                                     : EVEN_NEW_PERCENT;
    p->even = topped_up(p->even, in->estimate_bps * percent / 100 / 8, passed);
}

bool pacer_waits(const struct pacer *p, enum pacer_class class)
{
    return p->queues[class].head != p->queues[class].tail;
}

bool pacer_ready(const struct pacer *p, enum pacer_class class)
{
    return p->budget > 0 && (class != PACER_SCREEN || p->even > 0);
}

void pacer_charge(struct pacer *p, size_t size)
{
    p->budget -= (int64_t)size;
    p->even -= (int64_t)size;
}

int pacer_push(struct pacer *p, enum pacer_class class, const struct pacer_item *item)
{
    struct pacer_queue *q = &p->queues[class];
    if (q->head - q->tail == PACER_QUEUE)
        return ERR_LIMIT;
    q->items[q->head++ % PACER_QUEUE] = *item;
    p->queued[class] += item->size;
    return 0;
}

const struct pacer_item *pacer_first(const struct pacer *p, enum pacer_class class)
{
    const struct pacer_queue *q = &p->queues[class];
    return pacer_waits(p, class) ? &q->items[q->tail % PACER_QUEUE] : NULL;
}

void pacer_pop(struct pacer *p, enum pacer_class class)
{
    struct pacer_queue *q = &p->queues[class];
    assert(pacer_waits(p, class));
    p->queued[class] -= q->items[q->tail++ % PACER_QUEUE].size;
    if (q->head == q->tail)
        q->head = q->tail = 0; /* the same few lines of cache serve again */
}

/* Takes the source's items out of the queue; those that fit go to `to`, if there is one. */
static int take_out(struct pacer *p, uint32_t source, enum pacer_class from, enum pacer_class to,
                    bool keep)
{
    struct pacer_queue *q = &p->queues[from];
    int err = 0;
    uint32_t kept = q->tail;
    for (uint32_t i = q->tail; i != q->head; i++) {
        struct pacer_item item = q->items[i % PACER_QUEUE];
        if (item.source != source) {
            q->items[kept++ % PACER_QUEUE] = item;
            continue;
        }
        p->queued[from] -= item.size;
        if (keep && pacer_push(p, to, &item) != 0)
            err = ERR_LIMIT;
    }
    q->head = kept;
    return err;
}

int pacer_move(struct pacer *p, uint32_t source, enum pacer_class from, enum pacer_class to)
{
    assert(from != to);
    return take_out(p, source, from, to, true);
}

void pacer_forget(struct pacer *p, uint32_t source)
{
    for (enum pacer_class class = 0; class < PACER_CLASSES; class ++)
        (void)take_out(p, source, class, PACER_STAGE, false); /* nothing to fail */
}
