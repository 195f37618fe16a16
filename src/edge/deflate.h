/* permessage-deflate (RFC 7692) without context takeover in either direction: no memory per
 * connection, one engine serves all of a process, and one compressed text serves many receivers. */
#ifndef EDGE_DEFLATE_H
#define EDGE_DEFLATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* What Sec-WebSocket-Extensions of the answer says when the offer was taken. */
#define DEFLATE_ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

struct deflate;

/* Reads the value of Sec-WebSocket-Extensions: does it hold an offer that we can keep? */
bool deflate_offered(struct slice extensions);

int deflate_new(struct deflate **ret_deflate) MUST_USE;
void deflate_free(struct deflate **engine);
/* Appends the message's payload without the tail 00 00 FF FF. ERR_LIMIT: does not fit `out`. */
int deflate_compress(struct deflate *engine, struct slice text, struct buf *out) MUST_USE;
/* Appends the message. ERR_FORMAT: not a deflate stream; ERR_LIMIT: it does not fit `out`, however
 * small the input was. */
int deflate_expand(struct deflate *engine, struct slice payload, struct buf *out) MUST_USE;

#endif
