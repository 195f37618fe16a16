/* Who gets what: wishes and last-N, what senders are asked for, and each receiver's bandwidth. */
#include <limits.h>
#include <stdlib.h>

#include "bridge/member.h"

enum { CLASSIC_HEIGHT = 180 };

#define SHARE_INTERVAL (500 * USEC_PER_MSEC)
#define UPGRADE_WAIT_MAX (5 * USEC_PER_SEC)
#define UPGRADE_CALM (60 * USEC_PER_SEC)
/* A rise must leave this share of the estimate free; what is held may exceed it by a little, for
 * rates are measured and sway. */
#define RAISE_PERCENT 90
/* From one layer to the next, on a way that was full before; a little at first, for others may be
 * on it. */
#define RAISE_STEP 300000   /* bit/s */
#define RAISE_LITTLE 500000 /* bit/s: from there on by the factor */
#define RAISE_FACTOR 3
#define HOLD_PERCENT 105
#define LAST_PERCENT 120
/* Headers come on top of what was measured. */
#define COST_PERCENT 107
/* Who has not even a smooth small picture does not wait long. */
#define LOW_WAIT (1 * USEC_PER_SEC)

static int copy_names(const char (*from)[CONFERENCE_NAME_MAX], size_t count,
                      const char (**to)[CONFERENCE_NAME_MAX], size_t *to_count)
{
    char(*copy)[CONFERENCE_NAME_MAX] = NULL;
    if (count > MEMBER_NAMES_MAX)
        return ERR_LIMIT;
    if (count > 0) {
        copy = malloc(count * sizeof(*copy));
        if (!copy)
            return ERR_MEMORY;
        memcpy(copy, from, count * sizeof(*copy));
        for (size_t i = 0; i < count; i++)
            copy[i][CONFERENCE_NAME_MAX - 1] = '\0';
    }
    *to = (const char(*)[CONFERENCE_NAME_MAX])copy;
    *to_count = count;
    return 0;
}

static void free_wishes(struct conference_wishes *w)
{
    free((void *)w->selected);
    free((void *)w->on_stage);
    free((void *)w->constraints);
    *w = (struct conference_wishes){0};
}

int share_set_wishes(struct member *m, const struct conference_wishes *wishes)
{
    struct conference_wishes copy = *wishes;
    copy.selected = copy.on_stage = NULL;
    copy.constraints = NULL;
    int err =
        copy_names(wishes->selected, wishes->selected_count, &copy.selected, &copy.selected_count);
    if (!err)
        err = copy_names(wishes->on_stage, wishes->on_stage_count, &copy.on_stage,
                         &copy.on_stage_count);
    if (!err && wishes->constraint_count > MEMBER_NAMES_MAX)
        err = ERR_LIMIT;
    if (!err && wishes->constraint_count > 0) {
        struct conference_constraint *constraints =
            malloc(wishes->constraint_count * sizeof(*constraints));
        if (constraints)
            memcpy(constraints, wishes->constraints,
                   wishes->constraint_count * sizeof(*constraints));
        else
            err = ERR_MEMORY;
        copy.constraints = constraints;
    }
    if (err) {
        free_wishes(&copy);
        return err;
    }
    free_wishes(&m->wishes);
    m->wishes = copy;
    return 0;
}

void share_done(struct member *m)
{
    free_wishes(&m->wishes);
}

static void place_owner(struct conference *c, uint32_t seat, bool *placed)
{
    const struct member *m = c->members[seat];
    for (size_t i = 0; m && !placed[seat] && i < m->source_count; i++)
        if (m->sources[i]->state.kind == CONFERENCE_VIDEO)
            c->video_order[c->video_count++] = m->sources[i]->index;
    placed[seat] = true;
}

static void order_by_speech(struct conference *c)
{
    bool placed[CONFERENCE_ENDPOINTS_MAX] = {false};
    c->video_count = 0;
    if (c->speaker.dominant != SPEAKER_NONE)
        place_owner(c, c->speaker.dominant, placed);
    for (size_t i = 0; i < c->speaker.previous_count; i++)
        place_owner(c, c->speaker.previous[i], placed);
    for (uint32_t i = 0; i < c->member_end; i++)
        place_owner(c, i, placed);
}

