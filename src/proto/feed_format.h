/* The records of the relay feed and the spool: docs/feed.md. No input or output here: bytes in,
 * views out, and back. */
#ifndef PROTO_FEED_FORMAT_H
#define PROTO_FEED_FORMAT_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

#define FEED_HEAD_SIZE ((size_t)32)
#define FEED_PAYLOAD_MAX ((size_t)65536)
#define FEED_RECORD_MAX (FEED_HEAD_SIZE + FEED_PAYLOAD_MAX)
#define FEED_REPORT_SIZE ((size_t)16)

enum feed_kind {
    FEED_BEGIN = 1,
    FEED_SOURCE = 2,
    FEED_RTP = 3,
    FEED_SENDER_REPORT = 4,
    FEED_EVENT = 5,
    FEED_GAP = 6,
    FEED_END = 7,
};

#define FEED_FLAG_LATE 1u /* a repair, by RTX or out of order */

struct feed_record {
    uint8_t kind; /* of enum feed_kind; readers ignore kinds they do not know */
    uint32_t source;
    uint32_t flags;
    usec_t time; /* microseconds on the bridge's monotonic clock */
    struct slice payload;
};

/* The payload of FEED_SENDER_REPORT. */
struct feed_report {
    uint32_t ssrc;
    uint32_t rtp_time;
    uint64_t ntp_time; /* 32.32 fixed point seconds, RFC 3550 section 4 */
};

/* Writes only the head for that record into `head`: for who sends head and payload as two parts.
 * ERR_LIMIT: the payload is longer than FEED_PAYLOAD_MAX. */
int feed_build_head(const struct feed_record *record, uint8_t head[FEED_HEAD_SIZE]) MUST_USE;
/* Writes head and payload. ERR_LIMIT: payload too long or `size` too small. */
int feed_build(const struct feed_record *record, uint8_t *out, size_t size,
               size_t *ret_len) MUST_USE;
void feed_build_report(const struct feed_report *report, uint8_t payload[FEED_REPORT_SIZE]);
/* ERR_FORMAT when the payload has another size. */
int feed_parse_report(struct slice payload, struct feed_report *ret_report) MUST_USE;

/* The record that starts with the first byte of `in`; its payload is a view into `in`.
 * ERR_AGAIN: `in` holds its beginning only. ERR_FORMAT: no record starts here. */
int feed_parse(struct slice in, struct feed_record *ret_record, size_t *ret_len) MUST_USE;

/* The first whole record anywhere in `in`: goes on behind damage to the next head that checks.
 * *ret_skipped bytes before it are no record (set on failure too: they may be dropped);
 * the record takes *ret_len bytes from there. ERR_AGAIN: more bytes are needed after the skipped
 * ones. With `last`, nothing comes after `in`: an unfinished record is damage too, and ERR_AGAIN
 * means that all of `in` was skipped. */
int feed_find(struct slice in, bool last, struct feed_record *ret_record, size_t *ret_skipped,
              size_t *ret_len) MUST_USE;

#endif
