#include "base/check.h"

#include "bridge/protect.h"

struct way {
    struct protect protect;
    struct protect_input in;
    usec_t now;
};

static void begin(struct way *w)
{
    *w = (struct way){.now = 1000 * USEC_PER_SEC,
                      .in = {.way_bps = 1000000, .sound_bps = 60000, .copy_bps = 34000}};
    protect_init(&w->protect, w->now);
}

/* So many of a thousand packets are lost, evenly. */
static unsigned lose(struct way *w, usec_t time, unsigned permille)
{
    for (usec_t end = w->now + time; w->now < end; w->now += 20 * USEC_PER_MSEC) {
        w->in.told++;
        w->in.lost =
            w->in.lost + (w->in.told * permille / 1000 != (w->in.told - 1) * permille / 1000);
        protect_tick(&w->protect, w->now, &w->in);
    }
    return w->protect.distance;
}

static void copies_follow_the_loss(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 0), 0);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 10), 0);
    assert_int_equal(lose(&w, 10 * USEC_PER_SEC, 30), 1);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 60), 1);
    assert_int_equal(lose(&w, 15 * USEC_PER_SEC, 100), 2);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 55), 2);
    assert_int_equal(lose(&w, 30 * USEC_PER_SEC, 20), 1);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 12), 1);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 0), 0);
}

static void heavy_loss_is_met_within_two_seconds(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    assert_int_equal(lose(&w, 60 * USEC_PER_SEC, 0), 0);
    assert_int_equal(lose(&w, 2 * USEC_PER_SEC, 300), 2);
}

static void a_narrow_way_gets_none_or_few(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    w.in.way_bps = 100000; /* one copy alone takes 94 % */
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 0);
    w.in.way_bps = 130000;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 1);
    w.in.way_bps = 115000; /* held, but not begun there */
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 1);
    w.in.way_bps = 100000;
    assert_int_equal(lose(&w, USEC_PER_SEC, 100), 0);
    w.in.way_bps = 50000;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 0);
    w.in.sound_bps = 25000; /* some are repeated */
    w.in.copy_bps = 16000;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 1);
    assert_true(w.protect.sparse);
    w.in.way_bps = 130000;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 2);
    assert_false(w.protect.sparse);
}

static void a_queue_is_not_filled_further(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    w.in.congested = true;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 0);
    w.in.congested = false;
    assert_int_equal(lose(&w, USEC_PER_SEC, 100), 2);
    w.in.congested = true;
    assert_int_equal(lose(&w, 20 * USEC_PER_SEC, 100), 2);
}

static void reports_count_as_well(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    assert_true(protect_loss(&w.protect) < 0);
    for (int i = 0; i < 4; i++) {
        protect_report(&w.protect, 250, 26);
        w.now += 5 * USEC_PER_SEC;
        protect_tick(&w.protect, w.now, &w.in);
    }
    assert_int_equal(w.protect.distance, 2);
    assert_true(protect_loss(&w.protect) > 0.09 && protect_loss(&w.protect) < 0.11);
    for (int i = 0; i < 12; i++) {
        protect_report(&w.protect, 250, 0);
        for (int k = 0; k < 10; k++)
            protect_tick(&w.protect, w.now += USEC_PER_SEC / 2, &w.in);
    }
    assert_int_equal(w.protect.distance, 0);
}

static void what_comes_late_was_not_lost(void **state)
{
    (void)state;
    struct way w;
    begin(&w);
    (void)lose(&w, 2 * USEC_PER_SEC, 500);
    w.in.lost = 0;
    w.in.told++;
    protect_tick(&w.protect, w.now += USEC_PER_SEC, &w.in);
    assert_true(protect_loss(&w.protect) >= 0 && protect_loss(&w.protect) < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_follow_the_loss),
        cmocka_unit_test(heavy_loss_is_met_within_two_seconds),
        cmocka_unit_test(a_narrow_way_gets_none_or_few),
        cmocka_unit_test(a_queue_is_not_filled_further),
        cmocka_unit_test(reports_count_as_well),
        cmocka_unit_test(what_comes_late_was_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
