#include "bridge/estimate_acked.h"

#include <math.h>

#define WINDOW_FIRST (500 * USEC_PER_MSEC)
#define WINDOW (150 * USEC_PER_MSEC)
#define BUSY_MIN (30 * USEC_PER_MSEC)
#define BUSY_MAX (300 * USEC_PER_MSEC)
/* Figures as in WebRTC, in kb/s. */
#define VARIANCE_START 50.0
#define VARIANCE_STEP 5.0
#define VARIANCE_DOUBT 200.0
#define DISTANCE_SCALE 10.0

static void take_sample(struct acked *a, double bps)
{
    if (a->bps <= 0) {
        a->bps = bps;
        a->variance = VARIANCE_START;
        return;
    }
    double doubt = DISTANCE_SCALE * fabs(a->bps - bps) / a->bps;
    double sample = fmax(doubt * doubt, 1e-6);
    double own = a->variance + VARIANCE_STEP;
    a->bps = (sample * a->bps + own * bps) / (sample + own);
    a->variance = sample * own / (sample + own);
}

/* Later packets weigh more: what was counted before is halved now and then. */
static void count_busy(struct acked *a, usec_t passed, uint32_t size, bool waited)
{
    if (waited && a->busy) {
        a->busy_bytes += size;
        a->busy_span += passed;
    } else if (waited) {
        a->busy_bytes = 0; /* the first one opens the time */
        a->busy_span = 0;
    }
    a->busy = waited;
    if (a->busy_span > BUSY_MAX) {
        a->busy_span /= 2;
        a->busy_bytes /= 2;
    }
}

double acked_capacity(const struct acked *a)
{
    if (a->busy_span < BUSY_MIN)
        return 0;
    return (double)a->busy_bytes * 8 * USEC_PER_SEC / (double)a->busy_span;
}

void acked_add(struct acked *a, usec_t arrival, uint32_t size, bool waited)
{
    usec_t passed = a->started ? usec_max(arrival - a->newest, 0) : 0;
    count_busy(a, passed, size, waited);
    a->newest = a->started ? usec_max(a->newest, arrival) : arrival;
    a->started = true;
    usec_t window = a->bps > 0 ? WINDOW : WINDOW_FIRST;
    if (passed > window) { /* nothing was sent: that says nothing */
        a->bytes = a->bytes_before = 0;
        a->span = a->span_before = 0;
    } else {
        a->span += passed;
    }
    if (a->span >= window) {
        double bits = (double)a->bytes * 8;
        take_sample(a, bits * USEC_PER_SEC / (double)a->span);
        bits += (double)a->bytes_before * 8;
        a->recent = bits * USEC_PER_SEC / (double)(a->span + a->span_before);
        a->bytes_before = a->bytes;
        a->span_before = a->span;
        a->bytes = 0;
        a->span = 0;
    }
    a->bytes += size;
}

void acked_doubt(struct acked *a)
{
    a->variance += VARIANCE_DOUBT;
}
