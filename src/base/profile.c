#include "base/profile.h"

#include "base/units.h"

static const char *const names[PROFILES] = {"voice", "light", "normal", "rich"};

/* Rates are of whole packets: 20 kb/s of speech in packets of 60 ms are 28 on the wire. What a
 * profile's proof asks is where the next smaller one ends being enough. */
static const struct profile_figures figures[PROFILE_RICH] = {
    [PROFILE_VOICE] = {.sound = {.bps = 20000, .ptime_ms = 60, .wide = true, .dtx = true},
                       .screen_height = 360,
                       .screen_rate = 2,
                       .down = 80000,
                       .up = 30000,
                       .screen_up = 60000,
                       .proof = 60000},
    [PROFILE_LIGHT] = {.sound = {.bps = 24000, .ptime_ms = 40},
                       .stage_height = 180,
                       .camera_rate = 15,
                       .screen_height = 360,
                       .screen_rate = 5,
                       .down = 250000,
                       .up = 100000,
                       .screen_up = 150000,
                       .proof = 120000},
    [PROFILE_NORMAL] = {.sound = {.bps = 24000, .ptime_ms = 40},
                        .stage_height = 360,
                        .other_height = 180,
                        .others = 4,
                        .camera_rate = 20,
                        .screen_height = 720,
                        .screen_rate = 10,
                        .down = 800000,
                        .up = 300000,
                        .screen_up = 500000,
                        .proof = 350000},
};

const struct profile_figures *profile_figures(enum profile profile)
{
    return profile < PROFILE_RICH ? &figures[profile] : NULL;
}

const char *profile_name(enum profile profile)
{
    return names[profile];
}

int profile_parse(struct slice name, enum profile *ret_profile)
{
    for (size_t i = 0; i < PROFILES; i++) {
        if (!slice_eq_str(name, names[i]))
            continue;
        *ret_profile = (enum profile)i;
        return 0;
    }
    return ERR_FORMAT;
}
