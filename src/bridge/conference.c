#include "bridge/conference.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/member.h"
#include "proto/offer.h"
#include "proto/red.h"

#define SOUND_COST (5 * USEC_PER_MSEC)
#define SOUND_BURST USEC_PER_SEC
#define REFRESH_INTERVAL (100 * USEC_PER_MSEC)
#define IDLE_AFTER (2 * USEC_PER_SEC)

/* SplitMix64: enough for SSRCs and first sequence numbers. */
uint32_t conference_random(struct conference *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return (uint32_t)((z ^ z >> 31) >> 16);
}

struct conference *conference_new(uint64_t seed)
{
    struct conference *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->random = seed;
    c->slots = MEMBER_SLOTS;
    c->profile = PROFILE_RICH;
    c->own_ssrc = conference_random(c) | 1;
    (void)snprintf(c->cname, sizeof(c->cname), "%08x", conference_random(c)); /* always fits */
    speaker_init(&c->speaker);
    voices_init(&c->voices, VOICES_DEFAULT);
    c->by_name = map_new(CONFERENCE_ENDPOINTS_MAX, seed);
    c->source_by_name = map_new(CONFERENCE_SOURCES_ALL, seed);
    c->notice_slots = calloc((size_t)2 * MEMBER_SLOTS, sizeof(*c->notice_slots));
    if (!c->by_name || !c->source_by_name || !c->notice_slots)
        conference_free(&c);
    return c;
}

void conference_set_slots(struct conference *c, unsigned slots)
{
    assert(slots > 0 && slots <= MEMBER_SLOTS);
    c->slots = slots;
}

void conference_set_profile(struct conference *c, enum profile profile)
{
    if (profile == c->profile)
        return;
    c->profile = profile;
    c->limited = true;
    for (uint32_t i = 0; i < c->member_end; i++)
        if (c->members[i])
            ceiling_begin(&c->members[i]->ceiling, profile, estimate_bps(&c->members[i]->estimate));
    c->wishes_dirty = true;
}

void conference_set_voices(struct conference *c, unsigned voices)
{
    assert(voices > 0 && voices <= CONFERENCE_VOICES_MAX);
    c->voices.most = voices;
}

static void free_member(struct member **member)
{
    struct member *m = *member;
    if (!m)
        return;
    receive_done(m);
    share_done(m);
    estimate_done(&m->estimate);
    free(m->wish);
    free(m->by_source);
    free(m->order);
    free(m->told);
    free(m);
    *member = NULL;
}

void conference_free(struct conference **conference)
{
    struct conference *c = *conference;
    if (!c)
        return;
    for (uint32_t i = 0; i < c->member_end; i++)
        free_member(&c->members[i]);
    for (uint32_t i = 0; i < c->source_end; i++)
        source_free(&c->sources[i]);
    free(c->sources);
    free(c->video_order);
    free(c->share);
    free(c->share_index);
    free(c->notice_slots);
    free(c->notice_names);
    speaker_done(&c->speaker);
    map_free(&c->by_name);
    map_free(&c->source_by_name);
    free(c);
    *conference = NULL;
}

struct member *conference_member(const struct conference *c, struct conference_seat seat)
{
    return seat.index < c->member_end ? c->members[seat.index] : NULL;
}

struct source *conference_source_of(const struct conference *c, const struct egress *e)
{
    return e->source == EGRESS_NO_SOURCE ? NULL : c->sources[e->source];
}

static int reserve_member(struct member *m, uint32_t from, uint32_t cap)
{
    struct member_wish *wish = realloc(m->wish, cap * sizeof(*wish));
    if (!wish)
        return ERR_MEMORY;
    m->wish = wish;
    uint16_t *by_source = realloc(m->by_source, cap * sizeof(*by_source));
    if (!by_source)
        return ERR_MEMORY;
    m->by_source = by_source;
    uint32_t *order = realloc(m->order, cap * sizeof(*order));
    if (!order)
        return ERR_MEMORY;
    m->order = order;
    for (uint32_t i = from; i < cap; i++) {
        m->by_source[i] = MEMBER_NO_EGRESS;
        m->wish[i] = (struct member_wish){.granted = -1};
    }
    return 0;
}

