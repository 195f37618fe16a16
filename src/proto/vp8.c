#include "proto/vp8.h"

#include "proto/picture_id.h"

enum {
    BIT_X = 0x80,
    BIT_N = 0x20,
    BIT_S = 0x10,
    MASK_PID = 0x07,
    BIT_I = 0x80,
    BIT_L = 0x40,
    BIT_T = 0x20,
    BIT_K = 0x10,
    FRAME_TAG_SIZE = 3,
    KEY_HEADER_SIZE = 10, /* tag, start code, width, height */
};

static void parse_extended(struct reader *r, struct vp8_descriptor *d)
{
    uint8_t bits = reader_u8(r);
    d->has_picture_id = bits & BIT_I;
    d->has_tl0 = bits & BIT_L;
    d->has_tid = bits & BIT_T;
    d->has_keyidx = bits & BIT_K;
    if (d->has_picture_id)
        d->picture_id = picture_id_read(r, &d->long_picture_id);
    if (d->has_tl0)
        d->tl0 = reader_u8(r);
    if (d->has_tid || d->has_keyidx) {
        uint8_t byte = reader_u8(r);
        if (d->has_tid) {
            d->tid = byte >> 6;
            d->sync = byte & 0x20;
        }
        if (d->has_keyidx)
            d->keyidx = byte & 0x1f;
    }
}

int vp8_parse(struct slice payload, struct vp8_descriptor *ret_descriptor)
{
    struct reader r = reader_of(payload);
    struct vp8_descriptor d = {0};
    uint8_t first = reader_u8(&r);
    d.non_reference = first & BIT_N;
    d.start = first & BIT_S;
    d.partition = first & MASK_PID;
    if (first & BIT_X)
        parse_extended(&r, &d);
    if (r.failed || reader_left(&r) == 0)
        return ERR_FORMAT;
    d.size = payload.len - reader_left(&r);
    *ret_descriptor = d;
    return 0;
}

void vp8_put(struct writer *w, const struct vp8_descriptor *d)
{
    bool extended = d->has_picture_id || d->has_tl0 || d->has_tid || d->has_keyidx;
    writer_u8(w, (uint8_t)((extended ? BIT_X : 0) | (d->non_reference ? BIT_N : 0) |
                           (d->start ? BIT_S : 0) | (d->partition & MASK_PID)));
    if (!extended)
        return;
    writer_u8(w, (uint8_t)((d->has_picture_id ? BIT_I : 0) | (d->has_tl0 ? BIT_L : 0) |
                           (d->has_tid ? BIT_T : 0) | (d->has_keyidx ? BIT_K : 0)));
    if (d->has_picture_id)
        picture_id_put(w, d->picture_id, d->long_picture_id);
    if (d->has_tl0)
        writer_u8(w, d->tl0);
    if (d->has_tid || d->has_keyidx)
        writer_u8(w, (uint8_t)((d->has_tid ? (d->tid & 3) << 6 : 0) |
                               (d->has_tid && d->sync ? 0x20 : 0) |
                               (d->has_keyidx ? d->keyidx & 0x1f : 0)));
}

bool vp8_starts_key(const struct vp8_descriptor *d, struct slice payload)
{
    return d->start && d->partition == 0 && payload.len > d->size && !(payload.data[d->size] & 1);
}

bool vp8_key_size(const struct vp8_descriptor *d, struct slice payload, uint16_t *ret_width,
                  uint16_t *ret_height)
{
    if (!vp8_starts_key(d, payload) || payload.len < d->size + KEY_HEADER_SIZE)
        return false;
    const uint8_t *frame = payload.data + d->size + FRAME_TAG_SIZE;
    if (frame[0] != 0x9d || frame[1] != 0x01 || frame[2] != 0x2a)
        return false;
    *ret_width = (uint16_t)((frame[3] | frame[4] << 8) & 0x3fff);
    *ret_height = (uint16_t)((frame[5] | frame[6] << 8) & 0x3fff);
    return true;
}
