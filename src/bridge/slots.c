/* The slots of a rewriting receiver. They are made in pairs, one for sound and one for pictures:
 * browsers play the two of a pair in step, and are told of a pair once. So both halves of a person
 * belong into one pair; and pairs are made ahead, for browsers need time to take a new SSRC. */
#include "bridge/member.h"

/* A voice that was silent so long gives its slot to one without, when there are too few. */
#define SLOT_IDLE (2 * USEC_PER_SEC)
/* Pairs never used: made anew, several at a time, when there are fewer. */
#define SPARES_LEAST 2

static uint16_t index_of(unsigned pair, enum conference_kind kind)
{
    return (uint16_t)(2 * pair + (kind == CONFERENCE_VIDEO));
}

static enum conference_kind other_kind(enum conference_kind kind)
{
    return kind == CONFERENCE_AUDIO ? CONFERENCE_VIDEO : CONFERENCE_AUDIO;
}

static bool in_use(const struct egress *e)
{
    return e->source != EGRESS_NO_SOURCE;
}

static bool never_used(const struct egress *e)
{
    return e->source_name[0] == '\0';
}

unsigned slots_pair(uint16_t index)
{
    return index / 2;
}

static unsigned pair_count(const struct member *m)
{
    return (unsigned)(m->egress_count / 2);
}

bool slots_spare(const struct member *m, unsigned pair)
{
    return never_used(&m->egress[index_of(pair, CONFERENCE_AUDIO)]) &&
           never_used(&m->egress[index_of(pair, CONFERENCE_VIDEO)]);
}

/* SSRCs of slots collide neither with each other nor with what the receiver sends. */
static uint32_t fresh_ssrc(struct conference *c, const struct member *m)
{
    for (;;) {
        uint32_t ssrc = conference_random(c);
        bool taken = ssrc == 0 || ssrc == c->own_ssrc;
        for (size_t i = 0; i < m->egress_count && !taken; i++)
            taken = m->egress[i].ssrc == ssrc || m->egress[i].rtx == ssrc;
        for (size_t i = 0; i < m->ssrc_count && !taken; i++)
            taken = m->ssrcs[i].ssrc == ssrc;
        if (!taken)
            return ssrc;
    }
}

static int make_pair(struct conference *c, struct member *m)
{
    int err = receive_reserve(m, 2);
    if (err)
        return err;
    receive_add(c, m, CONFERENCE_AUDIO, fresh_ssrc(c, m), 0);
    uint32_t ssrc = fresh_ssrc(c, m);
    receive_add(c, m, CONFERENCE_VIDEO, ssrc, 0);
    m->egress[m->egress_count - 1].rtx = fresh_ssrc(c, m);
    m->maps_dirty = c->notice_dirty = true;
    return 0;
}

void slots_prepare(struct conference *c, struct member *m)
{
    unsigned spares = 0;
    for (unsigned pair = 0; pair < pair_count(m); pair++)
        spares += slots_spare(m, pair);
    if (spares >= SPARES_LEAST)
        return;
    for (; spares < MEMBER_SPARES && pair_count(m) < c->slots; spares++)
        if (make_pair(c, m) != 0) {
            c->counters.memory++;
            return;
        }
}

/* Of a person's sound and camera the other one; NULL: it has none. */
static const struct source *half_of(const struct conference *c, const struct source *s)
{
    const struct member *owner = c->members[s->owner];
    const struct source *voice = NULL;
    const struct source *camera = NULL;
    for (size_t i = owner->source_count; i-- > 0;) {
        const struct source *t = owner->sources[i];
        if (t->state.kind == CONFERENCE_AUDIO)
            voice = t;
        else if (t->state.video_type != CONFERENCE_DESKTOP)
            camera = t;
    }
    return s == voice ? camera : s == camera ? voice : NULL;
}

/* The pair in which the same person's other half is; MEMBER_NO_EGRESS: none. */
static unsigned pair_of_half(const struct conference *c, const struct member *m,
                             const struct source *s)
{
    const struct source *half = half_of(c, s);
    uint16_t index = half ? m->by_source[half->index] : MEMBER_NO_EGRESS;
    return index != MEMBER_NO_EGRESS ? slots_pair(index) : MEMBER_NO_EGRESS;
}

