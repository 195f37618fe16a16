#include "base/check.h"

#include <stdlib.h>

#include "record/clock_curve.h"

static uint32_t random_state = 12345;

static usec_t noise(usec_t most)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (usec_t)(random_state >> 8) * most / (1 << 24);
}

static void assert_near(usec_t a, usec_t b, usec_t most)
{
    if (llabs(a - b) > most)
        fail_msg("%lld is not within %lld us of %lld", (long long)a, (long long)most, (long long)b);
}

/* Two hours of a clock that runs 100 ppm fast, read every 5 s with an error of up to 15 ms. */
static void test_drift_of_two_hours(void **state)
{
    static struct clock_point points[1440];
    for (size_t i = 0; i < 1440; i++) {
        usec_t x = (usec_t)i * 5 * USEC_PER_SEC;
        points[i] = (struct clock_point){x, x + x / 10000 + 777 + noise(30000) - 15000};
    }
    struct clock_curve curve;
    assert_int_equal(clock_curve_fit(points, 1440, CLOCK_NOISE_BOTH_WAYS, &curve), 0);
    for (usec_t x = 0; x < 7200 * USEC_PER_SEC; x += 7 * USEC_PER_SEC)
        assert_near(clock_curve_at(&curve, x), x + x / 10000 + 777, 9000);
    clock_curve_done(&curve);
}

/* Arrivals are late by 20 ms plus up to 200 ms; some of them by seconds. */
static void test_arrivals_follow_the_earliest(void **state)
{
    static struct clock_point points[720];
    for (size_t i = 0; i < 720; i++) {
        usec_t x = (usec_t)i * 10 * USEC_PER_SEC;
        usec_t late = 20000 + noise(200000) * noise(100) / 100;
        if (i % 9 == 4)
            late += 3 * USEC_PER_SEC;
        points[i] = (struct clock_point){x, x - x / 10000 + late};
    }
    struct clock_curve curve;
    assert_int_equal(clock_curve_fit(points, 720, CLOCK_NOISE_LATE, &curve), 0);
    for (usec_t x = 0; x < 7200 * USEC_PER_SEC; x += 7 * USEC_PER_SEC)
        assert_near(clock_curve_at(&curve, x), x - x / 10000 + 22000, 15000);
    clock_curve_done(&curve);
}

/* A crystal warms up: the drift itself changes. */
static void test_bends(void **state)
{
    static struct clock_point points[720];
    for (size_t i = 0; i < 720; i++) {
        usec_t x = (usec_t)i * 10 * USEC_PER_SEC;
        usec_t drift = i < 360 ? 0 : (x - 3600 * USEC_PER_SEC) / 10000;
        points[i] = (struct clock_point){x, x + drift};
    }
    struct clock_curve curve;
    assert_int_equal(clock_curve_fit(points, 720, CLOCK_NOISE_BOTH_WAYS, &curve), 0);
    assert_near(clock_curve_at(&curve, 1800 * USEC_PER_SEC), 1800 * USEC_PER_SEC, 1000);
    assert_near(clock_curve_at(&curve, 7000 * USEC_PER_SEC), 7000 * USEC_PER_SEC + 340000, 5000);
    clock_curve_done(&curve);
}

static void test_few_points(void **state)
{
    struct clock_curve curve;
    struct clock_point one = {1000, 5000};
    assert_int_equal(clock_curve_fit(&one, 0, CLOCK_NOISE_LATE, &curve), ERR_NOT_FOUND);
    assert_int_equal(clock_curve_fit(&one, 1, CLOCK_NOISE_LATE, &curve), 0);
    assert_int_equal(clock_curve_at(&curve, 0), 4000);
    assert_int_equal(clock_curve_at(&curve, 2000000), 2004000);
    clock_curve_done(&curve);
    struct clock_point two[2] = {{1000000, 1005000}, {0, 7000}};
    assert_int_equal(clock_curve_fit(two, 2, CLOCK_NOISE_LATE, &curve), 0);
    assert_int_equal(clock_curve_at(&curve, 500000), 505000);
    clock_curve_done(&curve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drift_of_two_hours),
        cmocka_unit_test(test_arrivals_follow_the_earliest),
        cmocka_unit_test(test_bends),
        cmocka_unit_test(test_few_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
