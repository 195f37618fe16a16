/* One clock seen from another: a line fitted to noisy pairs of readings, bent slowly where the
 * pairs say so. Both clocks count microseconds; x is the sender's, y ours. */
#ifndef RECORD_CLOCK_CURVE_H
#define RECORD_CLOCK_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/units.h"

enum clock_noise {
    CLOCK_NOISE_BOTH_WAYS, /* y errs to both sides: the middle is right */
    CLOCK_NOISE_LATE,      /* y is an arrival, it can only be late: the earliest is right */
};

struct clock_point {
    usec_t x;
    usec_t y;
};

struct clock_curve {
    usec_t origin;             /* x that the line is anchored at */
    usec_t offset;             /* y - x there */
    double skew;               /* of y against x: 1e-4 is 100 ppm */
    struct clock_point *knots; /* x, and how far y lies above the line there; ascending x */
    size_t count;              /* 0: nothing known, the curve is the identity */
};

/* Fits points in any order (they are sorted in place). Bad points may be up to a third of all.
 * ERR_MEMORY; ERR_NOT_FOUND when there are none. */
int clock_curve_fit(struct clock_point *points, size_t count, enum clock_noise noise,
                    struct clock_curve *ret_curve) MUST_USE;
void clock_curve_done(struct clock_curve *curve);
usec_t clock_curve_at(const struct clock_curve *curve, usec_t x);

#endif
