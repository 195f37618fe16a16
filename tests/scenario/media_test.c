/* Whole classes through the media core: what browsers would see, under loss, reordering, repetition
 * and narrow links. */
#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/feed.h"
#include "media_world.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

static const struct pipe_shape CLEAN = {.delay = 20 * USEC_PER_MSEC};
static const struct pipe_shape LOSSY = {
    .loss = 0.10, .duplicate = 0.02, .delay = 30 * USEC_PER_MSEC, .jitter = 20 * USEC_PER_MSEC};

static void look(struct person *p, const struct person *whom, int height)
{
    char name[sizeof p->on_stage]; /* whom may be p */
    (void)snprintf(name, sizeof name, "%.20s-v0", whom->id);
    memcpy(p->on_stage, name, sizeof name);
    p->stage_height = height;
    world_put(p);
}

/* Sound and picture of a sender carry the same clock. */
static void check_lips(struct person *viewer, const struct person *sender, double most_ms)
{
    struct viewer_stream *video = world_video(viewer, sender);
    struct viewer_stream *audio = world_audio(viewer, sender);
    assert_non_null(video);
    assert_non_null(audio);
    assert_true(video->has_offset && audio->has_offset);
    double apart = fabs(video->offset_ms - audio->offset_ms);
    if (apart > most_ms)
        print_message("lips apart by %.1f ms\n", apart);
    assert_true(apart <= most_ms);
}

static void step_to(struct world *w, struct person *pupil, struct person *teacher, int height,
                    unsigned layer)
{
    look(pupil, teacher, height);
    usec_t asked = w->now;
    size_t before = 0;
    struct viewer_stream *s = world_video(pupil, teacher);
    if (s)
        before = s->switch_count;
    world_run(w, 4 * USEC_PER_SEC);
    s = world_video(pupil, teacher);
    assert_non_null(s);
    assert_int_equal(s->layer, layer);
    if (s->switch_count == before)
        return;
    struct viewer_switch *last = &s->switches[s->switch_count - 1];
    assert_true(last->at - asked < 1500 * USEC_PER_MSEC);
    assert_true(s->first_sr_after_switch >= last->at - 100 * USEC_PER_MSEC);
    assert_true(s->first_sr_after_switch <= last->at + 200 * USEC_PER_MSEC);
}

static void climb_and_fall(bool rewriting, bool short_ids)
{
    static struct world w;
    world_init(&w, 11);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    teacher->sender.short_picture_id = short_ids;
    struct person *pupil = world_join(&w, rewriting, false, CLEAN);
    pupil->default_height = 0;
    step_to(&w, pupil, teacher, 180, 0);
    struct viewer_stream *s = world_video(pupil, teacher);
    uint32_t ssrc = s->ssrc;
    viewer_forget_freezes(&pupil->viewer, w.now);
    step_to(&w, pupil, teacher, 360, 1);
    step_to(&w, pupil, teacher, 720, 2);
    step_to(&w, pupil, teacher, 180, 0);
    step_to(&w, pupil, teacher, 720, 2);
    assert_ptr_equal(world_video(pupil, teacher), s);
    assert_int_equal(s->ssrc, ssrc);
    assert_true(s->longest_freeze <= 500 * USEC_PER_MSEC);
    assert_int_equal(s->picture_gaps, 0);
    assert_int_equal(s->dropped_frames, 0);
    assert_int_equal(pupil->viewer.unknown, 0);
    assert_int_equal(pupil->late_maps, 0);
    assert_true(s->frames > 500);
    check_lips(pupil, teacher, 40);
    world_done(&w);
}

static void layers_change_without_a_freeze(void **state)
{
    (void)state;
    climb_and_fall(true, false);
    climb_and_fall(false, false);
}

static void short_picture_ids_are_made_long(void **state)
{
    (void)state;
    climb_and_fall(true, true);
}

