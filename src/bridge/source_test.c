#include "base/check.h"

#include "bridge/source.h"
#include "proto/offer.h"

static struct source *video_source(void)
{
    struct conference_source state = {.name = "e-v0",
                                      .kind = CONFERENCE_VIDEO,
                                      .ssrcs = {1, 2, 3},
                                      .rtx = {11, 12, 13},
                                      .layer_count = 3};
    struct source *s = source_new(&state);
    assert_non_null(s);
    return s;
}

static int put_at(struct source *s, usec_t now, unsigned layer, uint16_t sequence,
                  uint32_t timestamp, bool key, bool repaired)
{
    uint8_t payload[600] = {
        0x90, 0x80, 0x80, (uint8_t)sequence, key ? 0 : 1, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 104, 1};
    struct rtp_packet packet = {.payload_type = OFFER_PT_VP8,
                                .sequence = sequence,
                                .timestamp = timestamp,
                                .payload = slice_of(payload, sizeof(payload))};
    uint32_t number;
    return source_input(s, now, layer, &packet, repaired, &number);
}

static int put(struct source *s, usec_t now, unsigned layer, uint16_t sequence, bool key,
               bool repaired)
{
    return put_at(s, now, layer, sequence, sequence * 3000U, key, repaired);
}

static void duplicates_and_late_packets_are_told_apart(void **state)
{
    (void)state;
    struct source *s = video_source();
    assert_int_equal(put(s, 1000, 0, 65534, true, false), 0);
    assert_int_equal(put(s, 2000, 0, 1, false, false), 0);
    assert_int_equal(put(s, 2000, 0, 1, false, false), ERR_EXISTS);
    assert_int_equal(put(s, 3000, 0, 65535, false, true), 0);
    assert_true(ring_get(&s->ring, 2)->late);
    assert_int_equal(ring_get(&s->ring, 2)->sequence, ring_get(&s->ring, 1)->sequence - 2);
    assert_int_equal(put(s, 3000, 0, 65535, false, false), ERR_EXISTS);
    assert_null(ring_get(&s->ring, 3));
    /* The layers count by themselves. */
    assert_int_equal(put(s, 3000, 1, 65534, true, false), 0);
    source_free(&s);
    source_free(&s);
}

static void losses_are_asked_for_until_they_come(void **state)
{
    (void)state;
    struct source *s = video_source();
    uint16_t lost[8];
    usec_t rtt = 50000;
    assert_int_equal(put(s, 0, 0, 10, true, false), 0);
    assert_int_equal(put(s, 0, 0, 13, false, false), 0);
    /* The second was passed by one packet only: it may still come. */
    assert_true(source_nack_due(s, 0, rtt));
    assert_int_equal(source_nacks(s, 0, 0, rtt, lost, 8), 1);
    assert_int_equal(lost[0], 11);
    assert_int_equal(source_nacks(s, 10000, 0, rtt, lost, 8), 1);
    assert_int_equal(lost[0], 12);
    assert_int_equal(source_nacks(s, 40000, 0, rtt, lost, 8), 0);
    assert_int_equal(put(s, 50000, 0, 11, false, true), 0);
    assert_int_equal(source_nacks(s, 60000, 0, rtt, lost, 8), 1);
    assert_int_equal(lost[0], 12);
    unsigned asked = 0;
    for (usec_t now = 60000; now < 3000000; now += 10000)
        asked += (unsigned)source_nacks(s, now, 0, rtt, lost, 8);
    assert_in_range(asked, 3, 9);
    assert_false(source_nack_due(s, 3000000, rtt));
    /* Given up, until a key frame makes it good; one from before does not. */
    assert_true(s->streams[0].hole > 0);
    assert_int_equal(put(s, 3000000, 0, 9, true, false), 0);
    assert_true(s->streams[0].hole > 0);
    assert_int_equal(put(s, 3000000, 0, 14, true, false), 0);
    assert_int_equal(s->streams[0].hole, 0);
    source_free(&s);
}

static void a_key_frame_makes_older_losses_worthless(void **state)
{
    (void)state;
    struct source *s = video_source();
    uint16_t lost[8];
    assert_int_equal(put(s, 0, 0, 10, true, false), 0);
    assert_int_equal(put(s, 0, 0, 14, false, false), 0);
    assert_int_equal(put(s, 0, 0, 16, true, false), 0);
    assert_int_equal(source_nacks(s, 20000, 0, 50000, lost, 8), 0);
    source_free(&s);
}

