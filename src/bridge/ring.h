/* The recent packets of one source, all layers together. A packet is put in once and read by every
 * receiver by its number: numbers grow by one; the oldest packets give way. */
#ifndef BRIDGE_RING_H
#define BRIDGE_RING_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "proto/vp8.h"

struct ring_packet {
    int64_t sequence; /* unwrapped, counted by layer */
    int64_t picture;  /* unwrapped PictureID, counted by layer */
    usec_t arrival;
    uint32_t timestamp;
    uint32_t offset; /* of the payload in the ring's bytes */
    uint16_t len;
    uint8_t layer;
    uint8_t level; /* audio: the byte of RFC 6464 */
    bool has_level;
    bool marker;
    bool late;                 /* not newer than its layer's newest: out of order, or a repair */
    bool key;                  /* first packet of a key frame */
    struct vp8_descriptor vp8; /* video */
};

struct ring {
    uint8_t *bytes;
    struct ring_packet *packets;
    size_t size;    /* of bytes */
    uint32_t slots; /* a power of two */
    uint32_t head;  /* number of the next packet */
    uint32_t tail;  /* number of the oldest one */
    size_t at;      /* where the next payload goes */
    usec_t spared;  /* age of the youngest packet that gave way; USEC_NEVER: none did */
};

/* ERR_MEMORY. `slots` is a power of two. */
int ring_init(struct ring *ring, size_t size, uint32_t slots) MUST_USE;
void ring_done(struct ring *ring);
/* Copies the payload in and returns the packet's number; the payload is at most a quarter of the
 * ring. `packet` is filled but for offset and len. */
uint32_t ring_put(struct ring *ring, const struct ring_packet *packet, struct slice payload);
/* NULL: it gave way, or is not yet there. Valid until the next put. */
const struct ring_packet *ring_get(const struct ring *ring, uint32_t number);
struct slice ring_payload(const struct ring *ring, const struct ring_packet *packet);
/* Doubles it, keeping what is in; numbers stay. ERR_MEMORY. */
int ring_grow(struct ring *ring) MUST_USE;

#endif
