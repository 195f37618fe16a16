/* What waits to be written to one receiver over TCP, who may read more slowly than his class talks.
 * Bounded in bytes, datagrams and age; when it fills up, pictures go before voices, and those
 * before what keeps the connection alive. No I/O: the owner takes bytes out and says how many went.
 */
#ifndef BRIDGE_BACKLOG_H
#define BRIDGE_BACKLOG_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

struct backlog;

enum backlog_kind { BACKLOG_CONTROL, BACKLOG_AUDIO, BACKLOG_VIDEO, BACKLOG_KINDS };

/* NULL: no memory. */
struct backlog *backlog_new(void);
void backlog_free(struct backlog **backlog);
/* Which kind a datagram of the bridge is, by its clear bytes (RFC 7983). */
enum backlog_kind backlog_kind_of(struct slice datagram);
/* Puts a datagram, framed by RFC 4571, behind the others. ERR_LIMIT: no room for its kind. */
int backlog_put(struct backlog *backlog, usec_t now, enum backlog_kind kind,
                struct slice datagram) MUST_USE;
/* Copies the next bytes of the stream, at most `size`; leaves out what has become too old to be of
 * use, whole datagrams only. Returns how many; 0: nothing waits. */
size_t backlog_peek(struct backlog *backlog, usec_t now, uint8_t *out, size_t size);
/* So many of the bytes that backlog_peek just gave have gone. */
void backlog_sent(struct backlog *backlog, size_t len);
bool backlog_empty(const struct backlog *backlog);
/* Left out for their age since the last call, by kind; adds to `counts`. */
void backlog_take_dropped(struct backlog *backlog, uint64_t counts[BACKLOG_KINDS]);

#endif
