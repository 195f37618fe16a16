/* Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * 3.1): which transport sequence numbers arrived, and when. Times are in units of 250 us. */
#ifndef PROTO_TWCC_H
#define PROTO_TWCC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

#define TWCC_TICK ((usec_t)250)
#define TWCC_REFERENCE (256 * TWCC_TICK) /* 64 ms: unit of the reference time */
#define TWCC_PACKETS_MAX 2048            /* more in one feedback is ERR_LIMIT */

struct twcc_feedback {
    uint16_t base;
    uint16_t count;       /* of packets told about */
    int32_t reference;    /* signed 24 bits, units of 64 ms */
    uint8_t number;       /* of this feedback, modulo 256 */
    struct reader chunks; /* at the first status chunk */
    struct reader deltas;
    uint16_t chunk; /* state of twcc_next */
    uint16_t chunk_left;
    uint16_t done;
    usec_t time;
};

struct twcc_status {
    uint16_t sequence;
    bool received;
    usec_t arrival; /* on the receiver's clock; differences within and between feedbacks count */
};

/* ERR_FORMAT, ERR_LIMIT. `fci` is what follows sender and media SSRC. The whole is checked here. */
int twcc_parse(struct slice fci, struct twcc_feedback *ret_feedback) MUST_USE;
/* Packet after packet in order of sequence; false at the end. */
bool twcc_next(struct twcc_feedback *feedback, struct twcc_status *ret_status);

/* Appends a whole RTCP packet that tells about the packets `base` to `base + count - 1`;
 * arrivals[i] is the time of base + i, or negative: not arrived. At least one arrived. Stops early
 * where a delta does not fit or the writer is short; returns how many packets were told (0: nothing
 * was written). */
struct twcc_build {
    uint32_t sender;
    uint32_t media;
    uint8_t number;
    uint16_t base;
    const usec_t *arrivals;
    size_t count;
};
size_t twcc_put(struct writer *w, const struct twcc_build *build);

#endif
