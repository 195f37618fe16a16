#include "load/entries.h"

#include "base/check.h"
#include "base/units.h"

static void a_line_is_a_room_and_a_token(void **state)
{
    struct entries e;
    assert_int_equal(entries_parse(SLICE("abc x.y.z\nabc 2\nd 3\n"), &e), 0);
    assert_int_equal(e.count, 3);
    assert_string_equal(e.of[0].room, "abc");
    assert_string_equal(e.of[0].token, "x.y.z");
    assert_string_equal(e.of[2].room, "d");
    assert_string_equal(e.of[2].token, "3");
    entries_done(&e);
}

static void nothing_else_is(void **state)
{
    struct entries e;
    const char *const bad[] = {"", "abc\n", "abc x", " x\n", "abc \n", "abc x y\n", "a 1\n\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(entries_parse(slice_str(bad[i]), &e), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_room_and_a_token),
        cmocka_unit_test(nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
