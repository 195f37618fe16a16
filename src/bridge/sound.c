/* Whose voice goes to whom, and how well protected. */
#include "bridge/member.h"
#include "proto/opus.h"

/* Header and extensions of a packet of sound, and what lies around it. */
enum { HEAD = 24 + CONFERENCE_OVERHEAD, RED_HEAD = 4 };
/* A sender that tells no levels speaks, unless its packet is too short to hold anything. */
enum { LEVEL_UNTOLD = 40, DTX_BYTES = 2 };
/* Of who enters: so much goes out that was too soft to be let in, for words begin softly. */
enum { EARLIER_PACKETS = 2 };
#define EARLIER (80 * USEC_PER_MSEC)

/* A way that carries not all voices for this long gets one; sooner when it carries less than half
 * of them or has a queue, but not before the pictures are out of that. */
#define NARROW_AFTER (2 * USEC_PER_SEC)
#define VERY_NARROW_AFTER (500 * USEC_PER_MSEC)
/* It gets all when it carries them with this to spare. */
#define WIDE_PERCENT 115
/* Where nothing can probe the way, all are tried now and then: seldomer when they did not fit. */
#define TRY_FIRST (10 * USEC_PER_SEC)
#define TRY_LAST (40 * USEC_PER_SEC)
#define TRY_TIME (5 * USEC_PER_SEC)
#define QUEUE_MAX (100 * USEC_PER_MSEC)

/* Senders are told of loss on receivers' ways when a tenth of them lose so much, percent; of more
 * than the last Opus makes no more anyway. */
enum { TENTH = 10, LOSS_LEAST = 3, LOSS_MOST = 20, PERCENT = 100 };
#define LOSS_HOLD (10 * USEC_PER_SEC)

static struct source *source_of(struct voice *voice)
{
    return CONTAINER_OF(voice, struct source, voice);
}

static unsigned steps_of(const struct source *s, const struct ring_packet *entry)
{
    unsigned samples;
    if (opus_duration(ring_payload(&s->ring, entry), &samples) != 0 ||
        samples <= SPEAKER_STEP_SAMPLES)
        return 1;
    return (samples + SPEAKER_STEP_SAMPLES / 2) / SPEAKER_STEP_SAMPLES;
}

static unsigned level_of(const struct ring_packet *entry)
{
    if (entry->has_level)
        return entry->level & 0x7f;
    return entry->len <= DTX_BYTES ? VOICES_SILENT : LEVEL_UNTOLD;
}

static void add_earlier(struct conference *c, usec_t now, const struct source *s, uint32_t number)
{
    for (uint32_t back = EARLIER_PACKETS; back > 0; back--) {
        const struct ring_packet *entry = ring_get(&s->ring, number - back);
        if (entry && !entry->late && entry->arrival > s->voice.left &&
            now - entry->arrival < EARLIER)
            conference_add_pending(c, s, number - back);
    }
}

void sound_take(struct conference *c, usec_t now, struct source *s, uint32_t number)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    if (!entry->late) {
        unsigned steps = steps_of(s, entry);
        if (entry->has_level)
            speaker_level(&c->speaker, now, s->owner, entry->level & 0x7f, steps);
        s->voice.staff = c->members[s->owner]->staff;
        s->voice.dominant = c->speaker.dominant == s->owner;
        /* In the long run it stands for those before it that nobody decrypted. */
        steps *= 1 + s->passed;
        s->passed = 0;
        if (voices_hear(&c->voices, now, &s->voice, level_of(entry), steps))
            add_earlier(c, now, s, number);
    }
    if (s->voice.place == VOICE_OUT)
        c->counters.unheard++;
    else
        conference_add_pending(c, s, number);
}

bool sound_goes(const struct conference *c, const struct member *m, const struct source *s)
{
    const struct voice *voice = &s->voice;
    if (voice->place == VOICE_OUT)
        return false;
    return !m->narrow || voice->staff || voice == c->voices.first;
}

struct need {
    uint64_t all;    /* bit/s on the way, each packet once */
    uint64_t least;  /* of these, what goes out in any case */
    uint64_t copies; /* what one copy adds to what goes out now */
};

static struct need need_of(const struct conference *c, const struct member *m, usec_t now)
{
    struct need need = {0};
    for (unsigned i = 0; i < c->voices.count; i++) {
        struct voice *voice = c->voices.in[i];
        struct source *s = source_of(voice);
        if (voice->place != VOICE_IN || s->owner == m->seat)
            continue;
        uint64_t bytes = meter_rate(&s->layers[0].bytes[0], now);
        uint64_t packets = meter_rate(&s->layers[0].frames[0], now);
        uint64_t bps = (bytes + packets * HEAD) * 8;
        need.all += bps;
        need.least += voice->staff || voice == c->voices.first ? bps : 0;
        need.copies += sound_goes(c, m, s) ? (bytes + packets * RED_HEAD) * 8 : 0;
    }
    return need;
}

