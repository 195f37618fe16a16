#include <stdlib.h>

#include "record/job.h"
#include "record/manifest.h"
#include "record/media_out.h"
#include "record/mixer.h"
#include "record/speaker_view.h"

#define AAC_RATE 96000
#define INDEX_SHARE 0.05

struct mp4 {
    struct job *job;
    const struct timeline *timeline;
    struct mixer *mixer;
    struct speaker_view *view;
    struct media_out *file;
    int fps;
    double done;
    json_t *troubles;
};

static int on_samples(void *arg, const float *samples, size_t count)
{
    struct mp4 *mp4 = arg;
    return media_out_sound(mp4->file, samples, count);
}

static int tell(struct mp4 *mp4)
{
    return mp4->job->progress.tell(mp4->job->progress.arg, mp4->done);
}

/* The copy of the spool goes faster than the picture: only the picture tells how far it is. */
static int on_progress(void *arg, double done)
{
    return tell(arg);
}

static int on_picture(void *arg, const AVFrame *picture, int64_t time, bool cut)
{
    struct mp4 *mp4 = arg;
    double share = (double)time / mp4->fps * 1e6 / (double)(mp4->timeline->duration + 1);
    mp4->done = INDEX_SHARE + (1 - INDEX_SHARE) * share;
    int err = media_out_picture(mp4->file, picture, time, cut);
    return err ? err : tell(mp4);
}

static int on_frame(void *arg, const struct media_frame *frame)
{
    struct mp4 *mp4 = arg;
    return mp4->timeline->sources[frame->source].kind == TIMELINE_AUDIO
               ? mixer_input(mp4->mixer, frame)
               : speaker_view_input(mp4->view, frame);
}

static int on_horizon(void *arg, usec_t time)
{
    struct mp4 *mp4 = arg;
    const struct mixer_sink sound = {on_samples, mp4};
    const struct view_sink picture = {on_picture, mp4};
    usec_t until = usec_min(time, mp4->timeline->duration);
    int err = mixer_tick(mp4->mixer, until, &sound);
    return err ? err : speaker_view_tick(mp4->view, until, &picture);
}

static int option(const struct job *job, const char *key, int low, int high, int otherwise)
{
    const json_t *value = json_object_get(job->options, key);
    json_int_t number = json_integer_value(value);
    return json_is_integer(value) && number >= low && number <= high ? (int)number : otherwise;
}

static int compose(struct mp4 *mp4, struct spool *spool)
{
    const struct record_progress progress = {on_progress, mp4};
    const struct media_sink sink = {on_frame, on_horizon, mp4};
    const struct timeline *timeline = mp4->timeline;
    const bool *seen = speaker_view_wanted(mp4->view);
    bool *wanted = calloc(timeline->source_count + 1, sizeof(*wanted));
    if (!wanted)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < timeline->source_count; i++)
        wanted[i] = seen[i] || timeline->sources[i].kind == TIMELINE_AUDIO;
    int err = demux_run(spool, timeline, wanted, &sink, &progress, NULL);
    free(wanted);
    if (!err)
        err = mixer_troubles(mp4->mixer, timeline, mp4->troubles);
    return err ? err : speaker_view_troubles(mp4->view, mp4->troubles);
}

static int make_file(struct mp4 *mp4, struct spool *spool)
{
    const struct job *job = mp4->job;
    const struct view_setup view = {.width = option(job, "width", 160, 1920, 1280) & ~1,
                                    .height = option(job, "height", 160, 1920, 720) & ~1,
                                    .fps = option(job, "fps", 1, 60, 25)};
    const struct media_picture_setup picture = {view.width, view.height, view.fps,
                                                option(job, "crf", 10, 40, 25)};
    const struct media_out_setup setup = {.name = MANIFEST_MP4,
                                          .format = "mp4",
                                          .sound = MEDIA_SOUND_AAC,
                                          .sound_rate = AAC_RATE,
                                          .picture = &picture};
    mp4->fps = view.fps;
    mp4->mixer = mixer_new(mp4->timeline->source_count);
    int err = mp4->mixer ? speaker_view_new(mp4->timeline, &view, &mp4->view) : ERR_MEMORY;
    if (!err)
        err = media_out_open(job->out, &setup, &mp4->file);
    if (!err)
        err = compose(mp4, spool);
    if (!err)
        err = media_out_close(&mp4->file);
    media_out_discard(&mp4->file);
    mixer_free(&mp4->mixer);
    speaker_view_free(&mp4->view);
    return err;
}

int job_mp4(struct job *job)
{
    struct spool *spool = NULL;
    struct timeline *timeline = NULL;
    int err = job_open(job, INDEX_SHARE, &spool, &timeline);
    if (err)
        return err;
    job->what = "mp4";
    struct mp4 mp4 = {.job = job, .timeline = timeline, .troubles = json_array()};
    if (out_file_size(job->out, MANIFEST_MP4) < 0)
        err = make_file(&mp4, spool);
    if (!err)
        err = manifest_refresh(job->out, mp4.troubles);
    json_decref(mp4.troubles);
    timeline_free(&timeline);
    spool_close(&spool);
    return err;
}
