#include "base/check.h"

#include "proto/rtcp.h"
#include "proto/twcc.h"

static void compound_survives(void **state)
{
    (void)state;
    uint8_t out[512];
    struct writer w = writer_of(out, sizeof(out));
    struct rtcp_report block = {7, 128, -2, 70000, 99, 0x12345678, 65536};
    struct rtcp_sender_info info = {42, 0x0102030405060708, 90000, 10, 1000};
    rtcp_put_sr(&w, &info, &block, 1);
    rtcp_put_sdes(&w, 42, "abc");
    uint16_t lost[] = {65534, 65535, 3, 40};
    rtcp_put_nack(&w, 1, 42, lost, 4);
    rtcp_put_pli(&w, 1, 43);
    rtcp_put_fir(&w, 1, 44, 9);
    rtcp_put_bye(&w, 42);
    assert_false(w.failed);

    struct slice rest = slice_of(out, writer_len(&w));
    struct rtcp_packet packet;
    assert_int_equal(rtcp_next(&rest, &packet), 0);
    struct rtcp_sender_info got;
    assert_int_equal(rtcp_sr_parse(&packet, &got), 0);
    assert_int_equal(got.ssrc, info.ssrc);
    assert_true(got.ntp == info.ntp);
    assert_int_equal(got.rtp, info.rtp);
    assert_int_equal(got.packets, info.packets);
    assert_int_equal(got.octets, info.octets);
    struct rtcp_report report;
    assert_true(rtcp_report_at(&packet, 0, &report));
    assert_int_equal(report.ssrc, block.ssrc);
    assert_int_equal(report.fraction_lost, block.fraction_lost);
    assert_int_equal(report.total_lost, block.total_lost);
    assert_int_equal(report.highest, block.highest);
    assert_int_equal(report.jitter, block.jitter);
    assert_int_equal(report.last_sr, block.last_sr);
    assert_int_equal(report.delay_sr, block.delay_sr);
    assert_false(rtcp_report_at(&packet, 1, &report));

    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_int_equal(packet.type, RTCP_SDES);

    assert_int_equal(rtcp_next(&rest, &packet), 0);
    struct rtcp_feedback feedback;
    assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
    assert_int_equal(feedback.media, 42);
    uint16_t first;
    uint16_t mask;
    assert_true(rtcp_nack_at(&feedback, 0, &first, &mask));
    assert_int_equal(first, 65534);
    assert_int_equal(mask, 1 | 1 << 4);
    assert_true(rtcp_nack_at(&feedback, 1, &first, &mask));
    assert_int_equal(first, 40);
    assert_int_equal(mask, 0);
    assert_false(rtcp_nack_at(&feedback, 2, &first, &mask));

    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_int_equal(packet.count, RTCP_PLI);
    assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
    assert_int_equal(feedback.media, 43);

    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
    uint32_t ssrc;
    uint8_t number;
    assert_true(rtcp_fir_at(&feedback, 0, &ssrc, &number));
    assert_int_equal(ssrc, 44);
    assert_int_equal(number, 9);

    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_true(rtcp_bye_at(&packet, 0, &ssrc));
    assert_int_equal(ssrc, 42);
    assert_int_equal(rtcp_next(&rest, &packet), ERR_NOT_FOUND);
}

static void bad_lengths_end_the_walk(void **state)
{
    (void)state;
    struct rtcp_packet packet;
    struct slice rest = SLICE("\x81\xce\x00\x02....");
    assert_int_equal(rtcp_next(&rest, &packet), ERR_FORMAT);
    rest = SLICE("\x01\xce\x00\x00");
    assert_int_equal(rtcp_next(&rest, &packet), ERR_FORMAT);
    rest = SLICE("\xa1\xce\x00\x01\x00\x00\x00\x09");
    assert_int_equal(rtcp_next(&rest, &packet), ERR_FORMAT);
}

static void remb_is_read(void **state)
{
    (void)state;
    struct rtcp_feedback feedback = {1, 0, SLICE("REMB\x01\x0b\xff\xff\x00\x00\x00\x01")};
    uint64_t bps;
    assert_true(rtcp_remb_parse(&feedback, &bps));
    assert_int_equal(bps, 0x3ffffULL << 2);
    feedback.fci = SLICE("RAMB\x01\x0b\xff\xff");
    assert_false(rtcp_remb_parse(&feedback, &bps));
}

