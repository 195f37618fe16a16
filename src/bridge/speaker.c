#include "bridge/speaker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOUDEST = 127,
    BUCKETS = 13,     /* of immediate levels */
    BUCKET_SIZE = 10, /* (127 + 13 - 1) / 13 */
    GROUP = 5,        /* immediates in a medium */
    MEDIUM_ABOVE = 7,
    LONG_ABOVE = 4,
    FLOOR_WINDOW = 750, /* levels: 15 s */
    STEPS_MAX = 6,      /* a packet holds at most 120 ms */
};

#define DECISION_INTERVAL (300 * USEC_PER_MSEC)
#define STEP_TIME (20 * USEC_PER_MSEC)
#define IDLE_STEP (40 * USEC_PER_MSEC) /* levels that do not come count as silence */
#define IDLE_MAX (1 * USEC_PER_SEC)    /* nothing is left after this */
#define SILENCE_AFTER (3 * USEC_PER_SEC)
#define SCORE_MIN 1e-10
/* A challenger's lead over the dominant one must exceed these, as log ratios. */
static const double LEAD[3] = {3, 2, 0};

void speaker_init(struct speaker *s)
{
    *s = (struct speaker){.dominant = SPEAKER_NONE};
}

void speaker_done(struct speaker *s)
{
    free(s->voices);
    *s = (struct speaker){.dominant = SPEAKER_NONE};
}

int speaker_reserve(struct speaker *s, uint32_t count)
{
    if (count <= s->count)
        return 0;
    if (count > SPEAKER_MAX)
        return ERR_LIMIT;
    struct speaker_voice *voices = realloc(s->voices, count * sizeof(*voices));
    if (!voices)
        return ERR_MEMORY;
    memset(voices + s->count, 0, (count - s->count) * sizeof(*voices));
    s->voices = voices;
    s->count = count;
    return 0;
}

/* The floor is the least level of a window; windows are joined by their geometric mean. */
static void track_floor(struct speaker_voice *v, uint8_t level)
{
    if (level == 0)
        return;
    if (v->minimum == 0 || level < v->minimum) {
        v->minimum = level;
        v->next_minimum = 0;
        v->window = 0;
        return;
    }
    if (v->next_minimum == 0 || level < v->next_minimum)
        v->next_minimum = level;
    if (++v->window < FLOOR_WINDOW)
        return;
    v->minimum = (uint8_t)sqrt((double)v->minimum * v->next_minimum);
    v->next_minimum = 0;
    v->window = 0;
}

static void push(struct speaker_voice *v, uint8_t level)
{
    v->levels[v->at] = level;
    v->at = (uint8_t)((v->at + 1) % SPEAKER_IMMEDIATES);
    if (level > 0)
        v->idle = false;
    track_floor(v, level);
}

void speaker_level(struct speaker *s, usec_t now, uint32_t seat, uint8_t level, unsigned steps)
{
    if (seat >= s->count)
        return;
    struct speaker_voice *v = &s->voices[seat];
    if (!v->used) {
        memset(v, 0, sizeof(*v));
        v->used = true;
        v->idle = true;
    }
    uint8_t loudness = (uint8_t)(LOUDEST - (level & 0x7f));
    for (unsigned i = 0; i < steps && i < STEPS_MAX; i++)
        push(v, loudness);
    v->covered = now + (usec_t)(steps > 0 ? steps - 1 : 0) * STEP_TIME;
}

void speaker_leave(struct speaker *s, uint32_t seat)
{
    if (seat < s->count)
        s->voices[seat].used = false;
    if (s->dominant == seat)
        s->dominant = SPEAKER_NONE;
    size_t kept = 0;
    for (size_t i = 0; i < s->previous_count; i++)
        if (s->previous[i] != seat)
            s->previous[kept++] = s->previous[i];
    s->previous_count = kept;
}

/* How much likelier speech is than noise when k of n parts are active. */
static double score(unsigned k, unsigned n, double lambda)
{
    double log_choose = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
    double value = log_choose + n * log(0.5) - log(lambda) + lambda * k;
    return value > SCORE_MIN ? value : SCORE_MIN;
}