/* A camera that gives up its top layer, for want of processor or uplink, is not missed for long. */
static void a_layer_that_stops_is_replaced(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 24);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct person *pupil = world_join(&w, true, false, CLEAN);
    look(pupil, teacher, 720);
    world_run(&w, 4 * USEC_PER_SEC);
    struct viewer_stream *s = world_video(pupil, teacher);
    assert_int_equal(s->layer, 2);
    viewer_forget_freezes(&pupil->viewer, w.now);
    teacher->sender.layers[2].on = false;
    world_run(&w, 3 * USEC_PER_SEC);
    assert_int_equal(s->layer, 1);
    print_message("freeze %lld ms\n", (long long)s->longest_freeze / 1000);
    assert_true(s->longest_freeze < USEC_PER_SEC);
    viewer_forget_freezes(&pupil->viewer, w.now);
    teacher->sender.layers[2].on = teacher->sender.layers[2].key_wanted = true;
    world_run(&w, 3 * USEC_PER_SEC);
    assert_int_equal(s->layer, 2);
    assert_true(s->longest_freeze < 200 * USEC_PER_MSEC);
    world_done(&w);
}

static void ten_percent_loss_is_repaired(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 12);
    struct person *teacher = world_join(&w, true, true, LOSSY);
    struct person *pupil = world_join(&w, true, true, LOSSY);
    look(pupil, teacher, 360);
    look(teacher, pupil, 180);
    world_run(&w, 5 * USEC_PER_SEC);
    struct viewer_stream *s = world_video(pupil, teacher);
    assert_non_null(s);
    viewer_forget_freezes(&pupil->viewer, w.now);
    unsigned frames = s->frames;
    unsigned dropped = s->dropped_frames;
    world_run(&w, 20 * USEC_PER_SEC);
    print_message("frames %u dropped %u freeze %lld ms at %lld, repaired %llu of %llu, plis %u\n",
                  s->frames - frames, s->dropped_frames - dropped,
                  (long long)s->longest_freeze / 1000, (long long)s->freeze_at / 1000,
                  (unsigned long long)s->repaired, (unsigned long long)s->packets,
                  teacher->sender.plis);
    assert_true(s->frames - frames > 20 * 30 * 85 / 100);
    assert_true(s->longest_freeze < 1500 * USEC_PER_MSEC);
    assert_true(s->repaired > 50);
    assert_true(teacher->sender.nacked > 50);
    struct viewer_stream *audio = world_audio(pupil, teacher);
    /* Audio is not repaired: 19 % are lost on two ways. */
    assert_true(audio->audio_packets > 25 * 50 * 75 / 100);
    assert_true(teacher->sender.feedbacks > 200);
    assert_true(teacher->sender.reported);
    check_lips(pupil, teacher, 60);
    world_done(&w);
}

static void everything_sent_is_told_of_in_feedback(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 13);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    (void)world_join(&w, true, false, CLEAN);
    world_run(&w, 5 * USEC_PER_SEC);
    uint64_t sent = teacher->up.sent;
    print_message("told %llu of %llu in %u\n", (unsigned long long)teacher->sender.told,
                  (unsigned long long)sent, teacher->sender.feedbacks);
    assert_true(teacher->sender.told + 80 > sent && teacher->sender.told <= sent);
    assert_in_range(teacher->sender.feedbacks, 5 * 9, 5 * 21);
    world_done(&w);
}

static void set_levels(struct world *w, size_t loud)
{
    for (size_t i = 0; i < w->count; i++)
        w->people[i].sender.level = i == loud ? 20 : 90;
}

/* Packets of 60 ms win as often and as fast as packets of 20 ms. */
static void long_packets_win_as_often(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 14);
    for (int i = 0; i < 3; i++) {
        struct person *p = world_join(&w, true, true, CLEAN);
        p->sender.video = false;
        if (i == 2)
            p->sender.audio_packet = 60 * USEC_PER_MSEC;
    }
    usec_t took[3] = {0};
    unsigned wins[3] = {0};
    for (unsigned turn = 0; turn < 30; turn++) {
        size_t who = turn % 3;
        set_levels(&w, who);
        usec_t start = w.now;
        while (strcmp(w.speaker, w.people[who].id) != 0 && w.now - start < 4 * USEC_PER_SEC)
            world_run(&w, 10 * USEC_PER_MSEC);
        if (strcmp(w.speaker, w.people[who].id) == 0) {
            wins[who]++;
            took[who] += w.now - start;
        }
        world_run(&w, start + 4 * USEC_PER_SEC - w.now);
    }
    for (int i = 0; i < 3; i++) {
        print_message("voice %d: %u wins, %lld ms on average\n", i, wins[i],
                      (long long)(wins[i] ? took[i] / wins[i] / 1000 : 0));
        assert_int_equal(wins[i], 10);
    }
    assert_true(llabs((long long)(took[2] - took[1])) < 10 * 700 * USEC_PER_MSEC);
    set_levels(&w, 99);
    for (size_t i = 0; i < w.count; i++)
        w.people[i].sender.level = 127;
    world_run(&w, 6 * USEC_PER_SEC);
    assert_true(w.silence);
    world_done(&w);
}

