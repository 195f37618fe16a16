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

#define REWRITE_RANGES 64 /* remembered; older packets are not forwarded any more */

struct rewrite_range {
    int64_t first; /* input sequence numbers [first, end) */
    int64_t end;   /* INT64_MAX while it is the newest */
    int64_t sequence_delta;
    int64_t picture_delta;
    int64_t frame_delta;
    uint32_t timestamp_delta;
    uint8_t tl0_delta;
    uint8_t keyidx_delta;
    int8_t stream;
};

/* What every packet needs comes first. */
struct rewrite {
    uint32_t range_count;    /* ever made; the newest is range_count - 1 */
    uint32_t range_first;    /* oldest that still holds */
    int stream;              /* in force; -1: none */
    int64_t highest;         /* newest input sequence seen in the newest range's stream */
    int64_t skipped_picture; /* last picture left out on purpose */
    /* The newest that went out. */
    bool started;
    int64_t sequence;
    uint32_t timestamp;
    usec_t arrival;
    int64_t picture;
    int64_t frame;
    uint8_t tl0;
    uint8_t keyidx;
    unsigned clock;
    struct rewrite_range ranges[REWRITE_RANGES];
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

/* The first packet will carry `sequence`. */
void rewrite_init(struct rewrite *rewrite, unsigned clock, uint16_t sequence);
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
