#include "base/check.h"

#include "record/clock_runs.h"

static void add(struct clock_runs *runs, double x, double y)
{
    assert_int_equal(clock_runs_add(runs, (usec_t)(x * 1e6), (usec_t)(y * 1e6)), 0);
}

static void assert_near(usec_t a, usec_t b)
{
    assert_true(a - b < 50 && b - a < 50);
}

static void test_a_jump_begins_anew(void **state)
{
    struct clock_runs runs = {0};
    for (int i = 0; i < 1000; i++)
        add(&runs, i * 0.02, 100 + i * 0.02);
    for (int i = 0; i < 1000; i++)
        add(&runs, 7000 + i * 0.02, 120 + i * 0.02);
    clock_runs_settle(&runs);
    assert_int_equal(clock_runs_fit(&runs), 0);
    assert_int_equal(runs.count, 2);
    const struct clock_run *run = clock_runs_at(&runs, 119 * USEC_PER_SEC);
    assert_near(clock_curve_at(&run->curve, 10 * USEC_PER_SEC), 110 * USEC_PER_SEC);
    run = clock_runs_at(&runs, 121 * USEC_PER_SEC);
    assert_near(clock_curve_at(&run->curve, 7010 * USEC_PER_SEC), 130 * USEC_PER_SEC);
    clock_runs_done(&runs);
}

static void test_a_delay_is_no_jump(void **state)
{
    struct clock_runs runs = {0};
    for (int i = 0; i < 3000; i++)
        add(&runs, i * 0.02, i * 0.02 + (i > 1000 && i < 1200 ? 3 : 0.05));
    add(&runs, 12345, 61);
    add(&runs, 60.1, 61.1);
    clock_runs_settle(&runs);
    assert_int_equal(clock_runs_fit(&runs), 0);
    assert_int_equal(runs.count, 1);
    assert_near(clock_curve_at(&runs.runs[0].curve, 22 * USEC_PER_SEC), 22050000);
    clock_runs_done(&runs);
}

static void test_a_mad_clock_is_bounded(void **state)
{
    struct clock_runs runs = {0};
    for (int i = 0; i < 3000; i++)
        add(&runs, i / 5 % 2 ? 1e6 * i : 0, i * 0.02);
    assert_true(runs.count <= CLOCK_RUNS_MAX);
    clock_runs_settle(&runs);
    assert_int_equal(clock_runs_fit(&runs), 0);
    clock_runs_done(&runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_jump_begins_anew),
        cmocka_unit_test(test_a_delay_is_no_jump),
        cmocka_unit_test(test_a_mad_clock_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
