/* A shared screen on which much moves, over lines of different width: it keeps its lines and drops
 * frames. Figures are in virtual time. */
#include "base/check.h"

#include <stdio.h>

#include "media_world.h"

#define MS USEC_PER_MSEC

enum { SEEDS = 3, KEY_BYTES = 60000, CAMERAS = 3 };

/* What somebody saw for a while. */
struct seen {
    double fps;
    usec_t freeze;
    size_t switches;
    double silence; /* of the teacher's sound that did not come */
};

/* A teacher with a screen, cameras of others, all near. */
static struct person *share(struct world *w, uint64_t seed)
{
    static const struct pipe_shape near = {.delay = 20 * MS};
    world_init(w, seed);
    for (int i = 0; i <= CAMERAS; i++) {
        struct person *p = world_join(w, true, true, near);
        p->staff = i == 0;
        p->sender.audio = i == 0;
        p->sender.level = 20;
        p->default_height = 0;
        p->desktop = i == 0;
        p->sender.frame_at = w->now + i * 7 * MS;
        world_put(p);
    }
    sender_share_screen(&w->people[0].sender, KEY_BYTES);
    return &w->people[0];
}

/* Who only looks on: the screen large, cameras small. */
static struct person *look_on(struct world *w, uint64_t bps)
{
    struct pipe_shape line = {.delay = 30 * MS, .rate_bps = bps, .queue = 300 * MS};
    struct person *p = world_join(w, true, false, line);
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", w->people[0].id);
    p->stage_height = 720;
    p->viewer.patience = 3 * USEC_PER_SEC; /* as browsers have */
    world_put(p);
    return p;
}

static struct seen before(struct person *p, const struct person *teacher)
{
    const struct viewer_stream *s = world_video(p, teacher);
    const struct viewer_stream *sound = world_audio(p, teacher);
    viewer_forget_freezes(&p->viewer, p->world->now);
    return (struct seen){.fps = s ? s->frames : 0,
                         .switches = s ? s->switch_count : 0,
                         .silence = sound ? (double)sound->sounds : 0};
}

static struct seen since(struct person *p, const struct person *teacher, struct seen before,
                         usec_t time)
{
    const struct viewer_stream *s = world_video(p, teacher);
    const struct viewer_stream *sound = world_audio(p, teacher);
    double seconds = (double)time / USEC_PER_SEC;
    struct seen seen = {.freeze = time, .silence = 1};
    if (s) {
        usec_t still = p->world->now - s->last_shown;
        seen.fps = (s->frames - before.fps) / seconds;
        seen.freeze = usec_max(s->longest_freeze, still);
        seen.switches = s->switch_count - before.switches;
    }
    if (sound)
        seen.silence = 1 - ((double)sound->sounds - before.silence) / seconds / 50;
    print_message("%s: layer %d, %.1f pictures a second, at most %lld ms without, %zu switches, "
                  "%.2f %% of the sound lost\n",
                  p->id, s ? (int)s->layer : -1, seen.fps, (long long)seen.freeze / 1000,
                  seen.switches, seen.silence * 100);
    return seen;
}

static void lines(uint64_t seed)
{
    static struct world w;
    static const struct {
        uint64_t bps;
        double fps;
        usec_t freeze;
    } cases[] = {{3000000, 12, 1000 * MS}, {1000000, 4, 1000 * MS}, {400000, 3, 1500 * MS}};
    enum { LINES = sizeof(cases) / sizeof(cases[0]), TIME = 30 };
    struct person *teacher = share(&w, seed);
    struct person *people[LINES];
    struct seen seen[LINES];
    for (int i = 0; i < LINES; i++)
        people[i] = look_on(&w, cases[i].bps);
    world_run(&w, 30 * USEC_PER_SEC);
    for (int i = 0; i < LINES; i++)
        seen[i] = before(people[i], teacher);
    unsigned keys = teacher->sender.plis;
    world_run(&w, TIME * USEC_PER_SEC);
    print_message("%u key pictures asked for\n", teacher->sender.plis - keys);
    for (int i = 0; i < LINES; i++)
        seen[i] = since(people[i], teacher, seen[i], TIME * USEC_PER_SEC);
    for (int i = 0; i < LINES; i++) {
        assert_true(seen[i].fps >= cases[i].fps);
        assert_true(seen[i].freeze <= cases[i].freeze);
        assert_true(seen[i].switches <= 2);
        assert_true(seen[i].silence < 0.01);
    }
    world_done(&w);
}

static void each_line_gets_all_lines_and_its_frames(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        lines(seed);
}

/* The teacher's screen as somebody saw it for so long. */
static struct seen watch(struct person *p, usec_t time)
{
    const struct person *teacher = &p->world->people[0];
    struct seen begun = before(p, teacher);
    world_run(p->world, time);
    return since(p, teacher, begun, time);
}