static unsigned bucket_of(const struct speaker_voice *v, unsigned level)
{
    return level < (unsigned)v->minimum + BUCKET_SIZE ? 0 : level / BUCKET_SIZE;
}

static unsigned bucket(const struct speaker_voice *v, unsigned age)
{
    unsigned at = ((unsigned)v->at + SPEAKER_IMMEDIATES - 1 - age) % SPEAKER_IMMEDIATES;
    return bucket_of(v, v->levels[at]);
}

bool speaker_minds(const struct speaker *s, uint32_t seat, uint8_t level)
{
    return seat >= s->count || !s->voices[seat].used || s->dominant == seat ||
           bucket_of(&s->voices[seat], LOUDEST - (level & 0x7fU)) > MEDIUM_ABOVE;
}

static void evaluate(struct speaker_voice *v)
{
    unsigned first_medium = 0;
    unsigned active_mediums = 0;
    for (unsigned m = 0; m < SPEAKER_MEDIUMS; m++) {
        unsigned active = 0;
        for (unsigned i = 0; i < GROUP; i++)
            active += bucket(v, m * GROUP + i) > MEDIUM_ABOVE;
        if (m == 0)
            first_medium = active;
        active_mediums += active > LONG_ABOVE;
    }
    v->scores[0] = score(bucket(v, 0), BUCKETS, 0.78);
    v->scores[1] = score(first_medium, GROUP, 24);
    v->scores[2] = score(active_mediums, SPEAKER_MEDIUMS, 47);
}

/* Sound that does not come any more is silence. */
static void fill_idle(struct speaker_voice *v, usec_t now)
{
    if (v->idle)
        return;
    if (now - v->covered > IDLE_MAX) {
        memset(v->levels, 0, sizeof(v->levels));
        v->idle = true;
        return;
    }
    while (now - v->covered >= IDLE_STEP) {
        push(v, 0);
        v->covered += STEP_TIME;
    }
}

static bool beats(const struct speaker_voice *challenger, const struct speaker_voice *dominant)
{
    for (int i = 0; i < 3; i++)
        if (log(challenger->scores[i] / dominant->scores[i]) <= LEAD[i])
            return false;
    return true;
}

static void become_dominant(struct speaker *s, uint32_t seat)
{
    if (s->dominant != SPEAKER_NONE) {
        size_t kept = 0;
        for (size_t i = 0; i < s->previous_count; i++)
            if (s->previous[i] != seat && s->previous[i] != s->dominant)
                s->previous[kept++] = s->previous[i];
        if (kept == SPEAKER_PREVIOUS)
            kept--;
        memmove(&s->previous[1], s->previous, kept * sizeof(s->previous[0]));
        s->previous[0] = s->dominant;
        s->previous_count = kept + 1;
    }
    s->dominant = seat;
}

static uint32_t find_winner(struct speaker *s)
{
    uint32_t winner = SPEAKER_NONE;
    for (uint32_t i = 0; i < s->count; i++) {
        struct speaker_voice *v = &s->voices[i];
        if (!v->used || i == s->dominant || v->idle)
            continue;
        if (s->dominant != SPEAKER_NONE && !beats(v, &s->voices[s->dominant]))
            continue;
        if (s->dominant == SPEAKER_NONE && v->scores[1] <= SCORE_MIN)
            continue;
        if (winner == SPEAKER_NONE || v->scores[1] > s->voices[winner].scores[1])
            winner = i;
    }
    return winner;
}

static bool update_silence(struct speaker *s, usec_t now)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->voices[i].used && s->voices[i].scores[1] > SCORE_MIN)
            s->loud = now;
    bool silence = s->dominant != SPEAKER_NONE && now - s->loud > SILENCE_AFTER;
    if (silence == s->silence)
        return false;
    s->silence = silence;
    return true;
}

bool speaker_tick(struct speaker *s, usec_t now)
{
    if (now < s->decide_at)
        return false;
    s->decide_at = now + DECISION_INTERVAL;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->voices[i].used)
            continue;
        fill_idle(&s->voices[i], now);
        evaluate(&s->voices[i]);
    }
    uint32_t winner = find_winner(s);
    if (winner != SPEAKER_NONE)
        become_dominant(s, winner);
    bool changed = update_silence(s, now);
    return changed || winner != SPEAKER_NONE;
}
