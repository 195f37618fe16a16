#include "networks.h"

#include "base/check.h"

#include <math.h>

#include "bridge/member.h"
#include "media_rival.h"
#include "media_world.h"

#define MS USEC_PER_MSEC
#define LOOK (10 * USEC_PER_MSEC) /* how often a picture is looked at */
#define RAW (100 * USEC_PER_MSEC) /* how often figures are written */
#define LONG_QUEUE (150 * MS)
#define FULL_QUEUE (195 * MS) /* of 200 */
#define FREEZE (1 * USEC_PER_SEC)
#define OUTAGE (10 * USEC_PER_SEC)

enum { CLASS = 30, SECONDS = 60 };

static void look(struct person *p, const struct person *whom, int height)
{
    (void)snprintf(p->on_stage, sizeof(p->on_stage), "%.20s-v0", whom->id);
    p->stage_height = height;
    world_put(p);
}

static struct person *join_pupil(struct world *w, struct pipe_shape shape, int height)
{
    struct person *p = world_join(w, true, false, shape);
    p->viewer.red = true; /* as browsers do */
    look(p, &w->people[0], height);
    return p;
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
    return join_pupil(w, pupil, 720);
}

/* What one person sees and hears. */
struct senses {
    struct person *person;
    const struct person *teacher;
    usec_t begun;
    bool always; /* no picture at all is a freeze, too */
    usec_t seen; /* the last picture, or when none was told as sent */
    usec_t freeze, frozen;
    usec_t picture;
    unsigned frames;
    usec_t bridged;
    usec_t played, concealed;
};

static const struct playout *playout_of(const struct senses *s)
{
    static const struct playout none;
    const struct viewer_stream *audio = world_audio(s->person, s->teacher);
    return audio ? &audio->playout : &none;
}

static struct viewer_stream *video_of(const struct senses *s)
{
    return world_video(s->person, s->teacher);
}

static bool sees(const struct senses *s)
{
    const struct viewer_stream *v = video_of(s);
    return v && viewer_is_forwarded(&s->person->viewer, v->source);
}

static void senses_begin(struct senses *s, struct person *p)
{
    *s = (struct senses){.person = p, .teacher = &p->world->people[0], .picture = -1};
    s->begun = s->seen = p->world->now;
    s->played = playout_of(s)->played;
    s->concealed = playout_of(s)->concealed;
    s->frames = video_of(s) ? video_of(s)->frames : 0;
}

static void senses_look(struct senses *s)
{
    usec_t now = s->person->world->now;
    const struct viewer_stream *v = video_of(s);
    bool shown = v && v->frames > 0 && v->last_shown >= s->begun;
    if (shown && s->picture < 0)
        s->picture = v->last_shown - s->begun;
    usec_t seen = s->always || sees(s) ? usec_max(s->seen, shown ? v->last_shown : 0) : now;
    if (seen != s->seen && seen - s->seen > FREEZE)
        s->frozen += seen - s->seen;
    s->seen = seen;
    s->freeze = usec_max(s->freeze, now - seen);
    s->bridged = usec_max(s->bridged, playout_of(s)->bridged);
}

static double senses_concealed(const struct senses *s)
{
    usec_t played = playout_of(s)->played - s->played;
    usec_t concealed = playout_of(s)->concealed - s->concealed;
    return played + concealed > 0 ? 100.0 * (double)concealed / (double)(played + concealed) : 0;
}

static const struct bottleneck *line_of(const struct person *p)
{
    return p->down.shared ? p->down.shared : &p->down.own;
}

/* One line: seconds, the line's kb/s, its queue in ms, what was sent since the line before in kb/s,
 * the estimate, the layer shown (-1: none), ms since the last picture, made-up ms, longest
 * download window. */
struct raw {
    FILE *out;
    usec_t begun, next;
    uint64_t bytes;
    usec_t concealed;
};

