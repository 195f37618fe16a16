#include "base/check.h"

#include "bridge/pacer.h"

static const struct pacer_input CALM = {.media_bps = 800000, .estimate_bps = 1000000};

static void push(struct pacer *p, enum pacer_class class, uint32_t source, uint32_t number)
{
    assert_int_equal(pacer_push(p, class, &(struct pacer_item){source, number, 1000}), 0);
}

/* Lets go what may leave, stage first; returns how many. */
static unsigned leave(struct pacer *p)
{
    unsigned count = 0;
    for (enum pacer_class class = 0; class < PACER_CLASSES; class ++) {
        while (pacer_ready(p, class) && pacer_first(p, class)) {
            pacer_pop(p, class);
            pacer_charge(p, 1000);
            count++;
        }
    }
    return count;
}

static void pictures_leave_at_the_rate(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    for (uint32_t i = 0; i < 30; i++)
        push(&p, PACER_STAGE, 0, i);
    usec_t now = 0;
    unsigned left = 0;
    while (pacer_first(&p, PACER_STAGE)) {
        pacer_tick(&p, now += 5000, &CALM);
        unsigned burst = leave(&p);
        assert_in_range(burst, 0, 3); /* 2 Mb/s: 1250 bytes in 5 ms, and what is owed */
        left += burst;
    }
    assert_int_equal(left, 30);
    assert_in_range(now, 100000, 130000);
}

static void a_key_frame_is_out_in_a_quarter_second(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    struct pacer_input in = {.media_bps = 100000, .estimate_bps = 100000, .settled = true};
    for (uint32_t i = 0; i < 60; i++)
        push(&p, PACER_STAGE, 0, i);
    usec_t now = 0;
    unsigned left = 0;
    for (; now < 350000; left += leave(&p))
        pacer_tick(&p, now += 5000, &in);
    assert_in_range(left, 40, 60);
    /* Behind a queue it waits all the same. */
    pacer_init(&p, now);
    for (uint32_t i = 0; i < 60; i++)
        push(&p, PACER_STAGE, 0, i);
    in.congested = true;
    for (left = 0; now < 700000; left += leave(&p))
        pacer_tick(&p, now += 5000, &in);
    assert_in_range(left, 3, 8);
}

static void a_wide_way_takes_a_picture_at_once(void **state)
{
    (void)state;
    struct pacer p;
    struct pacer_input in = {.media_bps = 2000000, .estimate_bps = 50000000, .settled = true};
    pacer_init(&p, 0);
    for (uint32_t i = 0; i < 80; i++)
        push(&p, PACER_STAGE, 0, i);
    pacer_tick(&p, 5000, &in);
    assert_in_range(leave(&p), 31, 32); /* 31 kB in 5 ms */
    in.congested = true;
    pacer_tick(&p, 10000, &in);
    assert_in_range(leave(&p), 33, 35);
}

static void the_stage_goes_before_tiles_and_sound_is_charged(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    push(&p, PACER_TILE, 1, 1);
    push(&p, PACER_STAGE, 2, 1);
    pacer_tick(&p, 5000, &CALM);
    pacer_charge(&p, 1200); /* sound left already */
    assert_true(pacer_ready(&p, PACER_TILE));
    assert_int_equal(leave(&p), 1);
    assert_null(pacer_first(&p, PACER_STAGE));
    assert_non_null(pacer_first(&p, PACER_TILE));
    assert_int_equal(p.queued[PACER_TILE], 1000);
}

/* Its key frame takes the time that the way needs, and holds up nothing else. */
static void a_screen_goes_evenly_and_last(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    struct pacer_input in = {.media_bps = 400000, .estimate_bps = 400000, .settled = true};
    for (uint32_t i = 0; i < 100; i++)
        push(&p, PACER_SCREEN, 0, i);
    unsigned left = 0;
    usec_t now = 0;
    for (; now < USEC_PER_SEC; left += leave(&p))
        pacer_tick(&p, now += 5000, &in);
    assert_in_range(left, 48, 54); /* 50 kB a second */
    push(&p, PACER_TILE, 1, 1);
    for (; pacer_waits(&p, PACER_TILE); left += leave(&p))
        pacer_tick(&p, now += 5000, &in);
    assert_true(now <= USEC_PER_SEC + 20000);
    /* Before a queue it gives way. */
    in.congested = true;
    left = 0;
    for (usec_t end = now + USEC_PER_SEC; now < end; left += leave(&p))
        pacer_tick(&p, now += 5000, &in);
    assert_in_range(left, 38, 42);
}

static void queues_are_bounded(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    for (uint32_t i = 0; i < PACER_QUEUE; i++)
        push(&p, PACER_TILE, i % 2, i);
    struct pacer_item item = {0, 0, 1000};
    assert_int_equal(pacer_push(&p, PACER_TILE, &item), ERR_LIMIT);
    pacer_forget(&p, 0);
    assert_int_equal(p.queued[PACER_TILE], PACER_QUEUE / 2 * 1000);
    for (uint32_t i = 1; i < PACER_QUEUE; i += 2) {
        assert_int_equal(pacer_first(&p, PACER_TILE)->number, i);
        pacer_pop(&p, PACER_TILE);
    }
    assert_null(pacer_first(&p, PACER_TILE));
    assert_int_equal(p.queued[PACER_TILE] + p.queued[PACER_STAGE], 0);
}

static void a_source_moves_with_what_waits(void **state)
{
    (void)state;
    struct pacer p;
    pacer_init(&p, 0);
    for (uint32_t i = 0; i < 6; i++)
        push(&p, PACER_TILE, i % 2, i);
    assert_int_equal(pacer_move(&p, 1, PACER_TILE, PACER_STAGE), 0);
    for (uint32_t i = 0; i < 6; i++) {
        enum pacer_class class = i % 2 ? PACER_STAGE : PACER_TILE;
        assert_int_equal(pacer_first(&p, class)->number, i);
        pacer_pop(&p, class);
    }
    assert_int_equal(p.queued[PACER_TILE] + p.queued[PACER_STAGE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_leave_at_the_rate),
        cmocka_unit_test(a_key_frame_is_out_in_a_quarter_second),
        cmocka_unit_test(a_wide_way_takes_a_picture_at_once),
        cmocka_unit_test(the_stage_goes_before_tiles_and_sound_is_charged),
        cmocka_unit_test(a_screen_goes_evenly_and_last),
        cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(a_source_moves_with_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
