/* The VP8 payload descriptor (RFC 7741 4.2) and the start of the VP8 frame header (4.3, RFC 6386
 * 9.1). */
#ifndef PROTO_VP8_H
#define PROTO_VP8_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define VP8_DESCRIPTOR_MAX 6

struct vp8_descriptor {
    bool non_reference;   /* N */
    bool start;           /* S: first packet of a partition */
    uint8_t partition;    /* PID */
    bool has_picture_id;  /* I */
    bool long_picture_id; /* M: 15 bits, else 7 */
    bool has_tl0;         /* L */
    bool has_tid;         /* T */
    bool has_keyidx;      /* K */
    uint16_t picture_id;
    uint8_t tl0; /* TL0PICIDX */
    uint8_t tid; /* temporal layer, 0 to 3 */
    bool sync;   /* Y: depends on layer 0 only */
    uint8_t keyidx;
    size_t size; /* bytes of the descriptor */
};

/* ERR_FORMAT: the payload ends inside the descriptor or with it. */
int vp8_parse(struct slice payload, struct vp8_descriptor *ret_descriptor) MUST_USE;
/* `size` is not read; nothing is checked against the payload. At most VP8_DESCRIPTOR_MAX bytes. */
void vp8_put(struct writer *w, const struct vp8_descriptor *descriptor);
/* Whether this packet is the first of a key frame. */
bool vp8_starts_key(const struct vp8_descriptor *descriptor, struct slice payload);
/* The size in a key frame's first packet; false when it is not one or is cut short. */
bool vp8_key_size(const struct vp8_descriptor *descriptor, struct slice payload,
                  uint16_t *ret_width, uint16_t *ret_height);

#endif
