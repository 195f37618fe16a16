/* What nobody is to hear is not decrypted, and nobody notices: not who listens, not who sends, and
 * not who forges. */
#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/member.h"
#include "crypto/srtp.h"
#include "media_world.h"
#include "proto/offer.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

#define MS USEC_PER_MSEC
#define STEP (20 * MS)

enum { CLASS = 50, LISTENERS = 3, SPEAKERS = 6, SPEECH = 50 };

static const struct pipe_shape NEAR = {.delay = 20 * MS};

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 16;
}

static void gather(struct world *w, uint64_t seed, bool decrypts_all)
{
    world_init(w, seed);
    w->decrypts_all = decrypts_all;
    for (int i = 0; i < CLASS; i++) {
        struct person *p = world_join(w, true, true, NEAR);
        p->sender.video = false;
        p->muted_video = true;
        p->sender.audio_at = w->now + i * MS;
        p->sender.steady = true;
        p->staff = i == 0;
        p->default_height = 0;
        world_put(p);
        /* Pictures of everybody to everybody would only take time. */
        conference_set_connected(w->conference, w->now, p->seat, i >= CLASS - LISTENERS);
    }
}

/* Microphones that are off, quiet rooms and noisy ones; of the first six another speaks every three
 * seconds, two at a time, and now and then all of them. */
static unsigned level_of(uint32_t *random, unsigned who, usec_t time)
{
    unsigned turn = (unsigned)(time / (3 * USEC_PER_SEC));
    bool speaks = who < SPEAKERS &&
                  (turn % 6 == 5 || turn % SPEAKERS == who || (turn * 5 + 2) % SPEAKERS == who);
    unsigned sway = next_random(random) % 8;
    bool pause = (time / STEP + who * 7) % 40 >= 34;
    if (speaks && !pause)
        return 20 + who * 2 + sway;
    if (who % 5 == 4)
        return 127;
    return (who % 3 == 2 ? 52 : 82) + who % 4 + sway;
}

static const struct voice *voice_in(const struct world *w, int who)
{
    return &w->conference->sources[2 * who]->voice;
}

/* Of those who speak now. Which of two equally noisy rooms takes a place that nobody needs
 * is decided by less than a decibel. */
static bool same_voices(const struct world *a, const struct world *b)
{
    for (int i = 0; i < SPEAKERS; i++)
        if (a->people[i].sender.level < SPEECH && voice_in(a, i)->place != voice_in(b, i)->place)
            return false;
    return true;
}

static double loudness(const struct world *w)
{
    double sum = 0;
    for (int i = 0; i < CLASS; i++)
        sum += voice_in(w, i)->place == VOICE_IN ? voice_in(w, i)->average : 0;
    return sum;
}

static void check_senders(struct world *skips, struct world *decrypts)
{
    for (int i = 0; i < CLASS; i++) {
        struct sender *a = &skips->people[i].sender;
        struct sender *b = &decrypts->people[i].sender;
        const struct source_stream *x = &skips->conference->sources[2 * i]->streams[0];
        const struct source_stream *y = &decrypts->conference->sources[2 * i]->streams[0];
        assert_int_equal(a->audio_packets, b->audio_packets);
        assert_int_equal(x->highest, y->highest);
        assert_int_equal(x->statistics.received, y->statistics.received);
        assert_int_equal(x->statistics.jitter, y->statistics.jitter);
        if (i < CLASS - LISTENERS) /* nothing is sent to those */
            continue;
        assert_int_equal(a->told, b->told);
        assert_int_equal(a->feedbacks, b->feedbacks);
        assert_int_equal(a->audio_lost, b->audio_lost);
    }
}

