/* Who gets what: wishes and last-N, what senders are asked for, and each receiver's bandwidth. */
#include <limits.h>
#include <stdlib.h>

#include "bridge/member.h"

enum { CLASSIC_HEIGHT = 180, PROBE_LEAST = 300000 /* bit/s: enough packets to measure */ };

#define SHARE_INTERVAL (500 * USEC_PER_MSEC)
#define UPGRADE_WAIT_MAX (10 * USEC_PER_SEC)
#define UPGRADE_CALM (60 * USEC_PER_SEC)
#define PROBE_TIME (150 * USEC_PER_MSEC)
/* Who sees nothing at all is not kept waiting for the next probe. */
#define PROBE_WAIT_DARK (2 * USEC_PER_SEC)
/* A rise must leave this share of the estimate free; what is held may exceed it by a little, for
 * rates are measured and sway. */
#define RAISE_PERCENT 90
#define HOLD_PERCENT 105
#define LAST_PERCENT 150

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
        *wish = (struct member_wish){
            .height = own ? 0 : clamp_height(usual), .frame_rate = -1, .granted = wish->granted};
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
    for (size_t i = 0; i < c->video_count; i++)
        if (c->sources[c->video_order[i]]->owner != m->seat)
            place(m, c->video_order[i]);
}

static void apply_last_n(struct conference *c, struct member *m)
{
    int left = m->wishes.last_n;
    for (size_t i = 0; m->wishes.last_n >= 0 && i < m->order_count; i++) {
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
        if (s->state.blocked)
            wanted = 0;
        if (wanted == s->wanted_height && s->told_height != INT_MIN)
            continue;
        bool lower = s->told_height != INT_MIN && wanted >= 0 &&
                     (s->told_height < 0 || wanted < s->told_height);
        s->wanted_height = wanted;
        s->lower_at = lower ? now + USEC_PER_SEC : now;
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
        apply_last_n(c, m);
        m->share_dirty = true;
    }
    collect_wanted(c, now);
}

static size_t collect(struct conference *c, struct member *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->order_count; i++) {
        const struct source *s = c->sources[m->order[i]];
        const struct member_wish *wish = &m->wish[m->order[i]];
        if (!s || wish->height == 0 || !source_live(s))
            continue;
        uint16_t index = m->by_source[s->index];
        struct allocate_source *a = &c->share[count];
        *a = (struct allocate_source){
            .layer_count = s->layer_count,
            .max_height = wish->height,
            .on_stage = wish->on_stage,
            .before = wish->granted,
            .was_limited = index != MEMBER_NO_EGRESS && m->egress[index].limited,
        };
        for (unsigned l = 0; l < s->layer_count; l++) {
            a->bps[l] = s->bps[l];
            a->height[l] = source_layer_height(s, l);
        }
        c->share_index[count++] = s->index;
    }
    return count;
}

/* The most important picture is kept at its smallest as long as that may just work. */
static uint64_t hold_budget(const struct conference *c, size_t count, uint64_t budget)
{
    uint64_t hold = budget * HOLD_PERCENT / 100;
    uint64_t least = 0;
    for (unsigned l = 0; count > 0 && l < c->share[0].layer_count && least == 0; l++)
        least = c->share[0].bps[l];
    return least > hold && least <= budget * LAST_PERCENT / 100 ? least : hold;
}

/* Shares the budget; what was limited rises only after a while of headroom. */
static void divide(struct conference *c, struct member *m, usec_t now, size_t count,
                   uint64_t budget)
{
    bool raised = false;
    if (m->any_limited) {
        (void)allocate_run(c->share, count, budget * RAISE_PERCENT / 100, true, &raised);
        if (!raised)
            m->headroom_since = 0;
        else if (m->headroom_since == 0)
            m->headroom_since = now;
        if (raised && now - m->headroom_since >= m->upgrade_wait) {
            m->headroom_since = 0;
            m->upgraded_at = now;
            return;
        }
    }
    (void)allocate_run(c->share, count, hold_budget(c, count, budget), false, &raised);
    bool lowered = false;
    for (size_t i = 0; i < count; i++)
        lowered = lowered || (c->share[i].limited && c->share[i].granted < c->share[i].before);
    if (lowered) {
        /* The last rise did not last: wait longer before the next. */
        if (m->upgraded_at > 0 && now - m->upgraded_at < UPGRADE_WAIT_MAX)
            m->upgrade_wait = usec_min(m->upgrade_wait * 2, UPGRADE_WAIT_MAX);
        m->downgraded_at = now;
        m->headroom_since = 0;
    } else if (now - m->downgraded_at > UPGRADE_CALM) {
        m->upgrade_wait = USEC_PER_SEC;
    }
}

