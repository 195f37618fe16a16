/* One of a class means ill: what he sends too much of or lies about costs the others nothing, and
 * him no more than others get. */
#include "base/check.h"

#include <stdio.h>

#include "media_world.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

static const struct pipe_shape CLEAN = {.delay = 20 * USEC_PER_MSEC};
#define PUPILS 4
#define SIEGE (10 * USEC_PER_SEC)

struct class
{
    struct world world;
    struct person *teacher;
    struct person *pupils[PUPILS];
    struct person *bad;
};

static struct class *class_new(uint64_t seed)
{
    static struct class class;
    struct class *k = &class;
    world_init(&k->world, seed);
    k->teacher = world_join(&k->world, true, true, CLEAN);
    k->teacher->sender.level = 10;
    for (size_t i = 0; i < PUPILS; i++)
        k->pupils[i] = world_join(&k->world, true, false, CLEAN);
    k->bad = world_join(&k->world, true, true, CLEAN);
    k->bad->hostile = true;
    world_run(&k->world, 5 * USEC_PER_SEC);
    for (size_t i = 0; i < PUPILS; i++)
        viewer_forget_freezes(&k->pupils[i]->viewer, k->world.now);
    return k;
}

/* Nobody else has missed a word or stood still. */
static void check_others(struct class *k)
{
    for (size_t i = 0; i < PUPILS; i++) {
        struct viewer_stream *audio = world_audio(k->pupils[i], k->teacher);
        struct viewer_stream *video = world_video(k->pupils[i], k->teacher);
        assert_non_null(audio);
        assert_non_null(video);
        assert_int_equal(audio->audio_holes, 0);
        assert_true(k->world.now - audio->last_audio < 100 * USEC_PER_MSEC);
        assert_in_range(video->longest_freeze, 0, 200 * USEC_PER_MSEC);
        assert_true(k->world.now - video->last_shown < 200 * USEC_PER_MSEC);
    }
    assert_int_equal(k->teacher->sender.audio_lost, 0);
}

static void sound_faster_than_sound_is_cut(void **state)
{
    (void)state;
    struct class *k = class_new(31);
    k->bad->sender.level = 1;
    k->bad->sender.audio_packet = USEC_PER_MSEC; /* fifty times what it should be */
    uint64_t before = world_audio(k->pupils[0], k->bad)->audio_packets;
    world_run(&k->world, SIEGE);
    uint64_t heard = world_audio(k->pupils[0], k->bad)->audio_packets - before;
    struct conference_counters counters;
    conference_get_counters(k->world.conference, &counters);
    print_message("of 10000 packets %lu passed\n", (unsigned long)heard);
    assert_in_range(heard, 1000, 2300);
    assert_in_range(counters.over_rate, 7500, 9000);
    check_others(k);
    /* Who comes to reason is heard as before. */
    k->bad->sender.audio_packet = 20 * USEC_PER_MSEC;
    world_run(&k->world, 2 * USEC_PER_SEC);
    before = world_audio(k->pupils[0], k->bad)->audio_packets;
    world_run(&k->world, 2 * USEC_PER_SEC);
    assert_in_range(world_audio(k->pupils[0], k->bad)->audio_packets - before, 98, 102);
    world_done(&k->world);
}

static uint32_t random_u32(struct class *k)
{
    return (uint32_t)(pipe_random(&k->bad->up) * UINT32_MAX);
}

static void send(struct class *k, const struct writer *w, const uint8_t *bytes)
{
    pipe_send(&k->bad->up, k->world.now, slice_of(bytes, writer_len(w)), true);
}

/* Transport feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) that says anything. */
static void claim_arrivals(struct class *k)
{
    uint8_t bytes[200];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u8(&w, 0x80 | RTCP_TRANSPORT_CC);
    writer_u8(&w, RTCP_RTPFB);
    writer_u16(&w, 40);
    writer_u32(&w, random_u32(k));
    writer_u32(&w, random_u32(k));
    writer_u32(&w, random_u32(k)); /* base and count */
    writer_u32(&w, random_u32(k)); /* time and number */
    while (writer_len(&w) < 41 * 4)
        writer_u32(&w, random_u32(k));
    send(k, &w, bytes);
}

