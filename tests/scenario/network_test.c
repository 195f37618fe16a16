/* Classes over the networks that pupils have: what each of them still sees and hears. Figures are
 * in virtual time; DARASA_TRACE=1 prints a line a second. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "media_rival.h"
#include "media_world.h"

#define MS USEC_PER_MSEC
#define STEP (100 * USEC_PER_MSEC) /* how often the class is looked at */
#define FREEZE (1 * USEC_PER_SEC)
#define SILENCE (800 * USEC_PER_MSEC)

enum { SEEDS = 2, SHARERS = 20 };

static void look(struct person *p, const struct person *whom, int height)
{
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", whom->id);
    p->stage_height = height;
    world_put(p);
}

static uint64_t heard(struct person *p, const struct person *whom)
{
    struct viewer_stream *s = world_audio(p, whom);
    return s ? s->audio_packets : 0;
}

static int layer_of(struct person *p, const struct person *whom)
{
    struct viewer_stream *s = world_video(p, whom);
    return s && viewer_is_forwarded(&p->viewer, s->source) ? (int)s->layer : -1;
}

/* A teacher on stage and three more cameras. */
static struct person *gather(struct world *w, uint64_t seed, struct pipe_shape pupil)
{
    static const struct pipe_shape near = {.delay = 20 * MS};
    world_init(w, seed);
    struct person *teacher = world_join(w, true, true, near);
    teacher->staff = true;
    teacher->sender.level = 20;
    world_put(teacher);
    for (int i = 0; i < 3; i++) {
        struct person *p = world_join(w, true, true, near);
        p->sender.audio = false;
        p->sender.frame_at = w->now + i * 10 * MS;
        look(p, teacher, 180);
    }
    struct person *p = world_join(w, true, false, pupil);
    look(p, teacher, 720);
    return p;
}

/* What one person heard since the last look. */
struct hearing {
    uint64_t sent, heard;
};

static double lost_percent(struct hearing *h, struct person *p, const struct person *teacher)
{
    uint64_t sent = teacher->sender.audio_packets - h->sent;
    uint64_t got = heard(p, teacher) - h->heard;
    *h = (struct hearing){teacher->sender.audio_packets, heard(p, teacher)};
    return sent > got ? 100 - 100.0 * (double)got / (double)sent : 0;
}

struct step {
    uint64_t rate;
    int layer; /* that it carries */
    usec_t settled;
    bool moving; /* there is a picture before and after */
};

/* Runs for 40 s; how long until the right layer came for 3 s without much of a queue. */
static usec_t settle(struct world *w, struct person *p, const struct step *step)
{
    usec_t begin = w->now, good_since = w->now, settled = -1;
    while (w->now - begin < 40 * USEC_PER_SEC) {
        world_run(w, STEP);
        if (layer_of(p, &w->people[0]) != step->layer ||
            bottleneck_wait(&p->down.own, w->now) > 150 * MS)
            good_since = w->now;
        if (settled < 0 && w->now - good_since >= 3 * USEC_PER_SEC)
            settled = good_since - begin;
    }
    return settled < 0 ? w->now - begin : settled;
}

static void steps(uint64_t seed)
{
    static struct world w;
    static const struct step all[] = {{3000000, 2, 5 * USEC_PER_SEC, false},
                                      {300000, 0, 5 * USEC_PER_SEC, true},
                                      {1000000, 1, 15 * USEC_PER_SEC, true},
                                      {80000, -1, 5 * USEC_PER_SEC, false},
                                      {1500000, 1, 15 * USEC_PER_SEC, false}};
    struct person *p = gather(
        &w, seed, (struct pipe_shape){.delay = 20 * MS, .rate_bps = 3000000, .queue = 300 * MS});
    struct person *teacher = &w.people[0];
    struct hearing hearing = {0};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        p->down.shape.rate_bps = all[i].rate;
        viewer_forget_freezes(&p->viewer, w.now);
        usec_t settled = settle(&w, p, &all[i]);
        double lost = lost_percent(&hearing, p, teacher);
        usec_t freeze = world_video(p, teacher)->longest_freeze;
        usec_t silence = world_audio(p, teacher)->longest_silence;
        print_message("to %llu kb/s: settled after %lld ms, freeze %lld ms, sound lost %.1f %%, "
                      "silence %lld ms\n",
                      (unsigned long long)all[i].rate / 1000, (long long)settled / 1000,
                      (long long)freeze / 1000, lost, (long long)silence / 1000);
        assert_true(settled <= all[i].settled);
        assert_true(!all[i].moving || freeze <= FREEZE);
        assert_true(silence <= SILENCE && lost < 4);
    }
    world_done(&w);
}

static void the_rate_goes_down_and_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        steps(seed);
}

static void lose(uint64_t seed, double burst)
{
    static struct world w;
    struct pipe_shape shape = {
        .delay = 30 * MS, .rate_bps = 5000000, .queue = 300 * MS, .loss = 0.3, .burst = burst};
    struct person *p = gather(&w, seed, shape);
    p->up.shape = (struct pipe_shape){.delay = 30 * MS};
    struct person *teacher = &w.people[0];
    world_run(&w, 10 * USEC_PER_SEC);
    viewer_forget_freezes(&p->viewer, w.now);
    unsigned frames = world_video(p, teacher)->frames;
    world_run(&w, 60 * USEC_PER_SEC);
    struct viewer_stream *s = world_video(p, teacher);
    double rate = (s->frames - frames) / 60.0;
    print_message("30 %% lost, bursts of %.0f: %.1f frames a second, freeze %lld ms, silence %lld "
                  "ms\n",
                  burst, rate, (long long)s->longest_freeze / 1000,
                  (long long)world_audio(p, teacher)->longest_silence / 1000);
    assert_int_equal(s->layer, 0);
    assert_true(rate > 8);
    assert_true(s->longest_freeze < 10 * USEC_PER_SEC);
    world_done(&w);
}