/* Room in all arrays by source index. */
static int reserve_sources(struct conference *c, uint32_t count)
{
    if (count <= c->source_cap)
        return 0;
    uint32_t cap = c->source_cap > 0 ? c->source_cap * 2 : 16;
    struct source **sources = realloc(c->sources, cap * sizeof(*sources));
    if (!sources)
        return ERR_MEMORY;
    c->sources = sources;
    uint32_t *order = realloc(c->video_order, cap * sizeof(*order));
    if (!order)
        return ERR_MEMORY;
    c->video_order = order;
    struct allocate_source *share = realloc(c->share, cap * sizeof(*share));
    if (!share)
        return ERR_MEMORY;
    c->share = share;
    uint32_t *share_index = realloc(c->share_index, cap * sizeof(*share_index));
    if (!share_index)
        return ERR_MEMORY;
    c->share_index = share_index;
    for (uint32_t i = 0; i < c->member_end; i++) {
        int err = c->members[i] ? reserve_member(c->members[i], c->source_cap, cap) : 0;
        if (err)
            return err;
    }
    c->source_cap = cap;
    return 0;
}

static struct member *new_member(struct conference *c, usec_t now, const char *id)
{
    struct member *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    if (estimate_init(&m->estimate, now, conference_random(c)) != 0 ||
        reserve_member(m, 0, c->source_cap > 0 ? c->source_cap : 1) != 0) {
        free_member(&m);
        return NULL;
    }
    (void)slice_copy(slice_str(id), m->id, sizeof(m->id)); /* checked before */
    pacer_init(&m->pacer, now);
    sound_join(m, now);
    m->stats_at = now + 10 * USEC_PER_SEC;
    if (c->profile != PROFILE_RICH)
        estimate_begin(&m->estimate, now, CEILING_INITIAL);
    ceiling_begin(&m->ceiling, c->profile, 0);
    return m;
}

static int seat_member(struct conference *c, usec_t now, const char *id, struct member **ret)
{
    uint32_t seat = 0;
    while (seat < c->member_end && c->members[seat])
        seat++;
    if (seat == CONFERENCE_ENDPOINTS_MAX)
        return ERR_LIMIT;
    int err = speaker_reserve(&c->speaker, seat + 1);
    if (err)
        return err;
    struct member *m = new_member(c, now, id);
    if (!m)
        return ERR_MEMORY;
    err = map_put(c->by_name, slice_str(id), m);
    if (err) {
        free_member(&m);
        return err;
    }
    m->seat = seat;
    c->members[seat] = m;
    if (seat == c->member_end)
        c->member_end++;
    *ret = m;
    return 0;
}

static void index_ssrcs(struct member *m)
{
    m->ssrc_count = 0;
    m->last_ssrc = 0;
    for (size_t i = 0; i < m->source_count; i++) {
        const struct conference_source *state = &m->sources[i]->state;
        for (unsigned l = 0; l < state->layer_count; l++) {
            m->ssrcs[m->ssrc_count++] =
                (struct member_ssrc){state->ssrcs[l], (uint8_t)i, (uint8_t)l, false};
            if (state->rtx[l] != 0)
                m->ssrcs[m->ssrc_count++] =
                    (struct member_ssrc){state->rtx[l], (uint8_t)i, (uint8_t)l, true};
        }
    }
}

static void remove_source(struct conference *c, struct source *s)
{
    voices_drop(&c->voices, c->now, &s->voice);
    for (uint32_t i = 0; i < c->member_end; i++)
        if (c->members[i])
            receive_source_gone(c->members[i], s);
    size_t kept = 0;
    size_t end = c->round_end;
    size_t at = c->round_at;
    for (size_t i = 0; i < c->pending_count; i++) {
        if (c->pending[i].source != s->index) {
            c->pending[kept++] = c->pending[i];
            continue;
        }
        c->round_end -= c->in_round && i < end;
        c->round_at -= c->in_round && i < at;
    }
    c->pending_count = kept;
    if (map_get(c->source_by_name, slice_str(s->state.name)) == s)
        (void)map_del(c->source_by_name, slice_str(s->state.name)); /* freed below */
    c->sources[s->index] = NULL;
    source_free(&s);
    c->order_dirty = c->notice_dirty = true;
}

static int add_source(struct conference *c, struct member *m, const struct conference_source *state)
{
    uint32_t index = 0;
    while (index < c->source_end && c->sources[index])
        index++;
    int err = reserve_sources(c, index + 1);
    if (err)
        return err;
    struct source *s = source_new(state);
    if (!s)
        return ERR_MEMORY;
    s->index = index;
    s->owner = m->seat;
    err = map_put(c->source_by_name, slice_str(state->name), s);
    if (err) {
        source_free(&s);
        return err;
    }
    c->sources[index] = s;
    if (index == c->source_end)
        c->source_end++;
    m->sources[m->source_count++] = s;
    c->order_dirty = true;
    return 0;
}

