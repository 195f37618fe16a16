/* AV1 payloads (AV1 RTP specification 4.4): the aggregation header, the OBU elements behind it, and
 * the picture's size in a sequence header (AV1 specification 5.5). Layers are told by the
 * dependency descriptor, not here. */
#ifndef PROTO_AV1_H
#define PROTO_AV1_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct av1_aggregation {
    bool continues;       /* Z: the first element goes on from the packet before */
    bool continued;       /* Y: the last element goes on in the next packet */
    uint8_t count;        /* W: elements; 0: each has its length in front */
    bool starts_sequence; /* N: first packet of a coded video sequence, so of a key frame */
};

/* Views into one payload; elements come in order. */
struct av1_elements {
    struct slice rest;
    uint8_t left; /* by W; 0: until the end */
};

/* ERR_FORMAT: empty, nothing behind the header, or bits that may not be together. */
int av1_parse(struct slice payload, struct av1_aggregation *ret_header,
              struct av1_elements *ret_elements) MUST_USE;
/* ERR_NOT_FOUND at the end; ERR_FORMAT. */
int av1_next(struct av1_elements *elements, struct slice *ret_element) MUST_USE;

enum av1_obu { AV1_OBU_SEQUENCE = 1, AV1_OBU_DELIMITER = 2, AV1_OBU_TILE_LIST = 8 };

/* Type of an OBU (the first byte of its element), and its payload; elements come without sizes, but
 * may have them. ERR_FORMAT. */
int av1_obu_parse(struct slice obu, enum av1_obu *ret_type, struct slice *ret_payload) MUST_USE;
/* The largest picture of a sequence header's payload. ERR_FORMAT, or ERR_UNSUPPORTED: with timing
 * and decoder models, which come before the size and no browser sends. */
int av1_sequence_size(struct slice sequence, uint16_t *ret_width, uint16_t *ret_height) MUST_USE;
/* Takes the spatial layers above `top` out of the first operating point of a sequence header's
 * payload: decoders wait for those that stand there. Left as it is where no layers are told, or
 * with timing. */
void av1_sequence_limit(uint8_t *sequence, size_t len, unsigned top);

#endif
