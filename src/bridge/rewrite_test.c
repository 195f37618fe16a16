#include "base/check.h"

#include "bridge/rewrite.h"

static struct ring_packet packet(int64_t sequence, int64_t picture, uint8_t layer)
{
    return (struct ring_packet){.sequence = sequence,
                                .picture = picture,
                                .stream = layer,
                                .codec = &codec_vp8,
                                .arrival = 1000000 + picture * 33000,
                                .timestamp = (uint32_t)(picture * 3000) + layer * 77777U,
                                .tl0 = (uint8_t)picture,
                                .keyidx = 3};
}

static struct rewritten map(struct rewrite *rw, struct ring_packet p)
{
    struct rewritten out;
    assert_true(rewrite_map(rw, &p, &out));
    return out;
}

static bool maps(struct rewrite *rw, struct ring_packet p)
{
    struct rewritten out;
    return rewrite_map(rw, &p, &out);
}

static void start(struct rewrite *rw)
{
    *rw = (struct rewrite){0};
    rewrite_init(rw, 90000, 1000);
    assert_int_equal(rewrite_reserve(rw), 0);
    struct ring_packet first = packet(500, 10, 0);
    rewrite_switch(rw, &first, NULL);
    assert_int_equal(map(rw, first).sequence, 1000);
}

static void a_layer_goes_through_unbroken(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    for (int64_t i = 1; i < 200; i++) {
        struct rewritten out = map(&rw, packet(500 + i, 10 + i, 0));
        assert_int_equal(out.sequence, 1000 + i);
        assert_int_equal(out.picture, 10 + i);
    }
    assert_int_equal(rewrite_stream(&rw), 0);
    rewrite_done(&rw);
}

static void holes_stay_holes_and_late_packets_fill_them(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    assert_int_equal(map(&rw, packet(503, 13, 0)).sequence, 1003);
    assert_int_equal(map(&rw, packet(501, 11, 0)).sequence, 1001);
    assert_int_equal(map(&rw, packet(502, 12, 0)).picture, 12);
    rewrite_done(&rw);
}

static void a_switch_goes_on_where_the_old_layer_stopped(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    struct rewritten last = map(&rw, packet(501, 11, 0));
    struct ring_packet key = packet(90, 700, 2);
    key.arrival = 1000000 + 12 * 33000;
    key.tl0 = 200;
    rewrite_switch(&rw, &key, NULL);
    struct rewritten out = map(&rw, key);
    assert_int_equal(out.sequence, 1002);
    assert_int_equal(out.picture, last.picture + 1);
    assert_int_equal(out.tl0, (uint8_t)(last.tl0 + 1));
    assert_int_equal(out.keyidx, last.keyidx + 1);
    /* 33 ms by our clock */
    assert_in_range(out.timestamp - last.timestamp, 2960, 2980);
    /* Newer packets of the old layer have no place any more; late ones keep theirs. */
    assert_false(maps(&rw, packet(502, 12, 0)));
    assert_int_equal(map(&rw, packet(501, 11, 0)).sequence, 1001);
    /* What came before the key frame in its layer was never sent. */
    assert_false(maps(&rw, packet(89, 699, 2)));
    assert_int_equal(rewrite_stream(&rw), 2);
    rewrite_done(&rw);
}

static void the_senders_clock_decides_within_reason(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    struct rewritten last = map(&rw, packet(501, 11, 0));
    struct ring_packet key = packet(90, 12, 1);
    uint32_t aligned = last.timestamp + 3000;
    rewrite_switch(&rw, &key, &aligned);
    assert_int_equal(map(&rw, key).timestamp, last.timestamp + 3000);
    /* Not backwards, nor the same frame again. */
    key = packet(30, 13, 0);
    aligned = last.timestamp;
    rewrite_switch(&rw, &key, &aligned);
    assert_int_equal(map(&rw, key).timestamp, last.timestamp + 3000 + 90);
    /* A clock that runs away is not believed. */
    key = packet(130, 14, 1);
    aligned = last.timestamp + 90000 * 60;
    rewrite_switch(&rw, &key, &aligned);
    assert_in_range(map(&rw, key).timestamp - last.timestamp, 3000 + 90 + 2900, 3000 + 90 + 3100);
    rewrite_done(&rw);
}

static void left_out_frames_leave_no_hole(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    uint16_t sequence = 1000;
    uint16_t picture = 10;
    for (int64_t frame = 1; frame < 300; frame++) {
        for (int64_t part = 0; part < 2; part++) {
            struct ring_packet p = packet(499 + frame * 2 + part, 10 + frame, 0);
            assert_int_equal(rewrite_tick(&rw), 0);
            if (frame % 2) {
                rewrite_skip(&rw, &p);
                continue;
            }
            struct rewritten out = map(&rw, p);
            assert_int_equal(out.sequence, ++sequence);
            picture = (uint16_t)(picture + (part == 0));
            assert_int_equal(out.picture, picture);
        }
    }
    /* A packet of a frame that was left out is not sent late; one that was sent keeps its place for
     * as long as promised. */
    assert_false(maps(&rw, packet(499 + 297 * 2, 307, 0)));
    assert_int_equal(map(&rw, packet(499 + 296 * 2, 306, 0)).sequence, sequence - 3);
    assert_int_equal(map(&rw, packet(499 + 238 * 2, 248, 0)).sequence, sequence - 61);
    /* Too old to be remembered. */
    assert_false(maps(&rw, packet(499 + 40 * 2, 50, 0)));
    rewrite_done(&rw);
}

static void another_source_shares_nothing(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    struct rewritten last = map(&rw, packet(501, 11, 0));
    rewrite_detach(&rw);
    assert_int_equal(rewrite_stream(&rw), -1);
    assert_false(maps(&rw, packet(501, 11, 0)));
    struct ring_packet p = packet(7, 3, 0);
    p.arrival = 1000000 + 3600 * USEC_PER_SEC;
    rewrite_switch(&rw, &p, NULL);
    struct rewritten out = map(&rw, p);
    assert_int_equal(out.sequence, last.sequence + 1);
    assert_int_equal(out.picture, last.picture + 1);
    assert_in_range(out.timestamp - last.timestamp, 3590U * 90000, 3600U * 90000);
    rewrite_done(&rw);
}

static void ranges_grow_only_while_they_are_young(void **state)
{
    (void)state;
    struct rewrite rw;
    start(&rw);
    for (int64_t i = 1; i < 200; i++) {
        struct ring_packet p = packet(500 + i, 10 + i, 0);
        p.arrival = 1000000 + i * USEC_PER_SEC;
        assert_int_equal(rewrite_tick(&rw), 0);
        if (i % 2)
            rewrite_skip(&rw, &p);
        else
            (void)map(&rw, p);
    }
    assert_int_equal(rw.slots, REWRITE_RANGES_MIN);
    rewrite_done(&rw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_goes_through_unbroken),
        cmocka_unit_test(holes_stay_holes_and_late_packets_fill_them),
        cmocka_unit_test(a_switch_goes_on_where_the_old_layer_stopped),
        cmocka_unit_test(the_senders_clock_decides_within_reason),
        cmocka_unit_test(left_out_frames_leave_no_hole),
        cmocka_unit_test(another_source_shares_nothing),
        cmocka_unit_test(ranges_grow_only_while_they_are_young),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
