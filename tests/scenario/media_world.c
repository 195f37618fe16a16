#include "media_world.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/member.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

void world_init(struct world *w, uint64_t seed)
{
    const char *given = getenv("DARASA_SEED");
    memset(w, 0, sizeof(*w));
    w->seed = given ? strtoull(given, NULL, 0) : seed;
    print_message("seed %llu\n", (unsigned long long)w->seed);
    w->now = 1000 * USEC_PER_SEC;
    w->conference = conference_new(w->seed);
    w->people = calloc(WORLD_PEOPLE, sizeof(*w->people));
    assert_non_null(w->conference);
    assert_non_null(w->people);
}

void world_done(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct person *p = &w->people[i];
        sender_done(&p->sender);
        viewer_done(&p->viewer);
        pipe_done(&p->up);
        pipe_done(&p->down);
    }
    free(w->people);
    conference_free(&w->conference);
}

static void fill_source(struct conference_source *s, const struct person *p, bool video)
{
    *s = (struct conference_source){.kind = video ? CONFERENCE_VIDEO : CONFERENCE_AUDIO,
                                    .video_type = video && p->desktop ? CONFERENCE_DESKTOP
                                                                      : CONFERENCE_CAMERA,
                                    .muted = video ? p->muted_video : p->muted_audio,
                                    .blocked = p->blocked,
                                    .layer_count = video ? SENDER_LAYERS : 1};
    (void)snprintf(s->name, sizeof(s->name), "%.20s-%s", p->id, video ? "v0" : "a0");
    if (!video) {
        s->ssrcs[0] = p->sender.audio_ssrc;
        return;
    }
    for (unsigned i = 0; i < SENDER_LAYERS; i++) {
        s->ssrcs[i] = p->sender.layers[i].ssrc;
        s->rtx[i] = p->sender.layers[i].rtx;
    }
}

/* Classic receivers learn of streams by Jingle. */
static void tell_classic(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct person *p = &w->people[i];
        struct conference_slot slots[2 * WORLD_PEOPLE];
        size_t count = 0;
        if (!p->present || p->rewriting)
            continue;
        for (size_t k = 0; k < w->count; k++) {
            const struct person *other = &w->people[k];
            if (k == i || !other->present || !other->sends)
                continue;
            for (int video = 0; video < 2; video++) {
                struct conference_source s;
                fill_source(&s, other, video);
                struct conference_slot *slot = &slots[count++];
                *slot = (struct conference_slot){
                    .kind = s.kind, .ssrc = s.ssrcs[0], .rtx = s.rtx[0], .after = -1};
                memcpy(slot->source, s.name, sizeof(slot->source));
                memcpy(slot->owner, other->id, sizeof(slot->owner));
            }
        }
        viewer_map(&p->viewer, w->now, slots, count);
    }
}

void world_put(struct person *p)
{
    struct conference_source sources[2];
    struct conference_constraint constraint = {.max_height = p->stage_height,
                                               .max_frame_rate = p->frame_rate};
    memcpy(constraint.source, p->on_stage, sizeof(constraint.source));
    fill_source(&sources[0], p, false);
    fill_source(&sources[1], p, true);
    struct conference_endpoint endpoint = {
        .rewriting = p->rewriting,
        .staff = p->staff,
        .red = p->viewer.red,
        .sources = sources,
        .source_count = p->sends ? 2 : 0,
        .wishes = {.last_n = p->last_n,
                   .default_max_height = p->default_height,
                   .on_stage = &p->on_stage,
                   .on_stage_count = p->on_stage[0] != '\0',
                   .constraints = &constraint,
                   .constraint_count = p->on_stage[0] != '\0',
                   .assumed_bandwidth_bps = -1},
    };
    memcpy(endpoint.id, p->id, sizeof(endpoint.id));
    memcpy(endpoint.person, p->id, sizeof(p->id));
    assert_int_equal(conference_put(p->world->conference, p->world->now, &endpoint, p, &p->seat),
                     0);
    tell_classic(p->world);
}

struct person *world_join(struct world *w, bool rewriting, bool sends, struct pipe_shape shape)
{
    assert_true(w->count < WORLD_PEOPLE);
    struct person *p = &w->people[w->count++];
    *p = (struct person){.world = w,
                         .present = true,
                         .rewriting = rewriting,
                         .sends = sends,
                         .last_n = -1,
                         .default_height = 180,
                         .frame_rate = -1,
                         .told_height = -2};
    (void)snprintf(p->id, sizeof(p->id), "e%03zu", w->count);
    pipe_init(&p->up, w->seed * 1000 + w->count * 2, shape);
    pipe_init(&p->down, w->seed * 1000 + w->count * 2 + 1, shape);
    sender_init(&p->sender, &p->up, (uint32_t)w->count * 1000, w->seed);
    p->sender.audio = p->sender.video = sends;
    viewer_init(&p->viewer, &p->up);
    p->viewer.classic = !rewriting;
    world_put(p);
    conference_set_connected(w->conference, w->now, p->seat, true);
    conference_set_rtt(w->conference, p->seat, 2 * shape.delay);
    return p;
}