static int16_t clamp_height(int height)
{
    return (int16_t)(height < 0 ? -1 : height > INT16_MAX ? INT16_MAX : height);
}

static struct source *named(const struct conference *c, const struct member *m, const char *name)
{
    struct source *s = map_get(c->source_by_name, slice_str(name));
    return s && s->owner != m->seat && s->state.kind == CONFERENCE_VIDEO ? s : NULL;
}

static void place(struct member *m, uint32_t index)
{
    if (m->wish[index].placed)
        return;
    m->wish[index].placed = true;
    m->order[m->order_count++] = index;
}

static void place_other(const struct conference *c, struct member *m, uint32_t index)
{
    if (c->sources[index]->owner != m->seat)
        place(m, index);
}

/* Heights by default and by name, and the order of importance. */
static void read_wishes(struct conference *c, struct member *m)
{
    const struct conference_wishes *w = &m->wishes;
    int untold = m->rewriting ? 0 : CLASSIC_HEIGHT;
    int usual = w->default_max_height == CONFERENCE_UNTOLD ? untold : w->default_max_height;
    m->order_count = 0;
    for (size_t i = 0; i < c->video_count; i++) {
        struct member_wish *wish = &m->wish[c->video_order[i]];
        bool own = c->sources[c->video_order[i]]->owner == m->seat;
        *wish = (struct member_wish){.height = own ? 0 : clamp_height(usual),
                                     .frame_rate = -1,
                                     .granted = wish->granted,
                                     .granted_tid = wish->granted_tid};
    }
    for (size_t i = 0; i < w->constraint_count; i++) {
        const struct source *s = named(c, m, w->constraints[i].source);
        if (!s)
            continue;
        m->wish[s->index].height = clamp_height(w->constraints[i].max_height);
        m->wish[s->index].frame_rate = clamp_height(w->constraints[i].max_frame_rate);
    }
    for (size_t i = 0; i < w->on_stage_count; i++) {
        const struct source *s = named(c, m, w->on_stage[i]);
        if (!s)
            continue;
        m->wish[s->index].on_stage = true;
        place(m, s->index);
    }
    for (size_t i = 0; i < w->selected_count; i++) {
        const struct source *s = named(c, m, w->selected[i]);
        if (s)
            place(m, s->index);
    }
    /* Who shows a screen means that. */
    for (size_t i = 0; i < c->video_count; i++)
        if (source_is_screen(c->sources[c->video_order[i]]))
            place_other(c, m, c->video_order[i]);
    for (size_t i = 0; i < c->video_count; i++)
        place_other(c, m, c->video_order[i]);
}

static int16_t at_most(int16_t wished, int limit)
{
    return (int16_t)(wished < 0 || wished > limit ? limit : wished);
}

/* What the class's profile leaves of the wishes: one larger camera, some small ones, screens. */
static void apply_profile(const struct conference *c, struct member *m)
{
    const struct profile_figures *figures = profile_figures(c->profile);
    int cameras = 0;
    for (size_t i = 0; figures && i < m->order_count; i++) {
        const struct source *s = c->sources[m->order[i]];
        struct member_wish *wish = &m->wish[m->order[i]];
        if (wish->height == 0 || !source_live(s))
            continue;
        bool desktop = s->state.video_type == CONFERENCE_DESKTOP;
        int camera = desktop ? 0 : cameras++;
        int height = desktop                     ? figures->screen_height
                     : camera == 0               ? figures->stage_height
                     : camera <= figures->others ? figures->other_height
                                                 : 0;
        wish->height = at_most(wish->height, height);
        wish->frame_rate =
            at_most(wish->frame_rate, desktop ? figures->screen_rate : figures->camera_rate);
    }
}

/* A sender is never asked for more than anybody may get, not even for a recording. */
static int within_profile(const struct conference *c, const struct source *s, int wanted)
{
    const struct profile_figures *figures = profile_figures(c->profile);
    if (!figures)
        return wanted;
    return at_most(clamp_height(wanted), s->state.video_type == CONFERENCE_DESKTOP
                                             ? figures->screen_height
                                             : figures->stage_height);
}