static const struct conference_source *find_state(const struct conference_endpoint *endpoint,
                                                  const struct source *s)
{
    for (size_t i = 0; i < endpoint->source_count; i++)
        if (source_same(s, &endpoint->sources[i]))
            return &endpoint->sources[i];
    return NULL;
}

static bool has_state(const struct member *m, const struct conference_source *state)
{
    for (size_t i = 0; i < m->source_count; i++)
        if (source_same(m->sources[i], state))
            return true;
    return false;
}

static void update_source(struct conference *c, usec_t now, struct source *s,
                          const struct conference_source *state)
{
    bool was_live = source_live(s);
    bool changed = s->state.video_type != state->video_type;
    s->state = *state;
    if (was_live == source_live(s) && !changed)
        return;
    if (!source_live(s)) {
        s->recorded = -1;
        voices_drop(&c->voices, now, &s->voice);
        for (uint32_t i = 0; i < c->member_end; i++) {
            struct member *m = c->members[i];
            if (m && m->by_source[s->index] != MEMBER_NO_EGRESS)
                m->egress[m->by_source[s->index]].resync = true;
        }
        if (s->state.blocked && s->state.kind == CONFERENCE_AUDIO)
            speaker_leave(&c->speaker, s->owner);
    }
    capture_source_changed(c, now, s);
    c->order_dirty = true;
    for (uint32_t i = 0; changed && i < c->member_end; i++)
        if (c->members[i] && c->members[i]->by_source[s->index] != MEMBER_NO_EGRESS)
            c->members[i]->maps_dirty = c->notice_dirty = true;
}

static int set_sources(struct conference *c, usec_t now, struct member *m,
                       const struct conference_endpoint *endpoint)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->source_count; i++) {
        struct source *s = m->sources[i];
        const struct conference_source *state = find_state(endpoint, s);
        if (state) {
            update_source(c, now, s, state);
            m->sources[kept++] = s;
        } else {
            if (s->state.kind == CONFERENCE_AUDIO)
                speaker_leave(&c->speaker, m->seat);
            remove_source(c, s);
        }
    }
    m->source_count = kept;
    int err = 0;
    for (size_t i = 0; i < endpoint->source_count && !err; i++)
        if (!has_state(m, &endpoint->sources[i]))
            err = add_source(c, m, &endpoint->sources[i]);
    index_ssrcs(m);
    for (uint32_t i = 0; i < c->member_end && !err; i++)
        if (c->members[i])
            err = receive_sources_changed(c, c->members[i]);
    return err;
}

static int check_source(const struct conference_source *s)
{
    if (s->name[0] == '\0' || !memchr(s->name, 0, sizeof(s->name)) || s->layer_count == 0 ||
        s->layer_count > CONFERENCE_LAYERS_MAX)
        return ERR_FORMAT;
    return 0;
}

static int check_endpoint(const struct conference_endpoint *endpoint)
{
    uint32_t ssrcs[MEMBER_SSRCS];
    size_t count = 0;
    if (endpoint->id[0] == '\0' || !memchr(endpoint->id, 0, sizeof(endpoint->id)) ||
        !memchr(endpoint->person, 0, sizeof(endpoint->person)))
        return ERR_FORMAT;
    if (endpoint->source_count > CONFERENCE_SOURCES_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < endpoint->source_count; i++) {
        const struct conference_source *s = &endpoint->sources[i];
        int err = check_source(s);
        if (err)
            return err;
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->name, endpoint->sources[k].name) == 0)
                return ERR_FORMAT;
        for (unsigned l = 0; l < s->layer_count; l++) {
            ssrcs[count++] = s->ssrcs[l];
            if (s->rtx[l] != 0)
                ssrcs[count++] = s->rtx[l];
        }
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (ssrcs[i] == ssrcs[k])
                return ERR_FORMAT;
    return 0;
}

