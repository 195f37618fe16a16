#include "bridge/voices.h"

#include <assert.h>
#include <stddef.h>

/* Below this many decibels under full scale nobody hears anything. */
enum { QUIET_LEVEL = 75, STEPS_MAX = 6 };

/* Who says nothing for so long goes out: longer than pauses between sentences. */
#define SPEECH_HOLD (1 * USEC_PER_SEC)
/* Who was beaten ends the syllable. */
#define LEAVE_HOLD (300 * USEC_PER_MSEC)
/* A peak stands for as long as the pauses between syllables, then falls. */
#define PEAK_HOLD (300 * USEC_PER_MSEC)
#define PEAK_FALL 30.0 /* decibels a second */
/* To be let in at once one has to be so much louder, more than speech sways; in the long run this
 * much is enough. */
#define LEAD 6.0
#define LEAD_LONG 3.0
#define AVERAGE_STEP (1.0 / 16) /* of 20 ms */

void voices_init(struct voices *v, unsigned most)
{
    assert(most > 0);
    *v = (struct voices){.most = most};
}

static double peak_now(const struct voice *voice, usec_t now)
{
    usec_t falling = now - voice->peak_at - PEAK_HOLD;
    return falling > 0 ? voice->peak - PEAK_FALL * (double)falling / USEC_PER_SEC : voice->peak;
}

static void measure(struct voice *voice, usec_t now, double loud, unsigned steps)
{
    /* The first sounds of somebody are no measure for the rest. */
    if (voice->spoke == 0 || now - voice->spoke > SPEECH_HOLD)
        voice->average = loud - LEAD;
    for (unsigned i = 0; i < steps && i < STEPS_MAX; i++)
        voice->average += (loud - voice->average) * AVERAGE_STEP;
    if (voice->spoke == 0 || loud >= peak_now(voice, now)) {
        voice->peak = loud;
        voice->peak_at = now;
    }
    voice->spoke = usec_max(now, 1);
}

static bool beats(const struct voice *voice, double loud, const struct voice *other, usec_t now)
{
    return loud > peak_now(other, now) + LEAD || voice->average > other->average + LEAD_LONG ||
           now - other->spoke > SPEECH_HOLD;
}

static void find_first(struct voices *v, usec_t now)
{
    v->first = NULL;
    for (unsigned i = 0; i < v->count; i++) {
        struct voice *voice = v->in[i];
        if (voice->place == VOICE_IN &&
            (!v->first || peak_now(voice, now) > peak_now(v->first, now)))
            v->first = voice;
    }
}

static void go_out(struct voices *v, usec_t now, unsigned index)
{
    struct voice *voice = v->in[index];
    voice->place = VOICE_OUT;
    voice->left = now;
    v->in[index] = v->in[--v->count];
    if (v->first == voice)
        find_first(v, now);
}

void voices_tick(struct voices *v, usec_t now)
{
    for (unsigned i = 0; i < v->count;) {
        const struct voice *voice = v->in[i];
        bool over = voice->place == VOICE_LEAVING ? now >= voice->leaves_at
                                                  : now - voice->spoke > SPEECH_HOLD;
        if (over)
            go_out(v, now, i);
        else
            i++;
    }
}

void voices_drop(struct voices *v, usec_t now, struct voice *voice)
{
    for (unsigned i = 0; i < v->count; i++) {
        if (v->in[i] == voice) {
            go_out(v, now, i);
            return;
        }
    }
}

/* How many of those who are in may be no staff: never none, so that pupils are heard however many
 * teach. */
static unsigned places(const struct voices *v)
{
    unsigned staff = 0;
    for (unsigned i = 0; i < v->count; i++)
        staff += v->in[i]->place == VOICE_IN && v->in[i]->staff;
    return v->most > staff ? v->most - staff : 1;
}

static unsigned others(const struct voices *v)
{
    unsigned count = 0;
    for (unsigned i = 0; i < v->count; i++)
        count += v->in[i]->place == VOICE_IN && !v->in[i]->staff;
    return count;
}

/* Of those who may be beaten. */
static struct voice *weakest(const struct voices *v, usec_t now, const struct voice *but)
{
    struct voice *least = NULL;
    for (unsigned i = 0; i < v->count; i++) {
        struct voice *voice = v->in[i];
        if (voice->place != VOICE_IN || voice->staff || voice->dominant || voice == but)
            continue;
        if (!least || peak_now(voice, now) < peak_now(least, now))
            least = voice;
    }
    return least;
}

/* Of those who leave, no more than may be in: the first goes at once. */
static void bound_leaving(struct voices *v, usec_t now)
{
    unsigned leaving = 0;
    unsigned oldest = 0;
    for (unsigned i = 0; i < v->count; i++) {
        if (v->in[i]->place != VOICE_LEAVING)
            continue;
        if (leaving++ == 0 || v->in[i]->leaves_at < v->in[oldest]->leaves_at)
            oldest = i;
    }
    if (leaving > v->most)
        go_out(v, now, oldest);
}

static void leave(struct voices *v, usec_t now, struct voice *voice)
{
    voice->place = VOICE_LEAVING;
    voice->leaves_at = now + LEAVE_HOLD;
    if (v->first == voice)
        find_first(v, now);
    bound_leaving(v, now);
}

static bool may_enter(const struct voices *v, usec_t now, const struct voice *voice, double loud)
{
    if (voice->place == VOICE_OUT && v->count == VOICES_MAX)
        return false;
    if (voice->staff || voice->dominant || others(v) < places(v))
        return true;
    const struct voice *least = weakest(v, now, voice);
    return least && beats(voice, loud, least, now);
}

static void enter(struct voices *v, usec_t now, struct voice *voice)
{
    if (voice->place == VOICE_OUT) {
        v->in[v->count++] = voice;
        voice->spell++;
    }
    voice->place = VOICE_IN;
    while (others(v) > places(v)) {
        struct voice *least = weakest(v, now, voice);
        if (!least)
            break;
        leave(v, now, least);
    }
}

/* Whoever stays below what lets him in, at once or in the long run, never is. */
bool voices_mind(const struct voices *v, usec_t now, const struct voice *voice, unsigned level)
{
    if (voice->place != VOICE_OUT || voice->dominant)
        return true;
    if (level > QUIET_LEVEL)
        return false;
    const struct voice *least = weakest(v, now, voice);
    if (!least || voice->staff || others(v) < places(v) || now - least->spoke > SPEECH_HOLD)
        return true;
    double loud = VOICES_SILENT - (double)level;
    return loud > peak_now(least, now) + LEAD || loud > least->average + LEAD_LONG;
}

bool voices_hear(struct voices *v, usec_t now, struct voice *voice, unsigned level, unsigned steps)
{
    if (level > QUIET_LEVEL)
        return false;
    double loud = VOICES_SILENT - (double)level;
    bool was_out = voice->place == VOICE_OUT;
    measure(voice, now, loud, steps);
    if (voice->place != VOICE_IN && may_enter(v, now, voice, loud))
        enter(v, now, voice);
    if (voice->place == VOICE_IN && (!v->first || beats(voice, loud, v->first, now)))
        v->first = voice;
    return was_out && voice->place == VOICE_IN;
}
