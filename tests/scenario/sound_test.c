/* Who is heard in a class, and how whole, over lines that lose or are too narrow. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/member.h"
#include "media_world.h"

#define MS USEC_PER_MSEC

enum { SEEDS = 2 };

static const struct pipe_shape NEAR = {.delay = 20 * MS};
static const unsigned SILENT = 100;

static struct person *join(struct world *w, bool sends, struct pipe_shape down)
{
    struct person *p = world_join(w, w->count % 2 == 0, sends, NEAR);
    p->down.shape = down;
    p->sender.video = false;
    p->muted_video = true;
    p->sender.level = (uint8_t)SILENT;
    world_put(p);
    return p;
}

static struct person *join_listener(struct world *w, bool red, struct pipe_shape down)
{
    struct person *p = join(w, false, down);
    p->default_height = 0;
    p->viewer.red = red;
    world_put(p);
    return p;
}

/* What of one voice one person heard since it was looked at last. */
struct hearing {
    uint64_t sent, sounds;
};

static uint64_t sounds_of(struct person *p, const struct person *whom)
{
    const struct viewer_stream *s = world_audio(p, whom);
    return s ? s->sounds : 0;
}

static double heard_percent(struct hearing *h, struct person *p, const struct person *whom)
{
    uint64_t sent = whom->sender.audio_packets - h->sent;
    uint64_t sounds = sounds_of(p, whom) - h->sounds;
    *h = (struct hearing){whom->sender.audio_packets, sounds_of(p, whom)};
    return sent > 0 ? 100.0 * (double)sounds / (double)sent : 0;
}

static uint32_t entered(const struct world *w)
{
    uint32_t spells = 0;
    for (uint32_t i = 0; i < w->conference->source_end; i++)
        if (w->conference->sources[i])
            spells += w->conference->sources[i]->voice.spell;
    return spells;
}

enum { CLASS = 20, SPEAKERS = 5 };

/* The last of the five is the loudest. */
static void gather(struct world *w, uint64_t seed)
{
    world_init(w, seed);
    for (int i = 0; i < CLASS; i++) {
        struct person *p = join(w, true, NEAR);
        p->sender.audio_at = w->now + i * MS;
        if (i < SPEAKERS)
            p->sender.level = (uint8_t)(44 - 7 * i);
    }
}

/* The two loudest by everybody, one more (the speaker, by who is dominant), and nobody else. */
static void check_heard(struct world *w, usec_t time)
{
    static struct hearing hearing[CLASS][CLASS];
    for (unsigned i = SPEAKERS; i < CLASS; i++)
        for (unsigned k = 0; k < CLASS; k++)
            (void)heard_percent(&hearing[i][k], &w->people[i], &w->people[k]);
    world_run(w, time);
    for (unsigned i = SPEAKERS; i < CLASS; i++) {
        double percent[CLASS], third = 0;
        for (unsigned k = 0; k < CLASS; k++) {
            percent[k] = heard_percent(&hearing[i][k], &w->people[i], &w->people[k]);
            third += k < SPEAKERS - 2 ? percent[k] : 0;
            if (i != k && k >= SPEAKERS)
                assert_true(percent[k] == 0);
        }
        assert_true(percent[SPEAKERS - 1] > 99 && percent[SPEAKERS - 2] > 99);
        assert_true(third > 99 && third < 115);
    }
}

static void five_speak(uint64_t seed)
{
    static struct world w;
    gather(&w, seed);
    world_run(&w, 5 * USEC_PER_SEC);
    uint64_t bytes = w.people[CLASS - 1].rtp_bytes;
    uint32_t before = entered(&w);
    check_heard(&w, 30 * USEC_PER_SEC);
    double kbps = (double)(w.people[CLASS - 1].rtp_bytes - bytes) * 8 / 30000;

    /* One who was not heard speaks up: from the first sound on. */
    struct person *pupil = &w.people[12];
    world_run(&w, 7 * MS);
    pupil->sender.level = 5;
    usec_t began = pupil->sender.audio_at;
    world_run(&w, 2 * USEC_PER_SEC);
    usec_t worst = 0;
    for (unsigned i = 0; i < CLASS; i++)
        if (i != 12)
            worst = usec_max(worst, world_audio(&w.people[i], pupil)->onset - began);
    uint64_t holes = 0;
    for (unsigned i = 0; i < CLASS; i++)
        for (unsigned k = 0; k < CLASS; k++)
            if (i != k && world_audio(&w.people[i], &w.people[k]))
                holes += world_audio(&w.people[i], &w.people[k])->audio_holes;
    struct conference_counters counters;
    conference_get_counters(w.conference, &counters);
    print_message("five of twenty speak: %.0f kb/s to each, %u changes in 32 s, one more enters "
                  "%lld ms late, %llu holes; passed on %llu, not %llu\n",
                  kbps, entered(&w) - before, (long long)worst / 1000, (unsigned long long)holes,
                  (unsigned long long)counters.rtp_out, (unsigned long long)counters.unheard);
    assert_in_range(entered(&w) - before, 1, 8);
    assert_true(worst <= 0);
    assert_int_equal(holes, 0);
    world_done(&w);
}

