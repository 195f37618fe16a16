/* H.264: one picture after another by its units (RFC 6184); temporal layers only by the dependency
 * descriptor. */
#include "bridge/codec.h"
#include "bridge/rewrite.h"
#include "proto/h264.h"
#include "proto/offer.h"

static int read(struct codec_stream *stream, const struct rtp_packet *packet,
                struct ring_packet *entry, struct codec_key *key)
{
    struct h264_facts facts;
    if (h264_read(packet->payload, &facts) != 0)
        return ERR_FORMAT;
    bool newer = !stream->started || (int32_t)(packet->timestamp - stream->timestamp) > 0;
    bool other_key = !stream->started || packet->timestamp != stream->key_timestamp;
    /* Parameter sets go before their picture; without any, its first slice begins it. */
    bool starts_key = (facts.has_sps || facts.starts_idr) && other_key;
    entry->facts = (struct codec_facts){
        .start = newer || starts_key,
        .end = packet->marker,
        .key = starts_key,
        .present = CODEC_ALL_CELLS,
        .switches = starts_key ? CODEC_ALL_CELLS : 0,
    };
    if (newer)
        stream->timestamp = packet->timestamp;
    stream->started = true;
    if (!starts_key)
        return 0;
    stream->key_timestamp = packet->timestamp;
    key->spatial_count = 1;
    key->height[0] = facts.height < facts.width ? facts.height : facts.width;
    return 0;
}

const struct codec codec_h264 = {
    .name = "H264",
    .payload_type = OFFER_PT_H264,
    .rtx_type = OFFER_PT_RTX_H264,
    .read = read,
};
