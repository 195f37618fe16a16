/* One receiver: its streams, and what goes out to it. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "bridge/member.h"

#define NO_SSRC 0 /* of a stream that is ready for anybody's voice */
#define STREAM_KEPT (60 * USEC_PER_SEC)
/* Room for streams is made by so many at a time: they are large, and come seldom. */
#define STREAMS_STEP 4
/* Resends take at most so much of the way and what it loses, but always enough for a lost burst. */
#define RESEND_SHARE 0.25
#define RESEND_LOSS_MAX 0.5
#define RESEND_MIN_BYTES 15000

/* Probes slower than that go in small packets, so that some of them take little. */
#define PROBE_SLOW 250000              /* bit/s */
#define CONGESTED (50 * USEC_PER_MSEC) /* of queue on the way */
/* A picture that waited longer is left out, with all until the next key frame. */
#define TILE_AGE_MAX (300 * USEC_PER_MSEC)
#define STAGE_AGE_MAX (600 * USEC_PER_MSEC)
#define LEFT_AGE_MAX (100 * USEC_PER_MSEC)
/* A screen's key frame takes its time on a narrow way: it and what came meanwhile go out late, but
 * of that, behind by so much, base frames alone. */
#define SCREEN_AGE_MAX (8 * USEC_PER_SEC)
#define SCREEN_BEHIND (400 * USEC_PER_MSEC)
/* Who just got a key frame of one and lost what followed does not ask for the next at once. */
#define SCREEN_KEY_FRESH (20 * USEC_PER_MSEC) /* came just now, and is about to be queued */
#define SCREEN_KEY_PAUSE (2 * USEC_PER_SEC)

enum { PICTURE_HEAD = 36 + CONFERENCE_OVERHEAD };

/* What goes out to a receiver, in this order. */
enum {
    STAGE_MEDIA,
    STAGE_RESENDS,
    STAGE_PICTURES,
    STAGE_TILES,
    STAGE_SCREENS,
    STAGE_PROBE,
    STAGE_REPORTS,
};

int receive_reserve(struct member *m, size_t count)
{
    if (m->egress_count + count > MEMBER_NO_EGRESS)
        return ERR_LIMIT;
    assert(count <= STREAMS_STEP);
    if (m->egress_count + count <= m->egress_cap)
        return 0;
    size_t cap = m->egress_cap + STREAMS_STEP;
    struct egress *egress = realloc(m->egress, cap * sizeof(*egress));
    if (!egress)
        return ERR_MEMORY;
    m->egress = egress;
    m->egress_cap = cap;
    return 0;
}

void receive_add(struct conference *c, struct member *m, enum conference_kind kind, uint32_t ssrc,
                 uint32_t rtx)
{
    assert(m->egress_count < m->egress_cap);
    egress_init(&m->egress[m->egress_count++], kind, ssrc, rtx, conference_random(c));
}

int receive_bind(struct conference *c, struct member *m, uint16_t index, const struct source *s)
{
    struct egress *e = &m->egress[index];
    if (e->source != EGRESS_NO_SOURCE)
        receive_unbind(m, index);
    int err = egress_attach(e, s);
    if (err)
        return err;
    e->last_used = c->now; /* a slot just given is not the next to be taken */
    m->by_source[s->index] = index;
    if (m->rewriting) {
        e->usable_at = USEC_NEVER;
        m->maps_dirty = c->notice_dirty = true;
    } else {
        e->usable_at = 0;
    }
    return 0;
}

/* What waits to go out is dropped: elsewhere the source begins anew, and here another source's ring
 * has other packets by these numbers. */
void receive_unbind(struct member *m, uint16_t index)
{
    uint32_t source = m->egress[index].source;
    m->by_source[source] = MEMBER_NO_EGRESS;
    pacer_forget(&m->pacer, source);
    for (uint32_t i = m->resend_tail; i != m->resend_head; i++) {
        struct member_resend *resend = &m->resends[i % MEMBER_RESENDS];
        if (resend->egress == index)
            resend->egress = MEMBER_NO_EGRESS;
    }
    egress_detach(&m->egress[index]);
}

