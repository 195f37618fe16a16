#include <stdio.h>
#include <stdlib.h>

#include "proto/opus.h"
#include "record/job.h"
#include "record/manifest.h"
#include "record/opus_filler.h"
#include "record/track_file.h"

/* A source that was silent for longer begins a new file. */
#define STRETCH_GAP (10 * USEC_PER_SEC)
/* How long a picture is shown when nothing follows. */
#define LAST_PICTURE (100 * USEC_PER_MSEC)
#define INDEX_SHARE 0.35
/* Parameter sets and sequence headers take some dozens of bytes. */
#define HEADER_MAX 4096u

/* The file of a source that is being written, or was by an earlier job. */
struct stretch {
    bool open;
    struct track_file *out; /* NULL: the file is there already, or was given up */
    char file[OUT_NAME_SIZE];
    int64_t kept_size; /* of a file that is there already, else -1 */
    usec_t start;
    usec_t end;
    enum video_codec codec;
    struct buf header; /* as by track_file_header */
    uint16_t width;
    uint16_t height;
    struct opus_filler filler;
    uint64_t refused;
};

struct tracks {
    struct job *job;
    const struct timeline *timeline;
    json_t *manifest;
    struct stretch *stretches; /* by source */
    struct buf header;         /* of the picture at hand */
};

/* Letters, digits and dashes of the name; the number keeps names apart that look alike then. */
static void make_file_name(const struct timeline_source *source, enum video_codec codec,
                           usec_t start, char *out)
{
    char name[TIMELINE_NAME_SIZE];
    size_t len = 0;
    for (const char *c = source->name; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '-';
        if (plain)
            name[len++] = *c;
    }
    name[len] = '\0';
    (void)snprintf(out, OUT_NAME_SIZE, "%s-%s-%u-%08lld.%s",
                   source->kind == TIMELINE_VIDEO ? "v" : "a", name, source->number,
                   (long long)(start / USEC_PER_MSEC), track_file_suffix(codec));
}

/* About how many entries the index of the stretch will have. */
static size_t count_index(const struct timeline *timeline, const struct timeline_source *source,
                          usec_t start)
{
    size_t first = (size_t)(timeline_arrival(timeline, usec_max(start, 0)) / USEC_PER_SEC);
    size_t quiet = 0, keys = 0, second = first;
    for (; second < source->second_count && quiet <= STRETCH_GAP / USEC_PER_SEC; second++) {
        quiet = timeline_active(source, second) ? 0 : quiet + 1;
        keys += timeline_keys(source, second);
    }
    return source->kind == TIMELINE_VIDEO ? keys + 1 : (second - first) / 10 + 2;
}

static int begin(struct tracks *tracks, const struct media_frame *frame)
{
    const struct timeline_source *source = &tracks->timeline->sources[frame->source];
    struct stretch *stretch = &tracks->stretches[frame->source];
    buf_clear(&stretch->header);
    buf_add(&stretch->header, buf_slice(&tracks->header));
    if (stretch->header.failed)
        return ERR_MEMORY;
    *stretch = (struct stretch){.open = true,
                                .start = frame->time,
                                .end = frame->time,
                                .codec = frame->codec,
                                .header = stretch->header,
                                .width = frame->width,
                                .height = frame->height};
    make_file_name(source, frame->codec, frame->time, stretch->file);
    stretch->kept_size = out_file_size(tracks->job->out, stretch->file);
    if (stretch->kept_size >= 0)
        return 0;
    const struct track_file_setup setup = {.codec = frame->codec,
                                           .header = buf_slice(&stretch->header),
                                           .width = frame->width,
                                           .height = frame->height,
                                           .index_entries =
                                               count_index(tracks->timeline, source, frame->time)};
    return track_file_open(tracks->job->out, stretch->file, &setup, &stretch->out);
}

