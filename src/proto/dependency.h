/* The dependency descriptor header extension (AV1 RTP specification, appendix A): what a frame
 * needs and who needs it, told outside the payload, for any codec. Most packets refer to templates
 * that the last key frame brought; whoever reads keeps those. */
#ifndef PROTO_DEPENDENCY_H
#define PROTO_DEPENDENCY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define DEPENDENCY_TEMPLATES_MAX 64
#define DEPENDENCY_TARGETS_MAX 32
#define DEPENDENCY_FDIFFS_MAX 8 /* frames that one frame refers to; more are refused */
#define DEPENDENCY_SPATIAL_MAX 4
#define DEPENDENCY_TEMPORAL_MAX 8
#define DEPENDENCY_GROWTH 5 /* bytes that dependency_put may add */

/* A frame's meaning for one decode target. */
enum dependency_dti {
    DEPENDENCY_NOT_PRESENT,
    DEPENDENCY_DISCARDABLE,
    DEPENDENCY_SWITCH,
    DEPENDENCY_REQUIRED,
};

struct dependency_template {
    uint8_t spatial;
    uint8_t temporal;
    uint8_t fdiff_count;
    uint16_t fdiffs[DEPENDENCY_FDIFFS_MAX]; /* how many frames back */
    uint64_t dtis;                          /* two bits for each decode target, the first lowest */
};

struct dependency_structure {
    uint8_t offset; /* id of the first template; they wrap at 64 */
    uint8_t template_count;
    uint8_t target_count; /* 0: no structure is known */
    uint8_t chain_count;
    uint8_t spatial_count;
    uint8_t target_spatial[DEPENDENCY_TARGETS_MAX];
    uint8_t target_temporal[DEPENDENCY_TARGETS_MAX];
    bool has_resolutions;
    uint16_t width[DEPENDENCY_SPATIAL_MAX];
    uint16_t height[DEPENDENCY_SPATIAL_MAX];
    struct dependency_template templates[DEPENDENCY_TEMPLATES_MAX];
};

/* Where in a descriptor its parts lie: what dependency_put needs to know of it. */
struct dependency_marks {
    uint16_t structure_end; /* in bits, where active bits would stand */
    uint16_t rest;          /* in bits, where what follows those begins */
    uint8_t target_count;
};

struct dependency_descriptor {
    bool start; /* first packet of the frame */
    bool end;   /* last packet of the frame */
    uint8_t template_id;
    uint16_t number; /* of the frame */
    bool has_structure;
    bool has_active;
    uint32_t active;                  /* bit for each decode target; all unless told otherwise */
    struct dependency_template frame; /* as the template has it, or as customised */
    struct dependency_marks marks;
};

enum dependency_dti dependency_dti_of(const struct dependency_template *frame, unsigned target);

/* Reads a descriptor by `structure`, which is replaced if the descriptor brings one. ERR_FORMAT:
 * cut short or beyond the limits; ERR_NOT_FOUND: of a structure that is not there, only start, end,
 * template_id and number are set. On error the structure is left alone. */
int dependency_parse(struct slice value, struct dependency_structure *structure,
                     struct dependency_descriptor *ret_descriptor) MUST_USE;
/* The same descriptor with another frame number and, unless `active` is 0, another mask of active
 * decode targets. Returns the bytes written, at most DEPENDENCY_GROWTH more than there were; 0:
 * `size` is too small. */
size_t dependency_put(struct slice value, const struct dependency_marks *marks, uint16_t number,
                      uint32_t active, uint8_t *out, size_t size) MUST_USE;

#endif
