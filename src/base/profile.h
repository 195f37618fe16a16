/* How much of the line a class may take, in four steps: what school, signal and bridge share. */
#ifndef BASE_PROFILE_H
#define BASE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/* From the least to the most. */
enum profile {
    PROFILE_VOICE,  /* sound, and a screen where the way carries it */
    PROFILE_LIGHT,  /* and one small picture */
    PROFILE_NORMAL, /* and a larger one with a few small ones */
    PROFILE_RICH,   /* no ceiling */
};
#define PROFILES 4

/* How Opus is sent (RFC 7587 6.1). */
struct profile_sound {
    unsigned bps;      /* at most */
    unsigned ptime_ms; /* of a packet */
    bool wide;         /* not above wide band: one frame can then be as long as the packet */
    bool dtx;          /* silence costs next to nothing */
};

struct profile_figures {
    struct profile_sound sound;
    /* Lines of the most important camera and of the others, of which so many are shown. */
    int stage_height;
    int other_height;
    int others;
    int camera_rate; /* pictures a second */
    int screen_height;
    int screen_rate;
    /* bit/s: of pictures with the sound down to one person; of all that one person sends, and what
     * a shared screen adds to that; what the way must have carried for a while before so much goes
     * down. */
    uint64_t down;
    uint64_t up;
    uint64_t screen_up;
    uint64_t proof;
};

/* NULL for PROFILE_RICH: nothing is limited. */
const struct profile_figures *profile_figures(enum profile profile);
/* "voice", "light", "normal", "rich". */
const char *profile_name(enum profile profile);
/* ERR_FORMAT for any other word. */
int profile_parse(struct slice name, enum profile *ret_profile) MUST_USE;

#endif