static void remb_is_read_as_written(void **state)
{
    (void)state;
    static const uint64_t rates[] = {0, 30000, 100000, 262143, 262144, 300000, 100000000};
    static const uint32_t ssrcs[] = {7, 8};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        uint8_t bytes[64];
        struct writer w = writer_of(bytes, sizeof bytes);
        rtcp_put_remb(&w, 5, rates[i], ssrcs, ARRAY_LEN(ssrcs));
        assert_false(w.failed);
        struct slice rest = slice_of(bytes, writer_len(&w));
        struct rtcp_packet packet;
        struct rtcp_feedback feedback;
        uint64_t bps;
        assert_int_equal(rtcp_next(&rest, &packet), 0);
        assert_int_equal(packet.type, RTCP_PSFB);
        assert_int_equal(packet.count, RTCP_AFB);
        assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
        assert_int_equal(feedback.sender, 5);
        assert_true(rtcp_remb_parse(&feedback, &bps));
        assert_true(bps <= rates[i] && bps >= rates[i] - rates[i] / 100000);
        assert_int_equal(rest.len, 0);
    }
}

/* A small generator, so that every run is the same. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void feedback_survives(void **state)
{
    (void)state;
    static usec_t arrivals[600];
    static uint8_t out[1200];
    uint32_t seed = 5;
    for (int round = 0; round < 200; round++) {
        usec_t now = 1000000 + next_random(&seed);
        size_t count = 1 + next_random(&seed) % 600;
        for (size_t i = 0; i < count; i++) {
            now += next_random(&seed) % (round % 3 ? 2000 : 90000);
            bool lost = next_random(&seed) % 10 < (unsigned)round % 10;
            arrivals[i] = lost ? -1 : now - next_random(&seed) % 3000;
        }
        struct twcc_build build = {1,        2,    (uint8_t)round, (uint16_t)(65000 + round),
                                   arrivals, count};
        struct writer w = writer_of(out, sizeof(out));
        size_t told = twcc_put(&w, &build);
        if (told == 0)
            continue;
        struct slice rest = slice_of(out, writer_len(&w));
        struct rtcp_packet packet;
        struct rtcp_feedback head;
        struct twcc_feedback feedback;
        assert_int_equal(rtcp_next(&rest, &packet), 0);
        assert_int_equal(rest.len, 0);
        assert_int_equal(packet.count, RTCP_TRANSPORT_CC);
        assert_int_equal(rtcp_feedback_parse(&packet, &head), 0);
        assert_int_equal(twcc_parse(head.fci, &feedback), 0);
        assert_int_equal(feedback.count, told);
        struct twcc_status status;
        for (size_t i = 0; i < told; i++) {
            assert_true(twcc_next(&feedback, &status));
            assert_int_equal(status.sequence, (uint16_t)(build.base + i));
            assert_int_equal(status.received, arrivals[i] >= 0);
            if (status.received)
                assert_int_equal(status.arrival, arrivals[i] / TWCC_TICK * TWCC_TICK);
        }
        assert_false(twcc_next(&feedback, &status));
    }
}

static void feedback_is_compact(void **state)
{
    (void)state;
    static usec_t arrivals[100];
    uint8_t out[400];
    for (size_t i = 0; i < 100; i++)
        arrivals[i] = 640000 + (usec_t)i * 1000;
    struct twcc_build build = {1, 2, 0, 10, arrivals, 100};
    struct writer w = writer_of(out, sizeof(out));
    assert_int_equal(twcc_put(&w, &build), 100);
    assert_in_range(writer_len(&w), 122, 124); /* head, one run, a byte each */
    for (size_t i = 0; i < 100; i++)
        arrivals[i] = -1;
    w = writer_of(out, sizeof(out));
    assert_int_equal(twcc_put(&w, &build), 0);
    assert_int_equal(writer_len(&w), 0);
}

static void truncated_feedback_is_refused(void **state)
{
    (void)state;
    struct twcc_feedback feedback;
    assert_int_equal(twcc_parse(SLICE("\0\1\0\2\0\0\1\0\x20\x02\x04\x04"), &feedback), 0);
    assert_int_equal(twcc_parse(SLICE("\0\1\0\2\0\0\1\0\x20\x02\x04"), &feedback), ERR_FORMAT);
    assert_int_equal(twcc_parse(SLICE("\0\1\0\2\0\0\1\0\x20\x00"), &feedback), ERR_FORMAT);
    assert_int_equal(twcc_parse(SLICE("\0\1\0\0\0\0\1\0"), &feedback), ERR_FORMAT);
    assert_int_equal(twcc_parse(SLICE("\0\1\xff\xff\0\0\1\0\x1f\xff"), &feedback), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compound_survives),
        cmocka_unit_test(bad_lengths_end_the_walk),
        cmocka_unit_test(remb_is_read),
        cmocka_unit_test(remb_is_read_as_written),
        cmocka_unit_test(feedback_survives),
        cmocka_unit_test(feedback_is_compact),
        cmocka_unit_test(truncated_feedback_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