static json_t *describe(const struct tracks *tracks, uint32_t index, int64_t size)
{
    const struct timeline_source *source = &tracks->timeline->sources[index];
    const struct stretch *stretch = &tracks->stretches[index];
    bool video = source->kind == TIMELINE_VIDEO;
    json_t *track = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:I}", "file", stretch->file, "kind",
                              video ? "video" : "audio", "source", source->name, "endpoint",
                              source->endpoint, "start", manifest_seconds(stretch->start), "end",
                              manifest_seconds(stretch->end), "size", (json_int_t)size);
    json_t *more = video ? json_pack("{s:s,s:i,s:i}", "videoType", source->video_type, "width",
                                     (int)stretch->width, "height", (int)stretch->height)
                         : json_object();
    if (!track || !more || json_object_update(track, more) != 0) {
        json_decref(track);
        track = NULL;
    }
    json_decref(more);
    return track;
}

static int end(struct tracks *tracks, uint32_t index)
{
    struct stretch *stretch = &tracks->stretches[index];
    int64_t size = stretch->kept_size;
    int err = 0;
    if (!stretch->open)
        return 0;
    stretch->open = false;
    if (stretch->out)
        err = track_file_close(&stretch->out, &size);
    if (!err)
        err = manifest_add_track(tracks->manifest, describe(tracks, index, size));
    if (!err && stretch->refused)
        err = manifest_add_trouble(tracks->manifest, &tracks->timeline->sources[index],
                                   "refused-frames", stretch->refused);
    return err;
}

static int write_frame(struct stretch *stretch, usec_t time, usec_t duration, bool key,
                       struct slice data)
{
    stretch->end = time + duration;
    if (!stretch->out)
        return 0;
    int err = track_file_write(stretch->out, time - stretch->start, duration, key, data);
    if (err != ERR_FORMAT)
        return err;
    stretch->refused++;
    return 0;
}

static int write_opus(struct stretch *stretch, const struct media_frame *frame)
{
    struct opus_fill fill;
    for (;;) {
        switch (opus_filler_step(&stretch->filler, frame->time, frame->data, &fill)) {
        case OPUS_FILLER_DROP:
            return 0;
        case OPUS_FILLER_TAKE:
            return write_frame(stretch, fill.at, fill.duration, true, frame->data);
        case OPUS_FILLER_PUT:
            break;
        }
        int err =
            write_frame(stretch, fill.at, fill.duration, true, slice_of(fill.bytes, fill.len));
        if (err)
            return err;
    }
}

/* Decoding can begin here. So may a file: the first, or after a silence, or where what is said in
 * front of the open one does not hold any more. */
static int turn(struct tracks *tracks, const struct media_frame *frame)
{
    struct stretch *stretch = &tracks->stretches[frame->source];
    int header = track_file_header(frame->codec, frame->data, &tracks->header);
    if (header == ERR_MEMORY)
        return header;
    bool goes_on = !header && stretch->codec == frame->codec &&
                   slice_eq(buf_slice(&tracks->header), buf_slice(&stretch->header)) &&
                   frame->time - stretch->end <= STRETCH_GAP;
    if (stretch->open && goes_on)
        return 0;
    int err = end(tracks, frame->source);
    return err || header ? err : begin(tracks, frame);
}

static int on_frame(void *arg, const struct media_frame *frame)
{
    struct tracks *tracks = arg;
    struct stretch *stretch = &tracks->stretches[frame->source];
    bool video = tracks->timeline->sources[frame->source].kind == TIMELINE_VIDEO;
    unsigned samples;
    if (frame->time < 0 || (!video && opus_duration(frame->data, &samples) != 0))
        return 0;
    int err = frame->key ? turn(tracks, frame) : 0;
    if (err || !stretch->open)
        return err;
    if (!video)
        return write_opus(stretch, frame);
    if (frame->width > stretch->width)
        stretch->width = frame->width;
    if (frame->height > stretch->height)
        stretch->height = frame->height;
    return write_frame(stretch, frame->time, LAST_PICTURE, frame->key, frame->data);
}

/* Files of sources that fell silent long ago are finished while others go on. */
static int on_horizon(void *arg, usec_t time)
{
    struct tracks *tracks = arg;
    int err = 0;
    for (uint32_t i = 0; i < tracks->timeline->source_count && !err; i++) {
        bool video = tracks->timeline->sources[i].kind == TIMELINE_VIDEO;
        if (tracks->stretches[i].open && !video &&
            (time == USEC_NEVER || tracks->stretches[i].end + STRETCH_GAP < time))
            err = end(tracks, i);
    }
    return err;
}

