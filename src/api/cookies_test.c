#include "base/check.h"

#include "api/cookies.h"

static void finds_whole_names(void **state)
{
    (void)state;
    struct slice header =
        SLICE(" a=1; darasa_session = abc ;x; b=\"q\"; darasa_session=second;=; c=");
    assert_true(slice_eq_str(cookie_find(header, "darasa_session"), "abc"));
    assert_true(slice_eq_str(cookie_find(header, "b"), "q"));
    assert_int_equal(cookie_find(header, "darasa").len, 0);
    assert_int_equal(cookie_find(header, "x").len, 0);
    assert_int_equal(cookie_find(header, "c").len, 0);
    assert_int_equal(cookie_find(SLICE(""), "a").len, 0);
    assert_true(slice_eq_str(cookie_find(SLICE("a=b=c"), "a"), "b=c"));
}

static void builds(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 200);
    cookie_build(&buf, "a", "b", 60, true);
    assert_true(
        slice_eq_str(buf_slice(&buf), "a=b; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"));
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_whole_names),
        cmocka_unit_test(builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
