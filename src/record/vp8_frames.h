/* VP8 frames from the packets of one SSRC in order (RFC 7741). Gives out whole frames whose
 * references were given out too, and nothing else: after a loss it drops until the picture can be
 * decoded again, which PictureID, TL0PICIDX, the temporal layer and its sync bit tell, or until the
 * next key frame. */
#ifndef RECORD_VP8_FRAMES_H
#define RECORD_VP8_FRAMES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/units.h"
#include "proto/vp8.h"

/* Larger than any frame a browser makes. */
#define VP8_FRAME_MAX ((size_t)4 * 1024 * 1024)
/* A picture beyond this is refused: nobody sends it, and decoding it would take all memory. */
#define VP8_SIDE_MAX 4096u

struct vp8_frame {
    usec_t arrival; /* of its first packet */
    uint32_t timestamp;
    bool key;
    uint16_t width; /* of the last key frame */
    uint16_t height;
    struct slice data; /* valid until the next input */
};

struct vp8_frames {
    struct buf data; /* the frame being put together */
    struct vp8_descriptor first;
    usec_t arrival;
    uint32_t timestamp;
    bool open;
    bool need_key;
    bool uncertain; /* something was lost since the last frame given out */
    bool has_last;
    struct vp8_descriptor last; /* of the last frame given out */
    uint8_t tid_sound;          /* temporal layers up to this one have their references */
    uint16_t width;
    uint16_t height;
    uint64_t dropped; /* frames received whole or in part, not given out */
};

void vp8_frames_init(struct vp8_frames *frames);
void vp8_frames_done(struct vp8_frames *frames);

struct vp8_packet {
    usec_t arrival;
    uint32_t timestamp;
    bool marker;
    uint32_t lost; /* packets missing before this one */
    struct slice payload;
};

/* One packet. True: *ret_frame is a frame to keep. A packet that is no VP8 counts as lost. */
bool vp8_frames_input(struct vp8_frames *frames, const struct vp8_packet *packet,
                      struct vp8_frame *ret_frame);

#endif
