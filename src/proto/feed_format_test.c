#include "base/check.h"

#include "proto/feed_format.h"

static size_t add(uint8_t *out, size_t size, uint32_t source, const char *text)
{
    struct feed_record record = {
        .kind = FEED_RTP, .source = source, .time = 1000 * source, .payload = slice_str(text)};
    size_t len = 0;
    assert_int_equal(feed_build(&record, out, size, &len), 0);
    return len;
}

static void test_head_bytes(void **state)
{
    struct feed_record record = {.kind = FEED_EVENT,
                                 .source = 0x01020304,
                                 .flags = FEED_FLAG_LATE,
                                 .time = 0x1122334455667788,
                                 .payload = SLICE("123456789")};
    uint8_t out[64];
    size_t len;
    assert_int_equal(feed_build(&record, out, sizeof(out), &len), 0);
    assert_int_equal(len, 32 + 9);
    const uint8_t head[28] = {0xDA, 0x5A, 1,    5,    9,    0,    0,    0,    4,    3,
                              2,    1,    1,    0,    0,    0,    0x88, 0x77, 0x66, 0x55,
                              0x44, 0x33, 0x22, 0x11, 0x83, 0x92, 0x06, 0xE3};
    assert_memory_equal(out, head, sizeof(head));
    assert_memory_equal(out + 32, "123456789", 9);
}

static void test_round_trip(void **state)
{
    uint8_t out[128];
    size_t len = add(out, sizeof(out), 7, "payload"), used;
    struct feed_record record;
    assert_int_equal(feed_parse(slice_of(out, len), &record, &used), 0);
    assert_int_equal(used, len);
    assert_int_equal(record.kind, FEED_RTP);
    assert_int_equal(record.source, 7);
    assert_int_equal(record.time, 7000);
    assert_true(slice_eq_str(record.payload, "payload"));
    for (size_t part = 0; part < len; part++)
        assert_int_equal(feed_parse(slice_of(out, part), &record, &used), ERR_AGAIN);
}

static void test_bounds(void **state)
{
    static uint8_t big[FEED_RECORD_MAX + 1];
    uint8_t small[40];
    size_t len;
    struct feed_record record = {.kind = FEED_RTP, .payload = slice_of(big, FEED_PAYLOAD_MAX + 1)};
    assert_int_equal(feed_build(&record, big, sizeof(big), &len), ERR_LIMIT);
    record.payload = slice_of(big, 9);
    assert_int_equal(feed_build(&record, small, sizeof(small), &len), ERR_LIMIT);
}

static void test_every_flipped_bit_is_noticed(void **state)
{
    uint8_t out[64];
    size_t len = add(out, sizeof(out), 1, "abc"), used;
    struct feed_record record;
    for (size_t bit = 0; bit < len * 8; bit++) {
        out[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(feed_parse(slice_of(out, len), &record, &used), 0);
        out[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* Damage in, or the loss of a part of, the second of three records costs that one only. */
static void test_resync(void **state)
{
    uint8_t whole[256], torn[256];
    size_t a = add(whole, sizeof(whole), 1, "first \xDA\x5A\x01 with a false start");
    size_t b = add(whole + a, sizeof(whole) - a, 2, "second");
    size_t c = add(whole + a + b, sizeof(whole) - a - b, 3, "third");
    for (size_t cut = 1; cut < b; cut++) {
        memcpy(torn, whole, a);
        memcpy(torn + a, whole + a + cut, b - cut + c);
        size_t len = a + b - cut + c, skipped, used;
        struct feed_record record;
        assert_int_equal(feed_find(slice_of(torn, len), true, &record, &skipped, &used), 0);
        assert_int_equal(record.source, 1);
        assert_int_equal(skipped, 0);
        struct slice rest = slice_of(torn + used, len - used);
        assert_int_equal(feed_find(rest, true, &record, &skipped, &used), 0);
        assert_int_equal(record.source, 3);
        assert_int_equal(skipped, b - cut);
        assert_int_equal(skipped + used, rest.len);
    }
}

static void test_find_waits_or_gives_up(void **state)
{
    uint8_t out[128];
    memcpy(out, "noise", 5);
    size_t len = add(out + 5, sizeof(out) - 5, 1, "abc"), skipped, used;
    struct feed_record record;
    struct slice part = slice_of(out, 5 + len - 1);
    assert_int_equal(feed_find(part, false, &record, &skipped, &used), ERR_AGAIN);
    assert_int_equal(skipped, 5);
    assert_int_equal(feed_find(part, true, &record, &skipped, &used), ERR_AGAIN);
    assert_int_equal(skipped, part.len);
}

static void test_report(void **state)
{
    uint8_t bytes[FEED_REPORT_SIZE];
    struct feed_report in = {0xAABBCCDD, 0x01020304, 0x1122334455667788}, out;
    feed_build_report(&in, bytes);
    assert_int_equal(bytes[0], 0xDD);
    assert_int_equal(bytes[8], 0x88);
    assert_int_equal(feed_parse_report(slice_of(bytes, 16), &out), 0);
    assert_int_equal(out.ssrc, in.ssrc);
    assert_int_equal(out.rtp_time, in.rtp_time);
    assert_true(out.ntp_time == in.ntp_time);
    assert_int_equal(feed_parse_report(slice_of(bytes, 15), &out), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_bytes), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_resync),     cmocka_unit_test(test_find_waits_or_gives_up),
        cmocka_unit_test(test_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