/* Best first. */
enum choice {
    CHOICE_OWN,       /* the source was here before */
    CHOICE_HALF,      /* beside its other half */
    CHOICE_NEW_PAIR,  /* never used, alone */
    CHOICE_NEW,       /* never used, beside a stranger */
    CHOICE_FREE,      /* free for longest */
    CHOICE_IDLE_HALF, /* a voice silent for a while, beside this one's picture */
    CHOICE_IDLE,      /* not wanted, or silent for longest */
    CHOICE_NONE,
};

static enum choice rate(const struct conference *c, const struct member *m, const struct source *s,
                        unsigned pair, unsigned half)
{
    const struct egress *e = &m->egress[index_of(pair, s->state.kind)];
    const struct egress *beside = &m->egress[index_of(pair, other_kind(s->state.kind))];
    bool video = s->state.kind == CONFERENCE_VIDEO;
    if (in_use(e)) {
        bool idle = video ? e->target < 0 : c->now - e->last_used > SLOT_IDLE;
        if (!idle)
            return CHOICE_NONE;
        if (pair == half)
            return video ? CHOICE_HALF : CHOICE_IDLE_HALF;
        return CHOICE_IDLE;
    }
    if (pair == half)
        return CHOICE_HALF;
    if (half == MEMBER_NO_EGRESS && strcmp(e->source_name, s->state.name) == 0)
        return CHOICE_OWN;
    if (never_used(e))
        return in_use(beside) ? CHOICE_NEW : CHOICE_NEW_PAIR;
    return CHOICE_FREE;
}

static uint16_t choose(const struct conference *c, const struct member *m, const struct source *s)
{
    unsigned half = pair_of_half(c, m, s);
    enum choice best = CHOICE_NONE;
    uint16_t found = MEMBER_NO_EGRESS;
    for (unsigned pair = 0; pair < pair_count(m); pair++) {
        uint16_t index = index_of(pair, s->state.kind);
        enum choice choice = rate(c, m, s, pair, half);
        bool older = choice == best && choice >= CHOICE_FREE && choice < CHOICE_NONE &&
                     m->egress[index].last_used < m->egress[found].last_used;
        if (choice < best || older) {
            best = choice;
            found = index;
        }
    }
    return found;
}

uint16_t slots_give(struct conference *c, struct member *m, const struct source *s)
{
    uint16_t index = m->by_source[s->index];
    if (index != MEMBER_NO_EGRESS)
        return index;
    slots_prepare(c, m);
    index = choose(c, m, s);
    if (index == MEMBER_NO_EGRESS) {
        c->counters.slots_full++;
        return index;
    }
    if (receive_bind(c, m, index, s) != 0) {
        c->counters.memory++;
        return MEMBER_NO_EGRESS;
    }
    slots_prepare(c, m);
    m->share_dirty = true; /* its other half may have to follow */
    return index;
}

/* Moves a picture to the slot beside its voice; what was there takes its place. */
static void move_picture(struct conference *c, struct member *m, uint16_t from, uint16_t to)
{
    const struct source *s = conference_source_of(c, &m->egress[from]);
    const struct source *away = conference_source_of(c, &m->egress[to]);
    receive_unbind(m, from);
    if (away)
        receive_unbind(m, to);
    if (receive_bind(c, m, to, s) != 0 || (away && receive_bind(c, m, from, away) != 0))
        c->counters.memory++;
}

void slots_pair_up(struct conference *c, struct member *m)
{
    for (unsigned pair = 0; pair < pair_count(m); pair++) {
        uint16_t index = index_of(pair, CONFERENCE_VIDEO);
        const struct source *s = conference_source_of(c, &m->egress[index]);
        bool shown = s && m->wish[s->index].granted >= 0;
        unsigned half = shown ? pair_of_half(c, m, s) : MEMBER_NO_EGRESS;
        if (half != MEMBER_NO_EGRESS && half != pair)
            move_picture(c, m, index, index_of(half, CONFERENCE_VIDEO));
    }
}

void slots_tick(struct conference *c, struct member *m)
{
    if (pair_count(m) < c->slots)
        return; /* nobody waits */
    for (uint32_t i = 0; i < c->source_end; i++) {
        const struct source *s = c->sources[i];
        if (!s || s->owner == m->seat || s->state.kind != CONFERENCE_AUDIO ||
            m->by_source[i] != MEMBER_NO_EGRESS || !source_live(s))
            continue;
        if (s->voice.place != VOICE_OUT)
            (void)slots_give(c, m, s); /* none free: counted */
    }
}
