/* An encoder's packets in any codec and layer structure: VP9 and AV1 with spatial layers in one
 * stream, H.264 and VP8 as simulcast with the dependency descriptor, or without. Payloads are made
 * up but say what they need; packets are resent on RTX when asked for. */
#ifndef TESTS_LAYERED_SENDER_H
#define TESTS_LAYERED_SENDER_H

#include "bridge/codec.h"
#include "pipe.h"
#include "proto/testing.h"

#define LAYERED_STREAMS 3
#define LAYERED_HISTORY 4096
#define LAYERED_SSRC 500 /* of the lowest stream; the RTX SSRCs follow from LAYERED_RTX */
#define LAYERED_RTX 600

struct layered_mode {
    const struct codec *codec;
    unsigned spatial;  /* layers in the first stream; 1: simulcast of LAYERED_STREAMS streams */
    unsigned temporal; /* 1 to 3 */
    bool key_only;     /* layers refer to those below in key pictures only */
    bool described;    /* by the dependency descriptor */
};

/* A frame's name everywhere: stream << 28 | spatial << 24 | number. */
struct layered_frame {
    uint32_t id;
    uint32_t refs[3]; /* its own id: none */
    uint8_t temporal;
    bool key;
};

struct layered_packet {
    const struct codec *codec;
    uint16_t sequence;
    size_t len; /* of all but the header, which is made anew */
    uint32_t timestamp;
    bool marker;
    uint8_t extension_len;
    uint8_t extension[UINT8_MAX];
    uint8_t payload[PIPE_PACKET_MAX];
};

struct layered_stream {
    uint16_t sequence;
    uint16_t rtx_sequence;
    uint32_t timestamp_base;
    uint16_t number;                        /* of the next frame in the dependency descriptor */
    uint32_t last[CODEC_SPATIAL][3];        /* picture of the newest frame by temporal layer */
    uint16_t last_number[CODEC_SPATIAL][3]; /* and its number */
    uint32_t phase;
    struct layered_packet *history;
};

struct layered_sender {
    struct pipe *up;
    struct layered_mode mode;
    struct layered_stream streams[LAYERED_STREAMS];
    uint32_t picture; /* next */
    usec_t next;
    bool key_wanted;
    unsigned plis;
    unsigned resent;
    unsigned lose_key_starts; /* so many first packets of key pictures do not arrive */
    unsigned spatial_on;      /* layers made now */
};

void layered_sender_init(struct layered_sender *sender, struct pipe *up, struct layered_mode mode);
void layered_sender_done(struct layered_sender *sender);
/* Another encoder takes over with a key picture, on the same SSRCs. */
void layered_sender_change(struct layered_sender *sender, struct layered_mode mode);
void layered_sender_step(struct layered_sender *sender, usec_t now);
void layered_sender_input(struct layered_sender *sender, usec_t now, struct slice rtcp);
/* What the first packet of a frame says in its payload, behind descriptors. */
void layered_frame_parse(struct slice body, struct layered_frame *ret_frame);

#endif