static int add_losses(struct tracks *tracks, const struct demux_stats *stats)
{
    int err = 0;
    for (uint32_t i = 0; i < tracks->timeline->source_count && !err; i++) {
        const struct timeline_source *source = &tracks->timeline->sources[i];
        if (stats[i].lost)
            err = manifest_add_trouble(tracks->manifest, source, "lost-packets", stats[i].lost);
        if (!err && stats[i].dropped)
            err =
                manifest_add_trouble(tracks->manifest, source, "dropped-frames", stats[i].dropped);
        if (!err && source->kind == TIMELINE_OTHER)
            err = manifest_add_trouble(tracks->manifest, source, "unknown-codec", 1);
    }
    return err;
}

static int by_start(const void *a, const void *b)
{
    json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    double from = json_real_value(json_object_get(x, "start"));
    double to = json_real_value(json_object_get(y, "start"));
    if (from != to)
        return from < to ? -1 : 1;
    return strcmp(json_string_value(json_object_get(x, "file")),
                  json_string_value(json_object_get(y, "file")));
}

static int sort_tracks(json_t *manifest)
{
    json_t *tracks = json_object_get(manifest, "tracks"), *sorted = json_array();
    size_t count = json_array_size(tracks);
    json_t **items = calloc(count + 1, sizeof(json_t *));
    int err = items && sorted ? 0 : ERR_MEMORY;
    if (!err) {
        for (size_t i = 0; i < count; i++)
            items[i] = json_array_get(tracks, i);
        qsort(items, count, sizeof(*items), by_start);
        for (size_t i = 0; i < count && !err; i++)
            err = json_array_append(sorted, items[i]) ? ERR_MEMORY : 0;
    }
    free(items);
    if (!err)
        err = json_object_set(manifest, "tracks", sorted) ? ERR_MEMORY : 0;
    json_decref(sorted);
    return err;
}

static int write_all(struct tracks *tracks, struct spool *spool)
{
    struct job_part part = {&tracks->job->progress, INDEX_SHARE, 1};
    struct record_progress progress = job_part(&part);
    const struct media_sink sink = {on_frame, on_horizon, tracks};
    struct demux_stats *stats = calloc(tracks->timeline->source_count + 1, sizeof(*stats));
    if (!stats)
        return ERR_MEMORY;
    int err = demux_run(spool, tracks->timeline, NULL, &sink, &progress, stats);
    for (uint32_t i = 0; i < tracks->timeline->source_count && !err; i++)
        err = end(tracks, i);
    if (!err)
        err = add_losses(tracks, stats);
    free(stats);
    if (!err)
        err = sort_tracks(tracks->manifest);
    return err ? err : manifest_write(tracks->manifest, tracks->job->out);
}

int job_tracks(struct job *job)
{
    struct spool *spool = NULL;
    struct timeline *timeline = NULL;
    int err = job_open(job, INDEX_SHARE, &spool, &timeline);
    if (err)
        return err;
    job->what = "tracks";
    struct tracks tracks = {.job = job, .timeline = timeline, .manifest = manifest_new(timeline)};
    tracks.stretches = calloc(timeline->source_count + 1, sizeof(*tracks.stretches));
    buf_init(&tracks.header, HEADER_MAX);
    for (uint32_t i = 0; tracks.stretches && i < timeline->source_count; i++)
        buf_init(&tracks.stretches[i].header, HEADER_MAX);
    err = tracks.manifest && tracks.stretches ? write_all(&tracks, spool) : ERR_MEMORY;
    for (uint32_t i = 0; tracks.stretches && i < timeline->source_count; i++) {
        track_file_discard(&tracks.stretches[i].out);
        buf_done(&tracks.stretches[i].header);
    }
    buf_done(&tracks.header);
    json_decref(tracks.manifest);
    free(tracks.stretches);
    timeline_free(&timeline);
    spool_close(&spool);
    return err;
}
