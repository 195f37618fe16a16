/* Classes with a profile: what each person gets and is asked for, and when. Figures are in virtual
 * time. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "media_world.h"

#define MS USEC_PER_MSEC
#define STEP (100 * USEC_PER_MSEC)

enum { SEEDS = 3, CAMERAS = 7 };

static const struct pipe_shape near = {.delay = 20 * MS};

/* A teacher who speaks, six more cameras, and one who only looks: the teacher large, all others
 * small. */
static struct person *gather(struct world *w, uint64_t seed, enum profile profile,
                             struct pipe_shape line)
{
    world_init(w, seed);
    conference_set_profile(w->conference, profile);
    for (int i = 0; i < CAMERAS; i++) {
        struct person *p = world_join(w, true, true, near);
        p->staff = i == 0;
        p->sender.audio = i == 0;
        p->sender.level = 20;
        p->sender.audio_packet = 60 * MS;
        p->sender.audio_bytes = 150;
        p->sender.frame_at = w->now + i * 7 * MS;
        world_put(p);
    }
    struct person *p = world_join(w, true, false, line);
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", w->people[0].id);
    p->stage_height = 720;
    p->default_height = 180;
    world_put(p);
    return p;
}

static int layer_of(struct person *p, const struct person *whom)
{
    struct viewer_stream *s = world_video(p, whom);
    return s && viewer_is_forwarded(&p->viewer, s->source) ? (int)s->layer : -1;
}

static size_t pictures(struct person *p)
{
    size_t count = 0;
    for (int i = 0; i < CAMERAS; i++)
        count += layer_of(p, &p->world->people[i]) >= 0;
    return count;
}

/* bit/s to the person over so long. */
static uint64_t rate(struct world *w, const struct person *p, usec_t time)
{
    uint64_t before = p->rtp_bytes;
    world_run(w, time);
    return (p->rtp_bytes - before) * 8 * USEC_PER_SEC / (uint64_t)time;
}

static usec_t first_picture(struct world *w, struct person *p, usec_t limit)
{
    for (usec_t end = w->now + limit, begun = w->now; w->now < end; world_run(w, STEP))
        if (pictures(p) > 0)
            return w->now - begun;
    return USEC_NEVER;
}

static void light(uint64_t seed)
{
    static struct world w;
    struct person *p =
        gather(&w, seed, PROFILE_LIGHT,
               (struct pipe_shape){.delay = 30 * MS, .rate_bps = 1000000, .queue = 300 * MS});
    usec_t first = first_picture(&w, p, 30 * USEC_PER_SEC);
    world_run(&w, 5 * USEC_PER_SEC);
    uint64_t bps = rate(&w, p, 30 * USEC_PER_SEC);
    print_message("light: first picture after %lld ms, then %llu kb/s\n", (long long)first / 1000,
                  (unsigned long long)bps / 1000);
    assert_true(first >= 10 * USEC_PER_SEC && first <= 14 * USEC_PER_SEC);
    assert_int_equal(pictures(p), 1);
    assert_int_equal(layer_of(p, &w.people[0]), 0);
    assert_true(bps > 60000 && bps <= 250000);
    assert_int_equal(w.people[0].told_height, 180);
    world_done(&w);
}

static void a_light_class_shows_one_small_picture(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        light(seed);
}

static void normal(uint64_t seed)
{
    static struct world w;
    struct person *p =
        gather(&w, seed, PROFILE_NORMAL,
               (struct pipe_shape){.delay = 30 * MS, .rate_bps = 5000000, .queue = 300 * MS});
    world_run(&w, 30 * USEC_PER_SEC);
    uint64_t bps = rate(&w, p, 30 * USEC_PER_SEC);
    print_message("normal: %zu pictures, stage in layer %d, %llu kb/s\n", pictures(p),
                  layer_of(p, &w.people[0]), (unsigned long long)bps / 1000);
    assert_int_equal(layer_of(p, &w.people[0]), 1);
    assert_true(pictures(p) >= 2 && pictures(p) <= 5);
    assert_true(bps > 400000 && bps <= 800000);
    assert_int_equal(w.people[0].told_height, 360);
    world_done(&w);
}

static void a_normal_class_shows_a_larger_one_and_a_few_small_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        normal(seed);
}

static void voice(uint64_t seed)
{
    static struct world w;
    struct person *p = gather(&w, seed, PROFILE_VOICE, near);
    assert_true(first_picture(&w, p, 30 * USEC_PER_SEC) == USEC_NEVER);
    uint64_t bps = rate(&w, p, 30 * USEC_PER_SEC);
    print_message("voice: %llu kb/s, %llu bytes of probes\n", (unsigned long long)bps / 1000,
                  (unsigned long long)p->viewer.padding_bytes);
    assert_true(bps > 15000 && bps < 30000);
    assert_int_equal(p->viewer.padding_bytes, 0);
    for (int i = 0; i < CAMERAS; i++)
        assert_int_equal(w.people[i].told_height, 0);
    world_done(&w);
}

static void a_voice_class_asks_for_no_camera(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        voice(seed);
}

