/* For tests: dependency descriptors as an encoder writes them, and what layered streams look like.
 */
#ifndef PROTO_TESTING_H
#define PROTO_TESTING_H

#include "proto/bits.h"
#include "proto/dependency.h"

/* A stream of `spatial` layers with `temporal` layers each (0 2 1 2, or 0 1): L3T3_KEY is
 * {3, 3, true}, L1T3 {1, 3, false}. Decode target number: spatial * temporal count + temporal. */
struct testing_layers {
    unsigned spatial;
    unsigned temporal;
    bool key_only;   /* layers refer to the one below in key pictures only */
    uint8_t offset;  /* of template ids */
    unsigned height; /* of the top layer */
};

struct testing_frame {
    unsigned spatial;
    unsigned temporal;
    bool key; /* of a key picture */
    bool start;
    bool end;
    uint16_t number;
    const uint16_t *fdiffs;
    unsigned fdiff_count;
    uint32_t active; /* 0: not told */
};

/* How the frame's decode targets need it. */
enum dependency_dti testing_dti(const struct testing_layers *layers,
                                const struct testing_frame *frame, unsigned target);
/* The frame's descriptor, with the structure when it is the lowest of a key picture. Returns its
 * length. */
size_t testing_descriptor(const struct testing_layers *layers, const struct testing_frame *frame,
                          uint8_t *out, size_t size);

#endif
