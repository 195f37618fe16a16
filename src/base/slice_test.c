#include "base/buf.h"
#include "base/check.h"
#include "base/err.h"
#include "base/slice.h"

static void cut_leaves_what_stands_after(void **state)
{
    (void)state;
    struct slice rest = SLICE("a,bc,");
    assert_true(slice_eq_str(slice_cut(&rest, ','), "a"));
    assert_true(slice_eq_str(slice_cut(&rest, ','), "bc"));
    assert_int_equal(slice_cut(&rest, ',').len, 0);
    assert_int_equal(rest.len, 0);
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(slice_to_u64(SLICE("18446744073709551615"), UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(slice_to_u64(SLICE("18446744073709551616"), UINT64_MAX, &v), ERR_LIMIT);
    assert_int_equal(slice_to_u64(SLICE("101"), 100, &v), ERR_LIMIT);
    assert_int_equal(slice_to_u64(SLICE(""), 100, &v), ERR_FORMAT);
    assert_int_equal(slice_to_u64(SLICE("1 "), 100, &v), ERR_FORMAT);
    assert_true(v == UINT64_MAX);
}

static void reading_past_the_end_sticks(void **state)
{
    (void)state;
    struct reader r = reader_of(SLICE("\x01\x02\x03"));
    assert_int_equal(reader_u16(&r), 0x0102);
    assert_int_equal(reader_u16(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
}

static void writing_past_the_end_sticks(void **state)
{
    (void)state;
    uint8_t bytes[4];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u24(&w, 0x010203);
    writer_u16(&w, 9);
    assert_true(w.failed);
    assert_int_equal(writer_len(&w), 3);
}

static void buffer_never_passes_its_bound(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    buf_printf(&buf, "%s", "1234");
    assert_false(buf.failed);
    buf_add_str(&buf, "56789");
    assert_true(buf.failed);
    assert_int_equal(buf.len, 4);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_leaves_what_stands_after),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(reading_past_the_end_sticks),
        cmocka_unit_test(writing_past_the_end_sticks),
        cmocka_unit_test(buffer_never_passes_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