int conference_put(struct conference *c, usec_t now, const struct conference_endpoint *endpoint,
                   void *user, struct conference_seat *ret_seat)
{
    c->now = now;
    int err = check_endpoint(endpoint);
    if (err)
        return err;
    struct member *m = map_get(c->by_name, slice_str(endpoint->id));
    bool added = !m;
    if (added) {
        err = seat_member(c, now, endpoint->id, &m);
        if (err)
            return err;
        m->rewriting = endpoint->rewriting;
    }
    m->user = user;
    m->staff = endpoint->staff;
    m->red = endpoint->red;
    m->encrypted = endpoint->encrypted;
    memcpy(m->person, endpoint->person, sizeof(m->person));
    err = share_set_wishes(m, &endpoint->wishes);
    if (!err)
        err = set_sources(c, now, m, endpoint);
    c->wishes_dirty = true;
    if (err && added) {
        conference_del(c, now, (struct conference_seat){m->seat});
        return err;
    }
    share_update(c, now);
    *ret_seat = (struct conference_seat){m->seat};
    return err;
}

void conference_del(struct conference *c, usec_t now, struct conference_seat seat)
{
    struct member *m = conference_member(c, seat);
    if (!m)
        return;
    c->now = now;
    for (size_t i = 0; i < m->source_count; i++)
        remove_source(c, m->sources[i]);
    speaker_leave(&c->speaker, m->seat);
    (void)map_del(c->by_name, slice_str(m->id)); /* freed below */
    free_member(&c->members[seat.index]);
    while (c->member_end > 0 && !c->members[c->member_end - 1])
        c->member_end--;
    c->wishes_dirty = true;
    share_update(c, now);
}

void conference_set_connected(struct conference *c, usec_t now, struct conference_seat seat,
                              bool connected)
{
    struct member *m = conference_member(c, seat);
    if (!m || m->connected == connected)
        return;
    m->connected = connected;
    m->share_dirty = true;
    c->work = true;
    for (size_t i = 0; i < m->egress_count; i++)
        m->egress[i].resync = true;
    share_update(c, now);
}

void conference_set_rtt(struct conference *c, struct conference_seat seat, usec_t rtt)
{
    struct member *m = conference_member(c, seat);
    if (m)
        m->rtt = rtt;
}

void conference_add_pending(struct conference *c, const struct source *s, uint32_t number)
{
    if (c->pending_count == CONFERENCE_PENDING) {
        c->counters.pending_full++;
        return;
    }
    if (c->pending_count == 0)
        c->pending_since = c->now;
    c->pending_urgent |= s->state.kind == CONFERENCE_AUDIO;
    c->pending[c->pending_count++] = (struct conference_pending){s->index, number};
}

/* When what is pending leaves; USEC_NEVER: nothing is. */
static usec_t pending_due(const struct conference *c)
{
    if (c->pending_count == 0)
        return USEC_NEVER;
    bool waits = !c->pending_urgent && c->pending_count < CONFERENCE_GATHER_PACKETS;
    return waits ? c->pending_since + CONFERENCE_GATHER : c->now;
}

/* Somebody is there again: members are looked at more often. */
static void wake(struct conference *c, usec_t now)
{
    c->now = c->last_input = now;
    if (c->idle)
        c->tick_at = now;
    c->idle = false;
}

const struct member_ssrc *conference_find_ssrc(struct member *m, uint32_t ssrc)
{
    if (m->last_ssrc < m->ssrc_count && m->ssrcs[m->last_ssrc].ssrc == ssrc)
        return &m->ssrcs[m->last_ssrc];
    for (size_t i = 0; i < m->ssrc_count; i++) {
        if (m->ssrcs[i].ssrc == ssrc) {
            m->last_ssrc = i;
            return &m->ssrcs[i];
        }
    }
    return NULL;
}

/* Whether somebody may be waiting for a layer that this packet shows to be on. */
static bool wakes_layer(const struct source *s, const struct ring_packet *entry)
{
    unsigned layer = s->layered < 0 ? entry->stream : entry->facts.spatial;
    return s->bps[layer] == 0 || entry->facts.key;
}

/* Every packet of sound goes to everybody at once; more than 200 a second are no sound. */
bool conference_admits(struct conference *c, usec_t now, struct source *s)
{
    if (s->state.kind != CONFERENCE_AUDIO)
        return true;
    if (!policer_open(&s->sound, now, SOUND_BURST)) {
        c->counters.over_rate++;
        return false;
    }
    policer_charge(&s->sound, now, SOUND_COST);
    return true;
}

