#include "proto/framed.h"

#include "base/check.h"

/* The stream of two datagrams with keep-alives between. */
static const uint8_t STREAM[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 2, 'd', 'e'};

static void datagrams_come_whole_however_the_stream_is_cut(void **state)
{
    for (size_t step = 1; step <= sizeof STREAM; step++) {
        struct framed framed = {0};
        char got[16];
        size_t len = 0, count = 0;
        for (size_t at = 0; at < sizeof STREAM; at += step) {
            struct slice input = slice_sub(slice_of(STREAM, sizeof STREAM), at, step);
            uint8_t *data;
            size_t data_len;
            while (framed_next(&framed, &input, &data, &data_len) == 0) {
                memcpy(got + len, data, data_len);
                memset(data, 'x', data_len); /* it is ours */
                len += data_len;
                count++;
            }
            assert_int_equal(input.len, 0);
        }
        assert_int_equal(count, 2);
        assert_int_equal(len, 5);
        assert_memory_equal(got, "abcde", 5);
    }
}

static void the_longest_is_taken_and_longer_is_an_error(void **state)
{
    static uint8_t stream[FRAMED_PREFIX + FRAMED_MAX];
    struct framed framed = {0};
    uint8_t *data;
    size_t len;
    store_u16(stream, FRAMED_MAX);
    struct slice input = slice_of(stream, sizeof stream);
    assert_int_equal(framed_next(&framed, &input, &data, &len), 0);
    assert_int_equal(len, FRAMED_MAX);
    store_u16(stream, FRAMED_MAX + 1);
    input = slice_of(stream, sizeof stream);
    assert_int_equal(framed_next(&framed, &input, &data, &len), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_come_whole_however_the_stream_is_cut),
        cmocka_unit_test(the_longest_is_taken_and_longer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
