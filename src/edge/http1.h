/* Requests of HTTP/1.1 and 1.0 (RFC 9112) out of bytes, one at a time, and the head of an answer.
 * No I/O. */
#ifndef EDGE_HTTP1_H
#define EDGE_HTTP1_H

#include "edge/request.h"

struct http1;

int http1_new(struct http1 **ret_http1) MUST_USE;
void http1_free(struct http1 **http1);
/* Gets ready for the next request. */
void http1_next(struct http1 *http1);
/* Feeds bytes; *ret_used of them belong to this request. 0: `request` is whole and judged.
 * ERR_AGAIN: it is not. ERR_FORMAT: it is wrong; http1_status says what to answer, and the
 * connection must end. */
int http1_input(struct http1 *http1, struct slice bytes, struct request *request,
                size_t *ret_used) MUST_USE;
unsigned http1_status(const struct http1 *http1);
/* A first byte has arrived. */
bool http1_started(const struct http1 *http1);
/* Head is in, the client waits for "100 Continue" before it sends the body; true once. */
bool http1_wants_continue(struct http1 *http1);
/* May the connection serve another request after this one? */
bool http1_keeps(const struct http1 *http1);
/* The request asks for another protocol ("upgrade" fields say which). */
bool http1_upgrades(const struct http1 *http1);

/* Appends status line, fields, length, `date` (as in RFC 9110, section 5.6.7) and Connection. */
void http1_put_head(struct buf *out, const struct response *response, const char *date, bool keep);

#endif
