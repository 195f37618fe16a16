/* What went out to one receiver lately, in the order of its transport sequence numbers: for its
 * feedback, for what it asks for again, and for probes. Every packet of media has one entry; one
 * that is sent again has another. */
#ifndef BRIDGE_SENT_H
#define BRIDGE_SENT_H

#include "base/err.h"
#include "base/units.h"
#include "bridge/rewrite.h"

/* Packets remembered: it begins small and doubles while that is less than SENT_KEPT. */
#define SENT_MIN 256
#define SENT_MAX 2048
#define SENT_KEPT (1 * USEC_PER_SEC)
/* So long feedback may take. */
#define SENT_UNTOLD (4 * USEC_PER_SEC)

enum sent_fate { SENT_UNKNOWN, SENT_LOST, SENT_ARRIVED };

struct sent_packet {
    usec_t at;
    struct rewritten out;
    uint32_t ssrc;   /* of its stream; 0: it is not sent again */
    uint32_t number; /* in the source's ring */
    uint16_t size;   /* on the wire */
    uint8_t fate;    /* enum sent_fate: as told */
    uint8_t tries;   /* sent again for the receiver */
};

struct sent {
    struct sent_packet *packets;
    uint32_t slots; /* a power of two */
    int64_t next;   /* unwrapped number of the next packet; the first is 65536 */
    int64_t oldest; /* remembered */
};

/* ERR_MEMORY. */
int sent_init(struct sent *sent) MUST_USE;
void sent_done(struct sent *sent);
/* A packet leaves. Valid until the next tick; all but time and size is zero. */
struct sent_packet *sent_put(struct sent *sent, usec_t now, uint16_t size);
/* NULL: it gave way, or was never sent. Valid as above. */
struct sent_packet *sent_get(const struct sent *sent, int64_t number);
/* The newest packet; there must be one. */
struct sent_packet *sent_newest(const struct sent *sent);
/* Housekeeping outside the packet path: makes more room before it is short. ERR_MEMORY. */
int sent_tick(struct sent *sent, usec_t now) MUST_USE;

#endif
