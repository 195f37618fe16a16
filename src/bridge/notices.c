/* What signal is told: maps, what is forwarded, who speaks, what senders should send. */
#include <limits.h>
#include <stdlib.h>

#include "bridge/member.h"

#define MAP_DELAY (100 * USEC_PER_MSEC)
#define STATS_INTERVAL (10 * USEC_PER_SEC)
/* News of what is lacking do not wait for that, but for this. */
#define STATS_APART (1 * USEC_PER_SEC)

static int reserve_names(struct conference *c, size_t count)
{
    if (count <= c->notice_names_cap)
        return 0;
    char(*names)[CONFERENCE_NAME_MAX] = realloc(c->notice_names, count * 2 * sizeof(*names));
    if (!names)
        return ERR_MEMORY;
    c->notice_names = names;
    c->notice_names_cap = count * 2;
    return 0;
}

static void set_subject(char out[CONFERENCE_NAME_MAX], const char *name)
{
    (void)slice_copy(slice_str(name), out, CONFERENCE_NAME_MAX); /* names were checked to fit */
}

static void tell_spares(struct conference *c, const struct member *m,
                        struct conference_notice *notice)
{
    notice->spares = c->notice_spares;
    for (uint16_t i = 0; i < m->egress_count && notice->spare_count < MEMBER_SPARES; i += 2)
        if (slots_spare(m, slots_pair(i)))
            c->notice_spares[notice->spare_count++] = (struct conference_spare){
                .pair = slots_pair(i),
                .audio = m->egress[i].ssrc,
                .video = m->egress[i + 1].ssrc,
                .rtx = m->egress[i + 1].rtx,
            };
}

/* Media on a new SSRC waits until the receiver can know it. */
static bool take_maps(struct conference *c, struct member *m, usec_t now,
                      struct conference_notice *notice)
{
    if (!m->maps_dirty || !m->rewriting)
        return false;
    m->maps_dirty = false;
    size_t count = 0;
    for (uint16_t i = 0; i < m->egress_count && count < (size_t)2 * MEMBER_SLOTS; i++) {
        struct egress *e = &m->egress[i];
        const struct source *s = conference_source_of(c, e);
        if (!s)
            continue;
        struct conference_slot *slot = &c->notice_slots[count++];
        *slot = (struct conference_slot){.kind = s->state.kind,
                                         .video_type = s->state.video_type,
                                         .ssrc = e->ssrc,
                                         .rtx = e->rtx,
                                         .pair = slots_pair(i),
                                         .after = e->before};
        set_subject(slot->source, s->state.name);
        set_subject(slot->owner, c->members[s->owner]->id);
        if (e->usable_at == USEC_NEVER)
            e->usable_at = now + usec_max(m->rtt, MAP_DELAY);
    }
    notice->type = CONFERENCE_MAPS;
    notice->slots = c->notice_slots;
    notice->slot_count = count;
    tell_spares(c, m, notice);
    set_subject(notice->endpoint, m->id);
    return true;
}

static bool same_as_told(const struct member *m, char (*names)[CONFERENCE_NAME_MAX], size_t count)
{
    if (count != m->told_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], m->told[i]) != 0)
            return false;
    return true;
}

static bool take_forwarded(struct conference *c, struct member *m, struct conference_notice *notice)
{
    if (!m->forwarded_dirty)
        return false;
    m->forwarded_dirty = false;
    size_t count = 0;
    for (uint32_t i = 0; i < c->source_end; i++) {
        const struct source *s = c->sources[i];
        if (!s || s->state.kind != CONFERENCE_VIDEO || m->wish[i].granted < 0 ||
            m->by_source[i] == MEMBER_NO_EGRESS || !source_live(s))
            continue;
        if (reserve_names(c, count + 1) != 0) {
            c->counters.memory++;
            break;
        }
        set_subject(c->notice_names[count++], s->state.name);
    }
    if (m->forwarded_told && same_as_told(m, c->notice_names, count))
        return false;
    if (!m->forwarded_told && count == 0)
        return false;
    char(*told)[CONFERENCE_NAME_MAX] = realloc(m->told, (count + 1) * sizeof(*told));
    if (told) {
        m->told = told;
        m->told_count = count;
        if (count > 0)
            memcpy(told, c->notice_names, count * sizeof(*told));
    } else {
        c->counters.memory++;
        m->told_count = 0;
    }
    m->forwarded_told = true;
    notice->type = CONFERENCE_FORWARDED;
    notice->names = (const char(*)[CONFERENCE_NAME_MAX])c->notice_names;
    notice->name_count = count;
    set_subject(notice->endpoint, m->id);
    return true;
}