static void a_blocked_voice_never_counts(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 15);
    struct person *a = world_join(&w, true, true, CLEAN);
    struct person *b = world_join(&w, true, true, CLEAN);
    b->blocked = true;
    world_put(b);
    a->sender.level = 30;
    b->sender.level = 5;
    world_run(&w, 5 * USEC_PER_SEC);
    assert_string_equal(w.speaker, a->id);
    struct viewer_stream *s = world_audio(a, b);
    assert_true(!s || s->audio_packets == 0);
    s = world_video(a, b);
    assert_true(!s || s->packets == 0);
    assert_false(viewer_is_forwarded(&a->viewer, "e002-v0"));
    b->blocked = false;
    world_put(b);
    a->sender.level = 90;
    world_run(&w, 5 * USEC_PER_SEC);
    assert_string_equal(w.speaker, b->id);
    assert_true(world_audio(a, b)->audio_packets > 200);
    assert_true(viewer_is_forwarded(&a->viewer, "e002-v0"));
    world_done(&w);
}

static void media_waits_for_its_map(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 16);
    conference_set_voices(w.conference, 6);
    struct pipe_shape far = {.delay = 150 * USEC_PER_MSEC};
    for (int i = 0; i < 6; i++) {
        (void)world_join(&w, true, true, i % 2 ? CLEAN : far);
        world_run(&w, USEC_PER_SEC);
    }
    for (size_t i = 0; i < w.count; i++)
        look(&w.people[i], &w.people[(i + 1) % w.count], 360);
    world_run(&w, 4 * USEC_PER_SEC);
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(w.people[i].late_maps, 0);
        assert_int_equal(w.people[i].viewer.unknown, 0);
        for (size_t k = 0; k < w.count; k++) {
            if (i == k)
                continue;
            assert_true(world_audio(&w.people[i], &w.people[k])->audio_packets > 100);
            assert_true(world_video(&w.people[i], &w.people[k])->frames > 50);
        }
    }
    world_done(&w);
}

static void a_voice_keeps_its_slot(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 17);
    struct person *listener = world_join(&w, true, false, CLEAN);
    struct person *a = world_join(&w, true, true, CLEAN);
    struct person *b = world_join(&w, true, true, CLEAN);
    world_run(&w, 2 * USEC_PER_SEC);
    uint32_t ssrc_a = world_audio(listener, a)->ssrc;
    uint32_t ssrc_b = world_audio(listener, b)->ssrc;
    a->muted_audio = true;
    world_put(a);
    world_run(&w, 2 * USEC_PER_SEC);
    uint64_t heard = world_audio(listener, a)->audio_packets;
    world_run(&w, USEC_PER_SEC);
    assert_int_equal(world_audio(listener, a)->audio_packets, heard);
    a->muted_audio = false;
    world_put(a);
    world_run(&w, USEC_PER_SEC);
    assert_int_equal(world_audio(listener, a)->ssrc, ssrc_a);
    assert_true(world_audio(listener, a)->audio_packets > heard + 30);
    world_leave(a);
    world_run(&w, USEC_PER_SEC);
    assert_null(world_audio(listener, a));
    world_return(a);
    world_run(&w, 2 * USEC_PER_SEC);
    assert_int_equal(world_audio(listener, a)->ssrc, ssrc_a);
    assert_int_equal(world_audio(listener, b)->ssrc, ssrc_b);
    assert_int_equal(listener->late_maps, 0);
    world_done(&w);
}

static void mute(struct person *p, bool muted)
{
    p->muted_audio = muted;
    p->sender.audio = !muted;
    p->sender.level = 20;
    world_put(p);
}

/* More people than slots, who speak, leave and come back in turn: whoever speaks is heard and seen,
 * in a pair of slots, on SSRCs whose numbers go on. */