static uint16_t find_free(const struct member *m, enum conference_kind kind, uint32_t ssrc)
{
    for (size_t i = 0; i < m->egress_count; i++)
        if (m->egress[i].source == EGRESS_NO_SOURCE && m->egress[i].ssrc == ssrc &&
            m->egress[i].kind == kind)
            return (uint16_t)i;
    return MEMBER_NO_EGRESS;
}

/* Streams of those who left serve again, their memory, not their SSRC: but not soon, for who comes
 * back with the same SSRC goes on where he stopped. */
static struct egress *find_old(struct conference *c, struct member *m, enum conference_kind kind)
{
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        if (e->source == EGRESS_NO_SOURCE && e->kind == kind && e->ssrc != NO_SSRC &&
            c->now - e->last_used >= STREAM_KEPT)
            return e;
    }
    return NULL;
}

static int new_classic(struct conference *c, struct member *m, enum conference_kind kind,
                       uint32_t ssrc, uint32_t rtx, uint16_t *ret_index)
{
    struct egress *old = find_old(c, m, kind);
    if (old) {
        egress_done(old);
        egress_init(old, kind, ssrc, rtx, conference_random(c));
        *ret_index = (uint16_t)(old - m->egress);
        return 0;
    }
    int err = receive_reserve(m, 1);
    if (err)
        return err;
    *ret_index = (uint16_t)m->egress_count;
    receive_add(c, m, kind, ssrc, rtx);
    return 0;
}

static int classic_video(struct conference *c, struct member *m, const struct source *s)
{
    uint16_t index = find_free(m, CONFERENCE_VIDEO, s->state.ssrcs[0]);
    int err = 0;
    if (index == MEMBER_NO_EGRESS)
        err = new_classic(c, m, CONFERENCE_VIDEO, s->state.ssrcs[0], s->state.rtx[0], &index);
    if (err)
        return err;
    m->egress[index].rtx = s->state.rtx[0];
    return receive_bind(c, m, index, s);
}

/* Most voices of a large class are never heard: they get a stream with their first packet that
 * goes out. As many as may begin between two ticks are kept ready. */
static int keep_spares(struct conference *c, struct member *m, size_t spare)
{
    for (; spare < c->voices.most + 1; spare++) {
        uint16_t index;
        int err = new_classic(c, m, CONFERENCE_AUDIO, NO_SSRC, 0, &index);
        if (err == 0)
            err = rewrite_reserve(&m->egress[index].rewrite);
        if (err)
            return err;
    }
    return 0;
}

static bool is_spare(const struct egress *e)
{
    return e->source == EGRESS_NO_SOURCE && e->kind == CONFERENCE_AUDIO && e->ssrc == NO_SSRC;
}

static size_t count_spares(const struct member *m)
{
    size_t spare = 0;
    for (size_t i = 0; i < m->egress_count; i++)
        spare += is_spare(&m->egress[i]);
    return spare;
}

/* Allocates nothing: what was made ready has all it needs. */
static uint16_t classic_voice(struct conference *c, struct member *m, const struct source *s)
{
    if (m->rewriting || s->state.kind != CONFERENCE_AUDIO || s->owner == m->seat ||
        !sound_goes(c, m, s))
        return MEMBER_NO_EGRESS;
    uint16_t index = find_free(m, CONFERENCE_AUDIO, s->state.ssrcs[0]);
    if (index == MEMBER_NO_EGRESS)
        index = find_free(m, CONFERENCE_AUDIO, NO_SSRC);
    if (index == MEMBER_NO_EGRESS)
        return MEMBER_NO_EGRESS;
    m->egress[index].ssrc = s->state.ssrcs[0];
    return receive_bind(c, m, index, s) == 0 ? index : MEMBER_NO_EGRESS;
}

