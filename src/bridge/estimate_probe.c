#include "bridge/estimate_probe.h"

#include <math.h>

enum { PACKETS_MIN = 5 };

#define BURST (5 * USEC_PER_MSEC) /* how often the caller comes */
#define TIME_MIN (25 * USEC_PER_MSEC)
#define TIME_MAX (200 * USEC_PER_MSEC)
#define SWAYS 3
#define GIVE_UP (300 * USEC_PER_MSEC)
#define ANSWER (500 * USEC_PER_MSEC) /* beside a round trip: then it is given up */
#define ECHO (300 * USEC_PER_MSEC)   /* for its queue to drain */
#define SPAN_MIN (10 * USEC_PER_MSEC)
#define SPAN_MAX (1 * USEC_PER_SEC)
#define TOLD_SHARE 0.8
#define SEND_SHARE 0.9 /* what arrives slower than that was slowed by the way */
#define MARGIN 0.95
#define RATIO_MAX 2.0
#define FURTHER 0.7
#define START_FIRST 3
#define START_SECOND 6
#define IDLE_FACTOR 2
#define DROP 0.66
#define DROP_PROBE 0.85
#define DROP_TIME (5 * USEC_PER_SEC)
#define WAIT_MIN (1 * USEC_PER_SEC)
/* After failures, for each 100 kb/s of the estimate: who has little looks sooner than those it
 * shares the way with. */
#define WAIT_RATE (1 * USEC_PER_SEC)
#define WAIT_LEAST (1500 * USEC_PER_MSEC)
#define WAIT_MOST (6 * USEC_PER_SEC)
/* The longer nothing was found the seldomer it is looked for: each time sound waits. */
#define WAIT_SHARE 8 /* of the time since */
#define WAIT_LONG (20 * USEC_PER_SEC)
#define RAISE_LASTS (5 * USEC_PER_SEC) /* a raise that held so long was right */
#define SETTLED_RAISE 200000           /* bit/s, the same for all who share a way */
#define RAISE_SHARE 0.2                /* of the estimate, on wide ways */
#define RAISE_GROWS 1.2                /* as long as one after the other comes through */
#define CREDIT_SHARE 0.03
#define CREDIT_START 30000
#define CREDIT_MAX 40000
/* A cluster is at least so much faster than the estimate: less would not be told from chance. */
#define LEAST_BPS 100000
#define LEAST_SHARE 0.15

void probe_init(struct probe *p, usec_t now, uint32_t seed)
{
    *p = (struct probe){.wait = WAIT_MIN,
                        .credit = CREDIT_START,
                        .raise = SETTLED_RAISE,
                        .at = now,
                        .found_at = now,
                        .random = seed};
}

/* The wait, give or take a quarter. */
static usec_t swayed(struct probe *p, usec_t wait)
{
    p->random = p->random * 1664525 + 1013904223;
    return wait * 3 / 4 + wait / 2 * (usec_t)(p->random >> 24) / 256;
}

/* What a cluster of that rate will take at most. */
static double price(const struct probe *p, double bps)
{
    double bytes = bps / 8 * (double)(p->time + BURST) / USEC_PER_SEC;
    return fmax(bytes, PACKETS_MIN * 350.0);
}

static void begin(struct probe *p, usec_t now, int64_t number, double bps)
{
    p->state = PROBE_SENDING;
    p->bps = bps;
    p->begun = now;
    p->first = number;
    p->last = INT64_MAX;
    p->packets = p->told = 0;
    p->bytes = p->extra = p->told_bytes = p->opening_bytes = 0;
}

static void wait_longer(struct probe *p, double bps)
{
    usec_t most = (usec_t)(bps / 100000 * WAIT_RATE);
    most = usec_min(usec_max(most, WAIT_LEAST), WAIT_MOST);
    p->wait = usec_min(2 * p->wait, most);
}

static void end(struct probe *p, usec_t now, bool useful, double bps)
{
    p->state = PROBE_IDLE;
    if (useful) {
        p->raised_at = p->found_at = usec_max(now, 1);
        p->raise *= RAISE_GROWS;
    } else {
        p->raise = SETTLED_RAISE;
        p->credit -= (double)p->extra;
        wait_longer(p, bps);
        p->next = 0;
    }
    usec_t vain = usec_min((now - p->found_at) / WAIT_SHARE, WAIT_LONG);
    p->at = now + (p->next > 0 ? 0 : swayed(p, useful ? WAIT_MIN : usec_max(p->wait, vain)));
}

static double raise_most(const struct probe *p, const struct probe_input *in)
{
    return fmax(p->raise, RAISE_SHARE * in->bps);
}

static double faster(const struct probe *p, const struct probe_input *in, double bps)
{
    double most = 2 * in->bps;
    if (p->settled)
        most = fmin(most, in->bps + raise_most(p, in));
    return fmax(fmin(bps, most), in->bps + fmax(LEAST_BPS, LEAST_SHARE * in->bps));
}

/* The rate of a cluster that should begin now; 0: none. */
static double due(struct probe *p, usec_t now, const struct probe_input *in)
{
    if (p->next > 0 && p->next > in->bps)
        return p->next;
    if (!p->started) {
        p->started = true;
        p->next = fmin(START_SECOND * in->bps, 2 * in->need);
        return fmin(START_FIRST * in->bps, 2 * in->need);
    }
    if (p->dropped_from > 0 && now - p->dropped_at < DROP_TIME) {
        double back = fmin(DROP_PROBE * p->dropped_from, START_FIRST * in->bps);
        p->dropped_from = 0;
        return fmin(back, 2 * in->need);
    }
    if (now < p->at)
        return 0;
    return faster(p, in, in->idle ? fmin(IDLE_FACTOR * in->bps, 2 * in->need) : in->need);
}