static void raw_begin(struct raw *r, FILE *out, const struct senses *s)
{
    *r = (struct raw){.out = out, .begun = s->begun, .next = s->begun + RAW};
    r->bytes = s->person->down.wire_bytes;
    r->concealed = playout_of(s)->concealed;
}

static void raw_write(struct raw *r, const struct senses *s)
{
    struct person *p = s->person;
    usec_t now = p->world->now;
    if (!r->out || now < r->next)
        return;
    r->next += RAW;
    const struct member *m = conference_member(p->world->conference, p->seat);
    const struct viewer_stream *v = video_of(s);
    (void)fprintf(
        r->out, "%.1f %.0f %.0f %.0f %.0f %d %.0f %.0f\n", (double)(now - r->begun) / USEC_PER_SEC,
        (double)line_of(p)->rate_bps / 1000, (double)bottleneck_wait(line_of(p), now) / 1000,
        (double)(p->down.wire_bytes - r->bytes) * 8 * 1000 / (double)RAW,
        (double)estimate_bps(&m->estimate) / 1000, v && sees(s) ? (int)v->layer : -1,
        (double)(now - s->seen) / 1000, (double)(playout_of(s)->concealed - r->concealed) / 1000);
    r->bytes = p->down.wire_bytes;
    r->concealed = playout_of(s)->concealed;
}

static void watch(struct senses *s, struct raw *raw, usec_t time)
{
    struct world *w = s->person->world;
    for (usec_t end = w->now + time; w->now < end;) {
        world_run(w, LOOK);
        senses_look(s);
        raw_write(raw, s);
    }
}

/* Runs for 40 s; how long until the right layer came for 3 s without much of a queue. */
static usec_t settle(struct senses *s, struct raw *raw, int layer)
{
    struct world *w = s->person->world;
    usec_t good_since = w->now, settled = -1;
    while (w->now - s->begun < 40 * USEC_PER_SEC) {
        watch(s, raw, LOOK);
        int shown = sees(s) ? (int)video_of(s)->layer : -1;
        if (shown != layer || bottleneck_wait(line_of(s->person), w->now) > LONG_QUEUE)
            good_since = w->now;
        if (settled < 0 && w->now - good_since >= 3 * USEC_PER_SEC)
            settled = good_since - s->begun;
    }
    return settled < 0 ? w->now - s->begun : settled;
}

void networks_steps(uint64_t seed, FILE *raw_out, struct networks_step ret[NETWORKS_STEPS])
{
    static struct world w;
    static const struct {
        uint64_t rate;
        int layer; /* that it carries */
    } all[NETWORKS_STEPS] = {{3000000, 2}, {300000, 0}, {1000000, 1}, {80000, -1}, {1500000, 1}};
    struct person *p = gather(
        &w, seed, (struct pipe_shape){.delay = 20 * MS, .rate_bps = 3000000, .queue = 300 * MS});
    struct senses s;
    struct raw raw;
    senses_begin(&s, p);
    raw_begin(&raw, raw_out, &s);
    for (size_t i = 0; i < NETWORKS_STEPS; i++) {
        p->down.shape.rate_bps = all[i].rate;
        senses_begin(&s, p);
        usec_t settled = settle(&s, &raw, all[i].layer);
        ret[i] = (struct networks_step){.rate_bps = all[i].rate,
                                        .settled = settled,
                                        .freeze = s.freeze,
                                        .picture = s.picture,
                                        .silence = s.bridged,
                                        .concealed = senses_concealed(&s)};
    }
    world_done(&w);
}