uint16_t receive_video_egress(struct conference *c, struct member *m, const struct source *s)
{
    return m->rewriting ? slots_give(c, m, s) : m->by_source[s->index];
}

int receive_sources_changed(struct conference *c, struct member *m)
{
    if (m->rewriting)
        slots_prepare(c, m);
    for (uint32_t i = 0; i < c->source_end; i++) {
        const struct source *s = c->sources[i];
        if (!s || s->owner == m->seat || m->by_source[i] != MEMBER_NO_EGRESS)
            continue;
        int err = 0;
        if (!m->rewriting && s->state.kind == CONFERENCE_VIDEO)
            err = classic_video(c, m, s);
        else if (m->rewriting && s->state.kind == CONFERENCE_AUDIO)
            (void)slots_give(c, m, s); /* none left: it waits for one, counted */
        if (err)
            return err;
    }
    m->share_dirty = true;
    return m->rewriting ? 0 : keep_spares(c, m, count_spares(m));
}

void receive_source_gone(struct member *m, const struct source *s)
{
    uint16_t index = m->by_source[s->index];
    m->wish[s->index].granted = -1;
    if (index == MEMBER_NO_EGRESS)
        return;
    receive_unbind(m, index);
    m->maps_dirty = m->share_dirty = true;
    m->forwarded_dirty = true;
}

void receive_done(struct member *m)
{
    for (size_t i = 0; i < m->egress_count; i++)
        egress_done(&m->egress[i]);
    free(m->egress);
}

void receive_resend(struct conference *c, struct member *m, const struct member_resend *resend)
{
    if (m->resend_head - m->resend_tail == MEMBER_RESENDS) {
        c->counters.resends_full++;
        return;
    }
    m->resends[m->resend_head++ % MEMBER_RESENDS] = *resend;
    c->work = true;
}

static size_t wire_size(const struct conference_packet *packet)
{
    return packet->header_len + packet->payload.len + CONFERENCE_OVERHEAD;
}

/* The transport sequence number is written before the size is known: it is counted once the packet
 * stands, and the number is the next one. */
static void sent_out(struct conference *c, struct member *m, usec_t now,
                     struct conference_packet *packet, bool probe)
{
    packet->user = m->user;
    /* The number was written already. */
    (void)estimate_send(&m->estimate, now, wire_size(packet), probe);
    pacer_charge(&m->pacer, wire_size(packet));
    c->counters.rtp_out++;
}

static uint16_t next_transport(const struct member *m)
{
    return (uint16_t)m->estimate.sent.next;
}

/* A late first packet of a key frame: what came after it follows now. */
static void queue_after(struct conference *c, struct member *m, uint16_t egress,
                        const struct source *s, const struct ring_packet *start, uint32_t until)
{
    for (uint32_t n = s->ring.tail; n != until; n++) {
        const struct ring_packet *packet = ring_get(&s->ring, n);
        if (packet && packet->stream == start->stream && packet->sequence > start->sequence)
            receive_resend(c, m, &(struct member_resend){egress, false, 0, n});
    }
    m->replaying = true;
}

static bool put_media(struct conference *c, struct member *m, usec_t now, uint16_t index,
                      uint32_t number, struct conference_packet *out)
{
    struct egress *e = &m->egress[index];
    struct source *s = conference_source_of(c, e);
    const struct ring_packet *packet = s ? ring_get(&s->ring, number) : NULL;
    if (!packet || !source_live(s))
        return false;
    struct rewritten rewritten;
    bool late_start;
    if (!egress_forward(e, now, s, packet, &rewritten, &late_start))
        return false;
    if (late_start)
        queue_after(c, m, index, s, packet, number);
    bool copies = m->red && !c->members[s->owner]->encrypted;
    copies = copies && (!m->protect.sparse || rewritten.sequence % PROTECT_SPARSE == 0);
    e->copies = copies ? (uint8_t)m->protect.distance : 0;
    egress_write(e, now, s, number, &rewritten, next_transport(m), out);
    if (out->audio)
        meter_add(&m->audio_bytes, now, (uint32_t)wire_size(out));
    sent_out(c, m, now, out, false);
    if (!out->audio)
        egress_remember(e, &m->estimate.sent, number, &rewritten, 0);
    return true;
}

