#include "bridge/estimate.h"

#include <math.h>

#include "proto/rtp.h"
#include "proto/twcc.h"

/* Figures as in WebRTC's own sender, so that both ends of a way judge it alike. */
#define BURST (5 * USEC_PER_MSEC)
#define SMOOTHING 0.9
#define TREND_GAIN 4.0
#define DELTAS_MAX 60
#define THRESHOLD_START 12.5
#define THRESHOLD_MIN 6.0
#define THRESHOLD_MAX 600.0
#define THRESHOLD_UP 0.0087
#define THRESHOLD_DOWN 0.039
#define THRESHOLD_SKIP 15.0
/* On a way that merely jitters some packet soon comes as fast as ever; behind a queue none does. */
#define QUEUE_MIN (15 * USEC_PER_MSEC)
#define RECENT_PERIOD (150 * USEC_PER_MSEC)
#define LEAST_PERIOD (5 * USEC_PER_SEC)
#define OVERUSE_TIME (10 * USEC_PER_MSEC)
#define DECREASE 0.85
#define INCREASE 0.08 /* share per second while the capacity is unknown */
#define SILENCE (2 * USEC_PER_SEC)
#define ACK_WINDOW (250 * USEC_PER_MSEC)
#define LOSS_WINDOW (500 * USEC_PER_MSEC)
#define LOSS_PACKETS_MIN 20
#define LOSS_LOW 0.02
#define LOSS_HIGH 0.10
#define PROBE_PACKETS_MIN 5
#define PROBE_ECHO (300 * USEC_PER_MSEC) /* for its queue to drain */
#define PROBE_TIME_MIN (15 * USEC_PER_MSEC)

void estimate_init(struct estimate *e, usec_t now)
{
    *e = (struct estimate){
        .next = 65536,
        .acked = 65535,
        .threshold = THRESHOLD_START,
        .delay_bps = ESTIMATE_INITIAL,
        .loss_bps = ESTIMATE_INITIAL,
        .updated_at = now,
        .window_at = now,
        .control = ESTIMATE_INCREASE,
    };
}

uint16_t estimate_send(struct estimate *e, usec_t now, size_t size)
{
    int64_t sequence = e->next++;
    e->sent[sequence & (ESTIMATE_HISTORY - 1)] =
        (struct estimate_sent){now, sequence, (uint32_t)size, false};
    return (uint16_t)sequence;
}

static void reset_trend(struct estimate *e)
{
    e->group.valid = e->before.valid = false;
    e->accumulated = e->smoothed = 0;
    e->deltas = 0;
    e->recent.from = e->least.from = 0;
    e->slope = 0;
    e->use = ESTIMATE_NORMAL;
    e->overuse_count = 0;
    e->overuse_since = 0;
}

static double slope_of(const struct estimate *e)
{
    unsigned n = e->deltas < ESTIMATE_TREND ? e->deltas : ESTIMATE_TREND;
    double mean_x = 0;
    double mean_y = 0;
    for (unsigned i = 0; i < n; i++) {
        mean_x += e->trend_x[i] / n;
        mean_y += e->trend_y[i] / n;
    }
    double above = 0;
    double below = 0;
    for (unsigned i = 0; i < n; i++) {
        above += (e->trend_x[i] - mean_x) * (e->trend_y[i] - mean_y);
        below += (e->trend_x[i] - mean_x) * (e->trend_x[i] - mean_x);
    }
    return below > 0 ? above / below : 0;
}

static void adapt_threshold(struct estimate *e, usec_t now, double trend)
{
    double distance = fabs(trend);
    double elapsed = (double)usec_min(now - e->threshold_at, 100 * USEC_PER_MSEC) / 1000;
    e->threshold_at = now;
    if (distance > e->threshold + THRESHOLD_SKIP)
        return;
    double gain = distance < e->threshold ? THRESHOLD_DOWN : THRESHOLD_UP;
    e->threshold += gain * (distance - e->threshold) * elapsed;
    e->threshold = fmin(fmax(e->threshold, THRESHOLD_MIN), THRESHOLD_MAX);
}

static void note_least(struct estimate_least *l, usec_t now, usec_t period, usec_t delay)
{
    if (l->from == 0 || now - l->from > period) {
        l->before = l->from > 0 ? l->now : delay;
        l->now = delay;
        l->from = usec_max(now, 1);
    }
    l->now = usec_min(l->now, delay);
}

