#include "edge/range.h"

#include "base/check.h"
#include "base/units.h"

static void test_ranges(void **state)
{
    (void)state;
    const struct {
        const char *value;
        uint64_t size;
        int err;
        uint64_t first, len;
    } cases[] = {
        {"bytes=0-0", 10, 0, 0, 1},
        {"bytes=0-", 10, 0, 0, 10},
        {"bytes=2-5", 10, 0, 2, 4},
        {"bytes=2-500", 10, 0, 2, 8},
        {"Bytes = 2-5", 10, 0, 2, 4},
        {"bytes=-3", 10, 0, 7, 3},
        {"bytes=-30", 10, 0, 0, 10},
        {"bytes=-99999999999999999999999", 10, 0, 0, 10},
        {"bytes=9-99999999999999999999999", 10, 0, 9, 1},
        {"bytes=9-18446744073709551615", 10, 0, 9, 1},
        {"bytes=10-", 10, ERR_NOT_FOUND, 0, 0},
        {"bytes=99999999999999999999999-", 10, ERR_NOT_FOUND, 0, 0},
        {"bytes=0-", 0, ERR_NOT_FOUND, 0, 0},
        {"bytes=-0", 10, ERR_NOT_FOUND, 0, 0},
        {"bytes=-5", 0, ERR_NOT_FOUND, 0, 0},
        {"bytes=5-2", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=0-1,3-4", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=-", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=a-b", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=1-2x", 10, ERR_UNSUPPORTED, 0, 0},
        {"bytes=1", 10, ERR_UNSUPPORTED, 0, 0},
        {"lines=1-2", 10, ERR_UNSUPPORTED, 0, 0},
        {"", 10, ERR_UNSUPPORTED, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct range range = {77, 77, false};
        assert_int_equal(range_parse(slice_str(cases[i].value), cases[i].size, &range),
                         cases[i].err);
        assert_int_equal(range.first, cases[i].err ? 77 : cases[i].first);
        assert_int_equal(range.len, cases[i].err ? 77 : cases[i].len);
    }
}

static void test_open(void **state)
{
    (void)state;
    struct range range = {0};
    assert_int_equal(range_parse(SLICE("bytes=7-"), 10, &range), 0);
    assert_true(range.open);
    assert_int_equal(range_parse(SLICE("bytes=7-9"), 10, &range), 0);
    assert_false(range.open);
    assert_int_equal(range_parse(SLICE("bytes=-3"), 10, &range), 0);
    assert_false(range.open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
