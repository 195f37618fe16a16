#include "bridge/estimate_delay.h"

#include <math.h>

#define BURST (5 * USEC_PER_MSEC)
#define BURST_MAX (100 * USEC_PER_MSEC)
#define SMOOTHING 0.9
#define TREND_GAIN 4.0
#define DELTAS_MAX 60
#define THRESHOLD_START 12.5
#define THRESHOLD_MIN 6.0
#define THRESHOLD_MAX 600.0
#define THRESHOLD_UP 0.0087
#define THRESHOLD_DOWN 0.039
#define THRESHOLD_SKIP 15.0
#define OVERUSE_TIME (10 * USEC_PER_MSEC)
#define SILENCE (2 * USEC_PER_SEC)
/* On a way that merely jitters some packet soon comes as fast as ever; behind a queue none does. */
#define QUEUE_MIN (15 * USEC_PER_MSEC)
#define RECENT_PERIOD (150 * USEC_PER_MSEC)
/* So many packets in a row so late are no jitter. */
#define FAR (100 * USEC_PER_MSEC)
#define FAR_PACKETS 6
#define SWAY_PACKETS 32
#define LEAST_PERIOD (5 * USEC_PER_SEC)

void delay_init(struct delay *d)
{
    *d = (struct delay){.threshold = THRESHOLD_START};
}

static void start_over(struct delay *d)
{
    double threshold = d->threshold;
    delay_init(d);
    d->threshold = threshold;
}

static double slope_of(const struct delay *d)
{
    unsigned n = d->deltas < DELAY_TREND ? d->deltas : DELAY_TREND;
    double mean_x = 0;
    double mean_y = 0;
    for (unsigned i = 0; i < n; i++) {
        mean_x += d->x[i] / n;
        mean_y += d->y[i] / n;
    }
    double above = 0;
    double below = 0;
    for (unsigned i = 0; i < n; i++) {
        above += (d->x[i] - mean_x) * (d->y[i] - mean_y);
        below += (d->x[i] - mean_x) * (d->x[i] - mean_x);
    }
    return below > 0 ? above / below : 0;
}

static void adapt_threshold(struct delay *d, usec_t now, double trend)
{
    double distance = fabs(trend);
    double elapsed = (double)usec_min(now - d->threshold_at, 100 * USEC_PER_MSEC) / 1000;
    d->threshold_at = now;
    if (distance > d->threshold + THRESHOLD_SKIP)
        return;
    double gain = distance < d->threshold ? THRESHOLD_DOWN : THRESHOLD_UP;
    d->threshold += gain * (distance - d->threshold) * elapsed;
    d->threshold = fmin(fmax(d->threshold, THRESHOLD_MIN), THRESHOLD_MAX);
}

static void note_least(struct delay_least *l, usec_t now, usec_t period, usec_t delay)
{
    if (l->from == 0 || now - l->from > period) {
        l->before = l->from > 0 ? l->now : delay;
        l->packets_before = l->packets;
        l->packets = 0;
        l->now = delay;
        l->from = usec_max(now, 1);
    }
    l->now = usec_min(l->now, delay);
    l->packets++;
}

usec_t delay_queue(const struct delay *d)
{
    return usec_min(d->recent.now, d->recent.before) - usec_min(d->least.now, d->least.before);
}

usec_t delay_spread(const struct delay *d)
{
    return -usec_min(d->latest.now, d->latest.before) - usec_min(d->recent.now, d->recent.before);
}

unsigned delay_packets(const struct delay *d)
{
    return d->recent.packets_before + d->recent.packets;
}

bool delay_waited(const struct delay *d, usec_t sent, usec_t arrival)
{
    return arrival - sent - usec_min(d->least.now, d->least.before) > QUEUE_MIN;
}

static void judge(struct delay *d, usec_t now, usec_t send_delta)
{
    double slope = slope_of(d);
    unsigned deltas = d->deltas < DELTAS_MAX ? d->deltas : DELTAS_MAX;
    double trend = deltas * slope * TREND_GAIN;
    if (trend > d->threshold && delay_queue(d) > QUEUE_MIN) {
        d->overuse_since += send_delta;
        d->overuse_count++;
        if (d->overuse_since > OVERUSE_TIME && d->overuse_count > 1 && slope >= d->slope) {
            d->use = DELAY_OVERUSE;
            d->overuse_since = 0;
            d->overuse_count = 0;
        }
    } else {
        d->overuse_since = 0;
        d->overuse_count = 0;
        d->use = trend < -d->threshold ? DELAY_UNDERUSE : DELAY_NORMAL;
    }
    d->slope = slope;
    adapt_threshold(d, now, trend);
}

static void end_group(struct delay *d, usec_t now)
{
    if (d->before.valid) {
        usec_t send_delta = d->group.last_sent - d->before.last_sent;
        usec_t arrival_delta = d->group.last_arrival - d->before.last_arrival;
        double gradient = (double)(arrival_delta - send_delta) / 1000;
        d->accumulated += gradient;
        d->smoothed = SMOOTHING * d->smoothed + (1 - SMOOTHING) * d->accumulated;
        unsigned at = d->deltas % DELAY_TREND;
        d->x[at] = (double)d->group.last_arrival / 1000;
        d->y[at] = d->smoothed;
        d->deltas++;
        if (d->deltas >= DELAY_TREND)
            judge(d, now, send_delta);
        if (d->deltas >= 1000 * DELAY_TREND)
            d->deltas -= 900 * DELAY_TREND; /* the place in the ring stays */
    }
    d->before = d->group;
}

void delay_add(struct delay *d, usec_t now, usec_t sent, usec_t arrival)
{
    struct delay_group *g = &d->group;
    if (g->valid && (sent - g->last_sent > SILENCE || arrival - g->last_arrival > SILENCE))
        start_over(d);
    note_least(&d->recent, now, RECENT_PERIOD, arrival - sent);
    note_least(&d->latest, now, RECENT_PERIOD, sent - arrival);
    note_least(&d->least, now, LEAST_PERIOD, arrival - sent);
    usec_t behind = arrival - sent - usec_min(d->recent.now, d->recent.before);
    usec_t waited = arrival - sent - usec_min(d->least.now, d->least.before);
    d->late = waited > FAR ? d->late + 1 : 0;
    if (d->late >= FAR_PACKETS) /* a slope would come to the same, later */
        d->use = DELAY_OVERUSE;
    d->sway += (behind - d->sway) / SWAY_PACKETS;
    if (!g->valid) {
        *g = (struct delay_group){sent, sent, arrival, true};
        return;
    }
    if (sent < g->first_sent)
        return; /* out of order: of a group that is over */
    bool burst = arrival - g->last_arrival <= BURST &&
                 arrival - g->last_arrival < sent - g->last_sent &&
                 sent - g->first_sent < BURST_MAX;
    if (sent - g->first_sent <= BURST || burst) {
        g->last_sent = usec_max(g->last_sent, sent);
        g->last_arrival = usec_max(g->last_arrival, arrival);
        return;
    }
    end_group(d, now);
    *g = (struct delay_group){sent, sent, arrival, true};
}
