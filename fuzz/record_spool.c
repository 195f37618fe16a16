/* A spool whose records are whole but say anything: JSON, RTP, reports, times. Read twice, laid
 * out, mixed, described. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/demux.h"
#include "record/label.h"
#include "record/layout.h"
#include "record/manifest.h"
#include "record/mixer.h"

static int spool_dir = -1;
static char spool_path[] = "/tmp/darasa-fuzz-XXXXXX";

static void clean_up(void)
{
    (void)unlinkat(spool_dir, "0000000000000000.feed", 0);
    (void)rmdir(spool_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    spool_dir = mkdtemp(spool_path) ? open(spool_path, O_RDONLY | O_DIRECTORY) : -1;
    (void)atexit(clean_up);
    return spool_dir < 0;
}

/* kind, source, flags, time (2, in ms; 0xffff: absurd), length (2), payload. */
static void write_spool(const uint8_t *data, size_t size)
{
    static uint8_t out[4 * 1024 * 1024];
    struct reader r = reader_of(slice_of(data, size));
    size_t len = 0, part;
    usec_t now = 1000000;
    while (reader_left(&r) >= 7) {
        struct feed_record record = {
            .kind = reader_u8(&r), .source = reader_u8(&r), .flags = reader_u8(&r)};
        uint16_t step = reader_u16(&r);
        now += step == 0xffff ? 0 : step * 1000;
        record.time = step == 0xffff ? INT64_MAX - now : now;
        record.payload = reader_bytes(&r, reader_u16(&r) % (reader_left(&r) + 1));
        if (feed_build(&record, out + len, sizeof(out) - len, &part) != 0)
            break;
        len += part;
    }
    int fd = openat(spool_dir, "0000000000000000.feed", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0 && write(fd, out, len) == (ssize_t)len);
    close(fd);
}

static int no_progress(void *arg, double done)
{
    (void)arg;
    (void)done;
    return 0;
}

struct run {
    const struct timeline *timeline;
    struct mixer *mixer;
};

static int on_frame(void *arg, const struct media_frame *frame)
{
    struct run *run = arg;
    assert(frame->source < run->timeline->source_count && frame->data.len > 0);
    if (run->timeline->sources[frame->source].kind == TIMELINE_AUDIO)
        return mixer_input(run->mixer, frame);
    return 0;
}

static int on_samples(void *arg, const float *samples, size_t count)
{
    (void)arg;
    for (size_t i = 0; i < count; i++)
        assert(samples[i] >= -1 && samples[i] <= 1);
    return 0;
}

static int on_horizon(void *arg, usec_t time)
{
    struct run *run = arg;
    const struct mixer_sink sink = {on_samples, run};
    /* A day of silence is slow to make and tells nothing. */
    return mixer_tick(run->mixer, usec_min(time, USEC_PER_SEC / 4), &sink);
}

static void look(struct spool *spool, const struct timeline *timeline)
{
    struct run run = {timeline, mixer_new(timeline->source_count)};
    const struct record_progress progress = {no_progress, NULL};
    const struct media_sink sink = {on_frame, on_horizon, &run};
    struct layout layout;
    json_t *manifest = manifest_new(timeline);
    assert(run.mixer && manifest);
    json_decref(manifest);
    if (timeline->duration < 100 * USEC_PER_SEC && layout_make(timeline, &layout) == 0)
        layout_done(&layout);
    for (uint32_t i = 0; i < timeline->endpoint_count; i++) {
        char name[64], initials[16];
        label_clean(timeline->endpoints[i]->name, name, sizeof(name));
        label_initials(name, initials, sizeof(initials));
    }
    assert(demux_run(spool, timeline, NULL, &sink, &progress, NULL) == 0);
    mixer_free(&run.mixer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool *spool;
    struct timeline *timeline;
    const struct record_progress progress = {no_progress, NULL};
    write_spool(data, size);
    assert(spool_open(spool_dir, &spool) == 0);
    assert(timeline_read(spool, &progress, &timeline) == 0);
    look(spool, timeline);
    timeline_free(&timeline);
    spool_close(&spool);
    return 0;
}