static int within_uplink(const struct uplink *uplink, const struct source *s, int wanted)
{
    bool desktop = s->state.video_type == CONFERENCE_DESKTOP;
    switch (uplink->stage) {
    case UPLINK_TRIAL:
        return desktop ? wanted : at_most(clamp_height(wanted), UPLINK_TRIAL_HEIGHT);
    case UPLINK_SCREEN:
        return desktop ? wanted : 0;
    case UPLINK_SOUND:
        return 0;
    default:
        return wanted;
    }
}

static void apply_last_n(struct conference *c, struct member *m)
{
    int left = m->wishes.last_n;
    if (m->rewriting && (left < 0 || left > (int)c->slots))
        left = (int)c->slots;
    for (size_t i = 0; left >= 0 && i < m->order_count; i++) {
        struct member_wish *wish = &m->wish[m->order[i]];
        if (wish->height == 0 || !source_live(c->sources[m->order[i]]))
            continue;
        if (left > 0)
            left--;
        else
            wish->height = 0;
    }
}

static int higher(int a, int b)
{
    if (a < 0 || b < 0)
        return -1;
    return a > b ? a : b;
}

/* What the sender of each source is to be asked for. */
static void collect_wanted(struct conference *c, usec_t now)
{
    for (size_t i = 0; i < c->video_count; i++) {
        struct source *s = c->sources[c->video_order[i]];
        int wanted = 0;
        for (uint32_t k = 0; k < c->member_end; k++)
            if (c->members[k] && k != s->owner)
                wanted = higher(wanted, c->members[k]->wish[s->index].height);
        /* A recording asks nothing of a pupil's device; of staff and of screens, all. */
        s->record_top = c->members[s->owner]->staff || s->state.video_type == CONFERENCE_DESKTOP;
        if (c->capturing && s->record_top)
            wanted = -1;
        wanted = within_profile(c, s, wanted);
        const struct uplink *uplink = &c->members[s->owner]->uplink;
        wanted = within_uplink(uplink, s, wanted);
        if (s->state.blocked)
            wanted = 0;
        if (wanted == s->wanted_height && s->told_height != INT_MIN)
            continue;
        bool lower = s->told_height != INT_MIN && wanted >= 0 &&
                     (s->told_height < 0 || wanted < s->told_height);
        s->wanted_height = wanted;
        bool urgent = uplink->stage > UPLINK_TRIAL;
        s->lower_at = lower && !urgent ? now + USEC_PER_SEC : now;
        c->notice_dirty = true;
    }
}

void share_update(struct conference *c, usec_t now)
{
    if (c->order_dirty) {
        order_by_speech(c);
        c->order_dirty = false;
        c->wishes_dirty = true;
    }
    if (!c->wishes_dirty)
        return;
    c->wishes_dirty = false;
    for (uint32_t i = 0; i < c->member_end; i++) {
        struct member *m = c->members[i];
        if (!m)
            continue;
        read_wishes(c, m);
        apply_profile(c, m);
        apply_last_n(c, m);
        m->share_dirty = true;
    }
    collect_wanted(c, now);
}

static int first_active(const struct source *s)
{
    for (unsigned l = 0; l < s->layer_count; l++)
        if (s->bps[l] > 0)
            return (int)l;
    return 0;
}

/* What each layer costs at each frame rate, headers and all. A screen takes room for its key
 * frames, too, but for the base frames of the stream that goes: there they delay it, and nothing
 * else. */
static void price_layers(struct source *s, usec_t now, struct allocate_source *a)
{
    for (unsigned l = 0; l < s->layer_count; l++) {
        uint64_t whole = s->bps[l] * COST_PERCENT / 100;
        uint64_t measured = source_layer_rate(s, now, l, SOURCE_TIDS - 1);
        /* How the frames of a screen divide shows after a while. */
        bool known = measured > 0 && (!source_is_screen(s) || source_layer_known(s, now, l));
        for (unsigned tid = 0; tid < SOURCE_TIDS; tid++) {
            uint64_t part = known ? source_layer_rate(s, now, l, tid) : 0;
            a->bps[l][tid] = part > 0 ? (whole * part + measured - 1) / measured : whole;
            if (whole > 0 && (tid > 0 || (int)l != a->before))
                a->bps[l][tid] += source_key_rate(s, now, l);
        }
        a->height[l] = source_layer_height(s, l);
    }
}

