#include "proto/twcc.h"

#include <assert.h>

#include "proto/rtcp.h"

enum {
    SYMBOL_LOST = 0,
    SYMBOL_SMALL = 1,
    SYMBOL_LARGE = 2,
    RUN_MAX = 0x1fff,
    VECTOR_ONE_BIT = 14,
    VECTOR_TWO_BIT = 7,
    FEEDBACK_SIZE = 20, /* RTCP head, SSRCs, base, count, reference, number */
};

static uint16_t chunk_length(uint16_t chunk)
{
    if (!(chunk & 0x8000))
        return chunk & RUN_MAX;
    return chunk & 0x4000 ? VECTOR_TWO_BIT : VECTOR_ONE_BIT;
}

/* The symbol of a chunk when `left` of its symbols, this one included, are still to come. */
static unsigned chunk_symbol(uint16_t chunk, uint16_t left)
{
    if (!(chunk & 0x8000))
        return (chunk >> 13) & 3;
    if (chunk & 0x4000)
        return (chunk >> (2 * (left - 1))) & 3;
    return (chunk >> (left - 1)) & 1;
}

int twcc_parse(struct slice fci, struct twcc_feedback *ret_feedback)
{
    struct reader r = reader_of(fci);
    struct twcc_feedback feedback = {0};
    feedback.base = reader_u16(&r);
    feedback.count = reader_u16(&r);
    uint32_t reference = reader_u24(&r);
    feedback.reference = (int32_t)(reference << 8) >> 8;
    feedback.number = reader_u8(&r);
    if (r.failed || feedback.count == 0)
        return ERR_FORMAT;
    if (feedback.count > TWCC_PACKETS_MAX)
        return ERR_LIMIT;
    feedback.chunks = r;
    size_t delta_bytes = 0;
    for (uint16_t told = 0; told < feedback.count;) {
        uint16_t chunk = reader_u16(&r);
        uint16_t length = chunk_length(chunk);
        if (r.failed || length == 0)
            return ERR_FORMAT;
        for (uint16_t left = length; left > 0 && told < feedback.count; left--, told++) {
            unsigned symbol = chunk_symbol(chunk, left);
            if (symbol == 3)
                return ERR_FORMAT;
            delta_bytes += symbol;
        }
    }
    if (reader_left(&r) < delta_bytes)
        return ERR_FORMAT;
    feedback.deltas = r;
    feedback.time = feedback.reference * TWCC_REFERENCE;
    *ret_feedback = feedback;
    return 0;
}

bool twcc_next(struct twcc_feedback *f, struct twcc_status *ret_status)
{
    if (f->done == f->count)
        return false;
    if (f->chunk_left == 0) {
        f->chunk = reader_u16(&f->chunks);
        f->chunk_left = chunk_length(f->chunk);
    }
    unsigned symbol = chunk_symbol(f->chunk, f->chunk_left--);
    if (symbol == SYMBOL_SMALL)
        f->time += reader_u8(&f->deltas) * TWCC_TICK;
    else if (symbol == SYMBOL_LARGE)
        f->time += (int16_t)reader_u16(&f->deltas) * TWCC_TICK;
    *ret_status = (struct twcc_status){
        .sequence = (uint16_t)(f->base + f->done),
        .received = symbol != SYMBOL_LOST,
        .arrival = symbol != SYMBOL_LOST ? f->time : 0,
    };
    f->done++;
    return true;
}

/* Delta of each packet in ticks and its symbol, as far as everything fits. */
struct plan {
    int16_t deltas[TWCC_PACKETS_MAX];
    uint8_t symbols[TWCC_PACKETS_MAX];
    size_t count;
    int64_t reference;
};

static void make_plan(const struct twcc_build *build, size_t room, struct plan *plan)
{
    plan->count = 0;
    plan->reference = 0;
    bool started = false;
    int64_t last = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < build->count && i < TWCC_PACKETS_MAX; i++) {
        uint8_t symbol = SYMBOL_LOST;
        int64_t delta = 0;
        if (build->arrivals[i] >= 0) {
            int64_t ticks = build->arrivals[i] / TWCC_TICK;
            if (!started) {
                plan->reference = build->arrivals[i] / TWCC_REFERENCE;
                last = plan->reference * 256;
                started = true;
            }
            delta = ticks - last;
            if (delta < INT16_MIN || delta > INT16_MAX)
                return;
            symbol = delta >= 0 && delta <= 255 ? SYMBOL_SMALL : SYMBOL_LARGE;
            last = ticks;
        }
        /* Chunks never take more than two bytes for seven packets, and one at the end. */
        bytes += symbol;
        if (bytes + (i / VECTOR_TWO_BIT + 2) * 2 + 3 > room)
            return;
        plan->deltas[i] = (int16_t)delta;
        plan->symbols[i] = symbol;
        plan->count = i + 1;
    }
}

static void put_chunks(struct writer *w, const struct plan *plan)
{
    for (size_t i = 0; i < plan->count;) {
        size_t run = 1;
        while (i + run < plan->count && run < RUN_MAX && plan->symbols[i + run] == plan->symbols[i])
            run++;
        if (run >= VECTOR_TWO_BIT || i + run == plan->count) {
            writer_u16(w, (uint16_t)((unsigned)plan->symbols[i] << 13 | run));
            i += run;
            continue;
        }
        unsigned chunk = 0xc000;
        for (size_t k = 0; k < VECTOR_TWO_BIT; k++) {
            unsigned symbol = i + k < plan->count ? plan->symbols[i + k] : SYMBOL_LOST;
            chunk |= symbol << (2 * (VECTOR_TWO_BIT - 1 - k));
        }
        writer_u16(w, (uint16_t)chunk);
        i += VECTOR_TWO_BIT;
    }
}

size_t twcc_put(struct writer *w, const struct twcc_build *build)
{
    size_t room = (size_t)(w->end - w->pos);
    if (w->failed || room < FEEDBACK_SIZE + 8)
        return 0;
    struct plan plan;
    make_plan(build, room - FEEDBACK_SIZE, &plan);
    bool any = false;
    for (size_t i = 0; i < plan.count && !any; i++)
        any = plan.symbols[i] != SYMBOL_LOST;
    if (!any)
        return 0;
    uint8_t *start = w->pos;
    writer_u8(w, 0x80 | RTCP_TRANSPORT_CC);
    writer_u8(w, RTCP_RTPFB);
    writer_u16(w, 0);
    writer_u32(w, build->sender);
    writer_u32(w, build->media);
    writer_u16(w, build->base);
    writer_u16(w, (uint16_t)plan.count);
    writer_u24(w, (uint32_t)plan.reference & 0xffffff);
    writer_u8(w, build->number);
    put_chunks(w, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (plan.symbols[i] == SYMBOL_SMALL)
            writer_u8(w, (uint8_t)plan.deltas[i]);
        else if (plan.symbols[i] == SYMBOL_LARGE)
            writer_u16(w, (uint16_t)plan.deltas[i]);
    }
    size_t len = (size_t)(w->pos - start);
    size_t padding = (4 - len % 4) % 4;
    writer_zero(w, padding);
    assert(!w->failed);
    if (padding > 0) {
        /* RTCP padding (RFC 3550 6.4.1): the last byte says how many. */
        start[0] |= 0x20;
        w->pos[-1] = (uint8_t)padding;
    }
    store_u16(start + 2, (uint16_t)((len + padding) / 4 - 1));
    return plan.count;
}
