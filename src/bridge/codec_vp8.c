/* VP8: temporal layers by its own descriptor (RFC 7741 4.2). */
#include "bridge/codec.h"
#include "bridge/rewrite.h"
#include "proto/offer.h"

static int64_t unwrap(int64_t last, uint16_t id, unsigned bits)
{
    unsigned shift = 16 - bits;
    uint16_t step = (uint16_t)((uint16_t)(id - (uint16_t)last) << shift);
    return last + ((int16_t)step >> shift);
}

static int read(struct codec_stream *stream, const struct rtp_packet *packet,
                struct ring_packet *entry, struct codec_key *key)
{
    struct vp8_descriptor *d = &entry->head.vp8;
    if (vp8_parse(packet->payload, d) != 0)
        return ERR_FORMAT;
    unsigned temporal = d->tid < CODEC_TEMPORAL ? d->tid : CODEC_TEMPORAL - 1;
    entry->head_size = (uint8_t)d->size;
    entry->tl0 = d->tl0;
    entry->keyidx = d->keyidx;
    if (d->has_picture_id) {
        entry->picture = unwrap(stream->picture, d->picture_id, d->long_picture_id ? 15 : 7);
        if (entry->picture > stream->picture)
            stream->picture = entry->picture;
    }
    bool starts = d->start && d->partition == 0;
    entry->facts = (struct codec_facts){
        .temporal = (uint8_t)temporal,
        .start = starts,
        .end = packet->marker,
        .key = vp8_starts_key(d, packet->payload),
        .sync = starts && d->has_tid && d->sync,
        .present = codec_cells_from(0, temporal),
    };
    if (!entry->facts.key)
        return 0;
    entry->facts.switches = CODEC_ALL_CELLS;
    uint16_t width;
    uint16_t height;
    key->spatial_count = 1;
    if (vp8_key_size(d, packet->payload, &width, &height))
        key->height[0] = height < width ? height : width;
    return 0;
}

static void put_head(struct writer *w, const struct ring_packet *entry, const struct rewritten *out)
{
    struct vp8_descriptor d = entry->head.vp8;
    d.long_picture_id = true;
    d.picture_id = out->picture;
    d.tl0 = out->tl0;
    d.keyidx = out->keyidx;
    vp8_put(w, &d);
}

const struct codec codec_vp8 = {
    .name = "VP8",
    .payload_type = OFFER_PT_VP8,
    .rtx_type = OFFER_PT_RTX_VP8,
    .gapless = true,
    .read = read,
    .put_head = put_head,
};
