/* The second look at a spool: packets become frames, in order, each with the time it happened. */
#ifndef RECORD_DEMUX_H
#define RECORD_DEMUX_H

#include "record/timeline.h"
#include "record/video_frames.h"

struct media_frame {
    uint32_t source;        /* index in the timeline */
    usec_t time;            /* output time; negative when from before the recording */
    enum video_codec codec; /* of a picture; VIDEO_NONE: sound */
    bool key;
    uint16_t width;
    uint16_t height;
    struct slice data; /* a picture or an Opus packet; valid during the call */
};

/* Errors of the sink end the reading and are handed on. Frames of one source come in order. */
struct media_sink {
    int (*frame)(void *arg, const struct media_frame *frame);
    /* From now on no frame comes from before `time`, but for senders gone mad. */
    int (*horizon)(void *arg, usec_t time);
    void *arg;
};

struct demux_stats {
    uint64_t lost;    /* packets that never came */
    uint64_t dropped; /* pictures that could not be decoded */
};

/* Reads the whole spool again. `wanted[i]` tells which sources matter (NULL: all).
 * `ret_stats`: one per source of the timeline, or NULL. ERR_MEMORY, and of sink and progress. */
int demux_run(struct spool *spool, const struct timeline *timeline, const bool *wanted,
              const struct media_sink *sink, const struct record_progress *progress,
              struct demux_stats *ret_stats) MUST_USE;

#endif