static int take_packet(struct conference *c, usec_t now, struct source *s, unsigned stream,
                       const struct rtp_packet *packet, bool repaired)
{
    uint32_t number;
    if (!conference_admits(c, now, s))
        return ERR_LIMIT;
    int err = source_input(s, now, stream, packet, repaired, &number);
    if (err) {
        *(err == ERR_EXISTS ? &c->counters.duplicates : &c->counters.malformed) += 1;
        return err == ERR_EXISTS ? 0 : err;
    }
    if (repaired)
        c->counters.repaired++;
    if (!source_live(s)) {
        c->counters.withheld++;
        return 0;
    }
    const struct ring_packet *entry = ring_get(&s->ring, number);
    if (wakes_layer(s, entry))
        c->layers_dirty = true;
    if (c->capturing)
        capture_packet(c, now, s, number);
    if (s->state.kind == CONFERENCE_AUDIO)
        sound_take(c, now, s, number);
    else
        conference_add_pending(c, s, number);
    return 0;
}

/* Redundant audio (RFC 2198): the packet's own block goes on, with what its receivers need of the
 * rest; what it repeats of packets that did not come takes their place. */
static int take_redundant(struct conference *c, usec_t now, struct source *s,
                          const struct rtp_packet *packet)
{
    struct red red;
    struct rtp_packet one = *packet;
    if (red_parse(packet->payload, &red) != 0) {
        c->counters.malformed++;
        return ERR_FORMAT;
    }
    one.payload_type = OFFER_PT_OPUS;
    one.extensions = (struct slice){0}; /* the level is the newest block's */
    for (unsigned i = 0; i + 1 < red.count; i++) {
        const struct red_block *block = &red.blocks[i];
        one.sequence = (uint16_t)(packet->sequence - (red.count - 1 - i));
        one.timestamp = packet->timestamp - block->offset;
        one.payload = block->data;
        if (block->payload_type == OFFER_PT_OPUS && block->data.len > 0 &&
            source_lacks(s, 0, one.sequence))
            (void)take_packet(c, now, s, 0, &one, true); /* refused: it stays lost */
    }
    one = *packet;
    one.payload_type = OFFER_PT_OPUS;
    one.payload = red.blocks[red.count - 1].data;
    return take_packet(c, now, s, 0, &one, false);
}

static bool is_expected(uint8_t payload_type, enum conference_kind kind, bool rtx)
{
    bool is_rtx;
    if (kind == CONFERENCE_AUDIO)
        return payload_type == OFFER_PT_OPUS || payload_type == OFFER_PT_RED;
    return codec_by_type(payload_type, &is_rtx) && is_rtx == rtx;
}

int conference_input_rtp(struct conference *c, usec_t now, struct conference_seat seat,
                         struct slice bytes)
{
    struct member *m = conference_member(c, seat);
    if (!m)
        return ERR_NOT_FOUND;
    wake(c, now);
    c->counters.rtp_in++;
    struct rtp_packet packet;
    if (rtp_parse(bytes, &packet) != 0) {
        c->counters.malformed++;
        return ERR_FORMAT;
    }
    uint16_t transport;
    if (rtp_transport_sequence(&packet, OFFER_EXT_TRANSPORT_CC, &transport)) {
        feedback_arrived(&m->feedback, now, transport, packet.ssrc);
        uplink_arrived(&m->uplink, bytes.len);
    }
    const struct member_ssrc *found = conference_find_ssrc(m, packet.ssrc);
    if (!found) {
        c->counters.unknown_ssrc++;
        return ERR_NOT_FOUND;
    }
    struct source *s = m->sources[found->source];
    if (!is_expected(packet.payload_type, s->state.kind, found->rtx)) {
        c->counters.malformed++;
        return ERR_UNSUPPORTED;
    }
    if (packet.payload.len == 0)
        return 0; /* padding: told in the feedback, not forwarded */
    if (found->rtx) {
        if (rtp_rtx_parse(packet.payload, &packet.sequence, &packet.payload) != 0) {
            c->counters.malformed++;
            return ERR_FORMAT;
        }
        bool rtx;
        packet.ssrc = s->state.ssrcs[found->stream];
        packet.payload_type = codec_by_type(packet.payload_type, &rtx)->payload_type;
        if (packet.payload.len == 0)
            return 0;
    }
    if (packet.payload_type == OFFER_PT_RED)
        return take_redundant(c, now, s, &packet);
    return take_packet(c, now, s, found->stream, &packet, found->rtx);
}

