#include "base/check.h"
#include <string.h>

#include "school/school.h"

static void times_survive_the_round(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        msec_t when;
    } known[] = {{"1970-01-01T00:00:01Z", 1000},
                 {"2000-02-29T23:59:59Z", 951868799000},
                 {"2026-11-22T12:15:26Z", 1795349726000},
                 {"2100-03-01T00:00:00Z", 4107542400000}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        char text[WHEN_SIZE];
        msec_t when = 0;
        assert_int_equal(when_parse(slice_str(known[i].text), &when), 0);
        assert_true(when == known[i].when);
        when_format(when, text);
        assert_string_equal(text, known[i].text);
    }
    for (msec_t day = 1; day < 80000; day += 13) {
        char text[WHEN_SIZE];
        msec_t when = 0;
        when_format(day * MSEC_PER_DAY, text);
        assert_int_equal(when_parse(slice_str(text), &when), 0);
        assert_true(when == day * MSEC_PER_DAY);
    }
}

static void refuses_other_times(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+01:00",
        "2026-13-01T00:00Z",
        "2026-02-29T00:00Z",
        "2026-01-01T24:00Z",
        "2026-01-01T00:60Z",
        "2026-01-01T00:00:60Z",
        "1969-12-31T00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Zx",
        "2026-1-01T00:00Z",
    };
    msec_t when = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(when_parse(slice_str(bad[i]), &when), ERR_FORMAT);
    assert_true(when == 7);
    assert_int_equal(when_parse(SLICE("2026-01-01T00:00:00.123Z"), &when), 0);
    assert_int_equal(when_parse(SLICE("2026-01-01T00:00Z"), &when), 0);
}

static void cleans_names(void **state)
{
    (void)state;
    char text[TEXT_SIZE];
    assert_int_equal(text_clean(SLICE("  Amina Yusuf \t"), text), 0);
    assert_string_equal(text, "Amina Yusuf");
    assert_int_equal(text_clean(SLICE("\xd8\xa3\xd9\x85\xd9\x8a\xd9\x86\xd8\xa9"), text), 0);
    static const char *const bad[] = {
        "", "   ", "a\nb", "a\x7f", "a\xc2\x85", "a\xe2\x80\xae", "\xe2\x81\xa6x", "a\xe2\x80\xa8"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(text_clean(slice_str(bad[i]), text), ERR_FORMAT);
    char big[300];
    memset(big, 'x', sizeof big);
    assert_int_equal(text_clean(slice_of(big, 256), text), ERR_LIMIT);
    assert_int_equal(text_clean(slice_of(big, 255), text), 0);
}

static void ids_and_roles(void **state)
{
    (void)state;
    char id[ID_SIZE], other[ID_SIZE];
    enum role role;
    id_new('u', id);
    id_new('u', other);
    assert_true(id_valid(slice_str(id)));
    assert_string_not_equal(id, other);
    assert_false(id_valid(SLICE("")));
    assert_false(id_valid(SLICE("a/b")));
    assert_false(id_valid(SLICE("..")));
    assert_int_equal(role_parse("teacher", &role), 0);
    assert_string_equal(role_name(role), "teacher");
    assert_int_equal(role_parse("Teacher", &role), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_survive_the_round),
        cmocka_unit_test(refuses_other_times),
        cmocka_unit_test(cleans_names),
        cmocka_unit_test(ids_and_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
