/* Puts the speaker view together, picture by picture: decodes who is needed, draws who is on the
 * screen with their names. */
#ifndef RECORD_SPEAKER_VIEW_H
#define RECORD_SPEAKER_VIEW_H

#include "record/demux.h"
#include "record/layout.h"

#include <libavutil/frame.h>

struct speaker_view;

/* Takes the pictures in order: time in units of 1 / fps; `cut`: another scene begins. A picture
 * that equals the one before is only given once a second. Errors are handed on. */
struct view_sink {
    int (*picture)(void *arg, const AVFrame *picture, int64_t time, bool cut);
    void *arg;
};

struct view_setup {
    int width; /* even */
    int height;
    int fps;
};

/* `timeline` must live as long. ERR_MEMORY. */
int speaker_view_new(const struct timeline *timeline, const struct view_setup *setup,
                     struct speaker_view **ret_view) MUST_USE;
void speaker_view_free(struct speaker_view **view);
/* Which sources the view wants to see at all: one bool per source, valid as long as the view. */
const bool *speaker_view_wanted(const struct speaker_view *view);
/* A VP8 frame, copied. One that cannot be decoded is counted, not an error. ERR_MEMORY. */
int speaker_view_input(struct speaker_view *view, const struct media_frame *frame) MUST_USE;
/* Draws all pictures before `time`. */
int speaker_view_tick(struct speaker_view *view, usec_t time,
                      const struct view_sink *sink) MUST_USE;
/* Adds to `troubles` (an array of the manifest) whose frames could not be decoded. ERR_MEMORY. */
int speaker_view_troubles(const struct speaker_view *view, json_t *troubles) MUST_USE;

#endif
