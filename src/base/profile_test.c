#include "base/check.h"

#include "base/profile.h"

static void names_are_read(void **state)
{
    (void)state;
    enum profile read = PROFILE_RICH;
    for (int i = 0; i < PROFILES; i++) {
        assert_int_equal(profile_parse(slice_str(profile_name((enum profile)i)), &read), 0);
        assert_int_equal(read, i);
    }
    assert_int_equal(profile_parse(SLICE("cinema"), &read), ERR_FORMAT);
    assert_int_equal(profile_parse(SLICE(""), &read), ERR_FORMAT);
    assert_int_equal(read, PROFILE_RICH);
}

static void each_takes_more_than_the_one_before(void **state)
{
    (void)state;
    assert_null(profile_figures(PROFILE_RICH));
    for (int i = PROFILE_VOICE; i < PROFILE_NORMAL; i++) {
        const struct profile_figures *less = profile_figures((enum profile)i);
        const struct profile_figures *more = profile_figures((enum profile)(i + 1));
        assert_true(less->down < more->down && less->up < more->up && less->proof < more->proof);
        assert_true(less->stage_height < more->stage_height);
        assert_true(less->sound.ptime_ms >= more->sound.ptime_ms);
        assert_true(less->proof < less->down);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(each_takes_more_than_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
