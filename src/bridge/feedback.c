#include "bridge/feedback.h"

#include "proto/rtp.h"
#include "proto/twcc.h"

/* A packet that comes later than this many behind is not told about any more. */
enum { LATE_MAX = 512, BUSY = 10 };
/* So many are lost at a time, or overtaken, and that is usual. */
enum { AHEAD_MAX = 64 };

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
    f->media = ssrc;
    f->fresh++;
}

bool feedback_expects(const struct feedback *f, uint16_t sequence)
{
    uint16_t ahead = (uint16_t)(sequence - (uint16_t)f->highest);
    return f->started && ahead > 0 && ahead <= AHEAD_MAX;
}

usec_t feedback_due(const struct feedback *f)
{
    if (f->fresh == 0)
        return USEC_NEVER;
    return f->sent + (f->fresh >= BUSY ? FEEDBACK_INTERVAL : FEEDBACK_INTERVAL_IDLE);
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