static bool queued(const struct estimate *e)
{
    usec_t recent = usec_min(e->recent.now, e->recent.before);
    return recent - usec_min(e->least.now, e->least.before) > QUEUE_MIN;
}

static void judge(struct estimate *e, usec_t now, usec_t send_delta)
{
    double slope = slope_of(e);
    unsigned deltas = e->deltas < DELTAS_MAX ? e->deltas : DELTAS_MAX;
    double trend = deltas * slope * TREND_GAIN;
    if (trend > e->threshold && queued(e)) {
        e->overuse_since += send_delta;
        e->overuse_count++;
        if (e->overuse_since > OVERUSE_TIME && e->overuse_count > 1 && slope >= e->slope) {
            e->use = ESTIMATE_OVERUSE;
            e->overuse_since = 0;
            e->overuse_count = 0;
        }
    } else {
        e->overuse_since = 0;
        e->overuse_count = 0;
        e->use = trend < -e->threshold ? ESTIMATE_UNDERUSE : ESTIMATE_NORMAL;
    }
    e->slope = slope;
    adapt_threshold(e, now, trend);
}

static void end_group(struct estimate *e, usec_t now)
{
    if (e->before.valid) {
        usec_t send_delta = e->group.last_sent - e->before.last_sent;
        usec_t arrival_delta = e->group.last_arrival - e->before.last_arrival;
        double gradient = (double)(arrival_delta - send_delta) / 1000;
        e->accumulated += gradient;
        e->smoothed = SMOOTHING * e->smoothed + (1 - SMOOTHING) * e->accumulated;
        unsigned at = e->deltas % ESTIMATE_TREND;
        e->trend_x[at] = (double)e->group.last_arrival / 1000;
        e->trend_y[at] = e->smoothed;
        e->deltas++;
        if (e->deltas >= ESTIMATE_TREND)
            judge(e, now, send_delta);
        if (e->deltas >= 1000 * ESTIMATE_TREND)
            e->deltas -= 900 * ESTIMATE_TREND; /* the place in the ring stays */
    }
    e->before = e->group;
}

static void add_to_group(struct estimate *e, usec_t now, usec_t sent, usec_t arrival)
{
    struct estimate_group *g = &e->group;
    if (g->valid && (sent - g->last_sent > SILENCE || arrival - g->last_arrival > SILENCE))
        reset_trend(e);
    note_least(&e->recent, now, RECENT_PERIOD, arrival - sent);
    note_least(&e->least, now, LEAST_PERIOD, arrival - sent);
    if (!g->valid) {
        *g = (struct estimate_group){sent, sent, arrival, true};
        return;
    }
    if (sent < g->first_sent)
        return; /* out of order: of a group that is over */
    bool burst =
        arrival - g->last_arrival <= BURST && arrival - g->last_arrival < sent - g->last_sent;
    if (sent - g->first_sent <= BURST || burst) {
        g->last_sent = usec_max(g->last_sent, sent);
        g->last_arrival = usec_max(g->last_arrival, arrival);
        return;
    }
    end_group(e, now);
    *g = (struct estimate_group){sent, sent, arrival, true};
}

static void count_acked(struct estimate *e, usec_t arrival, uint32_t size)
{
    if (e->acked_from == 0 || arrival < e->acked_from || arrival - e->acked_to > SILENCE) {
        e->acked_from = e->acked_to = arrival;
        e->acked_bytes = 0;
        return;
    }
    e->acked_bytes += size;
    e->acked_to = usec_max(e->acked_to, arrival);
    usec_t span = e->acked_to - e->acked_from;
    if (span < ACK_WINDOW)
        return;
    double sample = (double)e->acked_bytes * 8 * USEC_PER_SEC / (double)span;
    e->acked_bps = e->acked_bps > 0 ? 0.5 * e->acked_bps + 0.5 * sample : sample;
    e->acked_from = e->acked_to;
    e->acked_bytes = 0;
}

