/* HTTP/2 (RFC 9113) on nghttp2: bytes in, requests out; answers in, bytes out. No I/O. WebSockets
 * over HTTP/2 (RFC 8441) are not offered: browsers then open one HTTP/1.1 connection for them. */
#ifndef EDGE_HTTP2_H
#define EDGE_HTTP2_H

#include "edge/exchange.h"

/* Requests of one connection at a time. */
#define HTTP2_STREAMS_MAX 64
/* Request bodies of one connection at a time, together. */
#define HTTP2_BODIES_MAX ((size_t)(4 * 1024 * 1024))

struct http2;

struct http2_handler {
    /* A request begins; NULL: refuse the stream. */
    struct exchange *(*begin)(void *arg, int32_t stream);
    /* It is whole and judged: exchange->early is 0, or the status to answer with. */
    void (*request)(void *arg, struct exchange *exchange);
    /* The stream is over, answered or not; the last that is heard of the exchange. */
    void (*end)(void *arg, struct exchange *exchange);
    void *arg;
};

int http2_new(const struct http2_handler *handler, struct http2 **ret_http2) MUST_USE;
/* `end` is not called: the owner knows its open exchanges. */
void http2_free(struct http2 **http2);
/* ERR_FORMAT: the connection must end; what waits to be sent says why. */
int http2_input(struct http2 *http2, struct slice bytes) MUST_USE;
/* Appends frames until `out` holds `limit` bytes or nothing waits. */
int http2_output(struct http2 *http2, struct buf *out, size_t limit) MUST_USE;
/* Sends exchange->response, whose body is read as the client takes it. */
int http2_respond(struct http2 *http2, struct exchange *exchange, const char *date) MUST_USE;
/* Ends one stream at once. */
void http2_reset(struct http2 *http2, struct exchange *exchange);
/* Says goodbye (GOAWAY), when no request is under way. */
void http2_shutdown(struct http2 *http2);
/* false: nothing will be read or written any more, the connection may be closed. */
bool http2_alive(const struct http2 *http2);
/* Bytes are waiting to be sent. */
bool http2_has_output(const struct http2 *http2);

#endif
