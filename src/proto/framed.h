/* Datagrams over a stream (RFC 4571, as ICE over TCP uses it by RFC 6544, section 3): each behind
 * its length, u16 in network order. */
#ifndef PROTO_FRAMED_H
#define PROTO_FRAMED_H

#include "base/err.h"
#include "base/slice.h"

#define FRAMED_PREFIX 2
/* The longest datagram taken: more than any path carries unfragmented. */
#define FRAMED_MAX ((size_t)2048)

/* What has come of a datagram; zeroed at the start of a stream. */
struct framed {
    uint8_t bytes[FRAMED_PREFIX + FRAMED_MAX];
    size_t len;
};

/* The next whole datagram of the stream; takes bytes from *input as far as it needs them. Empty
 * datagrams (keep-alives) are passed over. 0: ret_data, never empty, may be written to and is valid
 * until the next call; ERR_AGAIN: all of *input was taken; ERR_FORMAT: longer than FRAMED_MAX, the
 * stream cannot be followed any more. */
int framed_next(struct framed *framed, struct slice *input, uint8_t **ret_data,
                size_t *ret_len) MUST_USE;

#endif
