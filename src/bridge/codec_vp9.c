/* VP9: spatial and temporal layers by its own descriptor (RFC 9628 4.2). References count pictures
 * as they were made: numbers keep the gaps of those left out. */
#include "bridge/codec.h"
#include "bridge/rewrite.h"
#include "proto/offer.h"

static uint16_t present(const struct vp9_descriptor *d, unsigned spatial, unsigned temporal)
{
    uint16_t cells = codec_cells_from(spatial, temporal);
    if (d->unused_above && spatial + 1 < CODEC_SPATIAL)
        cells &= (uint16_t)~codec_cells_from(spatial + 1, 0);
    return cells;
}

static uint16_t switches(const struct vp9_descriptor *d, unsigned spatial, unsigned temporal)
{
    if (d->start && !d->predicted)
        return spatial == 0 ? CODEC_ALL_CELLS : codec_cells_from(spatial, 0);
    if (!d->start || !d->switching_up)
        return 0;
    uint16_t cells = codec_cells_from(spatial, temporal);
    if (spatial + 1 < CODEC_SPATIAL)
        cells &= (uint16_t)~codec_cells_from(spatial + 1, 0);
    return cells;
}

static void tell_key(const struct vp9_structure *s, struct codec_key *key)
{
    key->spatial_count = (uint8_t)s->spatial_count;
    for (unsigned i = 0; i < s->spatial_count; i++) {
        unsigned layer = i < CODEC_SPATIAL ? i : CODEC_SPATIAL - 1;
        key->height[layer] = s->height[i] < s->width[i] ? s->height[i] : s->width[i];
    }
}

static int read(struct codec_stream *stream, const struct rtp_packet *packet,
                struct ring_packet *entry, struct codec_key *key)
{
    struct vp9_descriptor *d = &entry->head.vp9;
    struct vp9_structure structure = {0};
    if (vp9_parse(packet->payload, d, &structure) != 0)
        return ERR_FORMAT;
    unsigned spatial = d->sid < CODEC_SPATIAL ? d->sid : CODEC_SPATIAL - 1;
    unsigned temporal = d->tid < CODEC_TEMPORAL ? d->tid : CODEC_TEMPORAL - 1;
    entry->head_size = (uint8_t)d->head_size;
    entry->tl0 = d->tl0;
    if (d->has_picture_id) {
        unsigned shift = d->long_picture_id ? 1 : 9;
        uint16_t step = (uint16_t)((uint16_t)(d->picture_id - (uint16_t)stream->picture) << shift);
        entry->picture = stream->picture + ((int16_t)step >> shift);
        if (entry->picture > stream->picture)
            stream->picture = entry->picture;
    }
    entry->facts = (struct codec_facts){
        .spatial = (uint8_t)spatial,
        .temporal = (uint8_t)temporal,
        .start = d->start,
        .end = d->end,
        .key = vp9_starts_key(d),
        .present = present(d, spatial, temporal),
        .switches = switches(d, spatial, temporal),
    };
    tell_key(&structure, key);
    return 0;
}

static void put_head(struct writer *w, const struct ring_packet *entry, const struct rewritten *out)
{
    struct vp9_descriptor d = entry->head.vp9;
    d.long_picture_id = true;
    d.picture_id = out->picture;
    d.tl0 = out->tl0;
    vp9_put_head(w, &d);
}

const struct codec codec_vp9 = {
    .name = "VP9",
    .payload_type = OFFER_PT_VP9,
    .rtx_type = OFFER_PT_RTX_VP9,
    .read = read,
    .put_head = put_head,
};
