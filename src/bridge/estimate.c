#include "bridge/estimate.h"

#include <math.h>

#include "proto/rtp.h"
#include "proto/twcc.h"

#define STALL (1 * USEC_PER_SEC)
/* A probe into a queue that still drains would measure that. */
#define PROBE_QUEUE (20 * USEC_PER_MSEC)
/* While it is no longer than this there is time to look again before anybody notices. */
#define SHORT_QUEUE (50 * USEC_PER_MSEC)
/* Of fewer all may be late by chance. */
#define FEW_PACKETS 12

int estimate_init(struct estimate *e, usec_t now, uint32_t seed)
{
    *e = (struct estimate){0};
    int err = sent_init(&e->sent);
    if (err)
        return err;
    e->acked = e->sent.next - 1;
    delay_init(&e->delay);
    rate_init(&e->rate, now, ESTIMATE_INITIAL);
    loss_init(&e->loss);
    idle_init(&e->idle, now);
    probe_init(&e->probe, now, seed);
    return 0;
}

void estimate_begin(struct estimate *e, usec_t now, uint64_t bps)
{
    rate_init(&e->rate, now, (double)bps);
}

void estimate_done(struct estimate *e)
{
    sent_done(&e->sent);
}

static double current(const struct estimate *e)
{
    return fmax(fmin(e->rate.bps, e->loss.bps), ESTIMATE_MIN);
}

