#include "proto/av1.h"

#include "proto/bits.h"

enum {
    BIT_Z = 0x80,
    BIT_Y = 0x40,
    BIT_N = 0x08,
    OBU_EXTENSION = 0x04,
    OBU_HAS_SIZE = 0x02,
    LEB128_MAX = 4, /* bytes: a packet is shorter than they can say */
};

static int read_leb128(struct reader *r, uint32_t *ret)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < LEB128_MAX; i++) {
        uint8_t byte = reader_u8(r);
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret = value;
            return r->failed ? ERR_FORMAT : 0;
        }
    }
    return ERR_FORMAT;
}

int av1_parse(struct slice payload, struct av1_aggregation *ret_header,
              struct av1_elements *ret_elements)
{
    if (payload.len < 2)
        return ERR_FORMAT;
    uint8_t bits = payload.data[0];
    struct av1_aggregation header = {.continues = bits & BIT_Z,
                                     .continued = bits & BIT_Y,
                                     .count = bits >> 4 & 3,
                                     .starts_sequence = bits & BIT_N};
    if (header.continues && header.starts_sequence)
        return ERR_FORMAT;
    *ret_header = header;
    *ret_elements = (struct av1_elements){slice_sub(payload, 1, payload.len), header.count};
    return 0;
}

int av1_next(struct av1_elements *e, struct slice *ret)
{
    if (e->rest.len == 0)
        return ERR_NOT_FOUND;
    if (e->left == 1) { /* the last of a known number has no length */
        *ret = e->rest;
        e->rest = (struct slice){0};
        return 0;
    }
    struct reader r = reader_of(e->rest);
    uint32_t len;
    if (read_leb128(&r, &len) != 0 || len > reader_left(&r))
        return ERR_FORMAT;
    *ret = reader_bytes(&r, len);
    e->rest = slice_of(r.pos, reader_left(&r));
    if (e->left > 0)
        e->left--;
    return 0;
}

int av1_obu_parse(struct slice obu, enum av1_obu *ret_type, struct slice *ret_payload)
{
    struct reader r = reader_of(obu);
    uint8_t head = reader_u8(&r);
    if (head & OBU_EXTENSION)
        reader_skip(&r, 1);
    uint32_t len = (uint32_t)reader_left(&r);
    if (head & OBU_HAS_SIZE && read_leb128(&r, &len) != 0)
        return ERR_FORMAT;
    struct slice payload = reader_bytes(&r, len);
    if (r.failed || head & 0x80)
        return ERR_FORMAT;
    *ret_type = (enum av1_obu)(head >> 3 & 15);
    *ret_payload = payload;
    return 0;
}

/* One operating point after another: idc, level, tier, delays. */
static void skip_operating_points(struct bits *b)
{
    bool delays = bits_get(b, 1);
    unsigned count = bits_get(b, 5) + 1;
    for (unsigned i = 0; i < count && !b->failed; i++) {
        (void)bits_get(b, 12);
        if (bits_get(b, 5) > 7)
            (void)bits_get(b, 1);
        if (delays && bits_get(b, 1))
            (void)bits_get(b, 4);
    }
}

int av1_sequence_size(struct slice sequence, uint16_t *ret_width, uint16_t *ret_height)
{
    struct bits b = bits_of(sequence);
    (void)bits_get(&b, 4); /* profile, still picture */
    if (bits_get(&b, 1)) {
        (void)bits_get(&b, 5);
    } else {
        if (bits_get(&b, 1)) /* timing information */
            return b.failed ? ERR_FORMAT : ERR_UNSUPPORTED;
        skip_operating_points(&b);
    }
    unsigned width_bits = bits_get(&b, 4) + 1;
    unsigned height_bits = bits_get(&b, 4) + 1;
    uint32_t width = bits_get(&b, width_bits) + 1;
    uint32_t height = bits_get(&b, height_bits) + 1;
    if (b.failed || width > UINT16_MAX || height > UINT16_MAX)
        return ERR_FORMAT;
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return 0;
}

void av1_sequence_limit(uint8_t *sequence, size_t len, unsigned top)
{
    /* Profile 3, still 1, reduced 1, timing 1, delays 1, count 5 bits; then the spatial layers of
     * the first point are the lower half of the second byte. */
    enum { REDUCED_OR_TIMING = 0x0c, SPATIAL = 0x0f };
    if (len < 3 || sequence[0] & REDUCED_OR_TIMING || top > 3)
        return;
    uint8_t kept = (uint8_t)(sequence[1] & ((2U << top) - 1) & SPATIAL);
    if (kept)
        sequence[1] = (uint8_t)((sequence[1] & ~SPATIAL) | kept);
}
