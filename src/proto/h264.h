/* H.264 payloads (RFC 6184): single NAL units, aggregates (STAP-A) and fragments (FU-A), which is
 * all that packetization mode 1 has; where key frames begin; the picture's size in a sequence
 * parameter set (H.264 7.3.2.1.1). */
#ifndef PROTO_H264_H
#define PROTO_H264_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

enum h264_nal {
    H264_NAL_SLICE = 1,
    H264_NAL_IDR = 5,
    H264_NAL_SPS = 7,
    H264_NAL_PPS = 8,
};

/* One unit, or a part of one, as it stands in a payload. */
struct h264_part {
    uint8_t header;    /* NAL unit header: importance and type */
    struct slice body; /* without that header */
    bool first;        /* begins the unit */
    bool last;         /* ends it */
};

struct h264_parts {
    struct slice rest;
    bool aggregate;
    bool done;
};

struct h264_facts {
    bool has_sps;
    bool starts_idr; /* first bytes of a slice of an IDR picture */
    bool slice;      /* of a picture, of any kind */
    uint16_t width;  /* by the SPS; 0: unknown */
    uint16_t height;
};

/* ERR_FORMAT: empty, or a type that mode 1 does not have. */
int h264_parse(struct slice payload, struct h264_parts *ret_parts) MUST_USE;
/* ERR_NOT_FOUND at the end; ERR_FORMAT. */
int h264_next(struct h264_parts *parts, struct h264_part *ret_part) MUST_USE;
/* All of a payload's parts taken together. ERR_FORMAT. */
int h264_read(struct slice payload, struct h264_facts *ret_facts) MUST_USE;
/* From a whole SPS without its NAL header. ERR_FORMAT. */
int h264_sps_size(struct slice sps, uint16_t *ret_width, uint16_t *ret_height) MUST_USE;

#endif