uint16_t estimate_send(struct estimate *e, usec_t now, size_t size, bool probe)
{
    uint16_t sequence = (uint16_t)e->sent.next;
    uint16_t bytes = (uint16_t)(size < UINT16_MAX ? size : UINT16_MAX);
    (void)sent_put(&e->sent, now, bytes); /* more of it is for the caller to tell */
    if (e->asked_at == 0)
        e->asked_at = usec_max(now, 1);
    probe_sent(&e->probe, now, bytes, probe);
    if (!probe && idle_sent(&e->idle, now, current(e), bytes))
        acked_doubt(&e->arrived);
    return sequence;
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

static void take_arrival(struct estimate *e, usec_t now, struct sent_packet *sent, int64_t number,
                         usec_t arrival)
{
    if (sent->fate == SENT_LOST) { /* only late */
        loss_take_back(&e->loss, sent->size);
        e->lost_count--;
    } else {
        loss_add(&e->loss, sent->at, sent->size, false);
        e->told_count++;
    }
    sent->fate = SENT_ARRIVED;
    delay_add(&e->delay, now, sent->at, arrival);
    acked_add(&e->arrived, arrival, sent->size, delay_waited(&e->delay, sent->at, arrival));
    probe_told(&e->probe, number, sent->at, arrival, sent->size);
    usec_t rtt = now - sent->at;
    e->rtt = e->rtt > 0 ? (e->rtt * 7 + rtt) / 8 : rtt;
}

static void take_status(struct estimate *e, usec_t now, const struct twcc_status *status,
                        usec_t shift, bool broken)
{
    int64_t full = rtp_unwrap(e->acked, status->sequence);
    struct sent_packet *sent = sent_get(&e->sent, full);
    if (!sent || sent->fate == SENT_ARRIVED)
        return;
    if (full > e->acked)
        e->acked = full;
    if (status->received) {
        take_arrival(e, now, sent, full, status->arrival + shift);
    } else if (sent->fate == SENT_UNKNOWN && !broken) { /* an outage says nothing about the rate */
        sent->fate = SENT_LOST;
        e->lost_count++;
        e->told_count++;
        loss_add(&e->loss, sent->at, sent->size, true);
    }
}

/* Whether the queue is none of our making, as far as is known. */
static bool crowded(const struct estimate *e, usec_t now)
{
    return e->beside.on || beside_suspects(&e->beside, now, current(e));
}

static bool blocked(const struct estimate *e, usec_t now)
{
    if (crowded(e, now))
        return current(e) >= BESIDE_MOST || beside_loses(&e->beside, e->loss.average);
    return e->delay.use != DELAY_NORMAL || delay_queue(&e->delay) > PROBE_QUEUE ||
           (loss_limits(&e->loss, e->rate.bps) && !loss_explained(&e->loss));
}

static struct probe_input probe_state(const struct estimate *e, usec_t now)
{
    return (struct probe_input){.bps = current(e),
                                .need = fmin(e->need, ESTIMATE_MAX),
                                .idle = e->idle.idle,
                                .blocked = blocked(e, now),
                                .inherent = e->loss.average > 0 ? e->loss.inherent : 0,
                                .rtt = e->rtt,
                                .sway = e->delay.sway};
}

static void take_probe(struct estimate *e, usec_t now)
{
    struct probe_input in = probe_state(e, now);
    double bps = probe_result(&e->probe, now, e->acked, &in);
    bool others = crowded(e, now);
    if (bps <= 0 || (e->delay.use == DELAY_OVERUSE && !others))
        return;
    if (others) {
        bps = fmin(bps, fmax(BESIDE_MOST, current(e)));
        beside_probed(&e->beside, current(e), bps);
        if (!e->beside.on)
            return;
    }
    rate_raise(&e->rate, bps);
    loss_raise(&e->loss, bps);
}

/* Jitter spreads packets by several times what the fastest is late; a queue delays all. */
static bool sways(const struct delay *d)
{
    usec_t queue = delay_queue(d);
    usec_t far = delay_packets(d) < FEW_PACKETS ? queue / 2 : 2 * queue;
    return queue < SHORT_QUEUE && delay_spread(d) > far;
}

static void control(struct estimate *e, usec_t now)
{
    double before = current(e);
    beside_update(&e->beside, now, delay_queue(&e->delay), e->loss.average);
    struct rate_input rate = {.use = e->delay.use,
                              .arrived = &e->arrived,
                              .rtt = e->rtt,
                              .sways = sways(&e->delay),
                              .probed = probe_echoes(&e->probe, now, e->rtt),
                              .most = e->beside.on ? fmax(BESIDE_MOST, before) : ESTIMATE_MAX};
    if (e->beside.on) {
        rate.use = DELAY_NORMAL;
        e->rate.bps *= beside_cut(&e->beside, now, e->rtt, e->loss.average);
    }
    rate_update(&e->rate, now, &rate);
    struct loss_input loss = {.acked = e->arrived.bps,
                              .delay_bps = e->rate.bps,
                              .least = e->rate.least,
                              .idle = e->idle.idle};
    loss_update(&e->loss, now, &loss);
    if (current(e) < before)
        probe_dropped(&e->probe, now, before, current(e));
}

int estimate_feedback(struct estimate *e, usec_t now, struct slice fci)
{
    struct twcc_feedback feedback;
    int err = twcc_parse(fci, &feedback);
    if (err)
        return err;
    usec_t shift = unwrap_reference(e, feedback.reference);
    bool broken = estimate_stalled(e, now);
    struct twcc_status status;
    while (twcc_next(&feedback, &status))
        take_status(e, now, &status, shift, broken);
    e->told_at = usec_max(now, 1);
    e->asked_at = 0;
    take_probe(e, now);
    control(e, now);
    return 0;
}

void estimate_want(struct estimate *e, uint64_t need, uint64_t least)
{
    e->need = (double)need;
    e->rate.least = (double)least;
}

bool estimate_settled(const struct estimate *e)
{
    return e->rate.decreased_at > 0;
}

size_t estimate_tick(struct estimate *e, usec_t now, bool can_probe)
{
    if (!can_probe || estimate_stalled(e, now)) {
        if (!can_probe)
            probe_abort(&e->probe, now);
        return 0;
    }
    struct probe_input in = probe_state(e, now);
    probe_tick(&e->probe, now, e->sent.next, &in);
    return probe_fill(&e->probe, now);
}

uint64_t estimate_bps(const struct estimate *e)
{
    return (uint64_t)current(e);
}

bool estimate_stalled(const struct estimate *e, usec_t now)
{
    return e->told_at > 0 && e->asked_at > 0 && now - e->asked_at > STALL + e->rtt;
}

usec_t estimate_queue(const struct estimate *e)
{
    return delay_queue(&e->delay);
}

bool estimate_probing(const struct estimate *e)
{
    return e->probe.state == PROBE_SENDING;
}

size_t estimate_probe_fill(const struct estimate *e, usec_t now)
{
    return probe_fill(&e->probe, now);
}

usec_t estimate_rtt(const struct estimate *e)
{
    return e->rtt;
}