static void forget_queued(struct member *m, struct egress *e, uint32_t source)
{
    pacer_forget(&m->pacer, source);
    e->key_waits = false;
}

static int join_queue(struct member *m, struct egress *e, const struct source *s,
                      const struct pacer_item *item)
{
    enum pacer_class class = m->wish[item->source].on_stage ? PACER_STAGE : PACER_TILE;
    int err = 0;
    if (source_is_screen(s))
        class = PACER_SCREEN;
    /* Nothing overtakes what waits of the same source. */
    if (e->paced != class)
        err = pacer_move(&m->pacer, item->source, e->paced, class);
    e->paced = class;
    return err ? err : pacer_push(&m->pacer, class, item);
}

static void queue_picture(struct conference *c, struct member *m, struct egress *e,
                          const struct source *s, uint32_t number)
{
    const struct ring_packet *packet = ring_get(&s->ring, number);
    if (!packet || e->target < 0)
        return;
    unsigned spatial;
    unsigned wanted = source_stream_of(s, (unsigned)e->target, &spatial);
    int stream = rewrite_stream(&e->rewrite);
    if (packet->stream != wanted && packet->stream != stream)
        return;
    /* A stream that is too much is left: what waits of it would only keep the next one up. */
    if (e->squeeze && packet->facts.key && packet->stream == wanted && packet->stream != stream &&
        !e->resync) {
        forget_queued(m, e, s->index);
        egress_lapse(e);
    }
    if (packet->facts.key && packet->stream == wanted) {
        e->key_queued = number;
        e->key_waits = true;
    }
    struct pacer_item item = {s->index, number, (uint16_t)(packet->len + PICTURE_HEAD)};
    if (join_queue(m, e, s, &item) == 0)
        return;
    c->counters.paced_full++;
    egress_lapse(e);
    forget_queued(m, e, s->index);
}

/* Sound leaves at once; pictures join their queue. */
static size_t poll_media(struct conference *c, struct member *m, usec_t now,
                         struct conference_packet *out, size_t max)
{
    size_t count = 0;
    while (c->round_at < c->round_end && count < max) {
        const struct conference_pending *p = &c->pending[c->round_at++];
        uint16_t index = m->by_source[p->source];
        const struct source *s = c->sources[p->source];
        if (index == MEMBER_NO_EGRESS)
            index = classic_voice(c, m, s);
        if (index == MEMBER_NO_EGRESS)
            continue;
        struct egress *e = &m->egress[index];
        if (e->kind == CONFERENCE_VIDEO)
            queue_picture(c, m, e, s, p->number);
        else if (!sound_goes(c, m, s))
            e->resync = true;
        else if (put_media(c, m, now, index, p->number, &out[count]))
            count++;
    }
    return count;
}

/* Whether a picture waited so long that it is better left out, with all that needs it. */
static bool too_late(const struct egress *e, const struct source *s,
                     const struct ring_packet *packet, enum pacer_class class, usec_t now)
{
    static const usec_t age_max[PACER_CLASSES] = {STAGE_AGE_MAX, TILE_AGE_MAX, SCREEN_AGE_MAX};
    usec_t most = age_max[class];
    if (!packet)
        return class == PACER_SCREEN; /* it gave way to newer ones */
    if (class == PACER_SCREEN && !packet->facts.start)
        return false; /* what was begun is ended */
    /* It is of a layer that is being left because it is too much. */
    if (e->squeeze && egress_layer(e, s) > e->target)
        most = LEFT_AGE_MAX;
    return now - packet->arrival > most;
}

