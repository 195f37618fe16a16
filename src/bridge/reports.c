/* RTCP: what clients tell us, and what we tell them. Nothing of a client's RTCP is passed on. */
#include "bridge/member.h"
#include "proto/twcc.h"

enum { NACKS_MAX = 128, REPORTS_PER_PACKET = 12, SR_PER_PACKET = 16, REPORT_GAP_MAX = 3000 };

#define REPORT_INTERVAL (1 * USEC_PER_SEC)
/* On who has sent nothing for so many of those. */
#define REPORT_RESTING (5 * USEC_PER_SEC)
enum { REPORTS_SILENT = 5 };
/* A sender's clock that jumps further than this is followed; less is jitter of the way. */
#define CLOCK_JUMP_SECONDS 2
/* To senders whose class had a ceiling once: browsers keep the last word. */
#define NO_CEILING 100000000

static struct egress *find_egress(struct member *m, uint32_t ssrc)
{
    for (size_t i = 0; i < m->egress_count; i++)
        if (m->egress[i].ssrc == ssrc && m->egress[i].source != EGRESS_NO_SOURCE)
            return &m->egress[i];
    return NULL;
}

/* How a receiver without transport feedback tells what it lost: of sound, which is never resent. */
static void take_reports(struct member *m, const struct rtcp_packet *packet)
{
    struct rtcp_report report;
    if (m->estimate.told_at > 0)
        return;
    for (size_t i = 0; rtcp_report_at(packet, i, &report); i++) {
        struct egress *e = find_egress(m, report.ssrc);
        if (!e || e->kind != CONFERENCE_AUDIO)
            continue;
        if (e->reported != 0 && report.highest - e->reported <= REPORT_GAP_MAX)
            protect_report(&m->protect, report.highest - e->reported, report.fraction_lost);
        e->reported = report.highest;
    }
}

static void take_sender_report(struct conference *c, struct member *m, usec_t now,
                               const struct rtcp_packet *packet)
{
    struct rtcp_sender_info info;
    if (rtcp_sr_parse(packet, &info) != 0)
        return;
    for (size_t i = 0; i < m->ssrc_count; i++) {
        if (m->ssrcs[i].ssrc != info.ssrc || m->ssrcs[i].rtx)
            continue;
        struct source *s = m->sources[m->ssrcs[i].source];
        source_report_in(s, now, m->ssrcs[i].stream, &info);
        /* One offset for all streams of a sender, so that its sound and picture stay together. */
        uint64_t offset = egress_ntp(now) - info.ntp;
        int64_t jump = (int64_t)(offset - m->clock_offset) >> 32;
        if (m->clock_offset == 0 || jump > CLOCK_JUMP_SECONDS || jump < -CLOCK_JUMP_SECONDS)
            m->clock_offset = offset != 0 ? offset : 1;
        capture_report(c, now, s, &info);
        return;
    }
}

static void take_nack(struct conference *c, struct member *m, const struct rtcp_feedback *feedback)
{
    struct egress *e = find_egress(m, feedback->media);
    if (!e || e->kind != CONFERENCE_VIDEO)
        return;
    uint16_t first;
    uint16_t mask;
    for (size_t i = 0; rtcp_nack_at(feedback, i, &first, &mask); i++) {
        for (unsigned k = 0; k <= 16; k++) {
            if (k > 0 && !(mask >> (k - 1) & 1))
                continue;
            receive_resend(
                c, m,
                &(struct member_resend){(uint16_t)(e - m->egress), true, (uint16_t)(first + k), 0});
        }
    }
}

static void take_key_request(struct conference *c, struct member *m, uint32_t ssrc)
{
    struct egress *e = find_egress(m, ssrc);
    if (!e || e->kind != CONFERENCE_VIDEO || e->key_wanted)
        return;
    e->key_wanted = true;
    c->work = true;
}

static int take_payload_feedback(struct conference *c, struct member *m,
                                 const struct rtcp_packet *packet)
{
    struct rtcp_feedback feedback;
    if (rtcp_feedback_parse(packet, &feedback) != 0)
        return ERR_FORMAT;
    if (packet->count == RTCP_PLI)
        take_key_request(c, m, feedback.media);
    uint32_t ssrc;
    uint8_t number;
    for (size_t i = 0; packet->count == RTCP_FIR && rtcp_fir_at(&feedback, i, &ssrc, &number); i++)
        take_key_request(c, m, ssrc);
    return 0; /* REMB and what else there is: transport feedback tells more */
}

