/* manifest.json: what the player knows of a recording (docs/feed.md). */
#ifndef RECORD_MANIFEST_H
#define RECORD_MANIFEST_H

#include "record/demux.h"

#define MANIFEST_NAME "manifest.json"
#define MANIFEST_MP4 "video.mp4"
#define MANIFEST_M4A "audio.m4a"
#define MANIFEST_OPUS "audio.opus"

/* The whole manifest but for `tracks` and `files`; NULL when memory is short. The caller's. */
json_t *manifest_new(const struct timeline *timeline);
/* Adds a track: {file, kind, source, ...}; takes the reference of `track`. ERR_MEMORY. */
int manifest_add_track(json_t *manifest, json_t *track) MUST_USE;
/* Tells that something is not as it should be; `source` may be NULL. ERR_MEMORY. */
int manifest_add_trouble(json_t *manifest, const struct timeline_source *source, const char *what,
                         uint64_t count) MUST_USE;
/* Sets `files` by what lies in `out` and writes the manifest there. ERR_IO, ERR_MEMORY. */
int manifest_write(json_t *manifest, int out) MUST_USE;
/* After another file was finished: sets `files` in the manifest there, if there is one yet, and
 * adds what is new of `troubles` (an array, or NULL). */
int manifest_refresh(int out, const json_t *troubles) MUST_USE;
/* An item of `troubles`; NULL when memory is short. */
json_t *manifest_trouble(const struct timeline_source *source, const char *what, uint64_t count);
/* Seconds with three decimals. */
json_t *manifest_seconds(usec_t time);

#endif