static bool put_picture(struct conference *c, struct member *m, usec_t now, enum pacer_class class,
                        struct conference_packet *out)
{
    struct pacer_item item = *pacer_first(&m->pacer, class);
    pacer_pop(&m->pacer, class);
    uint16_t index = m->by_source[item.source];
    const struct source *s = c->sources[item.source];
    if (index == MEMBER_NO_EGRESS || !s)
        return false;
    struct egress *e = &m->egress[index];
    const struct ring_packet *packet = ring_get(&s->ring, item.number);
    if (too_late(e, s, packet, class, now)) {
        c->counters.paced_late++;
        egress_lapse(e);
        forget_queued(m, e, item.source);
        m->share_dirty = true;
        return false;
    }
    e->behind = class == PACER_SCREEN && now - packet->arrival > SCREEN_BEHIND;
    if (e->key_queued == item.number)
        e->key_waits = false;
    /* Nothing is begun any more that a key frame behind it makes needless. */
    if (e->behind && e->key_waits && packet->facts.start)
        egress_lapse(e);
    return put_media(c, m, now, index, item.number, out);
}

static bool paced_more(const struct member *m, enum pacer_class class)
{
    return pacer_ready(&m->pacer, class) && pacer_waits(&m->pacer, class);
}

static size_t poll_paced(struct conference *c, struct member *m, usec_t now, enum pacer_class class,
                         struct conference_packet *out, size_t max)
{
    size_t count = 0;
    /* What follows a late packet goes first. */
    while (count < max && paced_more(m, class) && !m->replaying)
        if (put_picture(c, m, now, class, &out[count]))
            count++;
    return count;
}

/* Bytes a second; who loses much needs as much again, and what is lost of that. */
static uint64_t resends_most(const struct member *m)
{
    double loss = fmin(m->estimate.loss.average, RESEND_LOSS_MAX);
    uint64_t share = (uint64_t)((RESEND_SHARE + loss) * (double)m->shared_bps / 8);
    return share > RESEND_MIN_BYTES ? share : RESEND_MIN_BYTES;
}

static bool put_rtx(struct conference *c, struct member *m, usec_t now,
                    const struct member_resend *resend, struct conference_packet *out)
{
    struct egress *e = &m->egress[resend->egress];
    struct source *s = conference_source_of(c, e);
    uint64_t most = resends_most(m);
    usec_t rtt = m->rtt > 0 ? m->rtt : CONFERENCE_RTT_UNKNOWN;
    struct sent *log = &m->estimate.sent;
    const struct sent_packet *sent = egress_sent_at(e, log, resend->sequence);
    if (!sent || !s || !source_live(s) || !egress_may_resend(e, now, s, sent, rtt) ||
        meter_rate(&m->resend_bytes, now) > most ||
        !egress_write_rtx(e, s, sent, next_transport(m), out)) {
        c->counters.nacks_refused++;
        return false;
    }
    struct sent_packet again = *sent;
    meter_add(&m->resend_bytes, now, (uint32_t)wire_size(out));
    c->counters.nacks_served++;
    sent_out(c, m, now, out, false);
    egress_remember(e, log, again.number, &again.out, again.tries + 1);
    return true;
}

static bool resends_more(const struct member *m)
{
    return m->resend_tail != m->resend_head && pacer_ready(&m->pacer, PACER_STAGE);
}

static size_t poll_resends(struct conference *c, struct member *m, usec_t now,
                           struct conference_packet *out, size_t max)
{
    size_t count = 0;
    while (resends_more(m) && count < max) {
        const struct member_resend *resend = &m->resends[m->resend_tail++ % MEMBER_RESENDS];
        if (resend->egress >= m->egress_count)
            continue;
        bool put = resend->rtx ? put_rtx(c, m, now, resend, &out[count])
                               : put_media(c, m, now, resend->egress, resend->number, &out[count]);
        if (put)
            count++;
    }
    m->replaying = m->replaying && m->resend_tail != m->resend_head;
    return count;
}