int conference_input_rtcp(struct conference *c, usec_t now, struct conference_seat seat,
                          struct slice packet)
{
    struct member *m = conference_member(c, seat);
    if (!m)
        return ERR_NOT_FOUND;
    wake(c, now);
    int err = reports_input(c, m, now, packet);
    if (err)
        c->counters.malformed++;
    return err;
}

static void refresh(struct conference *c, usec_t now)
{
    bool changed = c->layers_dirty;
    for (uint32_t i = 0; i < c->source_end; i++) {
        struct source *s = c->sources[i];
        if (!s)
            continue;
        if (source_tick(s) != 0)
            c->counters.memory++;
        if (source_refresh(s, now))
            changed = true;
    }
    c->layers_dirty = false;
    c->refresh_at = now + REFRESH_INTERVAL;
    for (uint32_t i = 0; changed && i < c->member_end; i++)
        if (c->members[i])
            c->members[i]->share_dirty = true;
}

/* Everything that follows from time, for everybody. */
static void tick_all(struct conference *c, usec_t now)
{
    if (speaker_tick(&c->speaker, now)) {
        c->speaker_dirty = c->notice_dirty = c->order_dirty = true;
        capture_speaker(c, now);
    }
    sound_tick(c, now);
    if (c->layers_dirty || now >= c->refresh_at)
        refresh(c, now);
    share_update(c, now);
    if (c->capturing)
        capture_tick(c, now);
    for (uint32_t i = 0; i < c->member_end; i++) {
        struct member *m = c->members[i];
        if (!m)
            continue;
        if (uplink_tick(&m->uplink, now, m->feedback.highest)) {
            c->counters.uplinks_narrowed += m->uplink.stage == UPLINK_SCREEN;
            c->wishes_dirty = true;
        }
        share_tick(c, m, now);
        receive_tick(c, m, now);
        c->notice_dirty = c->notice_dirty || (m->connected && now >= m->stats_at);
    }
    c->work = true;
    c->idle = now - c->last_input >= IDLE_AFTER;
    c->tick_at = now + (c->idle ? CONFERENCE_TICK_IDLE : CONFERENCE_TICK);
}

usec_t conference_tick(struct conference *c, usec_t now)
{
    c->now = now;
    if (c->member_end == 0)
        return USEC_NEVER;
    if (now >= c->tick_at || c->layers_dirty || c->order_dirty || c->wishes_dirty)
        tick_all(c, now);
    /* What is due leaves with the poll that follows. */
    usec_t due = pending_due(c);
    return usec_min(c->tick_at, due > now ? due : USEC_NEVER);
}

usec_t conference_due(const struct conference *c)
{
    return c->waiting ? c->paced_at : USEC_NEVER;
}

static bool start_round(struct conference *c)
{
    if (!c->work && pending_due(c) > c->now && conference_due(c) > c->now)
        return false;
    c->in_round = true;
    c->waiting = false;
    c->round_end = c->pending_count;
    c->round_seats = c->member_end;
    c->round_first = c->round_first + 1 < c->round_seats ? c->round_first + 1 : 0;
    c->round_done = 0;
    c->round_stage = 0;
    c->round_at = 0;
    c->round_reports = c->work;
    c->work = c->pending_urgent = false;
    return true;
}

static void end_round(struct conference *c)
{
    c->in_round = false;
    c->pending_count -= c->round_end;
    c->pending_since = c->now;
    c->paced_at = c->now + CONFERENCE_PACE;
    memmove(c->pending, c->pending + c->round_end, c->pending_count * sizeof(c->pending[0]));
}

size_t conference_poll_packets(struct conference *c, usec_t now, struct conference_packet *out,
                               size_t max)
{
    size_t count = 0;
    c->now = now;
    c->scratch_used = 0;
    while (count < max) {
        if (!c->in_round && !start_round(c))
            break;
        while (c->round_done < c->round_seats && count < max) {
            struct member *m = c->members[(c->round_first + c->round_done) % c->round_seats];
            bool done = true;
            if (m && m->connected)
                count += receive_poll(c, m, now, out + count, max - count, &done);
            if (!done)
                break;
            c->waiting = c->waiting || (m && receive_waits(m));
            c->round_done++;
            c->round_stage = 0;
            c->round_at = 0;
        }
        if (c->round_done < c->round_seats)
            break;
        end_round(c);
    }
    return count;
}

void conference_get_counters(const struct conference *c, struct conference_counters *ret_counters)
{
    *ret_counters = c->counters;
}