void networks_lossy(uint64_t seed, double burst, FILE *raw_out, struct networks_lossy *ret)
{
    static struct world w;
    struct pipe_shape shape = {
        .delay = 30 * MS, .rate_bps = 5000000, .queue = 300 * MS, .loss = 0.3, .burst = burst};
    struct person *p = gather(&w, seed, shape);
    p->up.shape = (struct pipe_shape){.delay = 30 * MS};
    world_run(&w, 10 * USEC_PER_SEC);
    struct senses s;
    struct raw raw;
    senses_begin(&s, p);
    s.always = true;
    raw_begin(&raw, raw_out, &s);
    watch(&s, &raw, SECONDS * USEC_PER_SEC);
    *ret = (struct networks_lossy){.frames = (double)(video_of(&s)->frames - s.frames) / SECONDS,
                                   .layer = (int)video_of(&s)->layer,
                                   .freeze = s.freeze,
                                   .frozen = 100.0 * (double)s.frozen / USEC_PER_SEC / SECONDS,
                                   .silence = s.bridged,
                                   .concealed = senses_concealed(&s)};
    world_done(&w);
}

struct sharing {
    struct world world;
    struct bottleneck line;
    struct rival rival;
    struct senses pupils[NETWORKS_SHARERS];
    usec_t over_since, full_since;
    usec_t over, full; /* longest */
    double kbps[SECONDS][NETWORKS_SHARERS];
    double estimate[SECONDS][NETWORKS_SHARERS];
};

static void share_begin(struct sharing *s, uint64_t seed)
{
    *s = (struct sharing){.line = {.rate_bps = 8000000, .queue = 200 * MS}};
    struct person *p = gather(&s->world, seed, (struct pipe_shape){.delay = 20 * MS});
    for (int i = 0; i < NETWORKS_SHARERS; i++) {
        if (i > 0)
            p = join_pupil(&s->world, (struct pipe_shape){.delay = (20 + i) * MS}, 720);
        p->down.shared = &s->line;
        s->pupils[i].person = p;
        world_run(&s->world, 200 * MS);
    }
    rival_init(&s->rival, &s->line, 40 * MS);
}

static void share_run(struct sharing *s, usec_t time, bool download)
{
    for (usec_t end = s->world.now + time; s->world.now < end;) {
        if (download)
            rival_step(&s->rival, s->world.now);
        world_run(&s->world, WORLD_STEP);
        usec_t wait = bottleneck_wait(&s->line, s->world.now);
        if (wait < LONG_QUEUE)
            s->over_since = s->world.now;
        if (wait < FULL_QUEUE)
            s->full_since = s->world.now;
        s->over = usec_max(s->over, s->world.now - s->over_since);
        s->full = usec_max(s->full, s->world.now - s->full_since);
    }
}

/* Of the estimates of two pupils, on average over all pairs. */
static double together(double kbps[SECONDS][NETWORKS_SHARERS])
{
    double mean[NETWORKS_SHARERS] = {0}, single = 0, sum = 0;
    for (int t = 0; t < SECONDS; t++)
        for (int i = 0; i < NETWORKS_SHARERS; i++)
            mean[i] += kbps[t][i] / SECONDS;
    for (int t = 0; t < SECONDS; t++) {
        double all = 0;
        for (int i = 0; i < NETWORKS_SHARERS; i++) {
            double off = kbps[t][i] - mean[i];
            single += off * off;
            all += off;
        }
        sum += all * all;
    }
    return single > 0 ? (sum / single - 1) / (NETWORKS_SHARERS - 1) : 0;
}

/* A line a second: the queue in ms, the download's kb/s and everybody's. */
static void share_second(struct sharing *s, int second, bool download, FILE *raw)
{
    uint64_t bytes[NETWORKS_SHARERS], rival = s->rival.bits;
    for (int i = 0; i < NETWORKS_SHARERS; i++)
        bytes[i] = s->pupils[i].person->rtp_bytes;
    share_run(s, USEC_PER_SEC, download);
    if (raw)
        (void)fprintf(raw, "%d %.0f %.0f", second + 1,
                      (double)bottleneck_wait(&s->line, s->world.now) / 1000,
                      (double)(s->rival.bits - rival) / 1000);
    for (int i = 0; i < NETWORKS_SHARERS; i++) {
        const struct person *p = s->pupils[i].person;
        const struct member *m = conference_member(s->world.conference, p->seat);
        s->estimate[second][i] = (double)estimate_bps(&m->estimate) / 1000;
        s->kbps[second][i] = (double)(s->pupils[i].person->rtp_bytes - bytes[i]) * 8 / 1000;
        if (raw)
            (void)fprintf(raw, " %.0f", s->kbps[second][i]);
    }
    if (raw)
        (void)fputc('\n', raw);
}