static void apply(struct conference *c, struct member *m, usec_t now, size_t count)
{
    bool limited = false;
    for (size_t i = 0; i < m->order_count; i++)
        m->wish[m->order[i]].granted = -1;
    for (size_t i = 0; i < count; i++) {
        const struct allocate_source *a = &c->share[i];
        struct source *s = c->sources[c->share_index[i]];
        limited = limited || a->limited;
        uint16_t index = m->by_source[s->index];
        if (index == MEMBER_NO_EGRESS && a->granted >= 0)
            index = receive_video_egress(c, m, s);
        if (index == MEMBER_NO_EGRESS)
            continue;
        struct egress *e = &m->egress[index];
        e->limited = a->limited;
        if (a->granted < 0)
            continue;
        m->wish[s->index].granted = (int8_t)a->granted;
        unsigned layer = (unsigned)a->granted;
        egress_grant(e, a->granted, source_layer_tid(s, now, layer, m->wish[s->index].frame_rate));
        e->squeeze = a->limited && egress_layer(e, s) > a->granted;
    }
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        if (e->kind == CONFERENCE_VIDEO && e->source != EGRESS_NO_SOURCE &&
            m->wish[e->source].granted < 0)
            egress_grant(e, -1, SOURCE_TIDS - 1);
    }
    m->any_limited = limited;
    m->forwarded_dirty = c->notice_dirty = true;
}

/* What the next step up would need. */
static uint64_t next_need(const struct conference *c, size_t count, uint64_t used)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct allocate_source *a = &c->share[i];
        if (!a->limited)
            continue;
        for (unsigned l = (unsigned)(a->granted + 1); l < a->layer_count; l++) {
            if (a->bps[l] == 0)
                continue;
            uint64_t now = a->granted >= 0 ? a->bps[a->granted] : 0;
            uint64_t more = a->bps[l] > now ? a->bps[l] - now : 0;
            least = more < least ? more : least;
            break;
        }
    }
    return least == UINT64_MAX ? 0 : used + least;
}

/* A limited receiver is sent a little more for a moment now and then: whether the way carries it.
 */
static void plan_probe(struct conference *c, struct member *m, usec_t now, size_t count,
                       uint64_t audio)
{
    uint64_t estimate = estimate_bps(&m->estimate);
    if (!m->any_limited || m->probe_until > 0 || estimate_overused(&m->estimate))
        return;
    if (m->probe_at == 0)
        m->probe_at = now + m->probe_wait;
    if (now < m->probe_at)
        return;
    uint64_t used = audio;
    for (size_t i = 0; i < count; i++)
        if (c->share[i].granted >= 0)
            used += c->share[i].bps[c->share[i].granted];
    uint64_t need = next_need(c, count, used) * 5 / 4;
    if (need <= estimate) {
        m->probe_at = 0;
        return;
    }
    uint64_t most = estimate * 2 > estimate + PROBE_LEAST ? estimate * 2 : estimate + PROBE_LEAST;
    uint64_t goal = need < most ? need : most;
    m->probe_bps = goal > used ? goal - used : 0;
    m->probe_until = now + PROBE_TIME;
    m->probe_last = now;
    bool dark = used == audio;
    m->probe_wait = usec_min(m->probe_wait * 2, dark ? PROBE_WAIT_DARK : UPGRADE_WAIT_MAX);
    m->probe_at = m->probe_until + m->probe_wait;
    estimate_probe_begin(&m->estimate);
}

static bool estimate_moved(const struct member *m, uint64_t bps)
{
    uint64_t last = m->shared_bps;
    return bps < last || bps > last + last / 10;
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
    if (bps > m->shared_bps + m->shared_bps / 10)
        m->probe_wait = USEC_PER_SEC; /* it rises: look again soon */
    m->shared_bps = bps;
    uint64_t audio = (uint64_t)meter_rate(&m->audio_bytes, now) * 8;
    size_t count = collect(c, m);
    divide(c, m, now, count, bps > audio ? bps - audio : 0);
    apply(c, m, now, count);
    plan_probe(c, m, now, count, audio);
}