static void slots_pass_from_one_to_another(void **state)
{
    (void)state;
    enum { PEOPLE = 6, SLOTS = 2, TURNS = 30 };
    static struct world w;
    struct person *people[PEOPLE];
    struct pipe_shape shape = {.delay = 40 * USEC_PER_MSEC, .jitter = 50 * USEC_PER_MSEC};
    world_init(&w, 25);
    conference_set_slots(w.conference, SLOTS);
    struct person *viewer = world_join(&w, true, false, shape);
    for (size_t i = 0; i < PEOPLE; i++) {
        people[i] = world_join(&w, true, true, CLEAN);
        mute(people[i], true);
    }
    viewer->default_height = 180;
    world_put(viewer);
    uint64_t random = w.seed;
    struct person *last = NULL;
    for (size_t turn = 0; turn < TURNS; turn++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        struct person *speaker = people[(random >> 33) % PEOPLE];
        struct person *away = people[(random >> 45) % PEOPLE];
        if (!speaker->present)
            world_return(speaker);
        if (last && last->present && last != speaker)
            mute(last, true);
        if (away != speaker && away->present)
            world_leave(away);
        else if (away != speaker)
            world_return(away);
        mute(speaker, false);
        world_run(&w, 4 * USEC_PER_SEC);
        struct viewer_stream *voice = world_audio(viewer, speaker);
        struct viewer_stream *picture = world_video(viewer, speaker);
        assert_non_null(voice);
        assert_non_null(picture);
        assert_int_equal(voice->pair, picture->pair);
        assert_true(w.now - voice->last_audio < 300 * USEC_PER_MSEC);
        assert_true(w.now - picture->last_shown < 500 * USEC_PER_MSEC);
        check_lips(viewer, speaker, 15);
        last = speaker;
    }
    assert_int_equal(viewer->viewer.stream_count, 2 * SLOTS);
    assert_int_equal(viewer->viewer.unknown, 0);
    assert_int_equal(viewer->late_maps, 0);
    world_done(&w);
}

/* Who joins finds SSRCs that the others have known for long. */
static void slots_are_told_ahead(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 26);
    struct person *viewer = world_join(&w, true, false, CLEAN);
    world_run(&w, USEC_PER_SEC);
    for (unsigned i = 0; i < 12; i++) {
        struct person *p = world_join(&w, true, true, CLEAN);
        world_run(&w, USEC_PER_SEC);
        struct viewer_stream *voice = world_audio(viewer, p);
        assert_non_null(voice);
        assert_true(voice->spare_at > 0 && voice->mapped_at - voice->spare_at >= USEC_PER_SEC);
    }
    assert_int_equal(viewer->late_maps, 0);
    world_done(&w);
}

static void a_narrow_link_gets_less_and_rises_again(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 18);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct pipe_shape shape = CLEAN;
    shape.rate_bps = 4000000;
    shape.queue = 400 * USEC_PER_MSEC;
    struct person *pupil = world_join(&w, true, false, shape);
    look(pupil, teacher, 720);
    world_run(&w, 6 * USEC_PER_SEC);
    struct viewer_stream *s = world_video(pupil, teacher);
    assert_int_equal(s->layer, 2);
    pupil->down.shape.rate_bps = 500000;
    usec_t dropped_at = w.now;
    while (s->layer != 0 && w.now - dropped_at < 8 * USEC_PER_SEC)
        world_run(&w, 100 * USEC_PER_MSEC);
    print_message("down after %lld ms\n", (long long)(w.now - dropped_at) / 1000);
    assert_int_equal(s->layer, 0);
    world_run(&w, 5 * USEC_PER_SEC);
    viewer_forget_freezes(&pupil->viewer, w.now);
    uint64_t lost = pupil->down.dropped;
    uint64_t heard = world_audio(pupil, teacher)->audio_packets;
    world_run(&w, 20 * USEC_PER_SEC);
    heard = world_audio(pupil, teacher)->audio_packets - heard;
    print_message("narrow: audio %llu of 1000, dropped %llu, freeze %lld ms, layer %u\n",
                  (unsigned long long)heard, (unsigned long long)(pupil->down.dropped - lost),
                  (long long)s->longest_freeze / 1000, s->layer);
    assert_true(heard > 960);
    assert_true(s->longest_freeze < 1500 * USEC_PER_MSEC);
    pupil->down.shape.rate_bps = 4000000;
    usec_t raised_at = w.now;
    while (s->layer != 2 && w.now - raised_at < 30 * USEC_PER_SEC)
        world_run(&w, 100 * USEC_PER_MSEC);
    print_message("up after %lld ms, probes %llu\n", (long long)(w.now - raised_at) / 1000,
                  (unsigned long long)pupil->viewer.padding);
    assert_int_equal(s->layer, 2);
    viewer_forget_freezes(&pupil->viewer, w.now);
    world_run(&w, 10 * USEC_PER_SEC);
    assert_int_equal(s->layer, 2);
    assert_true(s->longest_freeze < 500 * USEC_PER_MSEC);
    world_done(&w);
}

