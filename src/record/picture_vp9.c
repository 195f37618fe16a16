/* VP9 (RFC 9628): the descriptor is taken off. Several layers of a picture become one superframe
 * (VP9 bitstream specification, annex B), as decoders expect of a file. */
#include "proto/vp9.h"
#include "record/picture_parts.h"

enum { INDEX_MARKER = 0xc0, INDEX_SIZE_BYTES = 4 };

/* By the structure that key pictures bring, else by the frame itself, which knows its own only. */
static void read_size(struct picture_parts *parts, const struct vp9_descriptor *d,
                      const struct vp9_structure *s, struct slice frame)
{
    if (s->spatial_count > d->sid && s->width[d->sid] > 0) {
        parts->width = s->width[d->sid];
        parts->height = s->height[d->sid];
    } else if (!vp9_key_size(frame, &parts->width, &parts->height)) {
        parts->width = parts->height = 0;
    }
}

static int add(struct picture_parts *parts, struct slice payload)
{
    struct vp9_descriptor d;
    struct vp9_structure s = {0};
    if (vp9_parse(payload, &d, &s) != 0)
        return ERR_FORMAT;
    struct slice frame = slice_sub(payload, d.size, payload.len);
    if (d.start) {
        if (parts->layer_count == PICTURE_LAYERS_MAX)
            return ERR_FORMAT;
        parts->layer_at[parts->layer_count++] = parts->data.len;
    } else if (parts->layer_count == 0) {
        return ERR_FORMAT;
    }
    if (vp9_starts_key(&d)) {
        parts->key = true;
        read_size(parts, &d, &s, frame);
    }
    buf_add(&parts->data, frame);
    return 0;
}

static int finish(struct picture_parts *parts)
{
    if (parts->layer_count < 2)
        return 0;
    size_t end = parts->data.len;
    uint8_t index[2 + INDEX_SIZE_BYTES * PICTURE_LAYERS_MAX];
    struct writer w = writer_of(index, sizeof(index));
    uint8_t marker =
        (uint8_t)(INDEX_MARKER | (INDEX_SIZE_BYTES - 1) << 3 | (parts->layer_count - 1));
    writer_u8(&w, marker);
    for (size_t i = 0; i < parts->layer_count; i++) {
        size_t next = i + 1 < parts->layer_count ? parts->layer_at[i + 1] : end;
        size_t len = next - parts->layer_at[i];
        for (unsigned shift = 0; shift < 8 * INDEX_SIZE_BYTES; shift += 8)
            writer_u8(&w, (uint8_t)(len >> shift));
    }
    writer_u8(&w, marker);
    buf_add(&parts->data, slice_of(index, writer_len(&w)));
    return 0;
}

const struct picture_format picture_vp9 = {add, finish};