static size_t collect(struct conference *c, struct member *m, usec_t now)
{
    size_t count = 0;
    for (size_t i = 0; i < m->order_count; i++) {
        struct source *s = c->sources[m->order[i]];
        const struct member_wish *wish = &m->wish[m->order[i]];
        if (!s || wish->height == 0 || !source_live(s))
            continue;
        uint16_t index = m->by_source[s->index];
        struct allocate_source *a = &c->share[count];
        *a = (struct allocate_source){
            .layer_count = s->layer_count,
            .max_height = wish->height,
            .max_tid = source_layer_tid(s, now, (unsigned)first_active(s), wish->frame_rate),
            .on_stage = wish->on_stage,
            .desktop = s->state.video_type == CONFERENCE_DESKTOP,
            .before = wish->granted,
            .before_tid = wish->granted_tid,
            .was_limited = index != MEMBER_NO_EGRESS && m->egress[index].limited,
        };
        price_layers(s, now, a);
        c->share_index[count++] = s->index;
    }
    return count;
}

/* The most important picture is kept at its smallest as long as that may just work. */
static uint64_t hold_budget(const struct conference *c, size_t count, uint64_t budget)
{
    uint64_t hold = budget * HOLD_PERCENT / 100;
    uint64_t least = count > 0 ? allocate_least(&c->share[0]) : 0;
    return least > hold && least <= budget * LAST_PERCENT / 100 ? least : hold;
}

static bool lower_than_before(const struct allocate_source *a)
{
    return a->limited && (a->granted < a->before ||
                          (a->granted == a->before && a->granted >= 0 && a->tid < a->before_tid));
}

static usec_t upgrade_wait(const struct member *m)
{
    if (!estimate_settled(&m->estimate))
        return 0;
    return m->low ? usec_min(m->upgrade_wait, LOW_WAIT) : m->upgrade_wait;
}

/* A way that was full before is filled again step by step. */
static uint64_t raise_budget(const struct member *m, uint64_t budget)
{
    uint64_t most = budget * RAISE_PERCENT / 100;
    uint64_t used = m->used_bps;
    uint64_t step = used < RAISE_LITTLE ? used + RAISE_STEP : RAISE_FACTOR * used;
    return estimate_settled(&m->estimate) && step < most ? step : most;
}

/* Shares the budget; what was limited rises only after a while of headroom. Returns what is
 * used. */
static uint64_t divide(struct conference *c, struct member *m, usec_t now, size_t count,
                       uint64_t budget)
{
    bool raised = false;
    if (m->any_limited) {
        uint64_t used = allocate_run(c->share, count, raise_budget(m, budget), true, &raised);
        if (!raised)
            m->headroom_since = 0;
        else if (m->headroom_since == 0)
            m->headroom_since = now;
        usec_t wait = upgrade_wait(m);
        if (raised && now - m->headroom_since >= wait) {
            m->headroom_since = 0;
            m->upgraded_at = now;
            return used;
        }
    }
    uint64_t used = allocate_run(c->share, count, hold_budget(c, count, budget), false, &raised);
    bool lowered = false;
    for (size_t i = 0; i < count; i++)
        lowered = lowered || lower_than_before(&c->share[i]);
    if (lowered) {
        /* The last rise did not last: wait longer before the next. */
        if (m->upgraded_at > 0 && now - m->upgraded_at < UPGRADE_WAIT_MAX)
            m->upgrade_wait =
                usec_min(usec_max(m->upgrade_wait * 2, USEC_PER_SEC), UPGRADE_WAIT_MAX);
        m->upgrade_wait = usec_max(m->upgrade_wait, USEC_PER_SEC);
        m->downgraded_at = now;
        m->headroom_since = 0;
    } else if (now - m->downgraded_at > UPGRADE_CALM) {
        m->upgrade_wait = USEC_PER_SEC;
    }
    return used;
}

/* Suspends what is not granted first: its slot may be needed. Then every picture granted gets its
 * place. */
