/* Redundant audio (RFC 2198): a packet's own block, and older ones again before it. */
#ifndef PROTO_RED_H
#define PROTO_RED_H

#include "base/err.h"
#include "base/slice.h"

#define RED_BLOCKS_MAX 8

struct red_block {
    uint8_t payload_type;
    uint16_t offset; /* how much older than the packet's timestamp; the last block: 0 */
    struct slice data;
};

struct red {
    struct red_block
        blocks[RED_BLOCKS_MAX]; /* oldest first as sent; the last is the packet's own */
    unsigned count;
};

/* ERR_FORMAT: cut short, an empty last block, or more blocks than that. */
int red_parse(struct slice payload, struct red *ret_red) MUST_USE;
/* The heads and blocks; offsets are at most 16383, all but the last block at most 1023 bytes. */
void red_put(struct writer *w, const struct red *red);

#endif
