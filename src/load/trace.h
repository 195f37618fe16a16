/* What a browser's camera and microphone send, without a camera: VP8 in three simulcast layers with
 * two temporal layers each (Jitsi's rates, 30 frames a second, key frames on request), packets of a
 * frame equal but for a byte and leaving in small bursts over some 2 ms, as Chromium's do; Opus in
 * 20 ms packets. Pure: tells what is to be sent when. */
#ifndef LOAD_TRACE_H
#define LOAD_TRACE_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/units.h"
#include "proto/vp8.h"

#define TRACE_LAYERS 3
/* A key frame of the largest layer has some 60 packets; all layers may have one at a time. */
#define TRACE_QUEUE 256

struct trace_packet {
    usec_t at;
    bool audio;
    bool marker;
    bool key; /* first packet of a key frame */
    uint8_t layer;
    uint16_t size;      /* of the payload without the descriptor */
    uint16_t height;    /* of a key frame */
    uint32_t timestamp; /* from zero */
    struct vp8_descriptor vp8;
};

struct trace_layer {
    bool on;
    bool key_wanted;
    uint16_t picture;
    uint8_t tl0;
    uint8_t keyidx;
    unsigned frames;
};

struct trace {
    bool audio;
    bool video;
    uint64_t random;
    usec_t start;
    usec_t audio_at;
    usec_t video_at;
    struct trace_layer layers[TRACE_LAYERS];
    struct trace_packet queue[TRACE_QUEUE]; /* of one moment's frames, in order of time */
    size_t head, count;
};

void trace_init(struct trace *trace, usec_t now, bool audio, bool video, uint64_t seed);
/* The bridge wishes so much: -1 any, 0 none. */
void trace_constrain(struct trace *trace, int height);
void trace_want_key(struct trace *trace, unsigned layer);
/* The next packet that is due; false: none before *ret_next. */
bool trace_next(struct trace *trace, usec_t now, struct trace_packet *ret_packet, usec_t *ret_next);

#endif