static void of_five_the_loudest_three_are_heard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        five_speak(seed);
}

/* Silence, with comfort packets and without, is passed on to nobody. */
static void silence_costs_nothing(void **state)
{
    (void)state;
    static struct world w;
    gather(&w, 3);
    for (unsigned i = 0; i < SPEAKERS; i++)
        w.people[i].sender.level = (uint8_t)SILENT;
    world_run(&w, 3 * USEC_PER_SEC);
    struct conference_counters before, after;
    conference_get_counters(w.conference, &before);
    world_run(&w, 10 * USEC_PER_SEC);
    conference_get_counters(w.conference, &after);
    assert_int_equal(after.rtp_out, before.rtp_out);
    assert_int_equal(after.unheard - before.unheard, 20 * 500);
    world_done(&w);
}

/* A soft teacher among louder pupils; a line for two voices, later for all. */
static void narrow(uint64_t seed, bool picture)
{
    static struct world w;
    world_init(&w, seed);
    struct person *teacher = join(&w, true, NEAR);
    teacher->staff = true;
    teacher->sender.level = 44;
    teacher->sender.video = picture;
    teacher->muted_video = !picture;
    world_put(teacher);
    for (int i = 1; i < 5; i++)
        join(&w, true, NEAR)->sender.level = (uint8_t)(44 - 9 * i);
    struct pipe_shape line = {.delay = 40 * MS, .rate_bps = 150000, .queue = 300 * MS};
    struct person *p = join_listener(&w, true, line);
    if (picture) {
        p->default_height = 180;
        world_put(p);
    }
    world_run(&w, 20 * USEC_PER_SEC);
    struct hearing hearing[5] = {0};
    double percent[5];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++)
            percent[i] = heard_percent(&hearing[i], p, &w.people[i]);
        if (round == 0)
            world_run(&w, 60 * USEC_PER_SEC);
    }
    const struct member *m = conference_member(w.conference, p->seat);
    print_message("150 kb/s%s: staff heard %.1f %%, the loudest %.1f %%, others %.1f %%, %.1f %%, "
                  "%.1f %%\n",
                  picture ? " with a picture" : "", percent[0], percent[4], percent[3], percent[2],
                  percent[1]);
    assert_true(percent[0] > 96);
    assert_true(percent[4] > 96);
    for (int i = 1; i < 4; i++)
        assert_true(percent[i] < 40); /* tried now and then */
    p->down.shape.rate_bps = 2000000;
    usec_t widened = w.now;
    while (m->narrow && w.now - widened < 90 * USEC_PER_SEC)
        world_run(&w, 100 * MS);
    usec_t wide = w.now;
    world_run(&w, 6 * USEC_PER_SEC);
    for (int i = 0; i < 4; i++)
        (void)heard_percent(&hearing[i], p, &w.people[i]);
    world_run(&w, 30 * USEC_PER_SEC);
    double all = 0;
    for (int i = 1; i < 4; i++)
        all += heard_percent(&hearing[i], p, &w.people[i]);
    print_message("2 Mb/s: all voices after %lld ms, the third then %.1f %%\n",
                  (long long)(wide - widened) / 1000, all);
    assert_true(wide - widened < 60 * USEC_PER_SEC);
    assert_true(all > 99);
    assert_int_equal(p->viewer.unknown, 0);
    world_done(&w);
}

static void in_the_last_stage_staff_and_the_loudest_are_heard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        narrow(seed, false);
        narrow(seed, true);
    }
}