/* The same class twice, once with everything decrypted. */
static void the_same_voices_are_heard(void **state)
{
    static struct world skips, decrypts;
    gather(&skips, 41, false);
    gather(&decrypts, 41, true);
    uint32_t random = (uint32_t)skips.seed;
    unsigned steps = 0, same = 0, same_speaker = 0;
    double apart = 0;
    usec_t began = skips.now;
    while (skips.now - began < 54 * USEC_PER_SEC) {
        for (unsigned i = 0; i < CLASS; i++) {
            uint8_t level = (uint8_t)level_of(&random, i, skips.now - began);
            skips.people[i].sender.level = decrypts.people[i].sender.level = level;
        }
        world_run(&skips, STEP);
        world_run(&decrypts, STEP);
        steps++;
        same += same_voices(&skips, &decrypts);
        apart += loudness(&skips) - loudness(&decrypts);
        same_speaker += strcmp(skips.speaker, decrypts.speaker) == 0;
    }
    struct conference_counters a, b;
    conference_get_counters(skips.conference, &a);
    conference_get_counters(decrypts.conference, &b);
    double share = 100.0 * (double)a.undecrypted / (double)a.rtp_in;
    print_message(
        "of %llu packets %.1f %% stay encrypted; the same voices %.2f %% of the time, all "
        "%.2f dB apart, the same speaker %.2f %%; speakers changed %u and %u times; passed "
        "on %llu and %llu\n",
        (unsigned long long)a.rtp_in, share, 100.0 * same / steps, apart / steps,
        100.0 * same_speaker / steps, skips.speaker_changes, decrypts.speaker_changes,
        (unsigned long long)a.rtp_out, (unsigned long long)b.rtp_out);
    assert_int_equal(b.undecrypted, 0);
    assert_int_equal(a.rtp_in, b.rtp_in);
    assert_true(decrypts.speaker_changes > 8);
    assert_true(share > 70);
    assert_true(100 * same >= 98 * steps);
    assert_true(fabs(apart / steps) < 2);
    assert_true(100 * same_speaker >= 99 * steps);
    check_senders(&skips, &decrypts);
    world_done(&skips);
    world_done(&decrypts);
}

/* Loss, copies and reordering on the way up are reported as they are. */
static void a_poor_way_is_told_as_it_is(void **state)
{
    const struct pipe_shape poor = {.delay = 40 * MS, .jitter = 60 * MS, .loss = 0.05};
    static struct world worlds[2];
    for (int i = 0; i < 2; i++) {
        struct world *w = &worlds[i];
        gather(w, 42, i == 1);
        struct person *p = &w->people[CLASS - 1];
        p->up.shape = poor;
        for (int k = 0; k < CLASS; k++)
            w->people[k].sender.level = 90;
        world_run(w, 30 * USEC_PER_SEC);
    }
    struct conference_counters counters;
    conference_get_counters(worlds[0].conference, &counters);
    assert_true(counters.undecrypted * 10 > counters.rtp_in * 9);
    check_senders(&worlds[0], &worlds[1]);
    const struct source *s = worlds[0].conference->sources[2 * (CLASS - 1)];
    int64_t expected = s->streams[0].highest - s->streams[0].statistics.base + 1;
    double lost = 1 - (double)s->streams[0].statistics.received / (double)expected;
    print_message("lost %.1f %%\n", lost * 100);
    assert_true(lost > 0.02 && lost < 0.08);
    world_done(&worlds[0]);
    world_done(&worlds[1]);
}

static uint64_t undecrypted(const struct world *w)
{
    struct conference_counters counters;
    conference_get_counters(w->conference, &counters);
    return counters.undecrypted;
}

static void what_is_recorded_is_decrypted(void **state)
{
    static struct world w;
    gather(&w, 43, false);
    for (int i = 0; i < CLASS; i++)
        w.people[i].sender.level = 90;
    world_run(&w, 2 * USEC_PER_SEC);
    struct feed *feed = feed_new(w.now, &(struct feed_setup){"c", "r", 1, 1, 0});
    assert_int_equal(feed_attach(feed, w.now, 0), 0);
    uint64_t before = undecrypted(&w);
    conference_set_feed(w.conference, w.now, feed, false);
    world_run(&w, 2 * USEC_PER_SEC);
    assert_int_equal(undecrypted(&w), before);
    conference_set_feed(w.conference, w.now, feed, true); /* paused */
    world_run(&w, 2 * USEC_PER_SEC);
    assert_in_range(undecrypted(&w) - before, 2 * 45 * CLASS, 2 * 50 * CLASS);
    conference_set_feed(w.conference, w.now, NULL, false);
    feed_free(&feed);
    world_done(&w);
}

/* A microphone that signalling calls muted is not listened to, however loud; when it is no longer,
 * it is at once. */
static void the_muted_are_not_decrypted(void **state)
{
    static struct world w;
    gather(&w, 44, false);
    for (int i = 0; i < CLASS; i++)
        w.people[i].sender.level = 90;
    struct person *p = &w.people[7];
    p->sender.level = 10;
    p->muted_audio = true;
    world_put(p);
    world_run(&w, 2 * USEC_PER_SEC);
    struct conference_counters before, after;
    conference_get_counters(w.conference, &before);
    world_run(&w, 10 * USEC_PER_SEC);
    conference_get_counters(w.conference, &after);
    assert_int_equal(after.withheld - before.withheld, 500);
    assert_int_equal(after.rtp_out, before.rtp_out);
    assert_in_range(after.undecrypted - before.undecrypted, CLASS * 480, CLASS * 495);
    p->muted_audio = false;
    world_put(p);
    usec_t began = w.now;
    world_run(&w, USEC_PER_SEC);
    struct viewer_stream *s = world_audio(&w.people[CLASS - 1], p);
    assert_non_null(s);
    assert_true(s->onset - began <= 200 * MS); /* its slot has to be told first */
    world_done(&w);
}