static int take_transport_feedback(struct conference *c, struct member *m, usec_t now,
                                   const struct rtcp_packet *packet)
{
    struct rtcp_feedback feedback;
    if (rtcp_feedback_parse(packet, &feedback) != 0)
        return ERR_FORMAT;
    if (packet->count == RTCP_NACK)
        take_nack(c, m, &feedback);
    else if (packet->count == RTCP_TRANSPORT_CC)
        return estimate_feedback(&m->estimate, now, feedback.fci);
    return 0;
}

int reports_input(struct conference *c, struct member *m, usec_t now, struct slice bytes)
{
    struct rtcp_packet packet;
    int err;
    while ((err = rtcp_next(&bytes, &packet)) == 0) {
        int bad = 0;
        if (packet.type == RTCP_SR)
            take_sender_report(c, m, now, &packet);
        if (packet.type == RTCP_SR || packet.type == RTCP_RR)
            take_reports(m, &packet);
        if (packet.type == RTCP_PSFB)
            bad = take_payload_feedback(c, m, &packet);
        else if (packet.type == RTCP_RTPFB)
            bad = take_transport_feedback(c, m, now, &packet);
        if (bad)
            return bad;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

static usec_t member_rtt(const struct member *m)
{
    return m->rtt > 0 ? m->rtt : CONFERENCE_RTT_UNKNOWN;
}

/* Only looks; what is found is taken by reports_build. */
static bool key_due(const struct source *s, usec_t now)
{
    if (s->key_asked > 0 && now - s->key_asked < SOURCE_KEY_INTERVAL)
        return false;
    for (unsigned l = 0; l < s->state.layer_count; l++)
        if (s->streams[l].key_wanted_until >= now &&
            (s->streams[l].key_asked == 0 || now - s->streams[l].key_asked >= SOURCE_KEY_INTERVAL))
            return true;
    return false;
}

bool reports_due(const struct member *m, usec_t now)
{
    if (now >= m->report_at || now >= feedback_due(&m->feedback) || m->sender_reports)
        return true;
    for (size_t i = 0; i < m->source_count; i++)
        if (m->sources[i]->state.kind == CONFERENCE_VIDEO &&
            (key_due(m->sources[i], now) || source_nack_due(m->sources[i], now, member_rtt(m))))
            return true;
    return false;
}

/* Sound that goes alone has nothing to stay with. */
static usec_t report_interval(const struct member *m, usec_t now)
{
    for (size_t i = 0; i < m->egress_count; i++)
        if (m->egress[i].kind == CONFERENCE_VIDEO &&
            now - m->egress[i].last_used < EGRESS_REPORT_INTERVAL)
            return EGRESS_REPORT_INTERVAL;
    return EGRESS_REPORT_ALONE;
}

static size_t put_sender_reports(struct conference *c, struct member *m, usec_t now,
                                 struct writer *w)
{
    size_t count = 0;
    if (!m->sender_reports)
        return 0;
    m->sender_reports = false;
    usec_t interval = report_interval(m, now);
    for (size_t i = 0; i < m->egress_count; i++) {
        struct egress *e = &m->egress[i];
        const struct source *s = conference_source_of(c, e);
        if (!s || now < e->report_at)
            continue;
        if (count == SR_PER_PACKET) {
            m->sender_reports = true; /* the rest in the next packet */
            break;
        }
        const struct member *owner = c->members[s->owner];
        struct rtcp_sender_info info;
        bool idle = now - e->last_used > EGRESS_REPORT_INTERVAL;
        if (idle || !source_live(s) || !egress_report(e, now, s, owner->clock_offset, &info)) {
            e->report_at = USEC_NEVER;
            continue;
        }
        rtcp_put_sr(w, &info, NULL, 0);
        if (count == 0)
            rtcp_put_sdes(w, e->ssrc, c->cname);
        e->report_at = now + interval;
        count++;
    }
    return count;
}

/* Opus makes as much in-band correction as it is told that is lost (RFC 7587 7), and receivers need
 * it as well as we. The total stays ours: by it senders judge their own way. */
static void tell_loss(const struct conference *c, const struct source *s,
                      struct rtcp_report *report)
{
    if (s->state.kind == CONFERENCE_AUDIO && report->fraction_lost < c->sound_loss)
        report->fraction_lost = c->sound_loss;
}

/* Browsers keep what they send within this beside what transport feedback tells them. */
static uint64_t sending_ceiling(const struct conference *c, const struct member *m)
{
    const struct profile_figures *figures = profile_figures(c->profile);
    if (!figures)
        return NO_CEILING;
    uint64_t bps = figures->up;
    for (size_t i = 0; i < m->source_count; i++)
        if (m->sources[i]->state.video_type == CONFERENCE_DESKTOP && source_live(m->sources[i]))
            return bps + figures->screen_up;
    return bps;
}

static void put_ceiling(const struct conference *c, const struct member *m, struct writer *w)
{
    uint32_t ssrcs[MEMBER_SSRCS];
    size_t count = 0;
    for (size_t i = 0; i < m->ssrc_count; i++)
        if (!m->ssrcs[i].rtx)
            ssrcs[count++] = m->ssrcs[i].ssrc;
    if (count > 0)
        rtcp_put_remb(w, c->own_ssrc, sending_ceiling(c, m), ssrcs, count);
}

static void put_receiver_report(struct conference *c, struct member *m, usec_t now,
                                struct writer *w, bool first)
{
    struct rtcp_report reports[REPORTS_PER_PACKET] = {0};
    size_t count = 0;
    bool due = now >= m->report_at, silent = true;
    if (due) {
        for (size_t i = 0; i < m->source_count; i++)
            for (unsigned l = 0; l < m->sources[i]->state.layer_count; l++) {
                silent = silent && !source_report_news(m->sources[i], l);
                if (count < REPORTS_PER_PACKET &&
                    source_report_out(m->sources[i], now, l, &reports[count]))
                    tell_loss(c, m->sources[i], &reports[count++]);
            }
        m->silent_reports = silent ? m->silent_reports + (m->silent_reports < REPORTS_SILENT) : 0;
        m->report_at =
            now + (m->silent_reports < REPORTS_SILENT ? REPORT_INTERVAL : REPORT_RESTING);
    }
    if (first || count > 0)
        rtcp_put_rr(w, c->own_ssrc, reports, count);
    if (first)
        rtcp_put_sdes(w, c->own_ssrc, c->cname);
    if (due && c->limited)
        put_ceiling(c, m, w);
}

static void put_requests(struct conference *c, struct member *m, usec_t now, struct writer *w)
{
    for (size_t i = 0; i < m->source_count; i++) {
        struct source *s = m->sources[i];
        if (s->state.kind != CONFERENCE_VIDEO)
            continue;
        for (unsigned l = 0; l < s->state.layer_count; l++) {
            uint16_t lost[NACKS_MAX];
            size_t count = 0;
            if ((size_t)(w->end - w->pos) > 12 + sizeof(uint32_t) * NACKS_MAX)
                count = source_nacks(s, now, l, member_rtt(m), lost, NACKS_MAX);
            rtcp_put_nack(w, c->own_ssrc, s->streams[l].ssrc, lost, count);
            c->counters.nacks_sent += count;
            if (w->end - w->pos >= RTCP_PLI_SIZE && source_key_due(s, now, l, member_rtt(m))) {
                rtcp_put_pli(w, c->own_ssrc, s->streams[l].ssrc);
                c->counters.plis_sent++;
            }
        }
    }
}

bool reports_build(struct conference *c, struct member *m, usec_t now, struct slice *ret_packet)
{
    struct writer w = writer_of(c->scratch + c->scratch_used, CONFERENCE_RTCP_MAX);
    size_t reports = put_sender_reports(c, m, now, &w);
    size_t before = writer_len(&w);
    put_receiver_report(c, m, now, &w, reports == 0);
    size_t head = writer_len(&w);
    put_requests(c, m, now, &w);
    if (now >= feedback_due(&m->feedback))
        (void)feedback_put(&m->feedback, now, c->own_ssrc, &w); /* false: told in the next one */
    /* An empty head alone says nothing. */
    bool useful = reports > 0 || writer_len(&w) > head || head > before + 8 + 20;
    if (w.failed || !useful)
        return false;
    *ret_packet = slice_of(w.start, writer_len(&w));
    c->scratch_used += writer_len(&w);
    return true;
}