static void count_probe(struct estimate *e, const struct estimate_sent *sent, usec_t arrival)
{
    if (sent->sequence < e->probe_first || sent->sequence >= e->probe_last)
        return;
    if (e->probe_packets++ == 0) {
        /* The first one opens the time; its bytes were on the way before. */
        e->probe_from = e->probe_to = arrival;
        e->probe_sent_from = e->probe_sent_to = sent->at;
        return;
    }
    e->probe_bytes += sent->size;
    e->probe_from = usec_min(e->probe_from, arrival);
    e->probe_to = usec_max(e->probe_to, arrival);
    e->probe_sent_from = usec_min(e->probe_sent_from, sent->at);
    e->probe_sent_to = usec_max(e->probe_sent_to, sent->at);
}

/* All feedback of a probe came: what went through, the estimate may jump to. */
static void end_probe(struct estimate *e)
{
    if (e->probing || e->probe_last == 0 || e->acked < e->probe_last - 1)
        return;
    usec_t span = usec_max(e->probe_to - e->probe_from, e->probe_sent_to - e->probe_sent_from);
    int64_t sent = e->probe_last - e->probe_first;
    if (e->probe_packets >= PROBE_PACKETS_MIN && e->probe_packets * 10 >= sent * 8 &&
        span >= PROBE_TIME_MIN && e->use != ESTIMATE_OVERUSE) {
        double bps = 0.95 * (double)e->probe_bytes * 8 * USEC_PER_SEC / (double)span;
        if (bps > e->delay_bps) {
            e->delay_bps = bps;
            if (bps > e->capacity)
                e->capacity = 0;
        }
        if (e->loss < LOSS_LOW && bps > e->loss_bps)
            e->loss_bps = bps;
    }
    e->probe_first = e->probe_last = 0;
    e->probe_packets = 0;
}

static double clamp_bps(double bps)
{
    return fmin(fmax(bps, ESTIMATE_MIN), ESTIMATE_MAX);
}

static void decrease(struct estimate *e, usec_t now)
{
    /* A probe fills the queue on purpose: that it did so says only that it failed. */
    if (e->probing || (e->probe_ended > 0 && now - e->probe_ended < e->rtt + PROBE_ECHO)) {
        e->control = ESTIMATE_HOLD;
        return;
    }
    usec_t pause = usec_min(usec_max(e->rtt, 10 * USEC_PER_MSEC), 200 * USEC_PER_MSEC);
    if (now - e->decreased_at < pause && (e->acked_bps <= 0 || e->acked_bps > e->delay_bps / 2))
        return;
    double lower = e->acked_bps > 0 ? DECREASE * e->acked_bps : e->delay_bps / 2;
    if (e->acked_bps > 0)
        e->capacity = e->capacity > 0 ? 0.95 * e->capacity + 0.05 * e->acked_bps : e->acked_bps;
    e->delay_bps = clamp_bps(fmin(e->delay_bps, lower));
    e->decreased_at = now;
    e->control = ESTIMATE_HOLD;
}

static void increase(struct estimate *e, double seconds)
{
    /* Near the known capacity by about one packet per response time, else by a share. */
    bool near_capacity = e->capacity > 0 && e->delay_bps > 0.8 * e->capacity;
    if (e->capacity > 0 && e->acked_bps > 1.5 * e->capacity) {
        e->capacity = 0;
        near_capacity = false;
    }
    double response = (double)(e->rtt + 100 * USEC_PER_MSEC) / USEC_PER_SEC;
    double step = near_capacity ? fmax(4000, 1200 * 8 / (2 * response)) : INCREASE * e->delay_bps;
    double raised = e->delay_bps + step * seconds;
    /* What was never carried is not believed. */
    double most = e->acked_bps > 0 ? 1.5 * e->acked_bps + 10000 : raised;
    if (raised > most)
        raised = fmax(most, e->delay_bps);
    e->delay_bps = clamp_bps(raised);
}

static void control_delay(struct estimate *e, usec_t now)
{
    double seconds =
        (double)usec_min(usec_max(now - e->updated_at, 0), USEC_PER_SEC) / USEC_PER_SEC;
    e->updated_at = now;
    switch (e->use) {
    case ESTIMATE_OVERUSE:
        decrease(e, now);
        break;
    case ESTIMATE_UNDERUSE:
        e->control = ESTIMATE_HOLD; /* a queue is draining */
        break;
    case ESTIMATE_NORMAL:
        if (e->control == ESTIMATE_INCREASE)
            increase(e, seconds);
        e->control = ESTIMATE_INCREASE;
        break;
    }
}

