#include "base/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/rtp.h"
#include "record/layout.h"

/* A spool of one piece in a directory of its own, written as a bridge would. */
struct stage {
    char dir[64];
    int fd;
    FILE *piece;
};

static void put(struct stage *stage, uint8_t kind, uint32_t source, double t, struct slice payload)
{
    static uint8_t bytes[FEED_RECORD_MAX];
    struct feed_record record = {
        .kind = kind, .source = source, .time = (usec_t)(t * 1e6) + 777, .payload = payload};
    size_t len;
    assert_int_equal(feed_build(&record, bytes, sizeof(bytes), &len), 0);
    assert_int_equal(fwrite(bytes, 1, len, stage->piece), len);
}

static void put_json(struct stage *stage, uint8_t kind, uint32_t source, double t, const char *json)
{
    put(stage, kind, source, t, slice_str(json));
}

static void put_media(struct stage *stage, uint32_t source, double t)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    const struct rtp_header header = {.payload_type = 100,
                                      .sequence = (uint16_t)(t * 10),
                                      .timestamp = (uint32_t)(t * 90000),
                                      .ssrc = source};
    rtp_put_header(&w, &header, NULL, 0);
    writer_bytes(&w, SLICE("\x10\x10 key"));
    put(stage, FEED_RTP, source, t, slice_of(bytes, writer_len(&w)));
}

static int begin(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    assert_non_null(stage);
    (void)snprintf(stage->dir, sizeof(stage->dir), "/tmp/darasa-layout-XXXXXX");
    assert_non_null(mkdtemp(stage->dir));
    stage->fd = open(stage->dir, O_RDONLY | O_DIRECTORY);
    int piece = openat(stage->fd, "0000000000000000.feed", O_WRONLY | O_CREAT, 0600);
    stage->piece = fdopen(piece, "wb");
    assert_non_null(stage->piece);
    *state = stage;
    put_json(stage, FEED_BEGIN, 0, 0, "{\"wall_ms\":1,\"recording\":\"r\"}");
    put_json(stage, FEED_EVENT, 0, 0, "{\"type\":\"join\",\"endpoint\":\"ann\",\"name\":\"Ann\"}");
    put_json(stage, FEED_EVENT, 0, 0, "{\"type\":\"join\",\"endpoint\":\"bob\",\"name\":\"Bob\"}");
    put_json(stage, FEED_SOURCE, 1, 0,
             "{\"name\":\"ann-v0\",\"endpoint\":\"ann\",\"kind\":\"video\"}");
    put_json(stage, FEED_SOURCE, 2, 0,
             "{\"name\":\"bob-v0\",\"endpoint\":\"bob\",\"kind\":\"video\"}");
    put_json(stage, FEED_SOURCE, 3, 0,
             "{\"name\":\"bob-d0\",\"endpoint\":\"bob\",\"kind\":\"video\",\"videoType\":"
             "\"desktop\"}");
    return 0;
}

static int end(void **state)
{
    struct stage *stage = *state;
    (void)unlinkat(stage->fd, "0000000000000000.feed", 0);
    close(stage->fd);
    (void)rmdir(stage->dir);
    free(stage);
    return 0;
}

static int no_progress(void *arg, double done)
{
    return 0;
}

static struct timeline *read_back(struct stage *stage, struct layout *ret_layout)
{
    struct spool *spool;
    struct timeline *timeline;
    const struct record_progress progress = {no_progress, NULL};
    assert_int_equal(fclose(stage->piece), 0);
    assert_int_equal(spool_open(stage->fd, &spool), 0);
    assert_int_equal(timeline_read(spool, &progress, &timeline), 0);
    spool_close(&spool);
    assert_int_equal(layout_make(timeline, ret_layout), 0);
    return timeline;
}

static void assert_scene(const struct layout *layout, double t, uint32_t source, uint32_t endpoint,
                         uint32_t inset_source, uint32_t inset_endpoint)
{
    const struct layout_scene want = {source, endpoint, inset_source, inset_endpoint};
    const struct layout_scene *scene = layout_at(layout, (usec_t)(t * 1e6));
    if (!layout_same(scene, &want))
        fail_msg("at %.1f: %d %d %d %d", t, (int)scene->source, (int)scene->endpoint,
                 (int)scene->inset_source, (int)scene->inset_endpoint);
}

