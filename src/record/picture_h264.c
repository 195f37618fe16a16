/* H.264 (RFC 6184): units behind start codes (H.264 annex B). */
#include "proto/h264.h"
#include "record/picture_parts.h"

static const uint8_t start_code[4] = {0, 0, 0, 1};

static int add(struct picture_parts *parts, struct slice payload)
{
    struct h264_facts facts;
    struct h264_parts units;
    struct h264_part unit;
    if (h264_read(payload, &facts) != 0 || h264_parse(payload, &units) != 0)
        return ERR_FORMAT;
    if (facts.has_sps) {
        parts->has_header = true;
        parts->width = facts.width;
        parts->height = facts.height;
    }
    parts->key |= facts.starts_idr;
    while (h264_next(&units, &unit) == 0) {
        if (unit.first == parts->in_unit)
            return ERR_FORMAT;
        if (unit.first) {
            buf_add(&parts->data, slice_of(start_code, sizeof(start_code)));
            buf_add_byte(&parts->data, unit.header);
        }
        buf_add(&parts->data, unit.body);
        parts->in_unit = !unit.last;
    }
    return 0;
}

static int finish(struct picture_parts *parts)
{
    return parts->in_unit || (parts->key && !parts->has_header) ? ERR_FORMAT : 0;
}

const struct picture_format picture_h264 = {add, finish};