static void control_loss(struct estimate *e, usec_t now)
{
    if (now - e->window_at < LOSS_WINDOW || e->window_told < LOSS_PACKETS_MIN)
        return;
    double loss = (double)e->window_lost / e->window_told;
    double seconds = (double)usec_min(now - e->window_at, USEC_PER_SEC) / USEC_PER_SEC;
    e->loss = 0.5 * e->loss + 0.5 * loss;
    e->window_at = now;
    e->window_lost = e->window_told = 0;
    double now_bps = (double)estimate_bps(e);
    /* Neither below what goes through all the same, nor held down once that goes through whole. */
    if (loss > LOSS_HIGH && e->loss > LOSS_HIGH)
        e->loss_bps = fmin(now_bps, fmax(now_bps * (1 - 0.5 * loss), DECREASE * e->acked_bps));
    else if (loss < LOSS_LOW)
        e->loss_bps = fmax(fmin(e->loss_bps * (1 + INCREASE * seconds), 2 * e->delay_bps),
                           fmin(e->acked_bps, e->delay_bps));
    e->loss_bps = clamp_bps(e->loss_bps);
}

/* Arrival times of feedbacks on one line: the reference has 24 bits of 64 ms. */
static usec_t unwrap_reference(struct estimate *e, int32_t reference)
{
    if (!e->has_reference) {
        e->has_reference = true;
        e->reference = reference;
    }
    int32_t step = (int32_t)((uint32_t)(reference - (int32_t)(e->reference & 0xffffff)) << 8) >> 8;
    e->reference += step;
    return (e->reference - reference) * TWCC_REFERENCE;
}

static void take_status(struct estimate *e, usec_t now, const struct twcc_status *status,
                        usec_t shift)
{
    int64_t full = rtp_unwrap(e->acked, status->sequence);
    struct estimate_sent *sent = &e->sent[full & (ESTIMATE_HISTORY - 1)];
    if (full >= e->next || sent->sequence != full)
        return;
    if (full > e->acked)
        e->acked = full;
    if (sent->told && !status->received)
        return;
    if (!status->received) {
        e->window_lost++;
        e->window_told++;
        sent->told = true;
        return;
    }
    if (!sent->told)
        e->window_told++;
    else if (e->window_lost > 0)
        e->window_lost--; /* only late */
    sent->told = true;
    sent->sequence = -1; /* once is enough */
    usec_t arrival = status->arrival + shift;
    add_to_group(e, now, sent->at, arrival);
    count_acked(e, arrival, sent->size);
    struct estimate_sent copy = *sent;
    copy.sequence = full;
    count_probe(e, &copy, arrival);
    usec_t rtt = now - sent->at;
    e->rtt = e->rtt > 0 ? (e->rtt * 7 + rtt) / 8 : rtt;
}

int estimate_feedback(struct estimate *e, usec_t now, struct slice fci)
{
    struct twcc_feedback feedback;
    int err = twcc_parse(fci, &feedback);
    if (err)
        return err;
    usec_t shift = unwrap_reference(e, feedback.reference);
    struct twcc_status status;
    while (twcc_next(&feedback, &status))
        take_status(e, now, &status, shift);
    end_probe(e);
    control_delay(e, now);
    control_loss(e, now);
    return 0;
}

void estimate_probe_begin(struct estimate *e)
{
    e->probing = true;
    e->probe_first = e->next;
    e->probe_last = INT64_MAX;
    e->probe_bytes = 0;
    e->probe_packets = 0;
}

void estimate_probe_end(struct estimate *e, usec_t now)
{
    e->probing = false;
    e->probe_ended = usec_max(now, 1);
    e->probe_last = e->next;
    if (e->probe_last == e->probe_first)
        e->probe_first = e->probe_last = 0;
}

uint64_t estimate_bps(const struct estimate *e)
{
    return (uint64_t)fmin(e->delay_bps, e->loss_bps);
}

bool estimate_overused(const struct estimate *e)
{
    return e->use == ESTIMATE_OVERUSE;
}

usec_t estimate_rtt(const struct estimate *e)
{
    return e->rtt;
}
