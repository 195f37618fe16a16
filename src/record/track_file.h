/* One file with one track, written by stream copy: H.264 goes into MP4, all else into WebM, which
 * is what browsers take. The index stands before the media, so that they can seek after one
 * request. */
#ifndef RECORD_TRACK_FILE_H
#define RECORD_TRACK_FILE_H

#include "base/buf.h"
#include "base/units.h"
#include "record/out_file.h"
#include "record/video_frames.h"

struct track_file;

struct track_file_setup {
    enum video_codec codec; /* VIDEO_NONE: Opus */
    struct slice header;    /* as by track_file_header */
    uint16_t width;         /* of the first picture; it may change on the way */
    uint16_t height;
    size_t index_entries; /* about how many key frames, or 10 s steps of sound, will come */
};

/* What a file says of its pictures before the first one, out of a key picture: a track holds only
 * pictures with the same. Nothing for VP8 and VP9. ERR_FORMAT: it is not there. ERR_MEMORY. */
int track_file_header(enum video_codec codec, struct slice key, struct buf *ret_header) MUST_USE;
/* The end of the file's name. */
const char *track_file_suffix(enum video_codec codec);
/* ERR_IO, ERR_MEMORY. */
int track_file_open(int dir, const char *name, const struct track_file_setup *setup,
                    struct track_file **ret_track) MUST_USE;
/* `time` counts from the start of the file and must not fall. ERR_IO: the disk, nothing helps;
 * ERR_FORMAT: the frame is refused, the file goes on. */
int track_file_write(struct track_file *track, usec_t time, usec_t duration, bool key,
                     struct slice data) MUST_USE;
/* Finishes the file and makes it appear; frees in any case. ERR_IO. */
int track_file_close(struct track_file **track, int64_t *ret_size) MUST_USE;
/* Drops what was written. */
void track_file_discard(struct track_file **track);

#endif