/* One sender behind SRTP, and who forges its packets. */
struct wire {
    struct conference *conference;
    struct conference_seat seat;
    struct srtp_engine *engine;
    struct srtp *send, *receive;
    usec_t now;
    uint16_t sequence;
    uint16_t transport;
    uint32_t timestamp;
    unsigned decrypted, passed, refused;
};

enum { SSRC = 77 };

static void open_wire(struct wire *w, enum srtp_profile profile)
{
    struct srtp_keys keys = {.profile = profile, .key = {1, 2, 3}, .salt = {4, 5, 6}};
    *w = (struct wire){.now = 1000 * USEC_PER_SEC, .sequence = 65000, .timestamp = UINT32_MAX - 9};
    assert_int_equal(srtp_engine_new(SRTP_BEST, &w->engine), 0);
    assert_int_equal(srtp_new(w->engine, &keys, &w->send), 0);
    assert_int_equal(srtp_new(w->engine, &keys, &w->receive), 0);
    w->conference = conference_new(5);
    const struct conference_source source = {
        .name = "s-a0", .kind = CONFERENCE_AUDIO, .ssrcs = {SSRC}, .layer_count = 1};
    const struct conference_endpoint sender = {
        .id = "s", .rewriting = true, .sources = &source, .source_count = 1};
    assert_int_equal(conference_put(w->conference, w->now, &sender, NULL, &w->seat), 0);
}

static void close_wire(struct wire *w)
{
    conference_free(&w->conference);
    srtp_free(&w->send);
    srtp_free(&w->receive);
    srtp_engine_free(&w->engine);
}

struct said {
    uint16_t sequence, transport;
    uint32_t timestamp;
    uint8_t level;
};

static struct said next_said(struct wire *w, uint8_t level)
{
    w->now += STEP;
    w->timestamp += 960;
    return (struct said){w->sequence++, w->transport++, w->timestamp, level};
}

static size_t make(struct wire *w, const struct said *said, bool forged, uint8_t out[256])
{
    uint8_t header[64], transport[2];
    struct writer h = writer_of(header, sizeof header);
    store_u16(transport, said->transport);
    const struct rtp_extension extensions[] = {
        {OFFER_EXT_AUDIO_LEVEL, slice_of(&said->level, 1)},
        {OFFER_EXT_TRANSPORT_CC, slice_of(transport, 2)},
    };
    rtp_put_header(
        &h,
        &(struct rtp_header){OFFER_PT_OPUS, false, false, said->sequence, said->timestamp, SSRC},
        extensions, 2);
    const uint8_t sound[60] = {0x08};
    if (forged) {
        memcpy(out, header, writer_len(&h));
        memset(out + writer_len(&h), 0x5a, 80);
        return writer_len(&h) + 80;
    }
    struct srtp_job job = {.srtp = w->send,
                           .clear = slice_of(header, writer_len(&h)),
                           .body = slice_of(sound, sizeof sound),
                           .out = out,
                           .out_size = 256};
    srtp_protect(&job, 1);
    assert_int_equal(job.err, 0);
    return job.out_len;
}

/* As the worker takes a datagram. */
static void arrive(struct wire *w, uint8_t *data, size_t len)
{
    struct slice plain;
    if (conference_pass_rtp(w->conference, w->now, w->seat,
                            slice_of(data, len - srtp_tag_size(w->receive)))) {
        w->passed++;
    } else if (srtp_unprotect_rtp(w->receive, data, len, &plain)) {
        w->refused++;
    } else {
        w->decrypted++;
        assert_int_equal(conference_input_rtp(w->conference, w->now, w->seat, plain), 0);
    }
    (void)conference_tick(w->conference, w->now);
}

static void say(struct wire *w, uint8_t level)
{
    uint8_t bytes[256];
    struct said said = next_said(w, level);
    size_t len = make(w, &said, false, bytes);
    arrive(w, bytes, len);
}

static const struct voice *voice_of(const struct wire *w)
{
    return &w->conference->sources[0]->voice;
}