static bool take_stats(struct member *m, usec_t now, struct conference_notice *notice)
{
    bool due = now >= m->stats_at || (m->shortage != m->shortage_told &&
                                      now >= m->stats_at - STATS_INTERVAL + STATS_APART);
    if (!due || !m->connected)
        return false;
    m->shortage_told = m->shortage;
    notice->shortage = m->shortage;
    m->stats_at = now + STATS_INTERVAL;
    notice->type = CONFERENCE_STATS;
    notice->downlink_bps = estimate_bps(&m->estimate);
    set_subject(notice->endpoint, m->id);
    return true;
}

static bool take_constraint(struct conference *c, usec_t now, struct conference_notice *notice)
{
    for (size_t i = 0; i < c->video_count; i++) {
        struct source *s = c->sources[c->video_order[i]];
        if (!s || s->wanted_height == s->told_height || now < s->lower_at)
            continue;
        s->told_height = s->wanted_height;
        notice->type = CONFERENCE_SENDER_CONSTRAINTS;
        notice->max_height = s->wanted_height;
        set_subject(notice->endpoint, c->members[s->owner]->id);
        set_subject(notice->subject, s->state.name);
        return true;
    }
    return false;
}

static bool constraint_waits(const struct conference *c)
{
    for (size_t i = 0; i < c->video_count; i++) {
        const struct source *s = c->sources[c->video_order[i]];
        if (s && s->wanted_height != s->told_height)
            return true;
    }
    return false;
}

static bool take_speaker(struct conference *c, struct conference_notice *notice)
{
    if (!c->speaker_dirty || c->speaker.dominant == SPEAKER_NONE)
        return false;
    if (reserve_names(c, SPEAKER_PREVIOUS) != 0) {
        c->counters.memory++;
        return false;
    }
    c->speaker_dirty = false;
    size_t count = 0;
    for (size_t i = 0; i < c->speaker.previous_count; i++)
        set_subject(c->notice_names[count++], c->members[c->speaker.previous[i]]->id);
    notice->type = CONFERENCE_SPEAKER;
    notice->names = (const char(*)[CONFERENCE_NAME_MAX])c->notice_names;
    notice->name_count = count;
    notice->silence = c->speaker.silence;
    set_subject(notice->subject, c->members[c->speaker.dominant]->id);
    return true;
}

bool conference_poll_notice(struct conference *c, usec_t now, struct conference_notice *ret_notice)
{
    *ret_notice = (struct conference_notice){0};
    if (!c->notice_dirty)
        return false;
    share_update(c, now);
    for (; c->notice_seat < c->member_end; c->notice_seat++) {
        struct member *m = c->members[c->notice_seat];
        if (m && (take_maps(c, m, now, ret_notice) || take_forwarded(c, m, ret_notice) ||
                  take_stats(m, now, ret_notice)))
            return true;
    }
    if (take_speaker(c, ret_notice) || take_constraint(c, now, ret_notice))
        return true;
    c->notice_seat = 0;
    c->notice_dirty = constraint_waits(c);
    return false;
}

void conference_renotify(struct conference *c)
{
    for (uint32_t i = 0; i < c->member_end; i++) {
        struct member *m = c->members[i];
        if (!m)
            continue;
        m->maps_dirty = m->forwarded_dirty = true;
        m->forwarded_told = false;
        m->told_count = 0;
        m->stats_at = 0;
    }
    for (uint32_t i = 0; i < c->source_end; i++)
        if (c->sources[i])
            c->sources[i]->told_height = INT_MIN;
    c->speaker_dirty = true;
    c->notice_dirty = true;
    c->notice_seat = 0;
}
