#include "edge/fields.h"

#include "base/check.h"
#include "edge/mime.h"

static void test_fields(void **state)
{
    (void)state;
    struct fields fields;
    fields_init(&fields, 100);
    assert_int_equal(fields_add(&fields, SLICE("Host"), SLICE(" a.test ")), 0);
    assert_int_equal(fields_add(&fields, SLICE("X"), SLICE("")), 0);
    assert_int_equal(fields_add(&fields, SLICE("x"), SLICE("one, TWO")), 0);
    assert_int_equal(fields_add(&fields, SLICE("a b"), SLICE("")), ERR_FORMAT);
    assert_int_equal(fields_add(&fields, SLICE(""), SLICE("")), ERR_FORMAT);
    assert_int_equal(fields_add(&fields, SLICE("a"), SLICE("b\r\nc: d")), ERR_FORMAT);
    assert_int_equal(fields_add(&fields, SLICE("a"), slice_of("b\0c", 3)), ERR_FORMAT);
    assert_true(slice_eq_str(buf_slice(&fields.text), "host: a.test\r\nx: \r\nx: one, TWO\r\n"));
    assert_true(slice_eq_str(fields_get(&fields, "host"), "a.test"));
    assert_null(fields_get(&fields, "hos").data);
    assert_int_equal(fields_count(&fields, "x"), 2);
    assert_true(fields_has_token(&fields, "x", "two"));
    assert_false(fields_has_token(&fields, "x", "tw"));
    struct slice name, value;
    size_t at = 0, count = 0;
    while (fields_next(&fields, &at, &name, &value))
        count++;
    assert_int_equal(count, 3);
    char big[120];
    memset(big, 'b', sizeof big);
    assert_int_equal(fields_add(&fields, SLICE("big"), slice_of(big, sizeof big)), ERR_LIMIT);
    fields_done(&fields);
}

static void test_count_bound(void **state)
{
    (void)state;
    struct fields fields;
    fields_init(&fields, 100000);
    for (int i = 0; i < FIELDS_COUNT_MAX; i++)
        assert_int_equal(fields_add(&fields, SLICE("a"), SLICE("b")), 0);
    assert_int_equal(fields_add(&fields, SLICE("a"), SLICE("b")), ERR_LIMIT);
    fields_done(&fields);
}

static void test_mime(void **state)
{
    (void)state;
    assert_string_equal(mime_type(SLICE("a/index.html")), "text/html; charset=utf-8");
    assert_string_equal(mime_type(SLICE("x.mp4")), "video/mp4");
    assert_string_equal(mime_type(SLICE("room")), "application/octet-stream");
    assert_int_equal(mime_codings(SLICE("gzip, deflate, br")), CODING_BROTLI | CODING_GZIP);
    assert_int_equal(mime_codings(SLICE("br;q=0, GZIP;q=0.5")), CODING_GZIP);
    assert_int_equal(mime_codings(SLICE("br;q=0.000")), 0);
    assert_int_equal(mime_codings(SLICE("br;q=0.001")), CODING_BROTLI);
    assert_int_equal(mime_codings(SLICE("identity;q=1, *;q=0")), 0);
    assert_int_equal(mime_codings(SLICE("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_count_bound),
        cmocka_unit_test(test_mime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
