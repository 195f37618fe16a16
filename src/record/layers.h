/* One picture out of the simulcast layers of a source: always the largest layer that runs without
 * a break, changing only at key frames. It looks ahead, so frames come out LAYERS_AHEAD later. */
#ifndef RECORD_LAYERS_H
#define RECORD_LAYERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "record/video_frames.h"

/* More than packets wait for a repair, so that a layer being repaired does not look broken. */
#define LAYERS_AHEAD (4 * USEC_PER_SEC)
/* A layer without a frame for this long is broken, not slow. */
#define LAYERS_STALL (600 * USEC_PER_MSEC)
/* Frames waiting are given out early above this many bytes: 4 s at 16 Mb/s. */
#define LAYERS_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct layers;

struct layer_frame {
    usec_t time;
    uint32_t stream; /* which layer */
    enum video_codec codec;
    bool key;
    uint16_t width;
    uint16_t height;
    struct slice data;
};

/* Takes the chosen frames in ascending time; an error stops the output and is handed on. */
struct layer_sink {
    int (*frame)(void *arg, const struct layer_frame *frame);
    void *arg;
};

struct layers *layers_new(void);
void layers_free(struct layers **layers);
/* A decodable frame; those of one stream in order. It is copied. ERR_MEMORY, or the sink's. */
int layers_input(struct layers *layers, const struct layer_frame *frame,
                 const struct layer_sink *sink) MUST_USE;
/* Gives out what is older than `now` - LAYERS_AHEAD; with USEC_NEVER everything. */
int layers_tick(struct layers *layers, usec_t now, const struct layer_sink *sink) MUST_USE;

#endif
