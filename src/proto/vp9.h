/* The VP9 payload descriptor (RFC 9628 4.2): what of a picture a packet holds, and what that needs.
 * Only its head, which numbers pictures and layers, is ever rewritten; references and the
 * scalability structure behind it stay as they are. */
#ifndef PROTO_VP9_H
#define PROTO_VP9_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define VP9_HEAD_MAX 5 /* flags, picture id, layers, TL0PICIDX */
#define VP9_SPATIAL_MAX 8

struct vp9_descriptor {
    bool has_picture_id;  /* I */
    bool predicted;       /* P: from earlier pictures */
    bool has_layers;      /* L */
    bool flexible;        /* F */
    bool start;           /* B: first packet of a layer's frame */
    bool end;             /* E: last packet of it */
    bool has_structure;   /* V */
    bool unused_above;    /* Z: no higher layer refers to this frame */
    bool long_picture_id; /* M: 15 bits, else 7 */
    uint16_t picture_id;
    uint8_t tid;
    uint8_t sid;
    bool switching_up; /* U */
    bool inter_layer;  /* D: needs the spatial layer below in its picture */
    uint8_t tl0;       /* TL0PICIDX: with layers, unless flexible */
    size_t head_size;  /* bytes up to here */
    size_t size;       /* bytes of the descriptor */
};

/* What the scalability structure says; 0: it does not. */
struct vp9_structure {
    unsigned spatial_count;
    uint16_t width[VP9_SPATIAL_MAX];
    uint16_t height[VP9_SPATIAL_MAX];
};

/* `ret_structure` is left alone when the packet holds none. ERR_FORMAT: the payload ends inside the
 * descriptor or with it, or it lists more references than may be. */
int vp9_parse(struct slice payload, struct vp9_descriptor *ret_descriptor,
              struct vp9_structure *ret_structure) MUST_USE;
/* The first `head_size` bytes; neither size is read. */
void vp9_put_head(struct writer *w, const struct vp9_descriptor *descriptor);
/* The size in a key frame's header (VP9 bitstream specification 6.2), which is encrypted end to end
 * where that is used. False: no key frame of profile 0, or cut short. */
bool vp9_key_size(struct slice frame, uint16_t *ret_width, uint16_t *ret_height);
/* Whether this packet starts a picture that needs no other. */
bool vp9_starts_key(const struct vp9_descriptor *descriptor);

#endif
