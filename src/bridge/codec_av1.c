/* AV1: layers by the dependency descriptor; without it, one layer whose key frames the aggregation
 * header marks. */
#include "bridge/codec.h"
#include "bridge/rewrite.h"
#include "proto/av1.h"
#include "proto/offer.h"

static int read(struct codec_stream *stream, const struct rtp_packet *packet,
                struct ring_packet *entry, struct codec_key *key)
{
    struct av1_aggregation header;
    struct av1_elements elements;
    if (av1_parse(packet->payload, &header, &elements) != 0)
        return ERR_FORMAT;
    struct slice extension;
    if (rtp_extension_find(packet, OFFER_EXT_DEPENDENCY, &extension))
        return 0;
    bool newer = !stream->started || (int32_t)(packet->timestamp - stream->timestamp) > 0;
    entry->facts = (struct codec_facts){
        .start = newer,
        .end = packet->marker,
        .key = header.starts_sequence,
        .present = CODEC_ALL_CELLS,
        .switches = header.starts_sequence ? CODEC_ALL_CELLS : 0,
    };
    key->spatial_count = 1;
    if (newer)
        stream->timestamp = packet->timestamp;
    stream->started = true;
    return 0;
}

const struct codec codec_av1 = {
    .name = "AV1",
    .payload_type = OFFER_PT_AV1,
    .rtx_type = OFFER_PT_RTX_AV1,
    .read = read,
};
