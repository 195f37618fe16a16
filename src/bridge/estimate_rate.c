#include "bridge/estimate_rate.h"

#include <math.h>

#include "bridge/estimate.h"

#define DECREASE 0.85
#define DECREASE_MORE 5000 /* bit/s */
#define SPARED 1.25
#define INCREASE 0.08     /* share per second while the capacity is unknown */
#define INCREASE_MIN 4000 /* bit/s per second */
#define PACKET_BITS (1200.0 * 8)
/* For a decrease to show: a round trip and what it takes to send less. */
#define PAUSE_MIN (100 * USEC_PER_MSEC)
#define PAUSE_MAX (500 * USEC_PER_MSEC)

static double clamp_bps(const struct rate *r, double bps)
{
    return fmin(fmax(bps, fmax(r->least, ESTIMATE_MIN)), ESTIMATE_MAX);
}

void rate_init(struct rate *r, usec_t now, double bps)
{
    *r = (struct rate){.bps = bps, .updated_at = now};
}

void rate_raise(struct rate *r, double bps)
{
    if (bps <= r->bps)
        return;
    r->bps = clamp_bps(r, bps);
}

/* What may be believed when so much was carried. */
static double most_after(double arrived)
{
    return 1.2 * arrived + 20000;
}

static void decrease(struct rate *r, usec_t now, const struct rate_input *in)
{
    r->held = true;
    /* A probe fills the queue on purpose: that it did so says only that it failed. */
    if (in->probed)
        return;
    const struct acked *a = in->arrived;
    usec_t pause = usec_min(in->rtt + PAUSE_MIN, PAUSE_MAX);
    if (now - r->decreased_at < pause && (a->recent <= 0 || a->recent > r->bps / 2))
        return;
    double arrived = acked_capacity(a);
    if (arrived <= 0)
        arrived = a->recent > 0 ? a->recent : a->bps;
    double lower = r->bps / 2;
    if (arrived < SPARED * r->least) /* only what is sent in any case: it tells nothing */
        lower = DECREASE * fmin(r->bps, most_after(arrived));
    else if (arrived > 0)
        lower = DECREASE * arrived - DECREASE_MORE;
    if (in->sways) /* then little arrived because some of it is late, and there is time to see */
        lower = fmax(lower, DECREASE * r->bps);
    r->bps = clamp_bps(r, fmin(r->bps, lower));
    r->decreased_at = usec_max(now, 1);
}

/* Half a packet per response time, the same for all who share a way. */
static double near_step(usec_t rtt)
{
    double response = (double)(rtt + 100 * USEC_PER_MSEC) / USEC_PER_SEC;
    return fmax(INCREASE_MIN, PACKET_BITS / (2 * response));
}

static void increase(struct rate *r, double seconds, const struct rate_input *in)
{
    const struct acked *a = in->arrived;
    /* Once the way was full all who share it rise by the same; probes find out if there is more. */
    double step = r->decreased_at > 0 ? near_step(in->rtt) : INCREASE * r->bps;
    double raised = r->bps + step * seconds;
    double most = a->bps > 0 ? most_after(a->bps) : raised;
    r->bps = clamp_bps(r, fmin(fmin(raised, in->most), fmax(most, r->bps)));
}

void rate_update(struct rate *r, usec_t now, const struct rate_input *in)
{
    usec_t passed = usec_min(usec_max(now - r->updated_at, 0), USEC_PER_SEC);
    r->updated_at = now;
    switch (in->use) {
    case DELAY_OVERUSE:
        decrease(r, now, in);
        break;
    case DELAY_UNDERUSE:
        r->held = true; /* a queue is draining */
        break;
    case DELAY_NORMAL:
        if (!r->held)
            increase(r, (double)passed / USEC_PER_SEC, in);
        r->held = false;
        break;
    }
}
