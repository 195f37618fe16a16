#include "base/check.h"

#include <string.h>

#include "bridge/allocate.h"

/* Of each layer half is base frames and a quarter the next ones. */
static void set_rates(struct allocate_source *s, const uint64_t *rates)
{
    for (unsigned l = 0; l < s->layer_count; l++) {
        s->bps[l][0] = rates[l] / 2;
        s->bps[l][1] = rates[l] * 3 / 4;
        s->bps[l][2] = rates[l];
    }
}

static struct allocate_source camera(int max_height, bool on_stage)
{
    struct allocate_source s = {.height = {180, 360, 720},
                                .layer_count = 3,
                                .max_height = max_height,
                                .max_tid = 2,
                                .on_stage = on_stage,
                                .before = -1};
    set_rates(&s, (const uint64_t[]){200, 500, 1500});
    return s;
}

static uint64_t run(struct allocate_source *s, size_t count, uint64_t budget)
{
    bool raised;
    return allocate_run(s, count, budget, true, &raised);
}

static void wishes_bound_the_layer(void **state)
{
    (void)state;
    static const struct {
        int wish, layer;
    } cases[] = {{0, -1}, {90, 0}, {180, 0}, {359, 0}, {360, 1}, {719, 1}, {720, 2}, {-1, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct allocate_source s = camera(cases[i].wish, false);
        assert_int_equal(allocate_ideal(&s), cases[i].layer);
        (void)run(&s, 1, 1000000);
        assert_int_equal(s.granted, cases[i].layer);
        assert_false(s.limited);
    }
    struct allocate_source s = camera(180, false);
    memset(s.bps[0], 0, sizeof(s.bps[0])); /* off: the next one up serves */
    assert_int_equal(allocate_ideal(&s), 1);
    s = camera(720, false);
    memset(s.bps[2], 0, sizeof(s.bps[2]));
    assert_int_equal(allocate_ideal(&s), 1);
    memset(s.bps, 0, sizeof(s.bps));
    assert_int_equal(allocate_ideal(&s), -1);
}

static void the_stage_comes_first_then_everybody_a_little(void **state)
{
    (void)state;
    struct allocate_source s[4];
    static const struct {
        uint64_t budget;
        int granted[4];
        unsigned tid[4];
    } cases[] = {
        {90, {-1, -1, -1, -1}, {0}},        {100, {0, -1, -1, -1}, {0}},
        {199, {0, -1, -1, -1}, {1}},        {200, {0, -1, -1, -1}, {2}},
        {450, {0, 0, 0, -1}, {2, 0, 0, 0}}, {500, {1, -1, -1, -1}, {2}},
        {800, {1, 0, 0, 0}, {2, 0, 0, 0}},  {1100, {1, 0, 0, 0}, {2, 2, 2, 2}},
        {2100, {2, 0, 0, 0}, {2, 2, 2, 2}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s[0] = camera(720, true);
        for (int k = 1; k < 4; k++)
            s[k] = camera(180, false);
        assert_true(run(s, 4, cases[i].budget) <= cases[i].budget);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(s[k].granted, cases[i].granted[k]);
            assert_int_equal(s[k].tid, cases[i].tid[k]);
        }
        assert_int_equal(s[0].limited, cases[i].granted[0] < 2);
    }
}

static void a_stage_too_large_for_the_link_does_not_starve_the_rest(void **state)
{
    (void)state;
    struct allocate_source s[2] = {
        {.height = {1080}, .layer_count = 1, .max_height = -1, .max_tid = 2, .on_stage = true},
        camera(180, false)};
    set_rates(&s[0], (const uint64_t[]){2500});
    (void)run(s, 2, 1000);
    assert_int_equal(s[0].granted, -1);
    assert_true(s[0].limited);
    assert_int_equal(s[1].granted, 0);
}

static void a_screen_keeps_its_lines_and_drops_frames(void **state)
{
    (void)state;
    static const struct {
        uint64_t budget;
        int layer;
        unsigned tid;
    } cases[] = {{99, -1, 0},  {100, 0, 0},  {749, 0, 2}, {750, 2, 0},
                 {1124, 2, 0}, {1125, 2, 1}, {1500, 2, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct allocate_source s = camera(-1, true);
        s.desktop = true;
        (void)run(&s, 1, cases[i].budget);
        assert_int_equal(s.granted, cases[i].layer);
        assert_int_equal(s.tid, cases[i].tid);
    }
}

/* Layer 0 has as many lines as layer 2, and few frames. */
static void a_screen_of_one_height_gets_what_is_worth_it(void **state)
{
    (void)state;
    static const struct {
        int max_height;
        uint64_t budget;
        int layer;
    } cases[] = {{-1, 2000, 2}, {360, 2000, 2}, {180, 2000, 0}, {360, 499, 0},
                 {720, 500, 1}, {-1, 749, 1},   {-1, 750, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct allocate_source s = camera(cases[i].max_height, true);
        s.desktop = true;
        s.height[0] = s.height[2];
        s.height[1] = s.height[2];
        (void)run(&s, 1, cases[i].budget);
        assert_int_equal(s.granted, cases[i].layer);
    }
    /* A camera's small layer stays what it is. */
    struct allocate_source s = camera(360, true);
    s.height[0] = s.height[1] = s.height[2];
    (void)run(&s, 1, 2000);
    assert_int_equal(s.granted, 0);
}

static void what_was_limited_waits_for_leave_to_rise(void **state)
{
    (void)state;
    struct allocate_source s = camera(720, true);
    s.before = 0;
    s.before_tid = 0;
    s.was_limited = true;
    bool raised;
    assert_int_equal(allocate_run(&s, 1, 10000, false, &raised), 100);
    assert_true(raised);
    assert_int_equal(s.granted, 0);
    assert_int_equal(s.tid, 0);
    assert_true(s.limited);
    assert_int_equal(allocate_run(&s, 1, 10000, true, &raised), 1500);
    assert_true(raised);
    assert_int_equal(s.granted, 2);
    /* Down needs no leave. */
    s.before = 2;
    s.before_tid = 2;
    s.was_limited = false;
    assert_int_equal(allocate_run(&s, 1, 600, false, &raised), 500);
    assert_int_equal(s.granted, 1);
}

static void a_cheaper_higher_layer_is_taken(void **state)
{
    (void)state;
    struct allocate_source s = camera(720, true);
    s.bps[2][0] = s.bps[2][1] = s.bps[2][2] = 400;
    assert_int_equal(run(&s, 1, 500), 400);
    assert_int_equal(s.granted, 2);
}

static void a_wished_frame_rate_bounds_the_cost(void **state)
{
    (void)state;
    struct allocate_source s = camera(720, true);
    s.max_tid = 0;
    assert_int_equal(run(&s, 1, 10000), 750);
    assert_int_equal(s.granted, 2);
    assert_false(s.limited);
    assert_int_equal(allocate_least(&s), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wishes_bound_the_layer),
        cmocka_unit_test(the_stage_comes_first_then_everybody_a_little),
        cmocka_unit_test(a_stage_too_large_for_the_link_does_not_starve_the_rest),
        cmocka_unit_test(a_screen_keeps_its_lines_and_drops_frames),
        cmocka_unit_test(a_screen_of_one_height_gets_what_is_worth_it),
        cmocka_unit_test(a_wished_frame_rate_bounds_the_cost),
        cmocka_unit_test(what_was_limited_waits_for_leave_to_rise),
        cmocka_unit_test(a_cheaper_higher_layer_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
