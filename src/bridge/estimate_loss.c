#include "bridge/estimate_loss.h"

#include <math.h>

#include "bridge/estimate.h"

enum { OBSERVATIONS_MIN = 3, CANDIDATES = 5, NEWTON_STEPS = 4 };

#define OBSERVATION (250 * USEC_PER_MSEC)
#define AGE_WEIGHT 0.9
#define INHERENT_START 0.01
#define INHERENT_MIN 1e-3
#define INHERENT_MAX 0.05
#define INHERENT_BALANCE 150000 /* bit/s: slow ways are granted more loss of their own */
#define NEWTON_STEP 0.75
/* Of two explanations the one with more bandwidth, unless much is lost: then what was seen decides
 * alone, for a way that loses much at any rate still has to carry a picture. */
#define PREFERENCE 0.0002
#define PREFERENCE_LOG 0.02
#define PREFERENCE_LOSS 0.20
#define PREFERENCE_SMOOTHING 0.002
/* Heavy loss bounds at once, whatever explains it. */
#define INSTANT_BALANCE 150000 /* bit/s */
#define INSTANT_LOSS 0.05
#define EXPLAINED 1.3
/* More loss than that over what the way itself is thought to lose, and nothing rises. */
#define RISE_EXPLAINED 1.1
#define INHERENT_COUNTED 0.5
/* Above what is sent in any case, so that its loss is taken for the way's own. */
#define LEAST_FACTOR 1.2
#define RAISE 1.3
#define RAISE_INTERVAL (300 * USEC_PER_MSEC)
#define RAISE_ACKED 1.5
#define HOLD_ACKED 1.2
#define HOLD_MIN (300 * USEC_PER_MSEC)
#define HOLD_MAX (60 * USEC_PER_SEC)
#define HOLD_CALM (10 * USEC_PER_SEC)

void loss_init(struct loss *l)
{
    *l = (struct loss){.bps = INFINITY, .inherent = INHERENT_START, .hold = HOLD_MIN};
}

static const struct loss_observation *seen(const struct loss *l, unsigned age)
{
    return &l->seen[(l->count - 1 - age) % LOSS_OBSERVATIONS];
}

static unsigned seen_count(const struct loss *l)
{
    return l->count < LOSS_OBSERVATIONS ? l->count : LOSS_OBSERVATIONS;
}

void loss_add(struct loss *l, usec_t sent, uint32_t size, bool lost)
{
    if (l->running.bytes == 0)
        l->first_sent = l->last_sent = sent;
    l->last_sent = usec_max(l->last_sent, sent);
    l->running.bytes += size;
    l->running.lost += lost ? size : 0;
}

void loss_take_back(struct loss *l, uint32_t size)
{
    struct loss_observation *o = &l->running;
    for (unsigned age = 0; o->lost < size && age < seen_count(l); age++)
        o = &l->seen[(l->count - 1 - age) % LOSS_OBSERVATIONS];
    if (o->lost >= size)
        o->lost -= size;
}

/* By age; the best and the worst do not count, so that one burst is not the rule. */
static double average_loss(const struct loss *l)
{
    double lost = 0, bytes = 0, weight = 1;
    double least = 2, most = -1;
    double of_least[2] = {0}, of_most[2] = {0};
    unsigned count = seen_count(l);
    for (unsigned i = 0; i < count; i++, weight *= AGE_WEIGHT) {
        const struct loss_observation *o = seen(l, i);
        double share = (double)o->lost / (double)o->bytes;
        double part[2] = {weight * (double)o->lost, weight * (double)o->bytes};
        lost += part[0];
        bytes += part[1];
        if (share < least) {
            least = share;
            of_least[0] = part[0];
            of_least[1] = part[1];
        }
        if (share >= most) {
            most = share;
            of_most[0] = part[0];
            of_most[1] = part[1];
        }
    }
    if (count > OBSERVATIONS_MIN) {
        lost -= of_least[0] + of_most[0];
        bytes -= of_least[1] + of_most[1];
    }
    return bytes > 0 ? fmin(fmax(lost / bytes, 0), 1) : 0;
}

/* Share that would be lost of what was sent at `sent`. */
static double predicted(double inherent, double bps, double sent)
{
    double beyond = sent > bps ? (sent - bps) / sent : 0;
    return fmin(fmax(inherent + (1 - inherent) * beyond, 1e-6), 1 - 1e-6);
}

/* A step of Newton's towards the inherent loss that explains best what was seen at this rate. */
static double step_inherent(const struct loss *l, double bps, double inherent)
{
    double first = 0, second = 0, weight = 1;
    for (unsigned i = 0; i < seen_count(l); i++, weight *= AGE_WEIGHT) {
        const struct loss_observation *o = seen(l, i);
        double p = predicted(inherent, bps, o->bps);
        double lost = (double)o->lost / 1000;
        double kept = (double)(o->bytes - o->lost) / 1000;
        first += weight * (lost / p - kept / (1 - p));
        second -= weight * (lost / (p * p) + kept / ((1 - p) * (1 - p)));
    }
    double stepped = second < 0 ? inherent - NEWTON_STEP * first / second : inherent;
    double most = INHERENT_MAX + INHERENT_BALANCE / bps;
    return fmin(fmax(stepped, INHERENT_MIN), fmin(most, 1));
}

