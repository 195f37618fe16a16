/* One WebM file with one VP8 or Opus track, written by stream copy. The index (cues) stands before
 * the media, so that a browser can seek after one request. */
#ifndef RECORD_WEBM_H
#define RECORD_WEBM_H

#include "base/slice.h"
#include "base/units.h"
#include "record/out_file.h"

struct webm;

struct webm_setup {
    bool video;
    uint16_t width; /* of the first picture; it may change on the way */
    uint16_t height;
    size_t index_entries; /* about how many key frames, or 10 s steps of sound, will come */
};

/* ERR_IO, ERR_MEMORY. */
int webm_open(int dir, const char *name, const struct webm_setup *setup,
              struct webm **ret_webm) MUST_USE;
/* `time` counts from the start of the file and must not fall. ERR_IO: the disk, nothing helps;
 * ERR_FORMAT: the frame is refused, the file goes on. */
int webm_write(struct webm *webm, usec_t time, usec_t duration, bool key,
               struct slice data) MUST_USE;
/* Finishes the file and makes it appear; frees in any case. ERR_IO. */
int webm_close(struct webm **webm, int64_t *ret_size) MUST_USE;
/* Drops what was written. */
void webm_discard(struct webm **webm);

#endif