static void long_gaps_and_restarts_do_not_flood(void **state)
{
    (void)state;
    struct source *s = video_source();
    uint16_t lost[SOURCE_MISSING_MAX];
    assert_int_equal(put(s, 0, 0, 10, true, false), 0);
    assert_int_equal(put(s, 0, 0, 800, false, false), 0);
    assert_true(s->streams[0].hole > 0);
    assert_int_equal(source_nacks(s, 20000, 0, 50000, lost, SOURCE_MISSING_MAX), 0);
    /* The sender began anew somewhere else. */
    assert_int_equal(put(s, 0, 0, 30000, true, false), ERR_EXISTS);
    assert_int_equal(put(s, 0, 0, 30001, false, false), ERR_EXISTS);
    assert_int_equal(put(s, 0, 0, 30002, false, false), 0);
    assert_int_equal(put(s, 0, 0, 30003, false, false), 0);
    /* And behind. */
    for (uint16_t i = 0; i < 4; i++)
        (void)put(s, 0, 0, (uint16_t)(5 + i), false, false);
    assert_int_equal(ring_get(&s->ring, s->ring.head - 1)->sequence & 0xffff, 8);
    int64_t newest = ring_get(&s->ring, s->ring.head - 1)->sequence;
    assert_int_equal(put(s, 0, 0, 9, false, false), 0);
    assert_int_equal(ring_get(&s->ring, s->ring.head - 1)->sequence, newest + 1);
    source_free(&s);
}

static void key_frames_are_asked_for_with_pauses(void **state)
{
    (void)state;
    struct source *s = video_source();
    unsigned asked = 0;
    for (usec_t now = 0; now < 2000000; now += 10000) {
        source_want_key(s, now, 1);
        asked += source_key_due(s, now, 1, 50000);
    }
    assert_in_range(asked, 4, 8);
    assert_int_equal(put(s, 2000000, 1, 5, true, false), 0);
    assert_false(source_key_due(s, 2300000, 1, 50000));
    /* A wish that nobody repeats lapses. */
    source_want_key(s, 3000000, 1);
    assert_true(source_key_due(s, 3000000, 1, 50000));
    assert_false(source_key_due(s, 4000000, 1, 50000));
    source_free(&s);
}

static void reports_count_what_was_lost(void **state)
{
    (void)state;
    struct source *s = video_source();
    struct rtcp_report report;
    assert_false(source_report_out(s, 0, 0, &report));
    assert_false(source_report_news(s, 0));
    for (uint16_t i = 0; i < 100; i++)
        if (i % 4)
            assert_int_equal(put(s, i * 33000, 0, (uint16_t)(65500 + i), i == 1, false), 0);
    struct rtcp_sender_info info = {1, 0x1111222233334444, 5, 0, 0};
    source_report_in(s, 4000000, 0, &info);
    assert_true(source_report_news(s, 0));
    assert_true(source_report_out(s, 4500000, 0, &report));
    assert_int_equal(report.ssrc, 1);
    assert_in_range(report.total_lost, 24, 25);
    assert_in_range(report.fraction_lost, 60, 66);
    assert_int_equal(report.highest, 65536 + 63);
    assert_int_equal(report.last_sr, 0x22223333);
    assert_int_equal(report.delay_sr, 32768);
    assert_false(source_report_news(s, 0));
    assert_true(source_report_out(s, 4600000, 0, &report));
    assert_int_equal(report.fraction_lost, 0);
    source_free(&s);
}

static void heights_come_from_key_frames_else_from_neighbours(void **state)
{
    (void)state;
    struct source *s = video_source();
    assert_int_equal(source_layer_height(s, 0), 180);
    assert_int_equal(source_layer_height(s, 2), 720);
    assert_int_equal(put(s, 0, 1, 1, true, false), 0); /* 320x360: upright */
    assert_int_equal(source_layer_height(s, 1), 320);
    assert_int_equal(source_layer_height(s, 0), 160);
    assert_int_equal(source_layer_height(s, 2), 640);
    source_free(&s);
}

