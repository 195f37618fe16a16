/* Who is on the screen of the speaker view, and when: a pure function of the timeline. A screen
 * share fills the picture with the speaker small in the corner, else the speaker fills it; somebody
 * without a camera is shown by name. A speaker stays for at least two seconds. */
#ifndef RECORD_LAYOUT_H
#define RECORD_LAYOUT_H

#include "record/timeline.h"

#define LAYOUT_STEP (200 * USEC_PER_MSEC)
#define LAYOUT_NONE UINT32_MAX

/* Sources and endpoints are indices of the timeline. */
struct layout_scene {
    uint32_t source;         /* fills the picture; NONE: the endpoint's name does */
    uint32_t endpoint;       /* whose it is; NONE: nobody is there */
    uint32_t inset_source;   /* in the corner */
    uint32_t inset_endpoint; /* NONE: no inset at all */
};

struct layout {
    struct layout_scene *steps; /* one per LAYOUT_STEP */
    size_t count;
};

/* ERR_MEMORY. */
int layout_make(const struct timeline *timeline, struct layout *ret_layout) MUST_USE;
void layout_done(struct layout *layout);
/* The scene at a time; the last one after the end. */
const struct layout_scene *layout_at(const struct layout *layout, usec_t time);
bool layout_same(const struct layout_scene *a, const struct layout_scene *b);
/* Marks in `needed[second]` (`count` seconds of arrival) where the source must be decoded to be
 * seen when it is on screen: from the key frame before on. */
void layout_needed(const struct layout *layout, const struct timeline *timeline, uint32_t source,
                   bool *needed, size_t count);

#endif
