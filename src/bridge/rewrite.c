#include "bridge/rewrite.h"

#include <assert.h>
#include <stdlib.h>

enum { NO_STREAM = -1 };

/* How far the sender's clock may run ahead of ours over a switch before we trust ours. */
#define AHEAD_MAX (3 * USEC_PER_SEC)

static struct rewrite_range *range_at(const struct rewrite *rw, uint32_t number)
{
    return &rw->ranges[number & (rw->slots - 1)];
}

static void keep_range(struct rewrite *rw, const struct rewrite_range *range)
{
    assert(rw->slots > 0);
    if (rw->range_count - rw->range_first == rw->slots)
        rw->range_first++;
    *range_at(rw, rw->range_count++) = *range;
    /* A quarter is what may begin until the next tick. */
    uint32_t held = rw->slots / 4 * 3;
    if (rw->range_count - rw->range_first >= held && rw->slots < REWRITE_RANGES_MAX)
        rw->crowded = range->since - range_at(rw, rw->range_count - held)->since < REWRITE_KEPT;
}

static void add_range(struct rewrite *rw, const struct rewrite_range *range)
{
    if (rw->ranged)
        keep_range(rw, &rw->range);
    rw->range = *range;
    rw->ranged = true;
}

void rewrite_init(struct rewrite *rw, unsigned clock, uint16_t sequence)
{
    *rw = (struct rewrite){.stream = NO_STREAM,
                           .clock = clock,
                           .sequence = 65536 + (int64_t)sequence - 1,
                           .slots = rw->slots,
                           .ranges = rw->ranges};
}

void rewrite_done(struct rewrite *rw)
{
    free(rw->ranges);
    *rw = (struct rewrite){0};
}

int rewrite_reserve(struct rewrite *rw)
{
    if (rw->slots > 0)
        return 0;
    rw->ranges = calloc(REWRITE_RANGES_MIN, sizeof(*rw->ranges));
    rw->slots = rw->ranges ? REWRITE_RANGES_MIN : 0;
    return rw->ranges ? 0 : ERR_MEMORY;
}

int rewrite_tick(struct rewrite *rw)
{
    if (!rw->crowded)
        return 0;
    rw->crowded = false;
    struct rewrite more = *rw;
    more.slots *= 2;
    more.ranges = calloc(more.slots, sizeof(*more.ranges));
    if (!more.ranges)
        return ERR_MEMORY;
    for (uint32_t n = rw->range_first; n != rw->range_count; n++)
        *range_at(&more, n) = *range_at(rw, n);
    free(rw->ranges);
    *rw = more;
    return 0;
}

void rewrite_detach(struct rewrite *rw)
{
    rw->ranged = false;
    rw->range_first = rw->range_count;
    rw->stream = NO_STREAM;
}

int rewrite_stream(const struct rewrite *rw)
{
    return rw->stream;
}

uint32_t rewrite_timestamp_delta(const struct rewrite *rw)
{
    return rw->ranged ? rw->range.timestamp_delta : 0;
}

/* The timestamp of the first packet after a switch: later than the last one, and no further than
 * time went on. */
static uint32_t next_timestamp(const struct rewrite *rw, const struct ring_packet *packet,
                               const uint32_t *aligned)
{
    usec_t elapsed = usec_max(packet->arrival - rw->arrival, 0);
    int64_t ticks = elapsed * (int64_t)rw->clock / USEC_PER_SEC;
    int64_t least = (int64_t)rw->clock / 1000; /* a millisecond: another frame, yet no stall */
    int64_t most = ticks + AHEAD_MAX / USEC_PER_SEC * (int64_t)rw->clock;
    int64_t step = ticks;
    if (aligned) {
        int64_t by_sender = (int32_t)(*aligned - rw->timestamp);
        /* Long pauses overflow 32 bits of difference: our own clock it is, then. */
        if (ticks < INT32_MAX / 2 && by_sender <= most)
            step = by_sender;
    }
    if (step < least)
        step = least;
    return rw->timestamp + (uint32_t)step;
}

