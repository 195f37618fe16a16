#include "bridge/backlog.h"

#include "base/check.h"
#include "proto/framed.h"

#define START (1000 * USEC_PER_SEC)

static struct slice datagram(uint8_t *bytes, size_t len, uint8_t mark)
{
    memset(bytes, mark, len);
    return slice_of(bytes, len);
}

static void bytes_leave_framed_in_order_whatever_the_reader_takes(void **state)
{
    uint8_t bytes[1200], out[4096];
    for (size_t step = 1; step < 3000; step += 171) {
        struct backlog *b = backlog_new();
        struct framed framed = {0};
        unsigned next = 0, put = 0;
        for (int round = 0; round < 400; round++) {
            if (backlog_put(b, START, BACKLOG_VIDEO,
                            datagram(bytes, 1 + put * 37 % 1200, (uint8_t)put)) == 0)
                put++;
            size_t len = backlog_peek(b, START, out, sizeof out);
            len = len < step ? len : step;
            backlog_sent(b, len);
            struct slice input = slice_of(out, len);
            uint8_t *data;
            size_t data_len;
            while (framed_next(&framed, &input, &data, &data_len) == 0) {
                assert_int_equal(data[0], (uint8_t)next);
                assert_int_equal(data_len, 1 + next * 37 % 1200);
                next++;
            }
        }
        assert_true(next > 0 && next <= put);
        backlog_free(&b);
    }
}

static unsigned fill(struct backlog *b, enum backlog_kind kind, size_t len)
{
    uint8_t bytes[2048];
    unsigned count = 0;
    while (backlog_put(b, START, kind, datagram(bytes, len, 1)) == 0)
        count++;
    return count;
}

static void pictures_leave_room_for_voices_and_both_for_control(void **state)
{
    for (size_t len = 40; len <= 1200; len += 1160) {
        struct backlog *b = backlog_new();
        assert_true(fill(b, BACKLOG_VIDEO, len) > 10);
        assert_int_equal(fill(b, BACKLOG_VIDEO, len), 0);
        assert_true(fill(b, BACKLOG_AUDIO, len) > 2);
        assert_true(fill(b, BACKLOG_CONTROL, len) > 2);
        assert_int_equal(fill(b, BACKLOG_AUDIO, len), 0);
        backlog_free(&b);
    }
}

static void what_is_too_old_is_left_out_but_never_half_of_it(void **state)
{
    struct backlog *b = backlog_new();
    uint8_t bytes[100], out[4096];
    uint64_t dropped[BACKLOG_KINDS] = {0};
    assert_int_equal(backlog_put(b, START, BACKLOG_VIDEO, datagram(bytes, 50, 1)), 0);
    assert_int_equal(backlog_put(b, START, BACKLOG_VIDEO, datagram(bytes, 50, 2)), 0);
    assert_int_equal(backlog_put(b, START, BACKLOG_AUDIO, datagram(bytes, 50, 3)), 0);
    assert_int_equal(backlog_put(b, START, BACKLOG_CONTROL, datagram(bytes, 50, 4)), 0);
    assert_int_equal(backlog_peek(b, START, out, sizeof out), 4 * 52);
    backlog_sent(b, 10);
    usec_t now = START + 700 * USEC_PER_MSEC;
    assert_int_equal(backlog_peek(b, now, out, sizeof out), 42 + 2 * 52);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[44], 3);
    backlog_sent(b, 42);
    now = START + 1100 * USEC_PER_MSEC;
    assert_int_equal(backlog_peek(b, now, out, sizeof out), 52);
    assert_int_equal(out[2], 4);
    backlog_sent(b, 52);
    assert_true(backlog_empty(b));
    backlog_take_dropped(b, dropped);
    assert_int_equal(dropped[BACKLOG_VIDEO], 1);
    assert_int_equal(dropped[BACKLOG_AUDIO], 1);
    assert_int_equal(dropped[BACKLOG_CONTROL], 0);
    backlog_free(&b);
}

static void kinds_are_told_by_the_clear_bytes(void **state)
{
    assert_int_equal(backlog_kind_of(SLICE("\0\1\0\0")), BACKLOG_CONTROL);
    assert_int_equal(backlog_kind_of(SLICE("\x16\xfe\xfd")), BACKLOG_CONTROL);
    assert_int_equal(backlog_kind_of(SLICE("\x80\xc8")), BACKLOG_CONTROL);
    assert_int_equal(backlog_kind_of(SLICE("\x90\x6f")), BACKLOG_AUDIO);
    assert_int_equal(backlog_kind_of(SLICE("\x90\x70")), BACKLOG_AUDIO); /* RED */
    assert_int_equal(backlog_kind_of(SLICE("\x90\xe4")), BACKLOG_VIDEO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_leave_framed_in_order_whatever_the_reader_takes),
        cmocka_unit_test(pictures_leave_room_for_voices_and_both_for_control),
        cmocka_unit_test(what_is_too_old_is_left_out_but_never_half_of_it),
        cmocka_unit_test(kinds_are_told_by_the_clear_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
