/* The recording stream of one conference (docs/feed.md): records go in, bytes come out. It
 * remembers the last seconds by byte offset, so that a recorder that comes back goes on where it
 * stood.
 *
 *   on CONFERENCE with record:  feed_new, conference_set_feed
 *   on the recorder's socket:   read its u64, feed_attach; then whenever writable: feed_read,
 * write, feed_advance; when it breaks: feed_detach on the end: conference_set_feed(NULL), feed_end,
 * drain, feed_free
 */
#ifndef BRIDGE_FEED_H
#define BRIDGE_FEED_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "proto/feed_format.h"

#define FEED_MEMORY (8 * USEC_PER_SEC) /* of the stream, for a recorder that comes back */
#define FEED_BYTES (16 * 1024 * 1024)  /* and never more than this; it grows as it needs */
#define FEED_SOURCES_MAX 4096          /* source numbers of one feed */
#define FEED_READ_SLICES 3

struct feed;

struct feed_setup {
    const char *conference;
    const char *recording;
    uint64_t boot;   /* which bridge process */
    int64_t wall_ms; /* wall time at `now` */
    size_t bytes;    /* at most; 0: FEED_BYTES */
};

struct feed_source {
    uint32_t number; /* from 1, below FEED_SOURCES_MAX */
    const char *name;
    const char *endpoint;
    const char *person;
    const char *video_type; /* NULL: audio */
};

/* Starts with the BEGIN record; NULL when memory is short. */
struct feed *feed_new(usec_t now, const struct feed_setup *setup);
void feed_free(struct feed **feed);

/* Records. They never fail: what does not fit pushes out the oldest; a payload above
 * FEED_PAYLOAD_MAX is counted as refused. */
void feed_put_source(struct feed *feed, usec_t now, const struct feed_source *source);
void feed_put_rtp(struct feed *feed, usec_t now, uint32_t source, bool late, struct slice packet);
void feed_put_report(struct feed *feed, usec_t now, uint32_t source, uint32_t ssrc,
                     uint32_t rtp_time, uint64_t ntp_time);
void feed_put_event(struct feed *feed, usec_t now, struct slice json);
void feed_put_gap(struct feed *feed, usec_t now, const char *reason, usec_t from, usec_t to);
/* Housekeeping outside the packet path, a few times a second or more: more room while it is getting
 * short. ERR_MEMORY. */
int feed_tick(struct feed *feed) MUST_USE;
/* The last record; nothing is taken after it. */
void feed_end(struct feed *feed, usec_t now);

/* A recorder that already holds `offset` bytes. What it lacks and we no longer have becomes a GAP.
 * ERR_MEMORY. */
int feed_attach(struct feed *feed, usec_t now, uint64_t offset) MUST_USE;
void feed_detach(struct feed *feed);
bool feed_attached(const struct feed *feed);
/* The next bytes for the recorder, as up to FEED_READ_SLICES slices, valid until the next record;
 * returns how many slices, 0: nothing now. */
size_t feed_read(struct feed *feed, usec_t now, struct slice out[FEED_READ_SLICES]);
/* That many of them were written. */
void feed_advance(struct feed *feed, size_t bytes);
/* The END record was written out. */
bool feed_drained(const struct feed *feed);
/* Records that were refused, and bytes that were pushed out before an attached recorder read them.
 */
uint64_t feed_refused(const struct feed *feed);
uint64_t feed_lost(const struct feed *feed);

#endif
