/* The recent packets of one source, all layers together. A packet is put in once and read by every
 * receiver by its number: numbers grow by one; the oldest packets give way. */
#ifndef BRIDGE_RING_H
#define BRIDGE_RING_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "bridge/codec.h"

struct ring_packet {
    int64_t sequence; /* unwrapped, counted by stream */
    int64_t picture;  /* number in the payload descriptor, likewise */
    int64_t frame;    /* number in the dependency descriptor, likewise */
    usec_t arrival;
    uint32_t timestamp;
    uint32_t offset; /* of the payload in the ring's bytes */
    uint32_t active; /* decode targets that the sender makes */
    uint16_t len;
    uint8_t extension; /* bytes of the dependency descriptor, which stands before the payload */
    uint8_t payload_type;
    uint8_t stream; /* which SSRC of the source it came on */
    uint8_t level;  /* audio: the byte of RFC 6464 */
    bool has_level;
    bool marker;
    bool late;     /* not newer than its stream's newest: out of order, or a repair */
    bool unblinds; /* newer packets came before that could not be read without it */
    /* Video. */
    const struct codec *codec;
    struct codec_facts facts;
    struct dependency_marks marks;
    uint8_t tl0;
    uint8_t keyidx;
    uint8_t head_size; /* bytes of the payload that are written anew for each receiver */
    union {
        struct vp8_descriptor vp8;
        struct vp9_descriptor vp9;
    } head;
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
/* Copies dependency descriptor (empty: none) and payload in and returns the packet's number; both
 * together are at most a quarter of the ring. `packet` is filled but for offset and lengths. */
uint32_t ring_put(struct ring *ring, const struct ring_packet *packet, struct slice extension,
                  struct slice payload);
/* NULL: it gave way, or is not yet there. Valid until the next put. */
const struct ring_packet *ring_get(const struct ring *ring, uint32_t number);
struct slice ring_payload(const struct ring *ring, const struct ring_packet *packet);
struct slice ring_extension(const struct ring *ring, const struct ring_packet *packet);
/* As ring_get, to fill in what became known later. */
struct ring_packet *ring_edit(struct ring *ring, uint32_t number);
/* Makes it larger, keeping what is in; numbers stay. ERR_MEMORY. */
int ring_grow(struct ring *ring, size_t size, uint32_t slots) MUST_USE;

#endif