void networks_shared(uint64_t seed, bool download, FILE *raw, struct networks_shared *ret)
{
    static struct sharing s;
    share_begin(&s, seed);
    s.over_since = s.full_since = s.world.now;
    share_run(&s, 20 * USEC_PER_SEC, download);
    s.over = s.full = 0;
    uint64_t bits = s.line.bits, rival = s.rival.bits;
    for (int i = 0; i < NETWORKS_SHARERS; i++)
        senses_begin(&s.pupils[i], s.pupils[i].person);
    for (int t = 0; t < SECONDS; t++)
        share_second(&s, t, download, raw);
    *ret = (struct networks_shared){.least = INFINITY, .queue = s.over, .queue_full = s.full};
    for (int i = 0; i < NETWORKS_SHARERS; i++) {
        double kbps = 0;
        for (int t = 0; t < SECONDS; t++)
            kbps += s.kbps[t][i] / SECONDS;
        ret->least = fmin(ret->least, kbps);
        ret->most = fmax(ret->most, kbps);
        ret->mean += kbps / NETWORKS_SHARERS;
        ret->concealed = fmax(ret->concealed, senses_concealed(&s.pupils[i]));
    }
    ret->full = (double)(s.line.bits - bits) * 100 / SECONDS / (double)s.line.rate_bps;
    ret->rival = (double)(s.rival.bits - rival) / 1000 / SECONDS;
    ret->together = together(s.estimate);
    world_done(&s.world);
}

static usec_t outage(struct senses *s, struct raw *raw)
{
    struct person *p = s->person;
    p->up.shape.loss = p->down.shape.loss = 1;
    watch(s, raw, OUTAGE);
    p->up.shape.loss = p->down.shape.loss = 0.05;
    usec_t back = p->world->now, heard = playout_of(s)->played + 300 * MS;
    while (playout_of(s)->played < heard)
        watch(s, raw, LOOK);
    return p->world->now - back;
}

/* Voice first: wideband speech in packets of 60 ms, as a narrow class sends. */
static struct person *gather_poor(struct world *w, uint64_t seed)
{
    struct pipe_shape shape = {
        .delay = 150 * MS, .loss = 0.05, .rate_bps = 64000, .queue = 300 * MS};
    struct person *p = gather(w, seed, shape);
    w->people[0].sender.audio_packet = 60 * MS;
    w->people[0].sender.audio_bytes = 120;
    while (w->count < CLASS)
        (void)join_pupil(w, (struct pipe_shape){.delay = 40 * MS}, 180);
    return p;
}

void networks_poor(uint64_t seed, usec_t time, FILE *raw_out, struct networks_poor *ret)
{
    static struct world w;
    struct person *p = gather_poor(&w, seed);
    struct senses s;
    struct raw raw;
    double weight = 0;
    *ret = (struct networks_poor){0};
    senses_begin(&s, p);
    raw_begin(&raw, raw_out, &s);
    for (int i = 0; i <= NETWORKS_OUTAGES; i++) {
        usec_t from = w.now;
        watch(&s, &raw, (time - NETWORKS_OUTAGES * OUTAGE) / (NETWORKS_OUTAGES + 1));
        ret->concealed += senses_concealed(&s) * (double)(w.now - from);
        weight += (double)(w.now - from);
        if (i < NETWORKS_OUTAGES)
            ret->back[i] = outage(&s, &raw);
        senses_begin(&s, p);
    }
    ret->concealed /= weight;
    ret->down = p->down.wire_bytes;
    ret->up = p->up.wire_bytes;
    ret->probes = 100.0 * (double)p->viewer.padding_bytes / (double)p->rtp_bytes;
    world_done(&w);
}