/* A whole window of numbers at once, again and again. */
static void ask_again(struct class *k, uint32_t ssrc)
{
    uint8_t bytes[1400];
    uint16_t numbers[400];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint16_t first = (uint16_t)random_u32(k);
    for (size_t i = 0; i < 400; i++)
        numbers[i] = (uint16_t)(first + i);
    rtcp_put_nack(&w, 1, ssrc, numbers, 400);
    send(k, &w, bytes);
}

static void claim_loss(struct class *k)
{
    uint8_t bytes[400];
    struct rtcp_report reports[2] = {0};
    struct viewer_stream *streams[2] = {world_audio(k->bad, k->teacher),
                                        world_video(k->bad, k->teacher)};
    struct writer w = writer_of(bytes, sizeof bytes);
    for (size_t i = 0; i < 2; i++)
        reports[i] = (struct rtcp_report){
            .ssrc = streams[i]->ssrc, .fraction_lost = 255, .highest = random_u32(k)};
    rtcp_put_rr(&w, 1, reports, 2);
    rtcp_put_pli(&w, 1, streams[1]->ssrc);
    send(k, &w, bytes);
}

static uint64_t received_by(const struct person *p)
{
    return p->rtp_bytes;
}

/* Five kinds of lies a millisecond, together with honest feedback: he gets hardly more than who is
 * honest, and makes nobody send more. */
static void lies_buy_nothing(void **state)
{
    (void)state;
    struct class *k = class_new(32);
    uint64_t honest = received_by(k->pupils[0]), his = received_by(k->bad);
    unsigned plis = k->teacher->sender.plis;
    struct viewer_stream *video = world_video(k->bad, k->teacher);
    for (usec_t end = k->world.now + SIEGE; k->world.now < end;) {
        claim_arrivals(k);
        ask_again(k, video->ssrc);
        claim_loss(k);
        world_run(&k->world, USEC_PER_MSEC);
    }
    honest = received_by(k->pupils[0]) - honest;
    his = received_by(k->bad) - his;
    print_message("honest %lu kB, liar %lu kB, %u key requests\n", (unsigned long)honest / 1000,
                  (unsigned long)his / 1000, k->teacher->sender.plis - plis);
    assert_true(his < honest * 3 / 2);
    assert_in_range(k->teacher->sender.plis - plis, 0, 6);
    check_others(k);
    world_done(&k->world);
}

/* What is not of the announced sources, or no packet at all, goes nowhere. */
static void strange_streams_go_nowhere(void **state)
{
    (void)state;
    struct class *k = class_new(33);
    struct conference_counters before, after;
    conference_get_counters(k->world.conference, &before);
    uint64_t others = received_by(k->pupils[1]);
    world_run(&k->world, SIEGE);
    others = received_by(k->pupils[1]) - others;
    uint64_t again = received_by(k->pupils[1]);
    for (usec_t end = k->world.now + SIEGE; k->world.now < end;) {
        uint8_t bytes[1200] = {0x80, (uint8_t)random_u32(k)};
        for (int i = 0; i < 5; i++) {
            uint32_t teachers = k->teacher->sender.audio_ssrc;
            store_u16(bytes + 2, (uint16_t)random_u32(k));
            store_u32(bytes + 8, i == 0 ? teachers : random_u32(k));
            pipe_send(&k->bad->up, k->world.now, slice_of(bytes, sizeof bytes), false);
        }
        world_run(&k->world, USEC_PER_MSEC);
    }
    again = received_by(k->pupils[1]) - again;
    conference_get_counters(k->world.conference, &after);
    assert_true(after.unknown_ssrc + after.malformed - before.unknown_ssrc - before.malformed >
                49000);
    assert_true(again < others * 11 / 10);
    check_others(k);
    world_done(&k->world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_faster_than_sound_is_cut),
        cmocka_unit_test(lies_buy_nothing),
        cmocka_unit_test(strange_streams_go_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