/* Packets overtake each other by up to 100 ms, but nothing is in their way. */
static void jitter_is_no_queue(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 29);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    (void)world_join(&w, true, true, CLEAN);
    struct pipe_shape shape = CLEAN;
    shape.jitter = 100 * USEC_PER_MSEC;
    struct person *pupil = world_join(&w, true, false, shape);
    look(pupil, teacher, 360);
    world_run(&w, 8 * USEC_PER_SEC);
    for (int i = 0; i < 60; i++) {
        world_run(&w, 500 * USEC_PER_MSEC);
        assert_true(viewer_is_forwarded(&pupil->viewer, "e001-v0"));
    }
    print_message("jitter: layer %u\n", world_video(pupil, teacher)->layer);
    assert_int_equal(world_video(pupil, teacher)->layer, 1);
    world_done(&w);
}

static void forwarded_is_exactly_what_comes(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 19);
    struct person *viewer = world_join(&w, true, false, CLEAN);
    for (int i = 0; i < 5; i++) {
        struct person *p = world_join(&w, true, true, CLEAN);
        p->default_height = 0;
        world_put(p);
    }
    viewer->last_n = 2;
    w.people[4].sender.level = 20;
    look(viewer, &w.people[2], 360);
    world_run(&w, 5 * USEC_PER_SEC);
    for (int round = 0; round < 4; round++) {
        unsigned video = 0;
        world_run(&w, 3 * USEC_PER_SEC);
        for (size_t i = 1; i < w.count; i++) {
            char name[CONFERENCE_NAME_MAX];
            (void)snprintf(name, sizeof(name), "%.20s-v0", w.people[i].id);
            struct viewer_stream *s = world_video(viewer, &w.people[i]);
            bool comes = s && w.now - s->last_packet < 200 * USEC_PER_MSEC;
            assert_int_equal(comes, viewer_is_forwarded(&viewer->viewer, name));
            video += comes;
        }
        static const unsigned expected[] = {2, 5, 4, 0};
        assert_int_equal(video, expected[round]);
        if (round == 0) /* the stage, and who speaks */
            assert_true(viewer_is_forwarded(&viewer->viewer, "e003-v0") &&
                        viewer_is_forwarded(&viewer->viewer, "e005-v0"));
        viewer->last_n = round == 0 ? -1 : round == 2 ? 0 : viewer->last_n;
        if (round == 1) {
            w.people[3].muted_video = true;
            world_put(&w.people[3]);
        }
        world_put(viewer);
    }
    assert_int_equal(w.people[1].told_height, 0);
    world_done(&w);
}

static void frame_rate_follows_the_wish(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 20);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct person *pupil = world_join(&w, true, false, CLEAN);
    static const struct {
        int wish;
        unsigned least, most;
    } rates[] = {{-1, 29, 31}, {15, 14, 16}, {8, 7, 8}, {30, 29, 31}};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        pupil->frame_rate = rates[i].wish;
        look(pupil, teacher, 360);
        world_run(&w, 4 * USEC_PER_SEC);
        struct viewer_stream *s = world_video(pupil, teacher);
        unsigned before = s->frames;
        world_run(&w, 4 * USEC_PER_SEC);
        print_message("wish %d: %u frames in 4 s\n", rates[i].wish, s->frames - before);
        assert_in_range(s->frames - before, rates[i].least * 4 - 2, rates[i].most * 4 + 2);
        assert_int_equal(s->picture_gaps, 0);
        assert_int_equal(s->dropped_frames, 0);
    }
    world_done(&w);
}

static void key_requests_are_throttled(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 21);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct person *pupil = world_join(&w, true, false, CLEAN);
    look(pupil, teacher, 180);
    world_run(&w, 3 * USEC_PER_SEC);
    unsigned before = teacher->sender.plis;
    struct viewer_stream *s = world_video(pupil, teacher);
    for (int i = 0; i < 1000; i++) { /* ten seconds of panic */
        uint8_t bytes[32];
        struct writer out = writer_of(bytes, sizeof(bytes));
        rtcp_put_pli(&out, 1, s->ssrc);
        rtcp_put_fir(&out, 1, s->ssrc, (uint8_t)i);
        pipe_send(&pupil->up, w.now, slice_of(bytes, writer_len(&out)), true);
        world_run(&w, 10 * USEC_PER_MSEC);
    }
    print_message("%u key requests reached the sender\n", teacher->sender.plis - before);
    assert_in_range(teacher->sender.plis - before, 3, 4);
    for (unsigned i = 1; i < teacher->sender.plis && i < 512; i++)
        assert_true(teacher->sender.pli_at[i] - teacher->sender.pli_at[i - 1] >=
                    190 * USEC_PER_MSEC);
    world_done(&w);
}

