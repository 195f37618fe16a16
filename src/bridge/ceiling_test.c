#include "base/check.h"

#include "bridge/ceiling.h"

/* Half a second at a time, as share_tick looks. */
static uint64_t pass(struct ceiling *ceiling, enum profile profile, usec_t *now, usec_t time,
                     uint64_t bps)
{
    uint64_t budget = 0;
    for (usec_t end = *now + time; *now < end; *now += USEC_PER_SEC / 2)
        budget = ceiling_budget(ceiling, profile, *now, bps);
    return budget;
}

static void a_class_without_a_ceiling_has_none(void **state)
{
    (void)state;
    struct ceiling ceiling;
    ceiling_begin(&ceiling, PROFILE_RICH, CEILING_INITIAL);
    assert_true(ceiling_budget(&ceiling, PROFILE_RICH, 0, 50000) == UINT64_MAX);
    assert_int_equal(ceiling_need(&ceiling, PROFILE_RICH, 3000000), 3000000);
}

static void it_climbs_after_ten_seconds_of_proof(void **state)
{
    (void)state;
    struct ceiling ceiling;
    usec_t now = USEC_PER_SEC;
    ceiling_begin(&ceiling, PROFILE_NORMAL, CEILING_INITIAL);
    assert_int_equal(pass(&ceiling, PROFILE_NORMAL, &now, 10 * USEC_PER_SEC, 200000), 0);
    assert_int_equal(pass(&ceiling, PROFILE_NORMAL, &now, USEC_PER_SEC, 200000), 250000);
    assert_int_equal(pass(&ceiling, PROFILE_NORMAL, &now, 60 * USEC_PER_SEC, 200000), 250000);
    /* What was shown all along counts for all steps. */
    ceiling_begin(&ceiling, PROFILE_NORMAL, CEILING_INITIAL);
    assert_int_equal(pass(&ceiling, PROFILE_NORMAL, &now, 11 * USEC_PER_SEC, 2000000), 800000);
    /* A class never gets above its own. */
    ceiling_begin(&ceiling, PROFILE_LIGHT, CEILING_INITIAL);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 60 * USEC_PER_SEC, 2000000), 250000);
}

static void a_short_show_is_no_proof(void **state)
{
    (void)state;
    struct ceiling ceiling;
    usec_t now = 0;
    ceiling_begin(&ceiling, PROFILE_LIGHT, CEILING_INITIAL);
    assert_true(ceiling_proving(&ceiling, PROFILE_LIGHT));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 8 * USEC_PER_SEC, 300000), 0);
        assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, USEC_PER_SEC, 40000), 0);
    }
}

static void it_falls_late_and_comes_back_later(void **state)
{
    (void)state;
    struct ceiling ceiling;
    usec_t now = 0;
    ceiling_begin(&ceiling, PROFILE_LIGHT, 300000);
    assert_false(ceiling_proving(&ceiling, PROFILE_LIGHT));
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, USEC_PER_SEC, 300000), 250000);
    /* A little less than it asks is no reason. */
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 20 * USEC_PER_SEC, 100000), 250000);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, USEC_PER_SEC, 60000), 250000);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 3 * USEC_PER_SEC, 60000), 80000);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 4 * USEC_PER_SEC, 30000), 0);
    assert_false(ceiling_proving(&ceiling, PROFILE_LIGHT));
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 29 * USEC_PER_SEC, 300000), 0);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 2 * USEC_PER_SEC, 300000), 250000);
}

static void it_looks_for_the_next_step_and_no_further(void **state)
{
    (void)state;
    struct ceiling ceiling;
    usec_t now = 0;
    ceiling_begin(&ceiling, PROFILE_LIGHT, CEILING_INITIAL);
    assert_true(ceiling_need(&ceiling, PROFILE_LIGHT, 30000) > 60000);
    assert_int_equal(ceiling_need(&ceiling, PROFILE_LIGHT, 2000000), 250000);
    assert_int_equal(pass(&ceiling, PROFILE_LIGHT, &now, 11 * USEC_PER_SEC, 300000), 250000);
    assert_int_equal(ceiling_need(&ceiling, PROFILE_LIGHT, 30000), 30000);
}

static void a_change_goes_by_what_is_known(void **state)
{
    (void)state;
    struct ceiling ceiling;
    ceiling_begin(&ceiling, PROFILE_NORMAL, 5000000);
    assert_int_equal(ceiling_budget(&ceiling, PROFILE_NORMAL, 1, 5000000), 800000);
    ceiling_begin(&ceiling, PROFILE_VOICE, 5000000);
    assert_int_equal(ceiling_budget(&ceiling, PROFILE_VOICE, 1, 5000000), 80000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_without_a_ceiling_has_none),
        cmocka_unit_test(it_climbs_after_ten_seconds_of_proof),
        cmocka_unit_test(a_short_show_is_no_proof),
        cmocka_unit_test(it_falls_late_and_comes_back_later),
        cmocka_unit_test(it_looks_for_the_next_step_and_no_further),
        cmocka_unit_test(a_change_goes_by_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