void rewrite_switch(struct rewrite *rw, const struct ring_packet *packet, const uint32_t *aligned)
{
    struct rewrite_range range = {
        .first = packet->sequence,
        .end = INT64_MAX,
        .sequence_delta = rw->sequence + 1 - packet->sequence,
        .since = packet->arrival,
        .stream = (int8_t)packet->stream,
    };
    if (rw->started) {
        range.timestamp_delta = next_timestamp(rw, packet, aligned) - packet->timestamp;
        range.picture_delta = (uint16_t)(rw->picture + 1 - packet->picture);
        range.frame_delta = (uint16_t)(rw->frame + 1 - packet->frame);
        range.tl0_delta = (uint8_t)(rw->tl0 + 1 - packet->tl0);
        range.keyidx_delta = (uint8_t)(rw->keyidx + 1 - packet->keyidx);
    }
    if (rw->ranged)
        rw->range.end = rw->highest + 1;
    add_range(rw, &range);
    rw->stream = packet->stream;
    rw->highest = packet->sequence - 1;
    rw->skipped_picture = INT64_MIN;
}

static bool reaches(const struct rewrite_range *range, const struct ring_packet *packet)
{
    return range->stream == (int8_t)packet->stream && packet->sequence >= range->first;
}

static const struct rewrite_range *find_range(const struct rewrite *rw,
                                              const struct ring_packet *packet)
{
    if (!rw->ranged)
        return NULL;
    const struct rewrite_range *range = &rw->range;
    for (uint32_t n = rw->range_count; !reaches(range, packet); range = range_at(rw, --n))
        if (n == rw->range_first)
            return NULL;
    return packet->sequence < range->end ? range : NULL;
}

bool rewrite_map(struct rewrite *rw, const struct ring_packet *packet, struct rewritten *ret_out)
{
    const struct rewrite_range *range = find_range(rw, packet);
    if (!range)
        return false;
    int64_t sequence = packet->sequence + range->sequence_delta;
    uint16_t picture = (uint16_t)(packet->picture + range->picture_delta);
    uint16_t frame = (uint16_t)(packet->frame + range->frame_delta);
    *ret_out = (struct rewritten){
        .sequence = (uint16_t)sequence,
        .timestamp = packet->timestamp + range->timestamp_delta,
        .picture = picture & 0x7fff,
        .frame = frame,
        .tl0 = (uint8_t)(packet->tl0 + range->tl0_delta),
        .keyidx = (uint8_t)((packet->keyidx + range->keyidx_delta) & 0x1f),
        .marker = packet->marker,
    };
    if (range == &rw->range && packet->sequence > rw->highest)
        rw->highest = packet->sequence;
    if (!rw->started || sequence > rw->sequence) {
        rw->started = true;
        rw->sequence = sequence;
        rw->timestamp = ret_out->timestamp;
        rw->arrival = packet->arrival;
        rw->picture = picture;
        rw->frame = frame;
        rw->tl0 = ret_out->tl0;
        rw->keyidx = ret_out->keyidx;
    }
    return true;
}

void rewrite_skip(struct rewrite *rw, const struct ring_packet *packet)
{
    if (rw->stream != packet->stream || packet->sequence <= rw->highest)
        return; /* its hole is already told: it stays one */
    struct rewrite_range *range = &rw->range;
    struct rewrite_range next = *range;
    next.first = packet->sequence + 1;
    next.since = packet->arrival;
    next.sequence_delta--;
    if (packet->codec->gapless && packet->picture != rw->skipped_picture)
        next.picture_delta--;
    rw->skipped_picture = packet->picture;
    rw->highest = packet->sequence;
    /* Nothing went out by the newest range yet: it moves instead of making another. */
    if (range->first == packet->sequence) {
        *range = next;
    } else {
        range->end = packet->sequence;
        add_range(rw, &next);
    }
}