/* The stream that probes go out on: a video stream in use. */
static struct egress *probe_egress(const struct conference *c, struct member *m, usec_t now)
{
    struct egress *best = NULL;
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        const struct source *s = conference_source_of(c, e);
        if (e->kind != CONFERENCE_VIDEO || e->rtx == 0 || !s || !source_live(s) ||
            now < e->usable_at)
            continue;
        if (!best || e->last_used > best->last_used)
            best = e;
    }
    return best;
}

static size_t poll_probe(struct conference *c, struct member *m, usec_t now,
                         struct conference_packet *out, size_t max)
{
    size_t count = 0;
    struct egress *e = m->probe_budget > 0 ? probe_egress(c, m, now) : NULL;
    if (!e)
        m->probe_budget = 0;
    struct sent *log = &m->estimate.sent;
    uint16_t back = 0;
    while (m->probe_budget > 0 && count < max) {
        struct conference_packet *packet = &out[count];
        /* What went out lately is sent twice: if the first was lost, it repairs. */
        uint16_t sequence = (uint16_t)(e->last_sent - back++ % 16);
        const struct sent_packet *sent = egress_sent_at(e, log, sequence);
        struct sent_packet again = sent ? *sent : (struct sent_packet){0};
        const struct source *s = conference_source_of(c, e);
        bool written =
            e->target >= 0 && sent && egress_write_rtx(e, s, sent, next_transport(m), packet);
        if (!written)
            egress_write_padding(e, next_transport(m), m->estimate.probe.bps < PROBE_SLOW, packet);
        m->probe_budget -= (int64_t)wire_size(packet);
        c->counters.probes++;
        sent_out(c, m, now, packet, true);
        if (written)
            egress_remember(e, log, again.number, &again.out, again.tries);
        count++;
    }
    return count;
}

static size_t poll_reports(struct conference *c, struct member *m, usec_t now,
                           struct conference_packet *out, size_t max, bool *ret_done)
{
    size_t count = 0;
    *ret_done = false;
    while (reports_due(m, now)) {
        if (count == max || CONFERENCE_SCRATCH - c->scratch_used < CONFERENCE_RTCP_MAX)
            return count;
        struct slice bytes;
        if (!reports_build(c, m, now, &bytes))
            break;
        out[count++] = (struct conference_packet){.user = m->user, .rtcp = true, .payload = bytes};
    }
    *ret_done = true;
    return count;
}

static void pace(struct member *m, usec_t now)
{
    struct pacer_input in = {.media_bps = m->used_bps,
                             .estimate_bps = m->shared_bps,
                             .settled = estimate_settled(&m->estimate),
                             .congested = estimate_queue(&m->estimate) > CONGESTED};
    pacer_tick(&m->pacer, now, &in);
    if (estimate_probing(&m->estimate))
        m->probe_budget = (int64_t)estimate_probe_fill(&m->estimate, now);
}

/* Stage after stage; what does not fit goes on in the next call. */
size_t receive_poll(struct conference *c, struct member *m, usec_t now,
                    struct conference_packet *out, size_t max, bool *ret_done)
{
    size_t count = 0;
    *ret_done = false;
    if (c->round_stage == STAGE_MEDIA && c->round_at == 0)
        pace(m, now);
    for (; c->round_stage < STAGE_REPORTS; c->round_stage++) {
        bool more = false;
        switch (c->round_stage) {
        case STAGE_MEDIA:
            count += poll_media(c, m, now, out + count, max - count);
            more = c->round_at < c->round_end;
            break;
        case STAGE_RESENDS:
            count += poll_resends(c, m, now, out + count, max - count);
            more = resends_more(m);
            break;
        case STAGE_PICTURES:
            count += poll_paced(c, m, now, PACER_STAGE, out + count, max - count);
            more = paced_more(m, PACER_STAGE);
            break;
        case STAGE_TILES:
            count += poll_paced(c, m, now, PACER_TILE, out + count, max - count);
            more = paced_more(m, PACER_TILE);
            break;
        case STAGE_SCREENS:
            count += poll_paced(c, m, now, PACER_SCREEN, out + count, max - count);
            more = paced_more(m, PACER_SCREEN);
            break;
        case STAGE_PROBE:
            count += poll_probe(c, m, now, out + count, max - count);
            more = m->probe_budget > 0;
            break;
        }
        bool back =
            m->replaying && c->round_stage > STAGE_RESENDS && pacer_ready(&m->pacer, PACER_STAGE);
        if (more && (count == max || !back))
            return count;
        if (back)
            c->round_stage = STAGE_MEDIA; /* the resends are next */
    }
    *ret_done = true;
    if (!c->round_reports)
        return count;
    /* Reports go last: they tell of what was just sent. */
    return count + poll_reports(c, m, now, out + count, max - count, ret_done);
}