/* The roll-over counter of 16-bit numbers stays known through hours of silence. */
static void numbers_roll_over_unheard(void **state)
{
    const enum srtp_profile profiles[] = {SRTP_PROFILE_GCM, SRTP_PROFILE_CM};
    for (unsigned p = 0; p < 2; p++) {
        struct wire w;
        open_wire(&w, profiles[p]);
        for (int i = 0; i < 3 * 65536; i++)
            say(&w, 100);
        print_message("three times around: %u passed, %u decrypted\n", w.passed, w.decrypted);
        assert_int_equal(w.refused, 0);
        assert_true(w.passed > 3 * 65536 * 0.95);
        for (int i = 0; i < 100; i++)
            say(&w, 127);
        say(&w, 20);
        assert_int_equal(w.refused, 0);
        assert_int_equal(voice_of(&w)->place, VOICE_IN);
        /* A pause in which nothing comes, over half of the numbers: DTX, or a line that was away.
         */
        w.now += 500 * USEC_PER_SEC;
        w.timestamp += 500 * 48000;
        unsigned before = w.decrypted;
        say(&w, 100);
        assert_int_equal(w.decrypted, before + 1);
        assert_int_equal(w.refused, 0);
        close_wire(&w);
    }
}

struct effect {
    int64_t highest, transport;
    uint32_t received;
    unsigned passed;
};

static struct effect effect_of(const struct wire *w)
{
    const struct source_stream *st = &w->conference->sources[0]->streams[0];
    const struct feedback *f = &w->conference->members[0]->feedback;
    return (struct effect){st->highest, f->highest, st->statistics.received, w->passed};
}

static bool same_effect(struct effect a, struct effect b)
{
    return a.highest == b.highest && a.transport == b.transport && a.received == b.received &&
           a.passed == b.passed;
}

/* Who knows the SSRC, but not what was sent: whatever level he writes, nothing happens. */
static void what_is_guessed_does_nothing(void **state)
{
    struct wire w;
    open_wire(&w, SRTP_PROFILE_GCM);
    for (int i = 0; i < 200; i++)
        say(&w, 100);
    uint32_t random = 3;
    unsigned forged = 0;
    for (int i = 0; i < 300; i++) {
        say(&w, 100);
        const struct effect before = effect_of(&w);
        for (int k = 0; k < 500; k++, forged++) {
            const struct said said = {
                (uint16_t)next_random(&random), (uint16_t)next_random(&random),
                next_random(&random) << 16 | next_random(&random), (uint8_t)(k % 2 ? 127 : 0)};
            uint8_t bytes[256];
            size_t len = make(&w, &said, true, bytes);
            arrive(&w, bytes, len);
        }
        assert_true(same_effect(before, effect_of(&w)));
        assert_int_equal(voice_of(&w)->place, VOICE_OUT);
    }
    assert_int_equal(w.refused, forged);
    close_wire(&w);
}

/* Who sees all that is sent and is faster neither makes a voice heard nor silences one. */
static void what_is_forged_changes_no_rank(void **state)
{
    struct wire w;
    open_wire(&w, SRTP_PROFILE_GCM);
    for (int i = 0; i < 200; i++)
        say(&w, 100);
    for (int i = 0; i < 50; i++) {
        uint8_t bytes[256];
        struct said said = next_said(&w, 0);
        size_t len = make(&w, &said, true, bytes);
        arrive(&w, bytes, len);
    }
    assert_int_equal(w.refused, 50);
    assert_int_equal(voice_of(&w)->place, VOICE_OUT);
    for (int i = 0; i < 100; i++)
        say(&w, 20);
    assert_int_equal(voice_of(&w)->place, VOICE_IN);
    unsigned refused = w.refused, passed = w.passed;
    for (int i = 0; i < 200; i++) {
        uint8_t bytes[256];
        say(&w, 20);
        struct said said = {w.sequence, w.transport, w.timestamp + 960, 127};
        size_t len = make(&w, &said, true, bytes);
        arrive(&w, bytes, len);
        assert_int_equal(voice_of(&w)->place, VOICE_IN);
    }
    assert_int_equal(w.refused - refused, 200);
    assert_int_equal(w.passed, passed);
    close_wire(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_voices_are_heard),
        cmocka_unit_test(a_poor_way_is_told_as_it_is),
        cmocka_unit_test(what_is_recorded_is_decrypted),
        cmocka_unit_test(the_muted_are_not_decrypted),
        cmocka_unit_test(numbers_roll_over_unheard),
        cmocka_unit_test(what_is_guessed_does_nothing),
        cmocka_unit_test(what_is_forged_changes_no_rank),
    };
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
