/* A browser's sending half, as far as the media core can tell: Opus with levels, VP8 simulcast with
 * temporal layers and real descriptors, key frames on request, RTX on NACK, sender reports,
 * transport sequence numbers. The frames are made up, but say what they depend on. */
#ifndef TESTS_MEDIA_SENDER_H
#define TESTS_MEDIA_SENDER_H

#include <stdbool.h>

#include "base/units.h"
#include "pipe.h"

#define SENDER_LAYERS 3
#define SENDER_HISTORY 2048
#define SENDER_PAYLOAD 1000

/* What every video payload says after its VP8 head, so that a receiver can check. */
struct sender_frame {
    uint32_t layer;
    uint32_t number;   /* of the frame in its layer */
    uint32_t refs[2];  /* numbers of the frames it needs; its own: none */
    uint64_t captured; /* the sender's time, microseconds */
    uint32_t key;
};
#define SENDER_FRAME_SIZE 32

struct sender_packet {
    uint16_t sequence;
    size_t len;
    uint8_t bytes[PIPE_PACKET_MAX];
};

struct sender_layer {
    uint32_t ssrc;
    uint32_t rtx;
    bool on;
    bool key_wanted;
    bool keyless; /* makes none when asked */
    uint16_t height;
    size_t bytes;     /* of a picture */
    size_t key_bytes; /* of a key picture; 0: some times as much */
    unsigned every;   /* of so many pictures it has one */
    uint16_t sequence;
    uint16_t rtx_sequence;
    uint32_t timestamp_base;
    uint16_t picture;
    uint8_t tl0;
    uint32_t frame;   /* next number */
    unsigned phase;   /* of the temporal pattern */
    uint32_t last[3]; /* newest frame by temporal layer */
    uint32_t packets;
    uint32_t octets;
    struct sender_packet *history;
};

struct sender {
    struct pipe *up;
    uint64_t random;
    usec_t skew; /* its clock minus ours */
    struct sender_layer layers[SENDER_LAYERS];
    bool video;
    bool short_picture_id;
    bool temporal;
    bool screen;     /* its streams are of one height */
    bool lone;       /* and there is only the last */
    unsigned frames; /* so far, sent or not */
    unsigned thrift; /* pictures take so many times less */
    usec_t frame_at;
    bool audio;
    uint32_t audio_ssrc;
    uint16_t audio_sequence;
    uint32_t audio_timestamp;
    uint32_t audio_packets;
    usec_t audio_at;
    usec_t audio_packet; /* its length in time */
    size_t audio_bytes;
    uint8_t level; /* 0 loudest to 127 */
    bool steady;   /* it says so itself when it sways and pauses */
    usec_t report_at;
    uint16_t transport;
    /* What was asked of it. */
    unsigned plis;
    usec_t pli_at[512];
    unsigned nacked;
    unsigned feedbacks;
    uint64_t told;      /* packets the feedback told of as received */
    bool reported;      /* a receiver report came */
    uint8_t audio_lost; /* of 256, as told last */
};

/* SSRCs are `base` + 0..2 for layers, + 10..12 for RTX, + 20 for audio. */
void sender_init(struct sender *sender, struct pipe *up, uint32_t base, uint64_t seed);
void sender_done(struct sender *sender);
/* From now on a screen on which much moves, as our client sends it: the last layer with all
 * pictures, the others with few, each of 720 lines and with key pictures of so many bytes. */
void sender_share_screen(struct sender *sender, size_t key_bytes);
/* The same in one stream of so much, as other clients send it. */
void sender_share_lone(struct sender *sender, uint32_t bps, size_t key_bytes);
/* As told by SENDER_CONSTRAINTS. */
void sender_constrain(struct sender *sender, int max_height);
void sender_input(struct sender *sender, usec_t now, struct slice rtcp);
void sender_step(struct sender *sender, usec_t now);
void sender_get_frame(struct slice payload, struct sender_frame *ret_frame);

#endif