/* A receiver's own request: answered by one that is on its way, or charged to its bucket; when that
 * is empty, it waits. */
static void pass_key_request(struct conference *c, struct member *m, struct egress *e,
                             struct source *s, usec_t now)
{
    unsigned layer = (unsigned)e->target;
    unsigned spatial;
    unsigned stream = source_stream_of(s, layer, &spatial);
    usec_t rtt = m->rtt > 0 ? m->rtt : CONFERENCE_RTT_UNKNOWN;
    usec_t pause = source_is_screen(s) ? SCREEN_KEY_PAUSE : rtt + 10 * USEC_PER_MSEC;
    bool on_its_way = s->streams[stream].key_wanted_until >= now ||
                      (e->key_sent > 0 && now - e->key_sent < pause);
    if (on_its_way) {
        e->key_wanted = false;
    } else if (egress_take_key(e, now)) {
        e->key_wanted = false;
        e->key_held = false;
        source_want_key(s, now, layer);
    } else if (!e->key_held) {
        e->key_held = true;
        c->counters.plis_throttled++;
    }
}

/* Whether a screen's stream that waits for a key frame asks for none now: one waits to leave, or
 * one just went. */
static bool key_pauses(const struct egress *e, const struct source *s, usec_t now)
{
    unsigned spatial;
    const struct source_stream *st =
        &s->streams[source_stream_of(s, (unsigned)e->target, &spatial)];
    if (!source_is_screen(s))
        return false;
    return e->key_waits || (st->key_at > 0 && now - st->key_at < SCREEN_KEY_FRESH) ||
           (e->limited && e->key_sent > 0 && now - e->key_sent < SCREEN_KEY_PAUSE);
}

static void want_key(struct conference *c, struct member *m, struct egress *e, usec_t now)
{
    struct source *s = c->sources[e->source];
    if (now < e->usable_at || !source_live(s))
        return;
    if (egress_waits(e, s)) {
        if (!key_pauses(e, s, now))
            source_want_key(s, now, (unsigned)e->target);
    } else if (e->key_wanted && e->target >= 0) {
        pass_key_request(c, m, e, s, now);
    }
}

bool receive_waits(const struct member *m)
{
    for (enum pacer_class class = 0; class < PACER_CLASSES; class ++)
        if (pacer_waits(&m->pacer, class))
            return true;
    return m->resend_tail != m->resend_head || estimate_probing(&m->estimate);
}

void receive_tick(struct conference *c, struct member *m, usec_t now)
{
    if (!m->connected)
        return;
    if (sent_tick(&m->estimate.sent, now))
        c->counters.memory++;
    size_t spare = 0;
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        spare += is_spare(e);
        if (e->source == EGRESS_NO_SOURCE)
            continue;
        if (now >= e->report_at)
            m->sender_reports = true;
        if (e->kind != CONFERENCE_VIDEO)
            continue;
        if (egress_tick(e, &m->estimate.sent))
            c->counters.memory++;
        want_key(c, m, e, now);
    }
    if (m->rewriting)
        slots_tick(c, m);
    else if (keep_spares(c, m, spare) != 0)
        c->counters.memory++;
    m->can_probe = (m->any_limited || m->narrow) && probe_egress(c, m, now);
    m->probe_budget = (int64_t)estimate_tick(&m->estimate, now, m->can_probe);
}
