/* Any bytes as an RTP packet: what parses lies inside, and what we build from it parses again. */
#include <stdlib.h>

#include "proto/opus.h"
#include "proto/rtp.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

static void rebuild(const struct rtp_packet *packet)
{
    uint8_t out[4096];
    struct writer w = writer_of(out, sizeof(out));
    struct rtp_extension extensions[14];
    size_t count = 0;
    struct slice rest = packet->extensions;
    struct rtp_extension extension;
    while (rtp_extension_next(packet->profile, &rest, &extension)) {
        if (extension.id >= 1 && extension.id <= 14 && extension.value.len >= 1 &&
            extension.value.len <= 16 && count < 14)
            extensions[count++] = extension;
    }
    struct rtp_header header = {packet->payload_type, packet->marker,    false,
                                packet->sequence,     packet->timestamp, packet->ssrc};
    rtp_put_header(&w, &header, extensions, count);
    check(!w.failed);
    struct rtp_packet again;
    check(rtp_parse(slice_of(out, writer_len(&w)), &again) == 0);
    check(again.ssrc == packet->ssrc && again.sequence == packet->sequence);
    check(again.payload_type == packet->payload_type && again.marker == packet->marker);
    size_t found = 0;
    rest = again.extensions;
    while (rtp_extension_next(again.profile, &rest, &extension)) {
        check(found < count && extension.id == extensions[found].id);
        check(slice_eq(extension.value, extensions[found++].value));
    }
    check(found == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    (void)rtp_is_rtcp(in);
    unsigned samples;
    (void)opus_duration(in, &samples);
    struct rtp_packet packet;
    if (rtp_parse(in, &packet) != 0)
        return 0;
    check(packet.payload.len + packet.padding + RTP_HEADER_SIZE <= size);
    uint16_t sequence;
    struct slice original;
    if (rtp_rtx_parse(packet.payload, &sequence, &original) == 0)
        check(original.len + RTP_RTX_OSN_SIZE == packet.payload.len);
    rebuild(&packet);
    return 0;
}
