#include "spool_pack.h"

#include <stdlib.h>

#include "proto/offer.h"
#include "proto/vp8.h"
#include "proto/vp9.h"

struct out {
    void (*put)(void *arg, bool marker, struct slice payload);
    void *arg;
};

static void put(const struct out *out, bool marker, struct slice head, struct slice body)
{
    uint8_t bytes[SPOOL_PACK_MTU + 32];
    struct writer w = writer_of(bytes, sizeof(bytes));
    writer_bytes(&w, head);
    writer_bytes(&w, body);
    if (w.failed)
        abort();
    out->put(out->arg, marker, slice_of(bytes, writer_len(&w)));
}

bool spool_pack_codec(struct spool_pack *pack, enum AVCodecID codec)
{
    switch (codec) {
    case AV_CODEC_ID_VP8:
        pack->payload_type = OFFER_PT_VP8;
        return true;
    case AV_CODEC_ID_VP9:
        pack->payload_type = OFFER_PT_VP9;
        return true;
    case AV_CODEC_ID_H264:
        pack->payload_type = OFFER_PT_H264;
        return true;
    case AV_CODEC_ID_AV1:
        pack->payload_type = OFFER_PT_AV1;
        return true;
    default:
        return false;
    }
}

static void pack_vp8(struct spool_pack *pack, const struct spool_picture *picture,
                     const struct out *out)
{
    pack->picture_id = (uint16_t)((pack->picture_id + 1) & 0x7fff);
    if (!picture->upper)
        pack->tl0++;
    for (size_t at = 0; at < picture->data.len; at += SPOOL_PACK_MTU) {
        struct vp8_descriptor d = {.start = at == 0,
                                   .has_picture_id = true,
                                   .long_picture_id = true,
                                   .picture_id = pack->picture_id,
                                   .has_tl0 = picture->layered,
                                   .tl0 = pack->tl0,
                                   .has_tid = picture->layered,
                                   .tid = picture->upper ? 1 : 0,
                                   .sync = picture->upper};
        uint8_t head[VP8_DESCRIPTOR_MAX];
        struct writer w = writer_of(head, sizeof(head));
        vp8_put(&w, &d);
        struct slice part = slice_sub(picture->data, at, SPOOL_PACK_MTU);
        put(out, at + part.len == picture->data.len, slice_of(head, writer_len(&w)), part);
    }
}

/* Without a scalability structure: the size stands in the key frame. */
static void pack_vp9(struct spool_pack *pack, const struct spool_picture *picture,
                     const struct out *out)
{
    pack->picture_id = (uint16_t)((pack->picture_id + 1) & 0x7fff);
    for (size_t at = 0; at < picture->data.len; at += SPOOL_PACK_MTU) {
        struct slice part = slice_sub(picture->data, at, SPOOL_PACK_MTU);
        bool end = at + part.len == picture->data.len;
        struct vp9_descriptor d = {.has_picture_id = true,
                                   .long_picture_id = true,
                                   .picture_id = pack->picture_id,
                                   .predicted = !picture->key,
                                   .has_layers = picture->svc,
                                   .sid = picture->spatial,
                                   .inter_layer = picture->spatial > 0 && picture->key,
                                   .start = at == 0,
                                   .end = end};
        uint8_t head[VP9_HEAD_MAX];
        struct writer w = writer_of(head, sizeof(head));
        vp9_put_head(&w, &d);
        put(out, end && picture->last, slice_of(head, writer_len(&w)), part);
    }
}

/* One unit as it is, or in fragments (RFC 6184 5.8). */
static void pack_unit(struct slice unit, bool last, const struct out *out)
{
    enum { FU_A = 28, START = 0x80, END = 0x40, TYPE = 0x1f };
    if (unit.len <= SPOOL_PACK_MTU) {
        put(out, last, slice_of(NULL, 0), unit);
        return;
    }
    for (size_t at = 1; at < unit.len; at += SPOOL_PACK_MTU) {
        struct slice part = slice_sub(unit, at, SPOOL_PACK_MTU);
        bool end = at + part.len == unit.len;
        const uint8_t head[2] = {
            (uint8_t)((unit.data[0] & ~TYPE) | FU_A),
            (uint8_t)((at == 1 ? START : 0) | (end ? END : 0) | (unit.data[0] & TYPE))};
        put(out, last && end, slice_of(head, sizeof(head)), part);
    }
}

static size_t find_start_code(struct slice data, size_t from)
{
    for (size_t i = from; i + 3 <= data.len; i++)
        if (data.data[i] == 0 && data.data[i + 1] == 0 && data.data[i + 2] == 1)
            return i;
    return data.len;
}

static void pack_h264(const struct spool_picture *picture, const struct out *out)
{
    struct slice data = picture->data;
    size_t at = find_start_code(data, 0);
    while (at < data.len) {
        size_t next = find_start_code(data, at + 3), end = next;
        while (next < data.len && end > at + 3 && data.data[end - 1] == 0)
            end--;
        pack_unit(slice_sub(data, at + 3, end - at - 3), next == data.len, out);
        at = next;
    }
}

/* One OBU of those that stand one after another with their sizes. */
static struct slice next_obu(struct slice *rest, uint8_t head[2], size_t *ret_head_len)
{
    struct reader r = reader_of(*rest);
    head[0] = reader_u8(&r);
    *ret_head_len = 1;
    if (head[0] & 4)
        head[(*ret_head_len)++] = reader_u8(&r);
    size_t len = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; byte & 0x80 && shift < 28; shift += 7) {
        byte = reader_u8(&r);
        len |= (size_t)(byte & 0x7f) << shift;
    }
    struct slice payload = reader_bytes(&r, len);
    if (r.failed || !(head[0] & 2))
        abort();
    head[0] &= (uint8_t)~2;
    *rest = slice_of(r.pos, reader_left(&r));
    return payload;
}

/* A packet for each OBU or part of one. */
static void pack_av1(const struct spool_picture *picture, const struct out *out)
{
    enum { DELIMITER = 2, Z = 0x80, Y = 0x40, ONE_ELEMENT = 0x10, N = 0x08 };
    struct slice rest = picture->data;
    bool first = true;
    while (rest.len > 0) {
        uint8_t head[3];
        size_t head_len;
        struct slice payload = next_obu(&rest, head + 1, &head_len);
        if ((head[1] >> 3 & 15) == DELIMITER)
            continue;
        for (size_t at = 0; at == 0 || at < payload.len; at += SPOOL_PACK_MTU) {
            struct slice part = slice_sub(payload, at, SPOOL_PACK_MTU);
            bool end = at + part.len == payload.len;
            head[0] = (uint8_t)(ONE_ELEMENT | (at > 0 ? Z : 0) | (end ? 0 : Y) |
                                (first && picture->key ? N : 0));
            put(out, end && rest.len == 0, slice_of(head, at == 0 ? 1 + head_len : 1), part);
            first = false;
        }
    }
}

void spool_pack(struct spool_pack *pack, const struct spool_picture *picture,
                void (*put_payload)(void *arg, bool marker, struct slice payload), void *arg)
{
    const struct out out = {put_payload, arg};
    switch (pack->payload_type) {
    case OFFER_PT_VP9:
        pack_vp9(pack, picture, &out);
        break;
    case OFFER_PT_H264:
        pack_h264(picture, &out);
        break;
    case OFFER_PT_AV1:
        pack_av1(picture, &out);
        break;
    default:
        pack_vp8(pack, picture, &out);
        break;
    }
}