/* Reads the feed into what a recorder would hold. */
struct reading {
    unsigned kinds[16];
    unsigned by_ssrc[64]; /* RTP by SSRC modulo 64: enough to tell layers of few people apart */
    usec_t first_rtp;
    usec_t last_rtp;
    unsigned heights[SENDER_LAYERS];
    unsigned late;
};

static void read_feed(struct feed *feed, usec_t now, struct reading *ret)
{
    *ret = (struct reading){0};
    static uint8_t all[FEED_BYTES];
    size_t len = 0;
    struct slice out[FEED_READ_SLICES];
    size_t count;
    while ((count = feed_read(feed, now, out)) > 0) {
        size_t got = 0;
        for (size_t i = 0; i < count; i++) {
            assert_true(len + out[i].len <= sizeof(all));
            memcpy(all + len, out[i].data, out[i].len);
            len += out[i].len;
            got += out[i].len;
        }
        feed_advance(feed, got);
    }
    struct slice rest = slice_of(all, len);
    while (rest.len > 0) {
        struct feed_record record;
        size_t size;
        assert_int_equal(feed_parse(rest, &record, &size), 0);
        rest = slice_sub(rest, size, rest.len);
        ret->kinds[record.kind]++;
        if (record.kind != FEED_RTP)
            continue;
        struct rtp_packet packet;
        assert_int_equal(rtp_parse(record.payload, &packet), 0);
        ret->first_rtp = ret->first_rtp ? ret->first_rtp : record.time;
        ret->last_rtp = record.time;
        ret->late += record.flags & FEED_FLAG_LATE;
        if (packet.payload_type == 100)
            ret->heights[packet.ssrc % 1000]++;
    }
}

