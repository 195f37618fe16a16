/* Readings of one clock against another over hours, thinned out, and cut where the sender's clock
 * jumps: a new RTP timestamp after a device change, a laptop's NTP clock set anew. */
#ifndef RECORD_CLOCK_RUNS_H
#define RECORD_CLOCK_RUNS_H

#include "record/clock_curve.h"

#define CLOCK_RUNS_MAX 64u

struct clock_run {
    usec_t from; /* our time of its first reading */
    usec_t gap;  /* y - x, roughly and lately */
    struct clock_point *points;
    size_t count;
    size_t cap;
    struct clock_curve curve; /* after clock_runs_fit */
};

struct clock_runs {
    struct clock_run *runs;
    size_t count;
    usec_t pending_from; /* a jump that one reading tells of: perhaps */
    usec_t pending_gap;
    unsigned pending;
};

void clock_runs_done(struct clock_runs *runs);
/* One reading in order of arrival; y is the arrival. ERR_MEMORY: not taken. */
int clock_runs_add(struct clock_runs *runs, usec_t x, usec_t y) MUST_USE;
/* After the last reading: forgets jumps that were a mere delay. */
void clock_runs_settle(struct clock_runs *runs);
/* Fits every run by its own readings, as arrivals. ERR_MEMORY. */
int clock_runs_fit(struct clock_runs *runs) MUST_USE;
/* The run that a reading of our time belongs to; NULL without any. */
const struct clock_run *clock_runs_at(const struct clock_runs *runs, usec_t y);

#endif
