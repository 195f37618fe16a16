#include "bridge/feedback.h"

#include "proto/rtp.h"
#include "proto/twcc.h"

/* A packet that comes later than this many behind is not told about any more. */
enum { LATE_MAX = 512 };
/* So many are lost at a time, or overtaken, and that is usual. */
enum { AHEAD_MAX = 64 };
/* Packets: since the last feedback; in a second. A way that gets narrow is not taken for a voice.
 */
enum { BUSY = 10, SPARSE = 20 };
#define SPARSE_PERIOD USEC_PER_SEC

static usec_t *arrival(struct feedback *f, int64_t sequence)
{
    return &f->arrivals[sequence & (FEEDBACK_WINDOW - 1)];
}

static void restart(struct feedback *f, int64_t sequence)
{
    for (size_t i = 0; i < FEEDBACK_WINDOW; i++)
        f->arrivals[i] = -1;
    f->base = f->highest = sequence;
    f->started = true;
    f->counted = f->counted_before = SPARSE;
}

static void count(struct feedback *f, usec_t now)
{
    if (now - f->counted_from > SPARSE_PERIOD) {
        f->counted_before = f->counted;
        f->counted = 0;
        f->counted_from = now;
    }
    f->counted++;
}

void feedback_arrived(struct feedback *f, usec_t now, uint16_t sequence, uint32_t ssrc)
{
    if (!f->started)
        restart(f, 65536 + sequence);
    int64_t full = rtp_unwrap(f->highest, sequence);
    if (full - f->highest >= FEEDBACK_WINDOW)
        restart(f, full);
    while (f->highest < full)
        *arrival(f, ++f->highest) = -1;
    /* What was told as lost gives way when the window is full. */
    if (f->highest - f->base >= FEEDBACK_WINDOW)
        f->base = f->highest - FEEDBACK_WINDOW + 1;
    if (full < f->base) {
        if (f->highest - full > LATE_MAX)
            return;
        f->base = full;
    }
    usec_t *at = arrival(f, full);
    if (*at < 0)
        *at = now;
    count(f, now);
    f->media = ssrc;
    f->fresh++;
}

bool feedback_expects(const struct feedback *f, uint16_t sequence)
{
    uint16_t ahead = (uint16_t)(sequence - (uint16_t)f->highest);
    return f->started && ahead > 0 && ahead <= AHEAD_MAX;
}

static bool sparse(const struct feedback *f)
{
    return f->counted < SPARSE && f->counted_before < SPARSE;
}

usec_t feedback_due(const struct feedback *f)
{
    if (f->fresh == 0)
        return USEC_NEVER;
    if (f->fresh >= BUSY)
        return f->sent + FEEDBACK_INTERVAL;
    return f->sent + (sparse(f) ? FEEDBACK_INTERVAL_SPARSE : FEEDBACK_INTERVAL_IDLE);
}

bool feedback_put(struct feedback *f, usec_t now, uint32_t sender, struct writer *w)
{
    if (f->fresh == 0 || f->base > f->highest)
        return false;
    usec_t linear[FEEDBACK_WINDOW];
    size_t count = (size_t)(f->highest - f->base + 1);
    for (size_t i = 0; i < count; i++)
        linear[i] = *arrival(f, f->base + (int64_t)i);
    struct twcc_build build = {
        .sender = sender,
        .media = f->media,
        .number = f->number,
        .base = (uint16_t)f->base,
        .arrivals = linear,
        .count = count,
    };
    size_t told = twcc_put(w, &build);
    if (told == 0)
        return false;
    f->number++;
    f->base += (int64_t)told;
    f->sent = now;
    if (f->base > f->highest)
        f->fresh = 0;
    return true;
}
