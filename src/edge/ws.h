/* The server side of the WebSocket protocol (RFC 6455) with text messages only. No I/O. The frames
 * are made and read here rather than by a library: a fan-out frames and compresses its text once
 * and shares the bytes. */
#ifndef EDGE_WS_H
#define EDGE_WS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "edge/deflate.h"
#include "edge/fields.h"

/* Longest message, as sent and as expanded. */
#define WS_TEXT_MAX ((size_t)(1024 * 1024))
/* Longest frame with its head: what an input buffer must hold. */
#define WS_FRAME_MAX (WS_TEXT_MAX + 14)
/* More fragments than this in one message are an attack. */
#define WS_FRAGMENTS_MAX 4096

/* Close codes, RFC 6455 section 7.4.1. */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSUPPORTED = 1003,
    WS_CODE_NONE = 1005,
    WS_CODE_LOST = 1006,
    WS_CODE_INVALID = 1007,
    WS_CODE_TOO_BIG = 1009,
};

enum ws_event { WS_EVENT_TEXT, WS_EVENT_PING, WS_EVENT_PONG, WS_EVENT_CLOSE };

/* What has arrived of one connection. */
struct ws_reader {
    struct deflate *engine; /* borrowed; NULL: not negotiated */
    struct buf message;     /* fragments so far */
    struct buf text;        /* the message expanded */
    bool open;              /* inside a fragmented message */
    bool packed;            /* whose first frame had RSV1 */
    unsigned fragments;
    unsigned code; /* after an error: what to close with; after CLOSE: what the peer said */
};

struct ws_result {
    enum ws_event event;
    struct slice payload; /* TEXT, PING, PONG: all; CLOSE: the reason. Valid until the next call */
};

void ws_reader_init(struct ws_reader *reader, struct deflate *engine);
void ws_reader_done(struct ws_reader *reader);
/* Reads from the front of `data`, which is unmasked in place; *ret_used bytes are to be dropped
 * from its front after the result was used, whatever is returned. 0: one event; ERR_AGAIN: more
 * bytes are needed; ERR_FORMAT: reader->code says why the connection must be closed. */
int ws_reader_next(struct ws_reader *reader, uint8_t *data, size_t len, size_t *ret_used,
                   struct ws_result *ret_result) MUST_USE;

/* Append one frame. */
void ws_put_text(struct buf *out, struct slice text);
/* `packed`: what deflate_compress made. */
void ws_put_packed(struct buf *out, struct slice packed);
void ws_put_ping(struct buf *out);
void ws_put_pong(struct buf *out, struct slice payload);
/* The reason is cut to what a control frame holds; WS_CODE_NONE gives an empty frame. */
void ws_put_close(struct buf *out, unsigned code, struct slice reason);
/* May that code stand in a frame (RFC 6455, section 7.4)? */
bool ws_code_valid(unsigned code);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
#define WS_ACCEPT_SIZE 29
void ws_accept(struct slice key, char out[WS_ACCEPT_SIZE]);
/* Is the header of a GET a proper opening handshake (RFC 6455, section 4.2.1)? ERR_FORMAT;
 * ERR_UNSUPPORTED: a version other than 13. */
int ws_check_handshake(const struct fields *fields) MUST_USE;

bool ws_utf8_valid(struct slice text);

#endif