static void the_ring_keeps_numbers_when_it_grows_and_wraps(void **state)
{
    (void)state;
    struct ring ring;
    assert_int_equal(ring_init(&ring, 4096, 8), 0);
    uint8_t bytes[700];
    for (uint32_t i = 0; i < 200; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        struct ring_packet p = {.sequence = i, .arrival = i};
        size_t len = 1 + i * 37 % sizeof(bytes);
        struct slice head = slice_of(bytes, i * 13 % 100);
        assert_int_equal(ring_put(&ring, &p, head, slice_of(bytes, len)), i);
        if (i == 100)
            assert_int_equal(ring_grow(&ring, ring.size * 2, ring.slots * 2), 0);
        for (uint32_t n = ring.tail; n != ring.head; n++) {
            const struct ring_packet *got = ring_get(&ring, n);
            struct slice payload = ring_payload(&ring, got);
            assert_int_equal(got->sequence, n);
            struct slice extension = ring_extension(&ring, got);
            assert_int_equal(payload.len, 1 + n * 37 % sizeof(bytes));
            assert_int_equal(extension.len, n * 13 % 100);
            for (size_t k = 0; k < payload.len; k++)
                assert_int_equal(payload.data[k], (uint8_t)n);
            for (size_t k = 0; k < extension.len; k++)
                assert_int_equal(extension.data[k], (uint8_t)n);
        }
        assert_null(ring_get(&ring, ring.head));
        assert_null(ring_get(&ring, ring.tail - 1));
        assert_true(ring.head - ring.tail >= (i < 3 ? i : 3));
    }
    ring_done(&ring);
}

/* Five pictures of 600 bytes a second, and a key picture of 60 kB. */
static void the_key_frames_of_a_screen_do_not_make_it_dearer(void **state)
{
    (void)state;
    for (int desktop = 0; desktop < 2; desktop++) {
        struct source *s = video_source();
        s->state.video_type = desktop ? CONFERENCE_DESKTOP : CONFERENCE_CAMERA;
        usec_t now = 100 * USEC_PER_SEC;
        uint16_t sequence = 0;
        uint64_t most = 0, keys = 0;
        for (int i = 0; i < 100; i++) {
            assert_int_equal(put(s, now, 0, sequence++, i == 50, false), 0);
            for (int k = 0; i == 50 && k < 99; k++, sequence++)
                assert_int_equal(put_at(s, now, 0, sequence, 50 * 3000, false, false), 0);
            (void)source_refresh(s, now += 200 * USEC_PER_MSEC);
            if (i >= 10 && s->bps[0] > most)
                most = s->bps[0];
            if (source_key_rate(s, now, 0) > keys)
                keys = source_key_rate(s, now, 0);
        }
        if (desktop)
            assert_true(most < 28000);
        else
            assert_true(most > 450000);
        assert_in_range(keys, desktop ? 23000 : 0, desktop ? 25000 : 0);
        assert_in_range(s->bps[0], 19000, 28000);
        source_free(&s);
    }
}

/* A screen's, of which there are few, below four. */
static void a_source_stays_below_a_megabyte(void **state)
{
    (void)state;
    struct conference_source video = {.name = "a-v0", .kind = CONFERENCE_VIDEO, .layer_count = 3};
    video.video_type = CONFERENCE_DESKTOP;
    struct source *s = source_new(&video);
    for (int i = 0; s && i < 20; i++) {
        s->ring.spared = 0;
        assert_int_equal(source_tick(s), 0);
    }
    assert_non_null(s);
    assert_in_range(s->ring.size + s->ring.slots * sizeof(s->ring.packets[0]), 3000000, 3900000);
    source_free(&s);
    video.video_type = CONFERENCE_CAMERA;
    s = source_new(&video);
    assert_non_null(s);
    for (int i = 0; i < 20; i++) {
        s->ring.spared = 0; /* it is short again */
        assert_int_equal(source_tick(s), 0);
    }
    size_t streams = sizeof(s->streams[0]) + sizeof(*s->streams[0].codec) +
                     SOURCE_MISSING_MAX * sizeof(s->streams[0].missing[0]);
    assert_in_range(s->ring.size, 700000, 1000000);
    assert_in_range(sizeof(*s) + s->ring.size + s->ring.slots * sizeof(s->ring.packets[0]) +
                        3 * streams + REWRITE_RANGES_MAX * sizeof(s->record.ranges[0]),
                    0, 1000000);
    source_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates_and_late_packets_are_told_apart),
        cmocka_unit_test(losses_are_asked_for_until_they_come),
        cmocka_unit_test(a_key_frame_makes_older_losses_worthless),
        cmocka_unit_test(long_gaps_and_restarts_do_not_flood),
        cmocka_unit_test(key_frames_are_asked_for_with_pauses),
        cmocka_unit_test(reports_count_what_was_lost),
        cmocka_unit_test(heights_come_from_key_frames_else_from_neighbours),
        cmocka_unit_test(the_ring_keeps_numbers_when_it_grows_and_wraps),
        cmocka_unit_test(the_key_frames_of_a_screen_do_not_make_it_dearer),
        cmocka_unit_test(a_source_stays_below_a_megabyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