/* Both cameras for 30 s, Bob's screen from 20 on. */
static void put_pictures(struct stage *stage, double from, double to)
{
    for (double t = from; t < to; t += 0.5) {
        put_media(stage, 1, t);
        put_media(stage, 2, t + 0.01);
        if (t >= 20)
            put_media(stage, 3, t + 0.02);
    }
}

static void test_speakers_stay_two_seconds(void **state)
{
    struct stage *stage = *state;
    struct layout layout;
    put_pictures(stage, 0.1, 5);
    put_json(stage, FEED_EVENT, 0, 5, "{\"type\":\"speaker\",\"endpoint\":\"bob\"}");
    put_json(stage, FEED_EVENT, 0, 6, "{\"type\":\"speaker\",\"endpoint\":\"ann\"}");
    put_json(stage, FEED_EVENT, 0, 6.4, "{\"type\":\"speaker\",\"endpoint\":\"bob\"}");
    put_json(stage, FEED_EVENT, 0, 6.5, "{\"type\":\"speaker\",\"endpoint\":null}");
    put_pictures(stage, 6.6, 9);
    put_json(stage, FEED_EVENT, 0, 9, "{\"type\":\"speaker\",\"endpoint\":\"ann\"}");
    put_pictures(stage, 9.1, 12);
    put_json(stage, FEED_EVENT, 0, 12, "{\"type\":\"leave\",\"endpoint\":\"ann\"}");
    put_json(stage, FEED_END, 0, 15, "{}");
    struct timeline *timeline = read_back(stage, &layout);
    assert_scene(&layout, 1, 0, 0, LAYOUT_NONE, LAYOUT_NONE);
    assert_scene(&layout, 5.4, 1, 1, LAYOUT_NONE, LAYOUT_NONE);
    assert_scene(&layout, 8.5, 1, 1, LAYOUT_NONE, LAYOUT_NONE);
    assert_scene(&layout, 9.4, 0, 0, LAYOUT_NONE, LAYOUT_NONE);
    assert_scene(&layout, 12.3, 1, 1, LAYOUT_NONE, LAYOUT_NONE);
    layout_done(&layout);
    timeline_free(&timeline);
}

static void test_screen_with_the_speaker_in_the_corner(void **state)
{
    struct stage *stage = *state;
    struct layout layout;
    put_pictures(stage, 0.1, 22);
    put_json(stage, FEED_EVENT, 0, 22, "{\"type\":\"mute\",\"source\":\"ann-v0\",\"muted\":true}");
    for (double t = 22.1; t < 26; t += 0.5)
        put_media(stage, 3, t);
    put_json(stage, FEED_EVENT, 0, 26,
             "{\"type\":\"screen\",\"endpoint\":\"bob\",\"source\":\"bob-d0\",\"on\":false}");
    put_json(stage, FEED_END, 0, 30, "{}");
    struct timeline *timeline = read_back(stage, &layout);
    assert_scene(&layout, 21, 2, 1, 0, 0);
    /* Nobody has spoken: without a camera of hers, somebody with one is shown. */
    assert_scene(&layout, 22.5, 2, 1, 1, 1);
    assert_scene(&layout, 26.5, LAYOUT_NONE, 1, LAYOUT_NONE, LAYOUT_NONE);
    assert_scene(&layout, 29, LAYOUT_NONE, 1, LAYOUT_NONE, LAYOUT_NONE);
    bool needed[40] = {false};
    layout_needed(&layout, timeline, 0, needed, 40);
    assert_true(needed[0] && needed[21]);
    assert_false(needed[26]);
    layout_done(&layout);
    timeline_free(&timeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_speakers_stay_two_seconds, begin, end),
        cmocka_unit_test_setup_teardown(test_screen_with_the_speaker_in_the_corner, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
