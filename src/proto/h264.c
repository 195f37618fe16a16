#include "proto/h264.h"

#include "proto/bits.h"

enum {
    TYPE_MASK = 0x1f,
    TYPE_LAST_SINGLE = 23,
    TYPE_STAP_A = 24,
    TYPE_FU_A = 28,
    FU_START = 0x80,
    FU_END = 0x40,
    SPS_MAX = 128,        /* bytes of an SPS that are read: the size stands near its beginning */
    REFERENCES_MAX = 255, /* in a cycle of picture order counts */
};

int h264_parse(struct slice payload, struct h264_parts *ret)
{
    if (payload.len < 2)
        return ERR_FORMAT;
    unsigned type = payload.data[0] & TYPE_MASK;
    if (type == 0 || (type > TYPE_LAST_SINGLE && type != TYPE_STAP_A && type != TYPE_FU_A))
        return ERR_FORMAT;
    *ret = (struct h264_parts){.rest = payload, .aggregate = type == TYPE_STAP_A};
    if (ret->aggregate)
        ret->rest = slice_sub(payload, 1, payload.len);
    return 0;
}

static int next_aggregated(struct h264_parts *p, struct h264_part *ret)
{
    if (p->rest.len == 0)
        return ERR_NOT_FOUND;
    struct reader r = reader_of(p->rest);
    size_t len = reader_u16(&r);
    struct slice unit = reader_bytes(&r, len);
    if (r.failed || len == 0)
        return ERR_FORMAT;
    p->rest = slice_of(r.pos, reader_left(&r));
    *ret = (struct h264_part){unit.data[0], slice_sub(unit, 1, unit.len), true, true};
    return 0;
}

int h264_next(struct h264_parts *p, struct h264_part *ret)
{
    if (p->aggregate)
        return next_aggregated(p, ret);
    if (p->done)
        return ERR_NOT_FOUND;
    p->done = true;
    uint8_t head = p->rest.data[0];
    if ((head & TYPE_MASK) != TYPE_FU_A) {
        *ret = (struct h264_part){head, slice_sub(p->rest, 1, p->rest.len), true, true};
        return 0;
    }
    uint8_t fu = p->rest.data[1];
    *ret = (struct h264_part){(uint8_t)((head & ~TYPE_MASK) | (fu & TYPE_MASK)),
                              slice_sub(p->rest, 2, p->rest.len), fu & FU_START, fu & FU_END};
    return 0;
}

int h264_read(struct slice payload, struct h264_facts *ret)
{
    struct h264_facts facts = {0};
    struct h264_parts parts;
    struct h264_part part;
    int err = h264_parse(payload, &parts);
    if (err)
        return err;
    while ((err = h264_next(&parts, &part)) == 0) {
        unsigned type = part.header & TYPE_MASK;
        facts.slice = facts.slice || (type >= H264_NAL_SLICE && type <= H264_NAL_IDR);
        if (type == H264_NAL_IDR && part.first)
            facts.starts_idr = true;
        if (type != H264_NAL_SPS || !part.first)
            continue;
        facts.has_sps = true;
        if (h264_sps_size(part.body, &facts.width, &facts.height) != 0)
            facts.width = facts.height = 0;
    }
    if (err != ERR_NOT_FOUND)
        return ERR_FORMAT;
    *ret = facts;
    return 0;
}

/* Without the bytes that keep start codes out (7.4.1). */
static size_t unescape(struct slice from, uint8_t *out)
{
    size_t len = 0;
    unsigned zeros = 0;
    for (size_t i = 0; i < from.len && len < SPS_MAX; i++) {
        if (zeros >= 2 && from.data[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = from.data[i] == 0 ? zeros + 1 : 0;
        out[len++] = from.data[i];
    }
    return len;
}

static void skip_scaling_list(struct bits *b, unsigned size)
{
    int32_t last = 8;
    for (unsigned i = 0; i < size && !b->failed; i++) {
        uint32_t delta = (uint32_t)bits_get_se(b);
        last = (int32_t)(((uint32_t)last + delta) & 255);
        if (last == 0)
            return;
    }
}

static bool is_high_profile(unsigned profile)
{
    static const uint8_t high[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    for (size_t i = 0; i < sizeof(high); i++)
        if (high[i] == profile)
            return true;
    return false;
}

/* Chroma format and scaling, which only the high profiles have. */
static unsigned read_high_profile(struct bits *b)
{
    uint32_t chroma = bits_get_ue(b);
    if (chroma == 3)
        (void)bits_get(b, 1);
    (void)bits_get_ue(b);
    (void)bits_get_ue(b);
    (void)bits_get(b, 1);
    if (!bits_get(b, 1))
        return chroma;
    unsigned lists = chroma == 3 ? 12 : 8;
    for (unsigned i = 0; i < lists; i++)
        if (bits_get(b, 1))
            skip_scaling_list(b, i < 6 ? 16 : 64);
    return chroma;
}

static void skip_order_counts(struct bits *b)
{
    uint32_t type = bits_get_ue(b);
    if (type == 0)
        (void)bits_get_ue(b);
    if (type != 1)
        return;
    (void)bits_get(b, 1);
    (void)bits_get_se(b);
    (void)bits_get_se(b);
    uint32_t count = bits_get_ue(b);
    if (count > REFERENCES_MAX)
        b->failed = true;
    for (uint32_t i = 0; i < count && !b->failed; i++)
        (void)bits_get_se(b);
}

int h264_sps_size(struct slice sps, uint16_t *ret_width, uint16_t *ret_height)
{
    uint8_t bytes[SPS_MAX];
    struct bits b = bits_of(slice_of(bytes, unescape(sps, bytes)));
    unsigned profile = bits_get(&b, 8);
    (void)bits_get(&b, 16); /* constraints, level */
    (void)bits_get_ue(&b);
    unsigned chroma = is_high_profile(profile) ? read_high_profile(&b) : 1;
    (void)bits_get_ue(&b);
    skip_order_counts(&b);
    (void)bits_get_ue(&b);
    (void)bits_get(&b, 1);
    uint64_t width = ((uint64_t)bits_get_ue(&b) + 1) * 16;
    uint64_t height = ((uint64_t)bits_get_ue(&b) + 1) * 16;
    unsigned fields = bits_get(&b, 1) ? 1 : 2; /* frames of two fields have double the rows */
    height *= fields;
    if (fields == 2)
        (void)bits_get(&b, 1);
    (void)bits_get(&b, 1);
    if (bits_get(&b, 1)) { /* cropped: in units of chroma samples */
        unsigned across = chroma == 1 || chroma == 2 ? 2 : 1;
        unsigned down = (chroma == 1 ? 2 : 1) * fields;
        uint64_t sides = ((uint64_t)bits_get_ue(&b) + bits_get_ue(&b)) * across;
        uint64_t ends = ((uint64_t)bits_get_ue(&b) + bits_get_ue(&b)) * down;
        if (sides >= width || ends >= height)
            return ERR_FORMAT;
        width -= sides;
        height -= ends;
    }
    if (b.failed || width > UINT16_MAX || height > UINT16_MAX)
        return ERR_FORMAT;
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return 0;
}
