/* AV1 (AV1 RTP specification 4): OBUs in their low-overhead form, each with its size, without
 * temporal delimiters, as Matroska has it. */
#include "proto/av1.h"
#include "record/picture_parts.h"

enum { OBU_EXTENSION = 0x04, OBU_HAS_SIZE = 0x02 };

static void put_leb128(struct buf *buf, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_byte(buf, (uint8_t)(0x80 | (value & 0x7f)));
    buf_add_byte(buf, (uint8_t)value);
}

static int read_sequence(struct picture_parts *parts, struct slice sequence)
{
    parts->has_header = true;
    parts->sequence_at = parts->data.len;
    parts->sequence_len = sequence.len;
    return av1_sequence_size(sequence, &parts->width, &parts->height);
}

/* The first payload of a key picture may tell how large each layer is: the sequence header knows
 * the largest that its sender encodes. */
static void read_sizes(struct picture_parts *parts)
{
    struct dependency_structure s = {0};
    struct dependency_descriptor d;
    parts->sizes.count = 0;
    if (dependency_parse(parts->dependency, &s, &d) != 0 || !s.has_resolutions)
        return;
    parts->sizes.count = s.spatial_count;
    memcpy(parts->sizes.width, s.width, sizeof(s.width));
    memcpy(parts->sizes.height, s.height, sizeof(s.height));
}

/* The unit is whole. */
static int put_unit(struct picture_parts *parts)
{
    struct slice unit = buf_slice(&parts->unit), payload;
    enum av1_obu type;
    parts->in_unit = false;
    if (parts->unit.failed || av1_obu_parse(unit, &type, &payload) != 0)
        return ERR_FORMAT;
    if (type == AV1_OBU_DELIMITER || type == AV1_OBU_TILE_LIST)
        return 0;
    bool extended = unit.data[0] & OBU_EXTENSION;
    buf_add_byte(&parts->data, unit.data[0] | OBU_HAS_SIZE);
    if (extended) {
        uint8_t spatial = unit.data[1] >> 3 & 3;
        parts->top = spatial > parts->top ? spatial : parts->top;
        buf_add_byte(&parts->data, unit.data[1]);
    }
    put_leb128(&parts->data, payload.len);
    if (type == AV1_OBU_SEQUENCE && read_sequence(parts, payload) != 0)
        return ERR_FORMAT;
    buf_add(&parts->data, payload);
    return 0;
}

static int add(struct picture_parts *parts, struct slice payload)
{
    struct av1_aggregation header;
    struct av1_elements elements;
    struct slice element;
    if (av1_parse(payload, &header, &elements) != 0 || header.continues != parts->in_unit)
        return ERR_FORMAT;
    parts->key |= header.starts_sequence;
    if (header.starts_sequence)
        read_sizes(parts);
    int err = av1_next(&elements, &element);
    while (!err) {
        if (!parts->in_unit)
            buf_clear(&parts->unit);
        buf_add(&parts->unit, element);
        parts->in_unit = true;
        err = av1_next(&elements, &element);
        bool open = err == ERR_NOT_FOUND && header.continued;
        if (!open && put_unit(parts) != 0)
            return ERR_FORMAT;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* A layer may come back without a key picture. */
static void take_size(struct picture_parts *parts)
{
    uint8_t top = parts->top;
    if (top >= parts->sizes.count || (!parts->key && parts->sizes.width[top] <= parts->width))
        return;
    parts->width = parts->sizes.width[top];
    parts->height = parts->sizes.height[top];
}

/* Layers above those that are kept must not be waited for by a decoder. */
static int finish(struct picture_parts *parts)
{
    if (parts->in_unit || (parts->key && !parts->has_header))
        return ERR_FORMAT;
    if (parts->key && !parts->data.failed)
        av1_sequence_limit(parts->data.data + parts->sequence_at, parts->sequence_len, parts->top);
    take_size(parts);
    return 0;
}

const struct picture_format picture_av1 = {add, finish};