void world_leave(struct person *p)
{
    p->present = false;
    conference_del(p->world->conference, p->world->now, p->seat);
    tell_classic(p->world);
}

void world_return(struct person *p)
{
    struct world *w = p->world;
    viewer_done(&p->viewer);
    viewer_init(&p->viewer, &p->up);
    size_t kept = 0;
    for (size_t i = 0; i < w->announced_count; i++)
        if (w->announced[i].person != (size_t)(p - w->people))
            w->announced[kept++] = w->announced[i];
    w->announced_count = kept;
    p->present = true;
    world_put(p);
    conference_set_connected(w->conference, w->now, p->seat, true);
    conference_set_rtt(w->conference, p->seat, 2 * p->down.shape.delay);
}

static struct person *find_person(struct world *w, const char *id)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->people[i].present && strcmp(w->people[i].id, id) == 0)
            return &w->people[i];
    return NULL;
}

static void note_maps(struct world *w, struct person *p, const struct conference_notice *n)
{
    usec_t wait = usec_max(2 * p->down.shape.delay, 100 * USEC_PER_MSEC);
    size_t index = (size_t)(p - w->people);
    for (size_t i = 0; i < n->slot_count; i++) {
        const struct conference_slot *slot = &n->slots[i];
        struct world_announced *found = NULL;
        for (size_t k = 0; k < w->announced_count; k++)
            if (w->announced[k].ssrc == slot->ssrc && w->announced[k].person == index)
                found = &w->announced[k];
        if (found && strcmp(found->owner, slot->owner) == 0)
            continue;
        if (!found) {
            assert_true(w->announced_count < 4096);
            found = &w->announced[w->announced_count++];
        }
        *found = (struct world_announced){slot->ssrc, "", index, w->now + wait};
        memcpy(found->owner, slot->owner, sizeof(found->owner));
    }
    viewer_map(&p->viewer, w->now, n->slots, n->slot_count);
    viewer_spares(&p->viewer, w->now, n->spares, n->spare_count);
}

static void note_forwarded(struct person *p, const struct conference_notice *n)
{
    bool same = p->viewer.forwarded_count == n->name_count;
    for (size_t i = 0; same && i < n->name_count; i++)
        same = viewer_is_forwarded(&p->viewer, n->names[i]);
    assert_false(same); /* only on change */
    p->viewer.forwarded_count = n->name_count;
    assert_true(n->name_count <= 64);
    if (n->name_count > 0)
        memcpy(p->viewer.forwarded, n->names, n->name_count * sizeof(n->names[0]));
    p->viewer.forwarded_notices++;
}

static void take_notices(struct world *w)
{
    struct conference_notice n;
    while (conference_poll_notice(w->conference, w->now, &n)) {
        struct person *p = find_person(w, n.endpoint);
        if (n.type == CONFERENCE_SPEAKER) {
            memcpy(w->speaker, n.subject, sizeof(w->speaker));
            w->speaker_changes++;
            w->silence = n.silence;
        } else if (n.type == CONFERENCE_MAPS) {
            note_maps(w, p, &n);
        } else if (n.type == CONFERENCE_FORWARDED) {
            note_forwarded(p, &n);
        } else if (n.type == CONFERENCE_SENDER_CONSTRAINTS) {
            sender_constrain(&p->sender, n.max_height);
            p->told_height = n.max_height;
        } else if (n.type == CONFERENCE_STATS) {
            p->viewer.downlink_bps = n.downlink_bps;
            p->viewer.shortage = n.shortage;
        }
    }
}

static void check_announced(struct world *w, struct person *p, struct slice bytes)
{
    uint32_t ssrc = load_u32(bytes.data + 8);
    for (size_t i = 0; i < w->announced_count; i++)
        if (w->announced[i].person == (size_t)(p - w->people) && w->announced[i].ssrc == ssrc &&
            w->now < w->announced[i].from)
            p->late_maps++;
}

