#include "bridge/ceiling.h"

/* Shorter than that a way that is about to be crowded looks wide. */
#define PROOF (10 * USEC_PER_SEC)
#define PROOF_AGAIN (30 * USEC_PER_SEC)
/* A step is left when the way carries this share of what it asks, for so long: estimates sway. */
#define WEAK_PERCENT 80
#define WEAK_TIME (2 * USEC_PER_SEC)
/* Looked for beyond what is asked, so that it is seen to be there. */
#define MARGIN_PERCENT 115

static unsigned steps_of(enum profile profile)
{
    return (unsigned)profile + 1;
}

static uint64_t proof_of(unsigned step)
{
    return profile_figures((enum profile)step)->proof;
}

void ceiling_begin(struct ceiling *ceiling, enum profile profile, uint64_t bps)
{
    *ceiling = (struct ceiling){0};
    while (profile != PROFILE_RICH && ceiling->steps < steps_of(profile) &&
           bps >= proof_of(ceiling->steps))
        ceiling->steps++;
}

static void fall(struct ceiling *ceiling, usec_t now, uint64_t bps)
{
    if (ceiling->steps == 0 || bps >= proof_of(ceiling->steps - 1) * WEAK_PERCENT / 100) {
        ceiling->weak_since = 0;
        return;
    }
    if (ceiling->weak_since == 0)
        ceiling->weak_since = usec_max(now, 1);
    if (now - ceiling->weak_since < WEAK_TIME)
        return;
    ceiling->weak_since = 0;
    ceiling->fell = true;
    ceiling->steps--;
}

static void climb(struct ceiling *ceiling, enum profile profile, usec_t now, uint64_t bps)
{
    usec_t proof = ceiling->fell ? PROOF_AGAIN : PROOF;
    for (unsigned step = 0; step < steps_of(profile); step++) {
        if (bps < proof_of(step))
            ceiling->since[step] = 0;
        else if (ceiling->since[step] == 0)
            ceiling->since[step] = usec_max(now, 1);
        bool proven = ceiling->since[step] > 0 && now - ceiling->since[step] >= proof;
        if (step == ceiling->steps && proven)
            ceiling->steps++;
    }
}

uint64_t ceiling_budget(struct ceiling *ceiling, enum profile profile, usec_t now, uint64_t bps)
{
    if (profile == PROFILE_RICH)
        return UINT64_MAX;
    fall(ceiling, now, bps);
    climb(ceiling, profile, now, bps);
    return ceiling->steps == 0 ? 0 : profile_figures((enum profile)(ceiling->steps - 1))->down;
}

bool ceiling_proving(const struct ceiling *ceiling, enum profile profile)
{
    return profile != PROFILE_RICH && ceiling->steps < steps_of(profile) && !ceiling->fell;
}

uint64_t ceiling_need(const struct ceiling *ceiling, enum profile profile, uint64_t need)
{
    if (profile == PROFILE_RICH)
        return need;
    uint64_t most = profile_figures(profile)->down;
    uint64_t asked = ceiling->steps < steps_of(profile) ? proof_of(ceiling->steps) : 0;
    asked = asked * MARGIN_PERCENT / 100;
    if (need < asked)
        need = asked;
    return need < most ? need : most;
}
