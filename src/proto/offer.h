/* What we offer by Jingle and therefore meet on the wire: payload types and header extension ids.
 * room puts them into the offer, bridge reads packets by them. */
#ifndef PROTO_OFFER_H
#define PROTO_OFFER_H

#include <stdbool.h>

enum offer_payload_type {
    OFFER_PT_AV1 = 41,
    OFFER_PT_RTX_AV1 = 42,
    OFFER_PT_RTX_VP8 = 96,
    OFFER_PT_RTX_VP9 = 97,
    OFFER_PT_RTX_H264 = 99,
    OFFER_PT_VP8 = 100,
    OFFER_PT_VP9 = 101,
    OFFER_PT_H264 = 107,
    OFFER_PT_OPUS = 111,
    OFFER_PT_RED = 112,
};

static inline bool offer_is_audio(unsigned payload_type)
{
    return payload_type == OFFER_PT_OPUS || payload_type == OFFER_PT_RED;
}

enum offer_extension {
    OFFER_EXT_AUDIO_LEVEL = 1,  /* RFC 6464, audio */
    OFFER_EXT_TRANSPORT_CC = 5, /* draft-holmer-rmcat-transport-wide-cc-extensions-01, both */
    OFFER_EXT_DEPENDENCY = 11,  /* AV1 RTP specification appendix A, video */
};

enum { OFFER_CLOCK_AUDIO = 48000, OFFER_CLOCK_VIDEO = 90000 };

#endif
