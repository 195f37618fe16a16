#include <stdlib.h>

#include "record/job.h"
#include "record/manifest.h"
#include "record/media_out.h"
#include "record/mixer.h"

#define OPUS_RATE 24000
#define AAC_RATE 64000
#define INDEX_SHARE 0.1

struct audio {
    const struct timeline *timeline;
    struct mixer *mixer;
    struct media_out *files[2]; /* NULL: there already */
    json_t *troubles;
};

static int on_samples(void *arg, const float *samples, size_t count)
{
    struct audio *audio = arg;
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(audio->files) && !err; i++) {
        if (audio->files[i])
            err = media_out_sound(audio->files[i], samples, count);
    }
    return err;
}

static int on_frame(void *arg, const struct media_frame *frame)
{
    struct audio *audio = arg;
    return mixer_input(audio->mixer, frame);
}

static int on_horizon(void *arg, usec_t time)
{
    struct audio *audio = arg;
    const struct mixer_sink sink = {on_samples, audio};
    return mixer_tick(audio->mixer, usec_min(time, audio->timeline->duration), &sink);
}

static int mix(struct job *job, struct audio *audio, struct spool *spool)
{
    struct job_part part = {&job->progress, INDEX_SHARE, 1};
    struct record_progress progress = job_part(&part);
    const struct media_sink sink = {on_frame, on_horizon, audio};
    bool *wanted = calloc(audio->timeline->source_count + 1, sizeof(*wanted));
    audio->mixer = mixer_new(audio->timeline->source_count);
    int err = wanted && audio->mixer ? 0 : ERR_MEMORY;
    for (uint32_t i = 0; !err && i < audio->timeline->source_count; i++)
        wanted[i] = audio->timeline->sources[i].kind == TIMELINE_AUDIO;
    if (!err)
        err = demux_run(spool, audio->timeline, wanted, &sink, &progress, NULL);
    if (!err)
        err = mixer_troubles(audio->mixer, audio->timeline, audio->troubles);
    mixer_free(&audio->mixer);
    free(wanted);
    return err;
}

static int make_files(struct job *job, struct audio *audio, struct spool *spool)
{
    static const struct media_out_setup setups[] = {
        {.name = MANIFEST_OPUS,
         .format = "opus",
         .sound = MEDIA_SOUND_OPUS,
         .sound_rate = OPUS_RATE},
        {.name = MANIFEST_M4A, .format = "ipod", .sound = MEDIA_SOUND_AAC, .sound_rate = AAC_RATE},
    };
    int err = 0;
    bool missing = false;
    for (size_t i = 0; i < ARRAY_LEN(setups) && !err; i++) {
        if (out_file_size(job->out, setups[i].name) >= 0)
            continue;
        missing = true;
        err = media_out_open(job->out, &setups[i], &audio->files[i]);
    }
    if (!err && missing)
        err = mix(job, audio, spool);
    for (size_t i = 0; i < ARRAY_LEN(setups); i++) {
        if (!err && audio->files[i])
            err = media_out_close(&audio->files[i]);
        media_out_discard(&audio->files[i]);
    }
    return err;
}

int job_audio(struct job *job)
{
    struct spool *spool = NULL;
    struct timeline *timeline = NULL;
    int err = job_open(job, INDEX_SHARE, &spool, &timeline);
    if (err)
        return err;
    job->what = "audio";
    struct audio audio = {.timeline = timeline, .troubles = json_array()};
    err = make_files(job, &audio, spool);
    if (!err)
        err = manifest_refresh(job->out, audio.troubles);
    json_decref(audio.troubles);
    timeline_free(&timeline);
    spool_close(&spool);
    return err;
}
