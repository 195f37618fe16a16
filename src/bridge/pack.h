/* How the packets of one receiver leave together. One message to the kernel carries many datagrams
 * when all have one size, but for the last, which may be shorter (UDP GSO); a message costs about
 * as much as a single datagram. Packets of a frame differ by a byte or so: RTP padding (RFC
 * 3550, 5.1) makes them equal. */
#ifndef BRIDGE_PACK_H
#define BRIDGE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Bytes that are worth adding: 1 % of a full packet. */
#define PACK_PADDING_MAX 16
#define PACK_MAX 128

struct pack_item {
    uint32_t ssrc;    /* packets of one stay in order */
    uint16_t size;    /* as it is */
    bool fixed;       /* must not be padded */
    uint16_t index;   /* the caller's */
    uint16_t padding; /* result */
};

/* Orders the items so that large ones come first, and pads. At most PACK_MAX. */
void pack_plan(struct pack_item *items, size_t count);
/* That many bytes of padding, the last of which tells how many. */
struct slice pack_padding(size_t count);

#endif