static void screen(uint64_t seed)
{
    static struct world w;
    struct person *p = gather(&w, seed, PROFILE_VOICE, near);
    w.people[1].desktop = true;
    w.people[1].sender.thrift = 4; /* as its own profile says */
    world_put(&w.people[1]);
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", w.people[1].id);
    world_put(p);
    usec_t first = first_picture(&w, p, 30 * USEC_PER_SEC);
    world_run(&w, 5 * USEC_PER_SEC);
    uint64_t bps = rate(&w, p, 30 * USEC_PER_SEC);
    print_message("voice with a screen: after %lld ms, then %llu kb/s\n", (long long)first / 1000,
                  (unsigned long long)bps / 1000);
    assert_true(first >= 10 * USEC_PER_SEC && first <= 14 * USEC_PER_SEC);
    assert_true(layer_of(p, &w.people[1]) >= 0);
    assert_true(bps > 30000 && bps <= 80000);
    assert_int_equal(w.people[1].told_height, 360);
    world_done(&w);
}

static void a_voice_class_shows_a_screen(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        screen(seed);
}

/* The floor of the table: what there is goes to the voice, and nothing flaps. */
static void narrow(uint64_t seed)
{
    static struct world w;
    struct person *p =
        gather(&w, seed, PROFILE_NORMAL,
               (struct pipe_shape){.delay = 150 * MS, .rate_bps = 64000, .queue = 300 * MS});
    world_run(&w, 20 * USEC_PER_SEC);
    struct viewer_stream *s = world_audio(p, &w.people[0]);
    uint64_t heard = s->audio_packets;
    s->longest_silence = 0;
    unsigned changes = 0;
    size_t before = pictures(p);
    for (int i = 0; i < 1200; i++) {
        world_run(&w, STEP);
        changes += pictures(p) != before;
        before = pictures(p);
    }
    print_message("64 kb/s: %llu of 2000 packets heard, silence %lld ms, pictures came or went %u "
                  "times in two minutes\n",
                  (unsigned long long)(s->audio_packets - heard),
                  (long long)s->longest_silence / 1000, changes);
    assert_true(s->audio_packets - heard >= 1980);
    assert_true(s->longest_silence < 800 * MS);
    assert_true(changes <= 8);
    world_done(&w);
}

static void a_narrow_line_keeps_the_voice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        narrow(seed);
}

static void change(uint64_t seed)
{
    static struct world w;
    struct person *p = gather(&w, seed, PROFILE_RICH, near);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_int_equal(layer_of(p, &w.people[0]), 2);
    assert_int_equal(pictures(p), CAMERAS);
    viewer_forget_freezes(&p->viewer, w.now);
    conference_set_profile(w.conference, PROFILE_LIGHT);
    world_run(&w, 10 * USEC_PER_SEC);
    struct viewer_stream *s = world_video(p, &w.people[0]);
    print_message("from rich to light: freeze %lld ms\n", (long long)s->longest_freeze / 1000);
    assert_int_equal(layer_of(p, &w.people[0]), 0);
    assert_int_equal(pictures(p), 1);
    assert_true(s->longest_freeze < 1500 * MS);
    conference_set_profile(w.conference, PROFILE_RICH);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_int_equal(layer_of(p, &w.people[0]), 2);
    assert_int_equal(pictures(p), CAMERAS);
    world_done(&w);
}

static void a_change_in_class_keeps_the_picture(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        change(seed);
}

static usec_t told(struct world *w, struct person *p, enum conference_shortage shortage)
{
    for (usec_t begun = w->now; w->now < begun + 60 * USEC_PER_SEC; world_run(w, STEP))
        if (p->viewer.shortage == shortage)
            return w->now - begun;
    return USEC_NEVER;
}

/* What is lacking is told at once, and that it is there again. */
static void shortage(uint64_t seed)
{
    static struct world w;
    struct pipe_shape wide = {.delay = 30 * MS, .rate_bps = 5000000, .queue = 300 * MS};
    struct person *p = gather(&w, seed, PROFILE_RICH, wide);
    world_run(&w, 30 * USEC_PER_SEC);
    assert_int_equal(p->viewer.shortage, CONFERENCE_WHOLE);
    p->down.shape.rate_bps = 500000;
    usec_t lacking = told(&w, p, CONFERENCE_PICTURES);
    world_run(&w, 10 * USEC_PER_SEC);
    p->down.shape.rate_bps = 5000000;
    usec_t whole = told(&w, p, CONFERENCE_WHOLE);
    print_message("told of shortage after %lld ms, of its end after %lld\n",
                  (long long)lacking / 1000, (long long)whole / 1000);
    assert_true(lacking < 4 * USEC_PER_SEC && whole < 30 * USEC_PER_SEC);
    world_done(&w);
    p = gather(&w, seed, PROFILE_LIGHT, wide);
    assert_true(told(&w, p, CONFERENCE_PROVING) < 4 * USEC_PER_SEC);
    assert_true(told(&w, p, CONFERENCE_WHOLE) < 15 * USEC_PER_SEC);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_int_equal(p->viewer.shortage, CONFERENCE_WHOLE);
    world_done(&w);
}

static void people_are_told_what_is_lacking(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        shortage(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_light_class_shows_one_small_picture),
        cmocka_unit_test(a_normal_class_shows_a_larger_one_and_a_few_small_ones),
        cmocka_unit_test(a_voice_class_asks_for_no_camera),
        cmocka_unit_test(a_voice_class_shows_a_screen),
        cmocka_unit_test(a_narrow_line_keeps_the_voice),
        cmocka_unit_test(a_change_in_class_keeps_the_picture),
        cmocka_unit_test(people_are_told_what_is_lacking),
    };
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
