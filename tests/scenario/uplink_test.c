/* Senders whose own way carries no picture beside the voice. */
#include "base/check.h"

#include <stdio.h>

#include "bridge/uplink.h"
#include "media_world.h"

static const struct pipe_shape WIDE = {.delay = 40 * USEC_PER_MSEC};
static const struct pipe_shape NARROW = {
    .delay = 40 * USEC_PER_MSEC, .rate_bps = 60000, .queue = 300 * USEC_PER_MSEC};

struct class
{
    struct world world;
    struct person *pupil;
    struct person *teacher;
};

/* The pupil's smallest layer takes 25 kb/s, and nobody asks for more. */
static void begin(struct class *c, struct pipe_shape up)
{
    world_init(&c->world, 5);
    c->pupil = world_join(&c->world, true, true, WIDE);
    c->pupil->sender.thrift = 8;
    c->pupil->sender.level = 20;
    c->teacher = world_join(&c->world, true, false, WIDE);
    (void)snprintf(c->teacher->on_stage, sizeof c->teacher->on_stage, "%.20s-v0", c->pupil->id);
    c->teacher->stage_height = 180;
    world_put(c->teacher);
    world_run(&c->world, 10 * USEC_PER_SEC);
    assert_int_equal(c->pupil->told_height, 180);
    c->pupil->up.shape = up;
}

/* Of packets of the pupil, in percent. */
static double lost(struct class *c, usec_t time)
{
    uint64_t sent = c->pupil->up.sent, dropped = c->pupil->up.dropped;
    world_run(&c->world, time);
    return 100.0 * (double)(c->pupil->up.dropped - dropped) / (double)(c->pupil->up.sent - sent);
}

static int narrowed(const struct class *c)
{
    struct conference_counters counters;
    conference_get_counters(c->world.conference, &counters);
    return (int)counters.uplinks_narrowed;
}

static void the_picture_gives_way_to_the_voice(void **state)
{
    (void)state;
    static struct class c;
    begin(&c, NARROW);
    world_run(&c.world, 5 * USEC_PER_SEC);
    assert_int_equal(c.pupil->told_height, 0);
    double after = lost(&c, 20 * USEC_PER_SEC);
    print_message("%.1f %% lost without the picture\n", after);
    assert_true(after < 5);
    assert_int_equal(narrowed(&c), 1);
    /* It is tried again, seldom, and costs little. */
    double trials = lost(&c, 300 * USEC_PER_SEC);
    print_message("%.1f %% lost with %d trials\n", trials, narrowed(&c) - 1);
    assert_true(trials < 3);
    assert_in_range(narrowed(&c), 3, 5);
    world_done(&c.world);
}

static void the_picture_comes_back_with_the_line(void **state)
{
    (void)state;
    static struct class c;
    begin(&c, NARROW);
    world_run(&c.world, 8 * USEC_PER_SEC);
    assert_int_equal(c.pupil->told_height, 0);
    c.pupil->up.shape = WIDE;
    c.teacher->stage_height = 360;
    world_put(c.teacher);
    world_run(&c.world, UPLINK_WAIT);
    assert_int_equal(c.pupil->told_height, UPLINK_TRIAL_HEIGHT);
    world_run(&c.world, 25 * USEC_PER_SEC);
    assert_int_equal(c.pupil->told_height, 360);
    struct viewer_stream *s = world_video(c.teacher, c.pupil);
    assert_non_null(s);
    assert_int_equal(s->layer, 1);
    world_done(&c.world);
}

/* Loss alone takes no picture away: there is room, and lost packets are asked for again. */
static void a_lossy_way_keeps_its_picture(void **state)
{
    (void)state;
    static struct class c;
    struct pipe_shape lossy = WIDE;
    lossy.loss = 0.3;
    begin(&c, lossy);
    c.pupil->sender.thrift = 1;
    world_run(&c.world, 20 * USEC_PER_SEC);
    assert_int_equal(c.pupil->told_height, 180);
    assert_int_equal(narrowed(&c), 0);
    world_done(&c.world);
}

/* A screen outlasts the camera, and goes when that was not enough. */
static void a_screen_goes_last(void **state)
{
    (void)state;
    struct uplink u = {0};
    int64_t highest = 1000;
    enum uplink_stage most = UPLINK_ALL, first = UPLINK_ALL;
    for (usec_t now = USEC_PER_SEC; now < 12 * USEC_PER_SEC; now += USEC_PER_SEC) {
        for (int i = 0; i < 50; i++)
            uplink_arrived(&u, 120);
        highest += 100;
        if (uplink_tick(&u, now, highest) && first == UPLINK_ALL)
            first = u.stage;
        most = u.stage > most ? u.stage : most;
    }
    assert_int_equal(first, UPLINK_SCREEN);
    assert_int_equal(most, UPLINK_SOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_gives_way_to_the_voice),
        cmocka_unit_test(the_picture_comes_back_with_the_line),
        cmocka_unit_test(a_lossy_way_keeps_its_picture),
        cmocka_unit_test(a_screen_goes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
