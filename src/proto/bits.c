#include "proto/bits.h"

#include <assert.h>

struct bits bits_of(struct slice bytes)
{
    return (struct bits){.bytes = bytes};
}

uint32_t bits_get(struct bits *b, unsigned count)
{
    assert(count <= 32);
    if (b->failed || count > b->bytes.len * 8 - b->at) {
        b->failed = true;
        return 0;
    }
    uint32_t value = 0;
    while (count > 0) {
        unsigned left = 8 - (unsigned)(b->at % 8);
        unsigned take = count < left ? count : left;
        unsigned part = (unsigned)b->bytes.data[b->at / 8] >> (left - take) & ((1U << take) - 1);
        value = value << take | part;
        b->at += take;
        count -= take;
    }
    return value;
}

uint32_t bits_get_ns(struct bits *b, uint32_t limit)
{
    assert(limit > 0 && limit < 1U << 31);
    unsigned width = 0;
    while (limit >> width > 0)
        width++;
    uint32_t shorter = (1U << width) - limit;
    uint32_t value = bits_get(b, width - 1);
    if (value < shorter)
        return value;
    return (value << 1) - shorter + bits_get(b, 1);
}

uint32_t bits_get_ue(struct bits *b)
{
    unsigned zeros = 0;
    while (!b->failed && bits_get(b, 1) == 0)
        zeros++;
    if (zeros >= 32)
        b->failed = true;
    if (b->failed)
        return 0;
    return (1U << zeros) - 1 + bits_get(b, zeros);
}

int32_t bits_get_se(struct bits *b)
{
    uint32_t code = bits_get_ue(b);
    int32_t half = (int32_t)(code / 2);
    return code & 1 ? half + 1 : -half;
}

struct bits_writer bits_writer_of(void *bytes, size_t size)
{
    return (struct bits_writer){.bytes = bytes, .size = size};
}

void bits_put(struct bits_writer *w, uint32_t value, unsigned count)
{
    assert(count <= 32);
    if (w->failed || count > w->size * 8 - w->at) {
        w->failed = true;
        return;
    }
    for (unsigned i = count; i > 0; i--, w->at++)
        if (value >> (i - 1) & 1)
            w->bytes[w->at / 8] |= (uint8_t)(0x80 >> (w->at % 8));
}

void bits_copy(struct bits_writer *w, struct bits *from, size_t until)
{
    while (from->at < until && !from->failed && !w->failed) {
        unsigned count = until - from->at < 32 ? (unsigned)(until - from->at) : 32;
        bits_put(w, bits_get(from, count), count);
    }
}

size_t bits_writer_len(const struct bits_writer *w)
{
    return (w->at + 7) / 8;
}