void probe_tick(struct probe *p, usec_t now, int64_t number, const struct probe_input *in)
{
    if (p->state == PROBE_SENDING) {
        usec_t passed = now - p->begun;
        if ((passed >= p->time && p->packets > PACKETS_MIN) || passed >= GIVE_UP) {
            p->state = PROBE_WAITING;
            p->last = number;
            p->ended = usec_max(now, 1);
        }
        return;
    }
    if (p->raised_at > 0 && now - p->raised_at > RAISE_LASTS) {
        p->raised_at = 0;
        p->wait = WAIT_MIN;
    }
    if (p->state == PROBE_WAITING) {
        if (now - p->ended > in->rtt + ANSWER)
            end(p, now, false, in->bps);
        return;
    }
    if (in->blocked || in->need <= in->bps)
        return;
    /* Long enough that what sways does not hide the rate. */
    p->time = usec_min(TIME_MIN + SWAYS * in->sway, TIME_MAX);
    double bps = due(p, now, in);
    if (bps <= in->bps || price(p, bps) > p->credit)
        return;
    if (bps == p->next)
        p->next = 0;
    begin(p, now, number, bps);
}

size_t probe_fill(const struct probe *p, usec_t now)
{
    if (p->state != PROBE_SENDING)
        return 0;
    double owed = p->bps / 8 * (double)(now - p->begun + BURST) / USEC_PER_SEC - (double)p->bytes;
    return owed > 0 ? (size_t)fmin(owed, PROBE_FILL_MAX) : 0;
}

void probe_sent(struct probe *p, usec_t now, uint32_t size, bool extra)
{
    if (!extra)
        p->credit = fmin(p->credit + CREDIT_SHARE * size, CREDIT_MAX);
    if (p->state != PROBE_SENDING)
        return;
    p->first_sent = p->packets == 0 ? now : p->first_sent;
    p->last_sent = now;
    p->packets++;
    p->bytes += size;
    p->extra += extra ? size : 0;
}

void probe_told(struct probe *p, int64_t number, usec_t sent, usec_t arrival, uint32_t size)
{
    if (p->state == PROBE_IDLE || number < p->first || number >= p->last)
        return;
    if (p->told++ == 0)
        p->opened = p->closed = arrival;
    p->told_bytes += size;
    p->closed = usec_max(p->closed, arrival);
    if (sent == p->first_sent) {
        p->opening_bytes += size;
        p->opened = usec_max(p->opened, arrival);
    }
}

static double measure(const struct probe *p, double inherent)
{
    double kept = 1 - inherent;
    usec_t sent = p->last_sent - p->first_sent;
    usec_t arrived = p->closed - p->opened;
    if (p->packets < PACKETS_MIN || p->told < TOLD_SHARE * kept * p->packets ||
        (double)p->told_bytes < TOLD_SHARE * kept * (double)p->bytes || sent < SPAN_MIN ||
        sent > SPAN_MAX || arrived > SPAN_MAX)
        return 0;
    double bits = (double)(p->told_bytes - p->opening_bytes) / kept * 8 * USEC_PER_SEC;
    double sent_bps = bits / (double)sent;
    double arrived_bps = bits / (double)usec_max(arrived, 1);
    if (arrived_bps > RATIO_MAX * sent_bps)
        return 0;
    return arrived_bps < SEND_SHARE * sent_bps ? MARGIN * arrived_bps : fmin(sent_bps, arrived_bps);
}

double probe_result(struct probe *p, usec_t now, int64_t acked, const struct probe_input *in)
{
    if (p->state != PROBE_WAITING || acked < p->last - 1)
        return 0;
    double bps = measure(p, in->inherent);
    /* On a line shared with others a short cluster shows what is free for a moment. */
    if (p->settled)
        bps = fmin(bps, in->bps + raise_most(p, in));
    bool useful = bps > in->bps;
    if (useful && bps > FURTHER * p->bps && bps < in->need && !p->settled)
        p->next = fmax(p->next, 2 * bps);
    end(p, now, useful, in->bps);
    return useful ? bps : 0;
}

void probe_abort(struct probe *p, usec_t now)
{
    p->state = PROBE_IDLE;
    p->started = false;
    p->next = 0;
    p->at = now;
}

void probe_dropped(struct probe *p, usec_t now, double from, double to)
{
    p->settled = true;
    p->next = 0;
    p->raise = SETTLED_RAISE;
    if (p->raised_at > 0 && now - p->raised_at < RAISE_LASTS) {
        /* It looked free and was not: the next one waits longer. */
        wait_longer(p, to);
        p->at = now + swayed(p, p->wait);
        p->raised_at = 0;
        p->dropped_from = 0;
        return;
    }
    if (now - p->dropped_at > DROP_TIME || from > p->dropped_from) {
        p->dropped_from = from;
        p->dropped_at = now;
    }
    if (to > DROP * p->dropped_from)
        p->dropped_from = 0;
}

bool probe_echoes(const struct probe *p, usec_t now, usec_t rtt)
{
    return p->state == PROBE_SENDING || (p->ended > 0 && now - p->ended < rtt + ECHO);
}