static void drain(struct world *w)
{
    struct conference_packet packets[32];
    size_t count;
    while ((count = conference_poll_packets(w->conference, w->now, packets, 32)) > 0) {
        for (size_t i = 0; i < count; i++) {
            uint8_t bytes[PIPE_PACKET_MAX];
            const struct conference_packet *packet = &packets[i];
            struct person *p = packet->user;
            assert_true(packet->rtp_header_len <= packet->header_len);
            memcpy(bytes, packet->header, packet->header_len);
            if (packet->payload.len > 0)
                memcpy(bytes + packet->header_len, packet->payload.data, packet->payload.len);
            struct slice whole = slice_of(bytes, packet->header_len + packet->payload.len);
            assert_true(packet->rtcp == rtp_is_rtcp(whole));
            if (!packet->rtcp && p->rewriting)
                check_announced(w, p, whole);
            p->rtp_bytes += whole.len;
            pipe_send(&p->down, w->now, whole, packet->rtcp);
        }
    }
    take_notices(w);
}

static void deliver_up(struct world *w, struct person *p)
{
    struct pipe_packet *packet;
    while ((packet = pipe_receive(&p->up, w->now))) {
        struct slice bytes = slice_of(packet->bytes, packet->len);
        bool passed = p->present && !packet->rtcp && !w->decrypts_all &&
                      conference_pass_rtp(w->conference, w->now, p->seat, bytes);
        if (p->present && !passed) {
            int err = packet->rtcp ? conference_input_rtcp(w->conference, w->now, p->seat, bytes)
                                   : conference_input_rtp(w->conference, w->now, p->seat, bytes);
            assert_true(err == 0 || p->hostile);
        }
        free(packet);
    }
}

static void deliver_down(struct world *w, struct person *p)
{
    struct pipe_packet *packet;
    while ((packet = pipe_receive(&p->down, w->now))) {
        struct slice bytes = slice_of(packet->bytes, packet->len);
        if (p->present) {
            viewer_input(&p->viewer, w->now, bytes, packet->rtcp);
            if (packet->rtcp)
                sender_input(&p->sender, w->now, bytes);
        }
        free(packet);
    }
}

/* DARASA_TRACE=1: a line a second for everybody who only looks on. */
static bool tracing(usec_t now)
{
    static int on = -1;
    if (on < 0)
        on = getenv("DARASA_TRACE") != NULL;
    return on && now % USEC_PER_SEC == 0;
}

static void trace(const struct world *w, struct person *p)
{
    const struct member *m = conference_member(w->conference, p->seat);
    const struct estimate *e = &m->estimate;
    const struct bottleneck *line = p->down.shared ? p->down.shared : &p->down.own;
    const struct viewer_stream *s = viewer_find(&p->viewer, p->on_stage);
    print_message(
        "%lld s %s link %llu k queue %lld ms: by delay %.0f k by loss %.0f k arrived "
        "%.0f/%.0f k use %d waits %lld ms idle %d lost %.2f/%.2f probe %d credit %.0f, "
        "need %.0f k used %llu k forwarded %zu layer %d seen %lld ms ago dropped %llu\n",
        (long long)(w->now / USEC_PER_SEC % 1000), p->id, (unsigned long long)line->rate_bps / 1000,
        (long long)bottleneck_wait(line, w->now) / 1000, e->rate.bps / 1000, e->loss.bps / 1000,
        e->arrived.bps / 1000, e->arrived.recent / 1000, (int)e->delay.use,
        (long long)estimate_queue(e) / 1000, e->idle.idle, e->loss.average, e->loss.inherent,
        (int)e->probe.state, e->probe.credit, e->need / 1000,
        (unsigned long long)m->used_bps / 1000, p->viewer.forwarded_count, s ? (int)s->layer : -1,
        s ? (long long)(w->now - s->last_shown) / 1000 : -1, (unsigned long long)p->down.dropped);
}

void world_run(struct world *w, usec_t time)
{
    for (usec_t end = w->now + time; w->now < end; w->now += WORLD_STEP) {
        for (size_t i = 0; tracing(w->now) && i < w->count; i++)
            if (w->people[i].present && !w->people[i].sends)
                trace(w, &w->people[i]);
        for (size_t i = 0; i < w->count; i++) {
            struct person *p = &w->people[i];
            if (p->present && p->sends)
                sender_step(&p->sender, w->now);
            deliver_up(w, p);
            deliver_down(w, p);
            if (p->present)
                viewer_step(&p->viewer, w->now);
        }
        if (w->now >= w->tick_at)
            w->tick_at = conference_tick(w->conference, w->now);
        drain(w);
        w->tick_at = usec_min(w->tick_at, conference_due(w->conference));
    }
}

static struct viewer_stream *find_stream(struct person *viewer, const struct person *sender,
                                         bool video)
{
    struct conference_source s;
    fill_source(&s, sender, video);
    return viewer_find(&viewer->viewer, s.name);
}

struct viewer_stream *world_video(struct person *viewer, const struct person *sender)
{
    return find_stream(viewer, sender, true);
}

struct viewer_stream *world_audio(struct person *viewer, const struct person *sender)
{
    return find_stream(viewer, sender, false);
}