static void recording_asks_nothing_of_pupils(void **state)
{
    (void)state;
    static struct world w;
    static struct reading r;
    world_init(&w, 22);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct pipe_shape lossy = CLEAN;
    lossy.loss = 0.05;
    struct person *pupil = world_join(&w, true, true, lossy);
    teacher->default_height = pupil->default_height = 0;
    teacher->staff = true;
    world_put(teacher);
    world_put(pupil);
    world_run(&w, 3 * USEC_PER_SEC);
    assert_int_equal(pupil->told_height, 0);
    assert_int_equal(teacher->told_height, 0);
    usec_t started = w.now;
    struct feed *feed = feed_new(w.now, &(struct feed_setup){"c", "r", 1, 1, 0});
    assert_int_equal(feed_attach(feed, w.now, 0), 0);
    conference_set_feed(w.conference, w.now, feed, false);
    world_run(&w, 5 * USEC_PER_SEC);
    assert_int_equal(pupil->told_height, 0);
    assert_int_equal(teacher->told_height, -1);
    read_feed(feed, w.now, &r);
    assert_true(r.first_rtp >= started);
    assert_int_equal(r.kinds[FEED_BEGIN], 1);
    assert_true(r.kinds[FEED_SENDER_REPORT] > 8);
    assert_true(r.heights[2] > 300); /* the teacher's top layer */
    assert_int_equal(r.heights[0] + r.heights[1], 0);
    /* Somebody looks at the pupil in full size: the recording takes what it may. */
    look(teacher, pupil, 720);
    world_run(&w, 5 * USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_true(r.heights[1] > 100);
    assert_true(r.late > 5);
    usec_t paused = w.now;
    conference_set_feed(w.conference, w.now, feed, true);
    world_run(&w, 2 * USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_int_equal(r.kinds[FEED_RTP], 0);
    conference_set_feed(w.conference, w.now, feed, false);
    usec_t resumed = w.now;
    world_run(&w, 4 * USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_true(r.first_rtp >= resumed && resumed > paused);
    assert_true(r.heights[1] > 50 && r.heights[2] > 100);
    usec_t stopped = w.now;
    conference_set_feed(w.conference, w.now, NULL, false);
    world_run(&w, USEC_PER_SEC);
    feed_end(feed, w.now);
    read_feed(feed, w.now, &r);
    assert_int_equal(r.kinds[FEED_RTP], 0);
    assert_int_equal(r.kinds[FEED_END], 1);
    assert_true(stopped < w.now);
    assert_true(feed_drained(feed));
    feed_free(&feed);
    world_done(&w);
}

static void a_recording_begins_with_the_layer_that_has_a_key_frame(void **state)
{
    (void)state;
    static struct world w;
    static struct reading r;
    world_init(&w, 25);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    struct person *pupil = world_join(&w, true, false, CLEAN);
    teacher->staff = true;
    world_put(teacher);
    look(pupil, teacher, 720);
    world_run(&w, 4 * USEC_PER_SEC);
    teacher->sender.layers[2].keyless = true;
    struct feed *feed = feed_new(w.now, &(struct feed_setup){"c", "r", 1, 1, 0});
    assert_int_equal(feed_attach(feed, w.now, 0), 0);
    conference_set_feed(w.conference, w.now, feed, false);
    world_run(&w, USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_true(r.heights[0] + r.heights[1] > 5);
    assert_int_equal(r.heights[2], 0);
    teacher->sender.layers[2].keyless = false;
    world_run(&w, 2 * USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_true(r.heights[2] > 30);
    world_run(&w, USEC_PER_SEC);
    read_feed(feed, w.now, &r);
    assert_true(r.heights[2] > 30);
    assert_int_equal(r.heights[0] + r.heights[1], 0);
    conference_set_feed(w.conference, w.now, NULL, false);
    feed_free(&feed);
    world_done(&w);
}

static void a_recording_asks_for_key_frames_after_holes_and_for_seeking(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 24);
    struct person *teacher = world_join(&w, true, true, CLEAN);
    teacher->staff = true;
    world_put(teacher);
    world_run(&w, 3 * USEC_PER_SEC);
    struct feed *feed = feed_new(w.now, &(struct feed_setup){"c", "r", 1, 1, 0});
    conference_set_feed(w.conference, w.now, feed, false);
    world_run(&w, 8 * USEC_PER_SEC);
    const struct sender *sender = &teacher->sender;
    unsigned plis = sender->plis;
    /* Longer than repairs last. */
    teacher->up.shape.loss = 1;
    world_run(&w, 1200 * USEC_PER_MSEC);
    teacher->up.shape.loss = 0;
    usec_t back = w.now;
    world_run(&w, 4 * USEC_PER_SEC);
    assert_in_range(sender->plis - plis, 1, 2);
    assert_in_range(sender->pli_at[plis] - back, 0, 1500 * USEC_PER_MSEC);
    plis = sender->plis;
    world_run(&w, 41 * USEC_PER_SEC);
    assert_in_range(sender->plis - plis, 2, 3);
    conference_set_feed(w.conference, w.now, NULL, false);
    plis = sender->plis;
    world_run(&w, 21 * USEC_PER_SEC);
    assert_int_equal(sender->plis, plis);
    feed_free(&feed);
    world_done(&w);
}

static void a_recording_spreads_its_key_requests(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 23);
    for (int i = 0; i < 12; i++)
        (void)world_join(&w, true, true, CLEAN);
    world_run(&w, 4 * USEC_PER_SEC);
    unsigned before[12];
    for (size_t i = 0; i < 12; i++)
        before[i] = w.people[i].sender.plis;
    struct feed *feed = feed_new(w.now, &(struct feed_setup){"c", "r", 1, 1, 0});
    conference_set_feed(w.conference, w.now, feed, false);
    usec_t start = w.now;
    world_run(&w, 4 * USEC_PER_SEC);
    unsigned by_second[4] = {0};
    for (size_t i = 0; i < 12; i++) {
        assert_in_range(w.people[i].sender.plis - before[i], 1, 2);
        by_second[(w.people[i].sender.pli_at[before[i]] - start) / USEC_PER_SEC]++;
    }
    assert_true(by_second[0] <= 5 && by_second[1] <= 5 && by_second[2] <= 5);
    conference_set_feed(w.conference, w.now, NULL, false);
    feed_free(&feed);
    world_done(&w);
}

/* People come, go, mute and look about at random, over bad links: nothing breaks, and in the end
 * everybody who is there is seen and heard. */
static void a_restless_class(uint64_t seed)
{
    static struct world w;
    world_init(&w, seed);
    conference_set_voices(w.conference, 8);
    struct pipe_shape shape = LOSSY;
    shape.loss = 0.03;
    for (int i = 0; i < 8; i++)
        (void)world_join(&w, i % 3 != 0, true, shape);
    struct pipe *dice = &w.people[0].up;
    for (int step = 0; step < 60; step++) {
        struct person *p = &w.people[(size_t)(pipe_random(dice) * (double)w.count)];
        int what = (int)(pipe_random(dice) * 6);
        if (!p->present || what == 0) {
            if (p->present) {
                world_leave(p);
            } else {
                world_return(p);
            }
        } else {
            p->muted_video = what == 1 ? !p->muted_video : p->muted_video;
            p->muted_audio = what == 2 ? !p->muted_audio : p->muted_audio;
            p->desktop = what == 3 ? !p->desktop : p->desktop;
            p->last_n = what == 4 ? step % 5 - 1 : p->last_n;
            static const int heights[] = {0, 180, 360, 720, -1};
            if (what == 5)
                look(p, &w.people[(size_t)step % w.count], heights[step % 5]);
            world_put(p);
        }
        world_run(&w, 150 * USEC_PER_MSEC);
    }
    for (size_t i = 0; i < w.count; i++) {
        struct person *p = &w.people[i];
        if (!p->present)
            world_return(p);
        p->muted_audio = p->muted_video = p->desktop = false;
        p->on_stage[0] = '\0';
        p->last_n = -1;
        p->up.shape = p->down.shape = CLEAN;
        world_put(p);
    }
    world_run(&w, 15 * USEC_PER_SEC);
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(w.people[i].late_maps, 0);
        for (size_t k = 0; k < w.count; k++) {
            if (i == k)
                continue;
            struct viewer_stream *video = world_video(&w.people[i], &w.people[k]);
            struct viewer_stream *audio = world_audio(&w.people[i], &w.people[k]);
            assert_non_null(video);
            assert_non_null(audio);
            assert_true(w.now - audio->last_audio < 500 * USEC_PER_MSEC);
            if (w.now - video->last_packet >= 500 * USEC_PER_MSEC)
                print_message(
                    "%s misses %s: forwarded %d, told %d, downlink %llu\n", w.people[i].id,
                    w.people[k].id, viewer_is_forwarded(&w.people[i].viewer, video->source),
                    w.people[k].told_height, (unsigned long long)w.people[i].viewer.downlink_bps);
            assert_true(w.now - video->last_packet < 500 * USEC_PER_MSEC);
        }
    }
    world_done(&w);
}

/* How many seeds: the long form of the tests has fifty. */
static uint64_t seeds(uint64_t few)
{
    const char *full = getenv("DARASA_TEST_FULL");
    return full && *full ? 50 : few;
}

static void restless_classes(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 100 + seeds(4); seed++)
        a_restless_class(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_change_without_a_freeze),
        cmocka_unit_test(short_picture_ids_are_made_long),
        cmocka_unit_test(a_layer_that_stops_is_replaced),
        cmocka_unit_test(ten_percent_loss_is_repaired),
        cmocka_unit_test(everything_sent_is_told_of_in_feedback),
        cmocka_unit_test(long_packets_win_as_often),
        cmocka_unit_test(a_blocked_voice_never_counts),
        cmocka_unit_test(media_waits_for_its_map),
        cmocka_unit_test(a_voice_keeps_its_slot),
        cmocka_unit_test(slots_pass_from_one_to_another),
        cmocka_unit_test(slots_are_told_ahead),
        cmocka_unit_test(a_narrow_link_gets_less_and_rises_again),
        cmocka_unit_test(jitter_is_no_queue),
        cmocka_unit_test(forwarded_is_exactly_what_comes),
        cmocka_unit_test(frame_rate_follows_the_wish),
        cmocka_unit_test(key_requests_are_throttled),
        cmocka_unit_test(recording_asks_nothing_of_pupils),
        cmocka_unit_test(a_recording_begins_with_the_layer_that_has_a_key_frame),
        cmocka_unit_test(a_recording_asks_for_key_frames_after_holes_and_for_seeking),
        cmocka_unit_test(a_recording_spreads_its_key_requests),
        cmocka_unit_test(restless_classes),
    };
    /* One alone: DARASA_TEST=name, with * and ?. */
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