static double fit_inherent(const struct loss *l, double bps)
{
    double inherent = fmax(l->average, INHERENT_MIN);
    for (int i = 0; i < NEWTON_STEPS; i++)
        inherent = step_inherent(l, bps, inherent);
    return inherent;
}

static double prefer(const struct loss *l, double bps)
{
    double off = PREFERENCE_LOSS - l->average;
    double factor = off > 0 ? off / (PREFERENCE_SMOOTHING + off) : 0;
    double kbps = bps / 1000;
    return factor * (PREFERENCE * kbps + PREFERENCE_LOG * log(1 + kbps));
}

static double likelihood(const struct loss *l, double bps, double inherent)
{
    double sum = 0, weight = 1;
    double preference = prefer(l, bps);
    for (unsigned i = 0; i < seen_count(l); i++, weight *= AGE_WEIGHT) {
        const struct loss_observation *o = seen(l, i);
        double p = predicted(inherent, bps, o->bps);
        double lost = (double)o->lost / 1000;
        double kept = (double)(o->bytes - o->lost) / 1000;
        sum += weight * (lost * log(p) + kept * log(1 - p) + preference * (lost + kept));
    }
    return sum;
}

static void bound_rise(struct loss *l, usec_t now, double current, const struct loss_input *in,
                       double *bps)
{
    /* What the way itself loses was carried as far as the rate is concerned. */
    double carried = in->acked / (1 - fmin(l->inherent, INHERENT_COUNTED));
    if (l->cut_at > 0 && carried > 0)
        *bps =
            fmin(*bps, fmax(current, (now < l->hold_until ? HOLD_ACKED : RAISE_ACKED) * carried));
    if (now < l->hold_until)
        *bps = fmin(*bps, current);
    if (l->cut_at == 0)
        return;
    if (now >= l->raise_at) {
        l->raise_at = now + RAISE_INTERVAL;
        l->raise_max = RAISE * current;
    }
    *bps = fmin(*bps, l->raise_max);
}

static void note_change(struct loss *l, usec_t now, double current, double bps)
{
    if (bps < current) {
        if (l->rising) /* the last rise did not last: wait longer before the next */
            l->hold = usec_min(2 * l->hold, HOLD_MAX);
        l->rising = false;
        l->cut_at = usec_max(now, 1);
        l->hold_until = now + l->hold;
        l->raise_at = now + RAISE_INTERVAL;
        l->raise_max = RAISE * bps;
    } else if (bps > current) {
        l->rising = true;
    }
    if (now - l->cut_at > HOLD_CALM && now > l->hold_until)
        l->hold = HOLD_MIN;
}

static void choose(struct loss *l, usec_t now, const struct loss_input *in)
{
    double current = fmin(l->bps, in->delay_bps);
    double candidates[CANDIDATES] = {
        fmin(1.02 * current, in->delay_bps),
        current,
        0.95 * current,
        in->delay_bps,
        in->acked > 0 && !in->idle ? fmin(in->acked, in->delay_bps) : current,
    };
    double best = current, best_inherent = l->inherent, most = -INFINITY;
    for (unsigned i = 0; i < CANDIDATES; i++) {
        double inherent = fit_inherent(l, candidates[i]);
        double value = likelihood(l, candidates[i], inherent);
        if (value > most) {
            most = value;
            best = candidates[i];
            best_inherent = inherent;
        }
    }
    if (l->average > RISE_EXPLAINED * best_inherent)
        best = fmin(best, current);
    if (best > current)
        bound_rise(l, now, current, in, &best);
    if (l->average > INSTANT_LOSS)
        best = fmin(best, INSTANT_BALANCE / (l->average - INSTANT_LOSS));
    /* Never below what goes through all the same. */
    best = fmax(best, fmin(in->acked, current));
    best = fmax(best, fmax(LEAST_FACTOR * in->least, ESTIMATE_MIN));
    note_change(l, now, current, best);
    l->inherent = best_inherent;
    l->bps = best < in->delay_bps ? best : INFINITY;
}

void loss_update(struct loss *l, usec_t now, const struct loss_input *in)
{
    usec_t span = l->last_sent - l->first_sent;
    if (l->running.bytes == 0 || span < OBSERVATION)
        return;
    l->running.bps = (double)l->running.bytes * 8 * USEC_PER_SEC / (double)span;
    l->seen[l->count++ % LOSS_OBSERVATIONS] = l->running;
    l->running = (struct loss_observation){0};
    if (l->count >= 1000 * LOSS_OBSERVATIONS)
        l->count -= 900 * LOSS_OBSERVATIONS; /* the place in the ring stays */
    l->average = average_loss(l);
    if (seen_count(l) >= OBSERVATIONS_MIN && (l->average > 0 || isfinite(l->bps)))
        choose(l, now, in);
}

void loss_raise(struct loss *l, double bps)
{
    if (l->average > INSTANT_LOSS)
        bps = fmin(bps, INSTANT_BALANCE / (l->average - INSTANT_LOSS));
    if (isfinite(l->bps) && bps > l->bps)
        l->bps = l->raise_max = bps;
}

bool loss_limits(const struct loss *l, double delay_bps)
{
    return l->bps < delay_bps;
}

bool loss_explained(const struct loss *l)
{
    return l->average < EXPLAINED * l->inherent;
}