static void place_granted(struct conference *c, struct member *m, size_t count)
{
    for (size_t i = 0; i < m->order_count; i++)
        m->wish[m->order[i]].granted = -1;
    for (size_t i = 0; i < count; i++) {
        struct member_wish *wish = &m->wish[c->share_index[i]];
        wish->granted = (int8_t)c->share[i].granted;
        wish->granted_tid = (uint8_t)c->share[i].tid;
    }
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        if (e->kind == CONFERENCE_VIDEO && e->source != EGRESS_NO_SOURCE &&
            m->wish[e->source].granted < 0)
            egress_grant(e, -1, SOURCE_TIDS - 1);
    }
    /* The first one is opened in any case: probes need a stream to go out on. */
    for (size_t i = 0; i < count; i++)
        if (c->share[i].granted >= 0 || i == 0)
            (void)receive_video_egress(c, m, c->sources[c->share_index[i]]); /* none: counted */
    if (m->rewriting)
        slots_pair_up(c, m);
}

static void apply(struct conference *c, struct member *m, usec_t now, size_t count)
{
    bool limited = false;
    m->low = true;
    place_granted(c, m, count);
    for (size_t i = 0; i < count; i++) {
        const struct allocate_source *a = &c->share[i];
        struct source *s = c->sources[c->share_index[i]];
        limited = limited || a->limited;
        uint16_t index = m->by_source[s->index];
        if (index == MEMBER_NO_EGRESS) {
            m->wish[s->index].granted = -1;
            continue;
        }
        struct egress *e = &m->egress[index];
        e->limited = a->limited;
        if (a->granted < 0)
            continue;
        int rate = m->wish[s->index].frame_rate;
        unsigned wished = source_layer_tid(s, now, (unsigned)a->granted, rate);
        egress_grant(e, a->granted, a->tid < wished ? a->tid : wished);
        m->low = m->low && a->granted == 0 && a->tid < a->max_tid;
        e->squeeze = a->limited && egress_layer(e, s) > a->granted;
    }
    m->any_limited = limited;
    m->forwarded_dirty = c->notice_dirty = true;
}

/* What all that is wished would need. */
static uint64_t whole_need(const struct conference *c, size_t count, uint64_t audio)
{
    uint64_t need = audio;
    for (size_t i = 0; i < count; i++) {
        int ideal = allocate_ideal(&c->share[i]);
        need += ideal >= 0 ? c->share[i].bps[ideal][c->share[i].max_tid] : 0;
    }
    return need * 100 / RAISE_PERCENT;
}

static bool estimate_moved(const struct member *m, uint64_t bps)
{
    uint64_t last = m->shared_bps;
    return bps < last || bps > last + last / 10;
}

/* What is left out because the class takes no more is not lacking. */
static enum conference_shortage shortage_of(const struct conference *c, const struct member *m,
                                            bool way)
{
    if (m->narrow)
        return CONFERENCE_VOICES;
    if (!m->any_limited)
        return CONFERENCE_WHOLE;
    if (ceiling_proving(&m->ceiling, c->profile))
        return CONFERENCE_PROVING;
    return way || m->ceiling.steps <= (unsigned)c->profile ? CONFERENCE_PICTURES : CONFERENCE_WHOLE;
}

void share_tick(struct conference *c, struct member *m, usec_t now)
{
    if (!m->connected)
        return;
    uint64_t bps = estimate_bps(&m->estimate);
    if (m->wishes.assumed_bandwidth_bps >= 0)
        bps = (uint64_t)m->wishes.assumed_bandwidth_bps;
    if (!m->share_dirty && now < m->share_at && !estimate_moved(m, bps))
        return;
    m->share_dirty = false;
    m->share_at = now + SHARE_INTERVAL;
    m->shared_bps = bps;
    struct sound_share sound;
    sound_share(c, m, now, bps, &sound);
    uint64_t taken =
        ((uint64_t)meter_rate(&m->audio_bytes, now) + (uint64_t)meter_rate(&m->resend_bytes, now)) *
        8;
    size_t count = collect(c, m, now);
    uint64_t ceiling = ceiling_budget(&m->ceiling, c->profile, now, bps);
    uint64_t budget = bps < ceiling ? bps : ceiling;
    m->used_bps = taken + divide(c, m, now, count, budget > taken ? budget - taken : 0);
    apply(c, m, now, count);
    m->shortage = shortage_of(c, m, bps < ceiling);
    uint64_t need = m->any_limited || m->narrow ? whole_need(c, count, taken + sound.lacking) : 0;
    if (count > 0)
        need = ceiling_need(&m->ceiling, c->profile, need);
    estimate_want(&m->estimate, need, sound.least);
}
