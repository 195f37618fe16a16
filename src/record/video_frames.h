/* Pictures from the packets of one SSRC in order, of whatever codec: the payload type says which,
 * and may change with any key frame. Gives out whole pictures whose references were given out too,
 * and nothing else: after a loss VP8 finds out what can still be decoded (vp8_frames.h), the others
 * wait for the next key frame. A picture of several spatial layers is all layers that came. */
#ifndef RECORD_VIDEO_FRAMES_H
#define RECORD_VIDEO_FRAMES_H

#include "record/vp8_frames.h"

enum video_codec { VIDEO_NONE, VIDEO_VP8, VIDEO_VP9, VIDEO_H264, VIDEO_AV1 };

/* VIDEO_NONE: none of ours. */
enum video_codec video_codec_of(uint8_t payload_type);
/* Whether this payload is one of the first of a key picture. */
bool video_starts_key(enum video_codec codec, struct slice payload);

struct video_packet {
    usec_t arrival;
    uint32_t timestamp;
    uint8_t payload_type;
    bool marker;
    uint32_t lost; /* packets missing before this one */
    struct slice payload;
    struct slice dependency; /* descriptor of layers (proto/dependency.h); empty: none */
};

struct video_frame {
    usec_t arrival; /* of its first packet */
    uint32_t timestamp;
    enum video_codec codec;
    bool key;
    uint16_t width; /* of the last key picture */
    uint16_t height;
    /* As decoders and files take it: VP9 with an index where there are several layers, H.264 with
     * start codes and parameter sets, AV1 with sizes and without delimiters. Valid during the call.
     */
    struct slice data;
};

struct video_sink {
    void (*frame)(void *arg, const struct video_frame *frame);
    void *arg;
};

struct video_frames;

/* NULL when memory is short. */
struct video_frames *video_frames_new(void);
void video_frames_free(struct video_frames **frames);
/* One packet; gives out at most two pictures: the one before may have ended with it. */
void video_frames_input(struct video_frames *frames, const struct video_packet *packet,
                        const struct video_sink *sink);
/* Pictures received whole or in part, not given out. */
uint64_t video_frames_dropped(const struct video_frames *frames);

#endif