static bool forwarded(struct person *p)
{
    const struct viewer_stream *s = world_video(p, &p->world->people[0]);
    return s && viewer_is_forwarded(&p->viewer, s->source);
}

/* Everybody who comes in needs a key picture, and the encoder makes one in every stream. */
static void comings(uint64_t seed)
{
    static struct world w;
    struct person *teacher = share(&w, seed);
    struct person *narrow = look_on(&w, 400000);
    struct person *other = look_on(&w, 5000000);
    world_run(&w, 20 * USEC_PER_SEC);
    struct seen begun = before(narrow, teacher);
    for (int i = 0; i < 6; i++) {
        world_leave(other);
        world_run(&w, 1 * USEC_PER_SEC);
        world_return(other);
        world_run(&w, 5 * USEC_PER_SEC);
    }
    struct seen seen = since(narrow, teacher, begun, 36 * USEC_PER_SEC);
    assert_true(seen.fps >= 1 && seen.freeze <= 5 * USEC_PER_SEC && seen.switches == 0);
    assert_true(seen.silence < 0.01);
    world_done(&w);
}

static void key_pictures_for_others_leave_the_narrow_line_its_screen(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        comings(seed);
}

static void set_line(struct person *p, uint64_t bps)
{
    p->down.shape.rate_bps = p->down.own.rate_bps = bps;
}

/* Less than few pictures need: the last one stays, and the receiver is told. */
static void too_little(uint64_t seed)
{
    static struct world w;
    (void)share(&w, seed);
    struct person *p = look_on(&w, 1000000);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_true(forwarded(p));
    set_line(p, 70000);
    world_run(&w, 15 * USEC_PER_SEC);
    struct seen seen = watch(p, 20 * USEC_PER_SEC);
    assert_false(forwarded(p));
    assert_true(p->viewer.shortage == CONFERENCE_PICTURES);
    assert_true(seen.silence < 0.02);
    set_line(p, 1000000);
    world_run(&w, 15 * USEC_PER_SEC);
    assert_true(forwarded(p));
    assert_true(watch(p, 10 * USEC_PER_SEC).fps >= 3);
    world_done(&w);
}

static void below_the_least_the_last_picture_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        too_little(seed);
}

static void narrows(uint64_t seed)
{
    static struct world w;
    (void)share(&w, seed);
    struct person *p = look_on(&w, 4000000);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_true(watch(p, 10 * USEC_PER_SEC).fps >= 12);
    set_line(p, 400000);
    struct seen seen = watch(p, 30 * USEC_PER_SEC);
    assert_true(seen.fps >= 1 && seen.freeze <= 6 * USEC_PER_SEC && seen.switches <= 3);
    set_line(p, 4000000);
    assert_true(watch(p, 30 * USEC_PER_SEC).switches <= 3);
    assert_true(watch(p, 10 * USEC_PER_SEC).fps >= 12);
    world_done(&w);
}

static void a_line_narrows_and_widens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        narrows(seed);
}

/* Where there is not room for all, the screen is what is shown. */
static void before_cameras(uint64_t seed)
{
    static struct world w;
    (void)share(&w, seed);
    struct person *p = look_on(&w, 220000);
    p->on_stage[0] = '\0';
    p->default_height = 720;
    world_put(p);
    world_run(&w, 20 * USEC_PER_SEC);
    assert_true(watch(p, 20 * USEC_PER_SEC).fps >= 0.5);
    assert_true(forwarded(p));
    assert_true(p->viewer.forwarded_count <= 2);
    world_done(&w);
}

static void a_screen_goes_before_cameras(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        before_cameras(seed);
}

/* One stream with temporal layers, and one without. */
static void lone(uint64_t seed, bool temporal)
{
    static struct world w;
    struct person *teacher = share(&w, seed);
    sender_share_lone(&teacher->sender, 1000000, KEY_BYTES);
    teacher->sender.temporal = temporal;
    struct person *wide = look_on(&w, 3000000);
    struct person *narrow = look_on(&w, 600000);
    world_run(&w, 30 * USEC_PER_SEC);
    struct seen begun = before(narrow, teacher);
    assert_true(watch(wide, 30 * USEC_PER_SEC).fps >= 12);
    struct seen seen = since(narrow, teacher, begun, 30 * USEC_PER_SEC);
    if (temporal)
        assert_true(seen.fps >= 3 && seen.switches == 0);
    assert_true(seen.silence < 0.01);
    world_done(&w);
}

static void a_lone_stream_drops_frames(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lone(seed, true);
        lone(seed, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_gets_all_lines_and_its_frames),
        cmocka_unit_test(key_pictures_for_others_leave_the_narrow_line_its_screen),
        cmocka_unit_test(below_the_least_the_last_picture_stays),
        cmocka_unit_test(a_line_narrows_and_widens),
        cmocka_unit_test(a_screen_goes_before_cameras),
        cmocka_unit_test(a_lone_stream_drops_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