static void set_narrow(struct member *m, usec_t now, bool narrow, uint64_t need)
{
    m->narrow = narrow;
    m->narrow_need = need;
    m->narrow_at = now;
    m->tight_since = 0;
}

static void end_trial(struct member *m, bool failed)
{
    m->trial_until = 0;
    m->try_after = failed ? usec_min(2 * m->try_after, TRY_LAST) : TRY_FIRST;
}

static void watch_wide(struct member *m, usec_t now, uint64_t bps, uint64_t all)
{
    if (m->trial_until > 0) {
        bool failed = estimate_queue(&m->estimate) > QUEUE_MAX;
        if (failed || now >= m->trial_until)
            end_trial(m, failed);
        if (failed)
            set_narrow(m, now, true, all);
        return;
    }
    if (bps >= all)
        m->tight_since = 0;
    else if (m->tight_since == 0)
        m->tight_since = now;
    usec_t tight = m->tight_since > 0 ? now - m->tight_since : 0;
    bool very = bps < all / 2 || estimate_queue(&m->estimate) > QUEUE_MAX;
    if (tight >= (very ? VERY_NARROW_AFTER : NARROW_AFTER))
        set_narrow(m, now, true, all);
}

/* That there is only one voice now does not make it wider: what was too much would be again. */
static void watch_narrow(struct member *m, usec_t now, uint64_t bps, bool more)
{
    if (now - m->narrow_at < NARROW_AFTER)
        return;
    if (bps * PERCENT >= m->narrow_need * WIDE_PERCENT) {
        set_narrow(m, now, false, 0);
    } else if (more && !m->can_probe && m->wishes.assumed_bandwidth_bps < 0 &&
               now - m->narrow_at >= m->try_after && estimate_queue(&m->estimate) < QUEUE_MAX / 2) {
        set_narrow(m, now, false, 0);
        m->trial_until = now + TRY_TIME;
    }
}

void sound_join(struct member *m, usec_t now)
{
    protect_init(&m->protect, now);
    end_trial(m, false);
}

void sound_share(struct conference *c, struct member *m, usec_t now, uint64_t bps,
                 struct sound_share *ret)
{
    struct need need = need_of(c, m, now);
    if (m->narrow)
        watch_narrow(m, now, bps, need.all > need.least);
    else if (need.all > need.least)
        watch_wide(m, now, bps, need.all);
    struct protect_input in = {.told = m->estimate.told_count,
                               .lost = m->estimate.lost_count,
                               .way_bps = bps,
                               .sound_bps = m->narrow ? need.least : need.all,
                               .copy_bps = need.copies,
                               .congested = estimate_queue(&m->estimate) > QUEUE_MAX / 2};
    protect_tick(&m->protect, now, &in);
    uint64_t wanted = m->narrow ? m->narrow_need * WIDE_PERCENT / PERCENT : need.least;
    bool lacking = need.all > need.least && wanted > need.least;
    *ret = (struct sound_share){.least = need.least, .lacking = lacking ? wanted - need.least : 0};
}

/* What a tenth of the receivers lose at least, percent. */
static unsigned loss_of_tenth(const struct conference *c)
{
    unsigned receivers[PERCENT + 1] = {0};
    unsigned count = 0;
    for (uint32_t i = 0; i < c->member_end; i++) {
        const struct member *m = c->members[i];
        double loss = m && m->connected ? protect_loss(&m->protect) : -1;
        if (loss < 0)
            continue;
        receivers[loss < 1 ? (unsigned)(loss * PERCENT) : PERCENT]++;
        count++;
    }
    unsigned more = 0;
    for (unsigned loss = PERCENT; loss > 0; loss--) {
        more += receivers[loss];
        if (more > 0 && more * TENTH >= count)
            return loss;
    }
    return 0;
}

void sound_tick(struct conference *c, usec_t now)
{
    voices_tick(&c->voices, now);
    if (now < c->loss_at)
        return;
    c->loss_at = now + USEC_PER_SEC;
    unsigned loss = loss_of_tenth(c);
    if (loss >= LOSS_LEAST) {
        c->sound_loss = (uint8_t)((loss < LOSS_MOST ? loss : LOSS_MOST) * 256 / PERCENT);
        c->loss_until = now + LOSS_HOLD;
    } else if (now >= c->loss_until) {
        c->sound_loss = 0;
    }
}
