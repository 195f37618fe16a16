#include "bridge/uplink.h"

#define LOOK USEC_PER_SEC
/* Fewer packets tell nothing; more than so many in a look are a restart of the numbers. */
enum { FEW = 20, MANY = 4096 };
/* IPv4, UDP and the tag of SRTP. */
enum { OVERHEAD = 20 + 8 + 16 };
/* A way that carries more has room for a small picture: loss there is the way's own. */
#define NARROW_BPS 100000
enum { BAD_PERCENT = 15, GOOD_PERCENT = 5 };
/* In a row. A trial is over sooner. */
enum { BAD_LOOKS = 2, BAD_LOOKS_TRIAL = 1 };
#define SETTLE (3 * USEC_PER_SEC)
#define TRIAL (20 * USEC_PER_SEC)

static bool enter(struct uplink *u, enum uplink_stage stage, usec_t now)
{
    u->stage = stage;
    u->bad = 0;
    u->from = stage > UPLINK_TRIAL ? now + SETTLE : now + LOOK;
    return true;
}

static bool narrow(struct uplink *u, usec_t now)
{
    bool first = u->stage == UPLINK_ALL || u->stage == UPLINK_TRIAL;
    bool again = u->wait > 0 && now - u->tried < u->wait;
    if (first)
        u->wait = again ? usec_min(u->wait * 2, UPLINK_WAIT_MAX) : UPLINK_WAIT;
    u->until = now + u->wait;
    return enter(u, first ? UPLINK_SCREEN : UPLINK_SOUND, now);
}

static bool widen(struct uplink *u, usec_t now)
{
    if (u->stage == UPLINK_TRIAL) {
        u->until = USEC_NEVER;
        return enter(u, UPLINK_ALL, now);
    }
    u->tried = now;
    u->until = now + TRIAL;
    return enter(u, UPLINK_TRIAL, now);
}

bool uplink_tick(struct uplink *u, usec_t now, int64_t highest)
{
    usec_t passed = now - u->at;
    if (passed < LOOK)
        return false;
    int64_t sent = highest - u->highest;
    uint64_t bits = ((uint64_t)u->bytes + (uint64_t)u->arrived * OVERHEAD) * 8;
    bool tells = sent >= FEW && sent <= MANY && u->arrived <= sent && now >= u->from;
    int64_t lost = tells ? (sent - u->arrived) * 100 / sent : 0;
    bool is_narrow = bits * USEC_PER_SEC < (uint64_t)passed * NARROW_BPS;
    u->bad = tells && is_narrow && lost >= BAD_PERCENT ? u->bad + 1 : 0;
    u->at = now;
    u->highest = highest;
    u->arrived = u->bytes = 0;
    unsigned enough = u->stage == UPLINK_TRIAL ? BAD_LOOKS_TRIAL : BAD_LOOKS;
    if (u->bad >= enough && u->stage != UPLINK_SOUND)
        return narrow(u, now);
    if (u->stage != UPLINK_ALL && now >= u->until && lost < GOOD_PERCENT)
        return widen(u, now);
    return false;
}
