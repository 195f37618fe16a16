#include "record/clock_curve.h"

#include <math.h>
#include <stdlib.h>

/* Crystals stay within 100 ppm, a clock being disciplined within 500. */
#define SKEW_MAX 600e-6
/* Below this span the noise of the readings is larger than any drift. */
#define SKEW_SPAN_MIN (20 * USEC_PER_SEC)
/* A reading is smoothed with those this near: sender reports err by a frame or so, arrivals by
 * seconds of network weather, which needs a longer look for a good moment. */
#define WINDOW_BOTH (60 * USEC_PER_SEC)
#define WINDOW_LATE (300 * USEC_PER_SEC)
#define KNOT_STEP (30 * USEC_PER_SEC)
/* Of the readings of a window. */
#define WINDOW_POINTS 256

static int by_x(const void *a, const void *b)
{
    const struct clock_point *p = a, *q = b;
    return p->x < q->x ? -1 : p->x > q->x;
}

static int by_value(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The median of the slopes between points half the span apart: an outlier spoils one slope only. */
static int fit_skew(const struct clock_point *points, size_t count, double *ret_skew)
{
    size_t half = count / 2, used = 0;
    *ret_skew = 0;
    if (count < 4 || points[count - 1].x - points[0].x < SKEW_SPAN_MIN)
        return 0;
    double *slopes = calloc(count, sizeof(*slopes));
    if (!slopes)
        return ERR_MEMORY;
    for (size_t i = 0; i + half < count; i++) {
        const struct clock_point *a = &points[i], *b = &points[i + half];
        double dx = (double)(b->x - a->x);
        if (dx >= (double)SKEW_SPAN_MIN / 2)
            slopes[used++] = ((double)(b->y - a->y) - dx) / dx;
    }
    if (used)
        *ret_skew = fmax(-SKEW_MAX, fmin(SKEW_MAX, median(slopes, used)));
    free(slopes);
    return 0;
}

static double above_line(const struct clock_curve *curve, const struct clock_point *point)
{
    double line = (double)curve->offset + curve->skew * (double)(point->x - curve->origin);
    return (double)(point->y - point->x) - line;
}

/* How far the points around x lie above the line: their middle, or their earliest. */
static double smooth(const struct clock_curve *curve, const struct clock_point *points,
                     size_t count, usec_t x, enum clock_noise noise, size_t *from)
{
    usec_t reach = noise == CLOCK_NOISE_LATE ? WINDOW_LATE : WINDOW_BOTH;
    while (*from + 1 < count && points[*from].x < x - reach)
        (*from)++;
    size_t to = *from;
    while (to < count && points[to].x <= x + reach)
        to++;
    if (to == *from)
        to++;
    double values[WINDOW_POINTS];
    size_t used = 0, step = (to - *from + WINDOW_POINTS - 1) / WINDOW_POINTS;
    double least = INFINITY;
    for (size_t i = *from; i < to; i++) {
        double value = above_line(curve, &points[i]);
        least = fmin(least, value);
        if ((i - *from) % step == 0 && used < WINDOW_POINTS)
            values[used++] = value;
    }
    return noise == CLOCK_NOISE_LATE ? least : median(values, used);
}

int clock_curve_fit(struct clock_point *points, size_t count, enum clock_noise noise,
                    struct clock_curve *ret_curve)
{
    if (count == 0)
        return ERR_NOT_FOUND;
    qsort(points, count, sizeof(*points), by_x);
    struct clock_curve curve = {.origin = points[0].x, .offset = points[0].y - points[0].x};
    int err = fit_skew(points, count, &curve.skew);
    if (err)
        return err;
    usec_t span = points[count - 1].x - points[0].x;
    usec_t step = usec_max(KNOT_STEP, span / 100000);
    curve.knots = calloc((size_t)(span / step) + 2, sizeof(*curve.knots));
    if (!curve.knots)
        return ERR_MEMORY;
    size_t from = 0;
    for (usec_t x = points[0].x; x < points[count - 1].x + step; x += step) {
        double above = smooth(&curve, points, count, x, noise, &from);
        curve.knots[curve.count++] = (struct clock_point){x, (usec_t)llrint(above)};
    }
    *ret_curve = curve;
    return 0;
}

void clock_curve_done(struct clock_curve *curve)
{
    free(curve->knots);
    *curve = (struct clock_curve){0};
}

static usec_t bend_at(const struct clock_curve *curve, usec_t x)
{
    const struct clock_point *knots = curve->knots;
    size_t low = 0, high = curve->count - 1;
    if (x <= knots[0].x)
        return knots[0].y;
    if (x >= knots[high].x)
        return knots[high].y;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (knots[mid].x <= x)
            low = mid;
        else
            high = mid;
    }
    double part = (double)(x - knots[low].x) / (double)(knots[high].x - knots[low].x);
    return knots[low].y + (usec_t)llrint(part * (double)(knots[high].y - knots[low].y));
}

usec_t clock_curve_at(const struct clock_curve *curve, usec_t x)
{
    if (curve->count == 0)
        return x;
    usec_t drift = (usec_t)llrint(curve->skew * (double)(x - curve->origin));
    return x + curve->offset + drift + bend_at(curve, x);
}
