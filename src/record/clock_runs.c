#include "record/clock_runs.h"

#include <stdlib.h>

/* A network delays by less than this, but for seconds on bad days: see clock_runs_settle. */
#define JUMP (2 * USEC_PER_SEC)
#define JUMP_AGREES USEC_PER_SEC
#define JUMP_READINGS 3u
/* Of the readings in this time the earliest one is kept. */
#define BUCKET (5 * USEC_PER_SEC)
/* A jump that comes back this soon to the same place was a delay. */
#define SPIKE_MAX (15 * USEC_PER_SEC)
#define SPIKE_AGREES (300 * USEC_PER_MSEC)

void clock_runs_done(struct clock_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        free(runs->runs[i].points);
        clock_curve_done(&runs->runs[i].curve);
    }
    free(runs->runs);
    *runs = (struct clock_runs){0};
}

static usec_t distance(usec_t a, usec_t b)
{
    return a > b ? a - b : b - a;
}

static int add_point(struct clock_run *run, struct clock_point point)
{
    if (run->count) {
        struct clock_point *last = &run->points[run->count - 1];
        if (point.y / BUCKET == last->y / BUCKET) {
            if (point.y - point.x < last->y - last->x)
                *last = point;
            return 0;
        }
    }
    if (run->count == run->cap) {
        size_t cap = run->cap ? run->cap * 2 : 16;
        struct clock_point *grown = reallocarray(run->points, cap, sizeof(*grown));
        if (!grown)
            return ERR_MEMORY;
        run->points = grown;
        run->cap = cap;
    }
    run->points[run->count++] = point;
    return 0;
}

static int start_run(struct clock_runs *runs, usec_t from, usec_t gap)
{
    if (runs->count == CLOCK_RUNS_MAX)
        return 0;
    struct clock_run *grown = reallocarray(runs->runs, runs->count + 1, sizeof(*grown));
    if (!grown)
        return ERR_MEMORY;
    runs->runs = grown;
    runs->runs[runs->count++] = (struct clock_run){.from = from, .gap = gap};
    runs->pending = 0;
    return 0;
}

int clock_runs_add(struct clock_runs *runs, usec_t x, usec_t y)
{
    usec_t gap = y - x;
    int err = 0;
    if (runs->count == 0)
        err = start_run(runs, y, gap);
    if (err)
        return err;
    struct clock_run *run = &runs->runs[runs->count - 1];
    if (distance(gap, run->gap) > JUMP) {
        if (runs->pending && distance(gap, runs->pending_gap) < JUMP_AGREES) {
            runs->pending++;
        } else {
            runs->pending = 1;
            runs->pending_from = y;
        }
        runs->pending_gap = gap;
        if (runs->pending < JUMP_READINGS)
            return 0;
        err = start_run(runs, runs->pending_from, gap);
        run = &runs->runs[runs->count - 1];
        if (err || distance(gap, run->gap) > JUMP)
            return err;
    }
    runs->pending = 0;
    run->gap += (gap - run->gap) / 8;
    return add_point(run, (struct clock_point){x, y});
}

static void remove_run(struct clock_runs *runs, size_t at)
{
    free(runs->runs[at].points);
    runs->count--;
    for (size_t i = at; i < runs->count; i++)
        runs->runs[i] = runs->runs[i + 1];
}

void clock_runs_settle(struct clock_runs *runs)
{
    for (size_t i = 1; i + 1 < runs->count;) {
        struct clock_run *before = &runs->runs[i - 1], *after = &runs->runs[i + 1];
        if (after->from - runs->runs[i].from > SPIKE_MAX ||
            distance(before->gap, after->gap) > SPIKE_AGREES) {
            i++;
            continue;
        }
        before->gap = after->gap;
        for (size_t p = 0; p < after->count; p++) {
            if (add_point(before, after->points[p]) != 0)
                break; /* fewer readings give the same curve, a little rougher */
        }
        remove_run(runs, i + 1);
        remove_run(runs, i);
    }
}

int clock_runs_fit(struct clock_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        struct clock_run *run = &runs->runs[i];
        int err = clock_curve_fit(run->points, run->count, CLOCK_NOISE_LATE, &run->curve);
        if (err && err != ERR_NOT_FOUND)
            return err;
    }
    return 0;
}

const struct clock_run *clock_runs_at(const struct clock_runs *runs, usec_t y)
{
    if (runs->count == 0)
        return NULL;
    size_t i = runs->count - 1;
    while (i > 0 && runs->runs[i].from > y)
        i--;
    return &runs->runs[i];
}
