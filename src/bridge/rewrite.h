/* Makes one continuous outgoing stream of the incoming ones (and sources) that are sent through it
 * in turn: sequence numbers, timestamps, and what descriptors count: pictures, TL0PICIDX, KEYIDX,
 * frames. Pure bookkeeping; the caller decides what to send and when to switch.
 *
 * The stream is a chain of ranges. Within a range input and output differ by constants; a range
 * ends where a packet was left out or the stream changes. Late packets find the range that held
 * when their neighbours went out. */
#ifndef BRIDGE_REWRITE_H
#define BRIDGE_REWRITE_H

#include "bridge/ring.h"

/* Older ranges remembered; older packets are not forwarded any more. It begins with few and doubles
 * while they are younger than REWRITE_KEPT. */
#define REWRITE_RANGES_MIN 4
#define REWRITE_RANGES_MAX 64
#define REWRITE_KEPT (2 * USEC_PER_SEC)

struct rewrite_range {
    int64_t first; /* input sequence numbers [first, end) */
    int64_t end;   /* INT64_MAX while it is the newest */
    int64_t sequence_delta;
    usec_t since; /* when its first packet came */
    uint32_t timestamp_delta;
    uint16_t picture_delta;
    uint16_t frame_delta;
    uint8_t tl0_delta;
    uint8_t keyidx_delta;
    int8_t stream;
};

/* What every packet needs comes first. */
struct rewrite {
    struct rewrite_range range; /* the newest, if `ranged` */
    bool ranged;
    bool crowded;            /* soon an older one would give way that is young */
    int stream;              /* in force; -1: none */
    int64_t highest;         /* newest input sequence seen in the newest range's stream */
    int64_t skipped_picture; /* last picture left out on purpose */
    /* The newest that went out. */
    bool started;
    int64_t sequence;
    uint32_t timestamp;
    usec_t arrival;
    uint16_t picture;
    uint16_t frame;
    uint8_t tl0;
    uint8_t keyidx;
    unsigned clock;
    /* Older ranges. */
    uint32_t range_count; /* ever; the last is range_count - 1 */
    uint32_t range_first; /* the oldest that still holds */
    uint32_t slots;       /* a power of two; 0: none yet */
    struct rewrite_range *ranges;
};

/* What goes on the wire instead. */
struct rewritten {
    uint16_t sequence;
    uint32_t timestamp;
    uint16_t picture; /* 15 bits */
    uint16_t frame;
    uint8_t tl0;
    uint8_t keyidx;
    bool marker;
    bool empty;      /* nothing but its number, so that nobody asks for it */
    uint32_t active; /* decode targets sent; 0: not told */
};

/* The first packet will carry `sequence`. A struct used before keeps its memory, any other must be
 * zero. */
void rewrite_init(struct rewrite *rewrite, unsigned clock, uint16_t sequence);
void rewrite_done(struct rewrite *rewrite);
/* Room for the first ranges, if there is none; needed before packets come. ERR_MEMORY. */
int rewrite_reserve(struct rewrite *rewrite) MUST_USE;
/* Housekeeping outside the packet path: makes more room before it is short. ERR_MEMORY. */
int rewrite_tick(struct rewrite *rewrite) MUST_USE;
/* The packets that come now are of another source: nothing late is taken any more. */
void rewrite_detach(struct rewrite *rewrite);
/* Goes over to the packet's stream, beginning with this packet. `aligned`: the outgoing timestamp
 * it should get by the sender's clock, NULL when unknown; it is kept after the last one and within
 * what time has passed. */
void rewrite_switch(struct rewrite *rewrite, const struct ring_packet *packet,
                    const uint32_t *aligned);
/* False: the packet has no place (older than what is remembered, after a stream's end, of another
 * one). */
bool rewrite_map(struct rewrite *rewrite, const struct ring_packet *packet,
                 struct rewritten *ret_out) MUST_USE;
/* The packet of the current stream is left out on purpose, without a hole. */
void rewrite_skip(struct rewrite *rewrite, const struct ring_packet *packet);
/* The stream in force; -1: none. */
int rewrite_stream(const struct rewrite *rewrite);
/* What to add to an input timestamp of the stream in force. */
uint32_t rewrite_timestamp_delta(const struct rewrite *rewrite);

#endif
