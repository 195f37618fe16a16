/* Encoded pictures into RTP payloads, as browsers send them. */
#ifndef TESTS_SPOOL_PACK_H
#define TESTS_SPOOL_PACK_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>

#include "base/slice.h"

#define SPOOL_PACK_MTU 1150

/* One stream. */
struct spool_pack {
    uint8_t payload_type;
    uint16_t picture_id;
    uint8_t tl0;
};

struct spool_picture {
    struct slice data; /* H.264 with start codes */
    bool key;
    bool layered; /* VP8: two temporal layers, of which this is the */
    bool upper;   /* upper one */
    bool svc;     /* VP9: one of several spatial layers */
    uint8_t spatial;
    bool last; /* ends the picture */
};

/* False: no codec of ours. */
bool spool_pack_codec(struct spool_pack *pack, enum AVCodecID codec);
void spool_pack(struct spool_pack *pack, const struct spool_picture *picture,
                void (*put)(void *arg, bool marker, struct slice payload), void *arg);

#endif
