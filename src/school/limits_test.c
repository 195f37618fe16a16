#include "base/check.h"
#include <stdio.h>

#include "school/limits.h"

static const struct limit_rule rule = {'a', 3, 300};
static const struct limit_rule other = {'b', 3, 300};

static void lets_so_many_through(void **state)
{
    (void)state;
    struct limits *limits = limits_new(1);
    struct slice key = SLICE("amina");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(limits_wait(limits, &rule, key, 1000), 0);
        limits_count(limits, &rule, key, 1000);
    }
    assert_int_equal(limits_wait(limits, &rule, key, 1000), 100);
    assert_int_equal(limits_wait(limits, &other, key, 1000), 0);
    assert_int_equal(limits_wait(limits, &rule, SLICE("brian"), 1000), 0);
    assert_int_equal(limits_wait(limits, &rule, key, 1100), 0);
    limits_count(limits, &rule, key, 1100);
    assert_int_equal(limits_wait(limits, &rule, key, 1100), 100);
    limits_return(limits, &rule, key);
    assert_int_equal(limits_wait(limits, &rule, key, 1100), 0);
    limits_forget(limits, &rule, key);
    for (int i = 0; i < 3; i++)
        limits_count(limits, &rule, key, 1100);
    assert_int_equal(limits_wait(limits, &rule, key, 1100), 100);
    limits_free(&limits);
}

static void stays_bounded_when_flooded(void **state)
{
    (void)state;
    struct limits *limits = limits_new(2);
    struct slice victim = SLICE("victim");
    for (int i = 0; i < 3; i++)
        limits_count(limits, &rule, victim, 1000);
    for (int i = 0; i < 100000; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "k%d", i);
        limits_count(limits, &rule, slice_str(key), 1000);
    }
    /* Whoever is nearest to the limit is forgotten last. */
    assert_int_equal(limits_wait(limits, &rule, victim, 1000), 100);
    limits_free(&limits);
}

static void never_waits_longer_than_the_window(void **state)
{
    (void)state;
    struct limits *limits = limits_new(3);
    for (int i = 0; i < 1000; i++)
        limits_count(limits, &rule, SLICE("k"), 1000);
    assert_true(limits_wait(limits, &rule, SLICE("k"), 1000) <= 2 * rule.window);
    limits_free(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_so_many_through),
        cmocka_unit_test(stays_bounded_when_flooded),
        cmocka_unit_test(never_waits_longer_than_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