/* Pictures go before voices do. */
static void drop(uint64_t seed)
{
    static struct world w;
    world_init(&w, seed);
    for (int i = 0; i < 3; i++) {
        struct person *speaker = join(&w, true, NEAR);
        speaker->sender.level = (uint8_t)(20 + i);
        speaker->sender.video = true;
        speaker->muted_video = false;
        world_put(speaker);
    }
    struct pipe_shape line = {.delay = 40 * MS, .rate_bps = 3000000, .queue = 300 * MS};
    struct person *p = join_listener(&w, true, line);
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", w.people[0].id);
    p->stage_height = 720;
    p->default_height = 180;
    world_put(p);
    world_run(&w, 10 * USEC_PER_SEC);
    assert_int_equal(world_video(p, &w.people[0])->layer, 2);
    p->down.shape.rate_bps = 300000;
    struct hearing hearing[3] = {0};
    double percent[3];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            percent[i] = heard_percent(&hearing[i], p, &w.people[i]);
        if (round == 0)
            world_run(&w, 20 * USEC_PER_SEC);
    }
    print_message("from 3 Mb/s to 300 kb/s: voices heard %.1f %%, %.1f %%, %.1f %%\n", percent[0],
                  percent[1], percent[2]);
    for (int i = 0; i < 3; i++)
        assert_true(percent[i] > 90);
    world_done(&w);
}

static void pictures_give_way_before_voices(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        drop(seed);
}

/* Each of two says something in turn, and now and then both: what is lost of the one who is louder,
 * when that happens again. */
static void interrupted(uint64_t seed)
{
    static struct world w;
    world_init(&w, seed);
    struct person *a = join(&w, true, NEAR);
    struct person *b = join(&w, true, NEAR);
    a->sender.level = 20;
    struct pipe_shape line = {.delay = 80 * MS, .rate_bps = 64000, .queue = 300 * MS};
    struct person *p = join_listener(&w, true, line);
    world_run(&w, 5 * USEC_PER_SEC);
    struct hearing hearing = {0};
    double percent[4];
    for (int i = 0; i < 4; i++) {
        (void)heard_percent(&hearing, p, a);
        b->sender.level = 40;
        world_run(&w, 4 * USEC_PER_SEC);
        b->sender.level = (uint8_t)SILENT;
        world_run(&w, 5 * USEC_PER_SEC);
        percent[i] = heard_percent(&hearing, p, a);
    }
    print_message("64 kb/s, interrupted: the louder heard %.1f %%, then %.1f, %.1f, %.1f %%\n",
                  percent[0], percent[1], percent[2], percent[3]);
    assert_true(percent[0] > 90);
    for (int i = 1; i < 4; i++)
        assert_true(percent[i] > 94);
    world_done(&w);
}

/* Three pupils at once over a line for one voice: one of them is understood. */
static void one_line(uint64_t seed)
{
    static struct world w;
    world_init(&w, seed);
    for (int i = 0; i < 3; i++)
        join(&w, true, NEAR)->sender.level = (uint8_t)(40 - 10 * i);
    struct pipe_shape line = {.delay = 80 * MS, .rate_bps = 64000, .queue = 300 * MS};
    struct person *p = join_listener(&w, true, line);
    world_run(&w, 20 * USEC_PER_SEC);
    struct hearing hearing[3] = {0};
    double percent[3];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            percent[i] = heard_percent(&hearing[i], p, &w.people[i]);
        if (round == 0)
            world_run(&w, 120 * USEC_PER_SEC);
    }
    print_message("64 kb/s: the loudest heard %.1f %%, others %.1f %%, %.1f %%\n", percent[2],
                  percent[1], percent[0]);
    assert_true(percent[2] > 94);
    assert_true(percent[1] < 15 && percent[0] < 15);
    world_done(&w);
}

static void a_line_for_one_voice_carries_the_loudest(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_line(seed);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        interrupted(seed);
}

struct loss_run {
    double loss;
    double burst;
    bool red;
    uint64_t rate;
};

struct loss_result {
    double concealed;
    double kbps;
    double copies_kbps;
    double red_share;
};