static void heavy_loss_lowers_the_layer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lose(seed, 1);
        lose(seed, 3);
    }
}

struct sharing {
    struct world world;
    struct bottleneck line;
    struct rival rival;
    struct person *pupils;
    uint64_t bytes[SHARERS];
    struct hearing hearing[SHARERS];
};

static void share_begin(struct sharing *s, uint64_t seed)
{
    *s = (struct sharing){.line = {.rate_bps = 8000000, .queue = 200 * MS}};
    s->pupils = gather(&s->world, seed, (struct pipe_shape){.delay = 20 * MS});
    s->pupils[0].down.shared = &s->line;
    for (int i = 1; i < SHARERS; i++) {
        struct person *p =
            world_join(&s->world, true, false, (struct pipe_shape){.delay = (20 + i) * MS});
        p->down.shared = &s->line;
        look(p, &s->world.people[0], 720);
        world_run(&s->world, 200 * MS);
    }
    rival_init(&s->rival, &s->line, 40 * MS);
}

/* How long the queue was over 150 ms at most. */
static usec_t share_run(struct sharing *s, usec_t time, bool download)
{
    usec_t over_since = s->world.now, longest = 0;
    for (usec_t end = s->world.now + time; s->world.now < end;) {
        if (download)
            rival_step(&s->rival, s->world.now);
        world_run(&s->world, WORLD_STEP);
        if (bottleneck_wait(&s->line, s->world.now) < 150 * MS)
            over_since = s->world.now;
        longest = usec_max(longest, s->world.now - over_since);
    }
    return longest;
}

static void share_line(uint64_t seed, bool download)
{
    static struct sharing s;
    share_begin(&s, seed);
    const struct person *teacher = &s.world.people[0];
    (void)share_run(&s, 20 * USEC_PER_SEC, download);
    uint64_t before = s.line.bits;
    for (int i = 0; i < SHARERS; i++) {
        s.bytes[i] = s.pupils[i].rtp_bytes;
        (void)lost_percent(&s.hearing[i], &s.pupils[i], teacher);
    }
    usec_t over = share_run(&s, 60 * USEC_PER_SEC, download);
    double least = 1e9, most = 0, worst = 0, mean = 0;
    for (int i = 0; i < SHARERS; i++) {
        double kbps = (double)(s.pupils[i].rtp_bytes - s.bytes[i]) * 8 / 60000;
        double lost = lost_percent(&s.hearing[i], &s.pupils[i], teacher);
        least = kbps < least ? kbps : least;
        most = kbps > most ? kbps : most;
        worst = lost > worst ? lost : worst;
        mean += kbps / SHARERS;
    }
    double full = (double)(s.line.bits - before) / 60 / 80000;
    print_message("shared%s: %.0f to %.0f kb/s each, %.0f on average, line %.0f %% full, sound "
                  "lost at worst %.2f %%, queue over 150 ms for %lld ms\n",
                  download ? " with a download" : "", least, most, mean, full, worst,
                  (long long)over / 1000);
    assert_true(full > 70);
    assert_true(worst < (download ? 6 : 1));
    assert_true(download || over <= USEC_PER_SEC);
    world_done(&s.world);
}

static void many_behind_one_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        share_line(seed, false);
}

static void many_behind_one_line_with_a_download(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        share_line(seed, true);
}

static usec_t outage(struct world *w, struct person *p)
{
    p->up.shape.loss = p->down.shape.loss = 1;
    world_run(w, 10 * USEC_PER_SEC);
    p->up.shape.loss = p->down.shape.loss = 0.05;
    usec_t back = w->now;
    for (uint64_t before = heard(p, &w->people[0]); heard(p, &w->people[0]) < before + 5;)
        world_run(w, STEP);
    return w->now - back;
}

/* Voice first: 60 ms of sound a packet, as a narrow class sends. */
static void poor(uint64_t seed)
{
    static struct world w;
    struct pipe_shape shape = {
        .delay = 150 * MS, .loss = 0.05, .rate_bps = 64000, .queue = 300 * MS};
    struct person *p = gather(&w, seed, shape);
    struct person *teacher = &w.people[0];
    teacher->sender.audio_packet = 60 * MS;
    teacher->sender.audio_bytes = 150;
    world_run(&w, 20 * USEC_PER_SEC);
    uint64_t probes = p->viewer.padding_bytes, bytes = p->rtp_bytes;
    struct hearing hearing = {0};
    for (int i = 0; i < 3; i++) {
        (void)lost_percent(&hearing, p, teacher);
        world_run(&w, 30 * USEC_PER_SEC);
        double lost = lost_percent(&hearing, p, teacher);
        usec_t back = outage(&w, p);
        print_message("64 kb/s: sound lost %.1f %%, back after %lld ms\n", lost,
                      (long long)back / 1000);
        assert_true(lost < 9); /* 5 are of the way */
        assert_true(back <= 3 * USEC_PER_SEC);
    }
    world_run(&w, 240 * USEC_PER_SEC);
    double share =
        100.0 * (double)(p->viewer.padding_bytes - probes) / (double)(p->rtp_bytes - bytes);
    print_message("64 kb/s: probes %.1f %%\n", share);
    assert_true(share < 7);
    world_done(&w);
}

static void a_voice_on_a_poor_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        poor(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_goes_down_and_up),
        cmocka_unit_test(heavy_loss_lowers_the_layer),
        cmocka_unit_test(many_behind_one_line),
        cmocka_unit_test(many_behind_one_line_with_a_download),
        cmocka_unit_test(a_voice_on_a_poor_line),
    };
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
