#include "load/tally.h"

static struct tally_stream *stream_of(struct tally *t, uint32_t ssrc, uint16_t sequence)
{
    if (t->last < t->count && t->streams[t->last].ssrc == ssrc)
        return &t->streams[t->last];
    for (size_t i = 0; i < t->count; i++) {
        if (t->streams[i].ssrc == ssrc) {
            t->last = i;
            return &t->streams[i];
        }
    }
    if (t->count == TALLY_STREAMS)
        return NULL;
    t->last = t->count;
    struct tally_stream *s = &t->streams[t->count++];
    *s = (struct tally_stream){ssrc, 65536 + sequence, 65535 + sequence, 0};
    return s;
}

void tally_packet(struct tally *t, struct tally_sum *sum, uint32_t ssrc, uint16_t sequence)
{
    struct tally_stream *s = stream_of(t, ssrc, sequence);
    sum->packets++;
    if (!s) {
        sum->untold++;
        return;
    }
    int64_t full = rtp_unwrap(s->highest, sequence);
    if (full > s->highest)
        s->highest = full;
    if (full >= s->first)
        s->received++;
}

uint64_t tally_lost(const struct tally *t)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct tally_stream *s = &t->streams[i];
        uint64_t sent = (uint64_t)(s->highest - s->first + 1);
        lost += sent > s->received ? sent - s->received : 0;
    }
    return lost;
}

void tally_reset(struct tally *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct tally_stream *s = &t->streams[i];
        s->first = s->highest + 1;
        s->received = 0;
    }
}

void tally_delay(struct tally_delays *d, usec_t delay)
{
    usec_t step = usec_max(delay, 0) / TALLY_STEP;
    d->steps[usec_min(step, TALLY_STEPS - 1)]++;
    d->count++;
    d->late += delay > TALLY_LATE;
    d->max = usec_max(d->max, delay);
}

usec_t tally_percentile(const struct tally_delays *d, double percent)
{
    double wanted = (double)d->count * percent / 100;
    uint64_t seen = 0;
    for (usec_t i = 0; i < TALLY_STEPS && d->count > 0; i++) {
        seen += d->steps[i];
        if ((double)seen >= wanted)
            return i == TALLY_STEPS - 1 ? d->max : i * TALLY_STEP;
    }
    return 0;
}
