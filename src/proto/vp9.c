#include "proto/vp9.h"

#include "proto/bits.h"
#include "proto/picture_id.h"

enum {
    BIT_I = 0x80,
    BIT_P = 0x40,
    BIT_L = 0x20,
    BIT_F = 0x10,
    BIT_B = 0x08,
    BIT_E = 0x04,
    BIT_V = 0x02,
    BIT_Z = 0x01,
    BIT_U = 0x10,
    BIT_D = 0x01,
    BIT_N = 0x01, /* another reference follows */
    BIT_Y = 0x10,
    BIT_G = 0x08,
    REFERENCES_MAX = 3,
};

static void parse_head(struct reader *r, struct vp9_descriptor *d)
{
    uint8_t bits = reader_u8(r);
    d->has_picture_id = bits & BIT_I;
    d->predicted = bits & BIT_P;
    d->has_layers = bits & BIT_L;
    d->flexible = bits & BIT_F;
    d->start = bits & BIT_B;
    d->end = bits & BIT_E;
    d->has_structure = bits & BIT_V;
    d->unused_above = bits & BIT_Z;
    if (d->has_picture_id)
        d->picture_id = picture_id_read(r, &d->long_picture_id);
    if (d->has_layers) {
        uint8_t layers = reader_u8(r);
        d->tid = layers >> 5;
        d->switching_up = layers & BIT_U;
        d->sid = layers >> 1 & 7;
        d->inter_layer = layers & BIT_D;
        if (!d->flexible)
            d->tl0 = reader_u8(r);
    }
}

static int skip_references(struct reader *r)
{
    for (unsigned i = 0; i < REFERENCES_MAX; i++)
        if (!(reader_u8(r) & BIT_N))
            return 0;
    return ERR_FORMAT;
}

static void parse_structure(struct reader *r, struct vp9_structure *s)
{
    uint8_t bits = reader_u8(r);
    s->spatial_count = (bits >> 5) + 1U;
    for (unsigned i = 0; i < s->spatial_count && bits & BIT_Y; i++) {
        s->width[i] = reader_u16(r);
        s->height[i] = reader_u16(r);
    }
    unsigned pictures = bits & BIT_G ? reader_u8(r) : 0;
    for (unsigned i = 0; i < pictures && !r->failed; i++)
        reader_skip(r, reader_u8(r) >> 2 & 3);
}

int vp9_parse(struct slice payload, struct vp9_descriptor *ret_descriptor,
              struct vp9_structure *ret_structure)
{
    struct reader r = reader_of(payload);
    struct vp9_descriptor d = {0};
    struct vp9_structure s = {0};
    parse_head(&r, &d);
    d.head_size = payload.len - reader_left(&r);
    if (d.flexible && d.predicted && skip_references(&r) != 0)
        return ERR_FORMAT;
    if (d.has_structure)
        parse_structure(&r, &s);
    if (r.failed || reader_left(&r) == 0)
        return ERR_FORMAT;
    d.size = payload.len - reader_left(&r);
    *ret_descriptor = d;
    if (d.has_structure)
        *ret_structure = s;
    return 0;
}

void vp9_put_head(struct writer *w, const struct vp9_descriptor *d)
{
    writer_u8(w, (uint8_t)((d->has_picture_id ? BIT_I : 0) | (d->predicted ? BIT_P : 0) |
                           (d->has_layers ? BIT_L : 0) | (d->flexible ? BIT_F : 0) |
                           (d->start ? BIT_B : 0) | (d->end ? BIT_E : 0) |
                           (d->has_structure ? BIT_V : 0) | (d->unused_above ? BIT_Z : 0)));
    if (d->has_picture_id)
        picture_id_put(w, d->picture_id, d->long_picture_id);
    if (!d->has_layers)
        return;
    writer_u8(w, (uint8_t)(d->tid << 5 | (d->switching_up ? BIT_U : 0) | (d->sid & 7) << 1 |
                           (d->inter_layer ? BIT_D : 0)));
    if (!d->flexible)
        writer_u8(w, d->tl0);
}

bool vp9_key_size(struct slice frame, uint16_t *ret_width, uint16_t *ret_height)
{
    enum { MARKER = 2, SYNC_CODE = 0x498342, SRGB = 7 };
    struct bits b = bits_of(frame);
    bool good = bits_get(&b, 2) == MARKER && bits_get(&b, 2) == 0; /* profile */
    good = good && bits_get(&b, 2) == 0;                           /* a new one, a key frame */
    (void)bits_get(&b, 2);
    good = good && bits_get(&b, 24) == SYNC_CODE && bits_get(&b, 3) != SRGB;
    (void)bits_get(&b, 1);
    uint32_t width = bits_get(&b, 16) + 1, height = bits_get(&b, 16) + 1;
    if (!good || b.failed || width > UINT16_MAX || height > UINT16_MAX)
        return false;
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return true;
}

bool vp9_starts_key(const struct vp9_descriptor *d)
{
    return d->start && !d->predicted && d->sid == 0;
}