static struct loss_result run_loss(uint64_t seed, const struct loss_run *run)
{
    static struct world w;
    world_init(&w, seed);
    struct person *teacher = join(&w, true, NEAR);
    teacher->sender.level = 20;
    struct pipe_shape line = {.delay = 40 * MS,
                              .loss = run->loss,
                              .burst = run->burst,
                              .rate_bps = run->rate,
                              .queue = 300 * MS};
    struct person *p = join_listener(&w, run->red, line);
    world_run(&w, 15 * USEC_PER_SEC);
    struct hearing hearing = {0};
    (void)heard_percent(&hearing, p, teacher);
    uint64_t bytes = p->rtp_bytes, copies = p->viewer.red_bytes;
    uint64_t red = p->viewer.red_packets, packets = world_audio(p, teacher)->audio_packets;
    world_run(&w, 120 * USEC_PER_SEC);
    struct loss_result result = {
        .concealed = 100 - heard_percent(&hearing, p, teacher),
        .kbps = (double)(p->rtp_bytes - bytes) * 8 / 120000,
        .copies_kbps = (double)(p->viewer.red_bytes - copies) * 8 / 120000,
        .red_share = 100.0 * (double)(p->viewer.red_packets - red) /
                     (double)(world_audio(p, teacher)->audio_packets - packets),
    };
    print_message("%.0f %% lost, bursts of %.0f, %s: %.2f %% concealed, %.1f kb/s, of it copies "
                  "%.1f kb/s, in %.0f %% of packets\n",
                  run->loss * 100, run->burst, run->red ? "RED" : "none", result.concealed,
                  result.kbps, result.copies_kbps, result.red_share);
    world_done(&w);
    return result;
}

static void red_fills_what_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (int heavy = 0; heavy < 2; heavy++) {
            struct loss_run run = {.loss = heavy ? 0.3 : 0.1, .rate = 1000000};
            struct loss_result without = run_loss(seed, &run);
            run.red = true;
            struct loss_result with = run_loss(seed, &run);
            assert_true(without.concealed > (heavy ? 27 : 8.5) && without.red_share == 0);
            assert_true(with.concealed < (heavy ? 4 : 0.5));
        }
        (void)run_loss(seed, &(struct loss_run){0.1, 3, false, 1000000});
        struct loss_result bursts = run_loss(seed, &(struct loss_run){0.1, 3, true, 1000000});
        assert_true(bursts.concealed < 6);
    }
}

static void a_clean_line_carries_no_copies(void **state)
{
    (void)state;
    struct loss_result clean = run_loss(5, &(struct loss_run){0, 0, true, 1000000});
    assert_true(clean.red_share == 0 && clean.concealed < 0.1);
    struct loss_result little = run_loss(5, &(struct loss_run){0.005, 0, true, 1000000});
    assert_true(little.red_share < 5);
}

static void a_narrow_line_carries_no_copies(void **state)
{
    (void)state;
    struct loss_result result = run_loss(6, &(struct loss_run){0.1, 0, true, 80000});
    assert_true(result.red_share < 2);
    assert_true(result.concealed < 13);
}

/* In-band correction is for everybody: asked for when a tenth need it, and no longer. */
static void senders_correct_when_a_tenth_loses(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 7);
    struct person *teacher = join(&w, true, NEAR);
    teacher->sender.level = 20;
    struct person *listeners[CLASS];
    for (int i = 0; i < CLASS; i++)
        listeners[i] = join_listener(&w, false, NEAR);
    listeners[0]->down.shape.loss = 0.1;
    world_run(&w, 20 * USEC_PER_SEC);
    assert_int_equal(teacher->sender.audio_lost, 0);
    listeners[1]->down.shape.loss = 0.1;
    listeners[2]->down.shape.loss = 0.1;
    world_run(&w, 20 * USEC_PER_SEC);
    unsigned told = teacher->sender.audio_lost * 100U / 256;
    print_message("told to lose %u %%\n", told);
    assert_in_range(told, 5, 14);
    for (int i = 0; i < 3; i++)
        listeners[i]->down.shape.loss = 0;
    world_run(&w, 60 * USEC_PER_SEC);
    assert_int_equal(teacher->sender.audio_lost, 0);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_five_the_loudest_three_are_heard),
        cmocka_unit_test(silence_costs_nothing),
        cmocka_unit_test(in_the_last_stage_staff_and_the_loudest_are_heard),
        cmocka_unit_test(pictures_give_way_before_voices),
        cmocka_unit_test(a_line_for_one_voice_carries_the_loudest),
        cmocka_unit_test(red_fills_what_is_lost),
        cmocka_unit_test(a_clean_line_carries_no_copies),
        cmocka_unit_test(a_narrow_line_carries_no_copies),
        cmocka_unit_test(senders_correct_when_a_tenth_loses),
    };
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
