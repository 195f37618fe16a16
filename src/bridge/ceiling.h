/* How much of a receiver's way a class with a profile may fill: it begins with the sound alone and
 * climbs when the way has shown for a while that it carries more. */
#ifndef BRIDGE_CEILING_H
#define BRIDGE_CEILING_H

#include <stdbool.h>

#include "base/profile.h"
#include "base/units.h"

/* What a new way is taken for: a voice. The first probes look no further than a slow line bears. */
#define CEILING_INITIAL 50000

struct ceiling {
    unsigned steps;         /* profiles whose pictures it may have; 0: sound alone */
    usec_t since[PROFILES]; /* when the way began to carry what that profile asks; 0: it does not */
    usec_t weak_since;      /* it carries less than the present one asks; 0: it does */
    bool fell;              /* proof takes longer then */
};

/* The class has this profile from now on, and the way carries so much. */
void ceiling_begin(struct ceiling *ceiling, enum profile profile, uint64_t bps);
/* What pictures and sound may take together, bit/s; UINT64_MAX: no ceiling. `bps`: the estimate. */
uint64_t ceiling_budget(struct ceiling *ceiling, enum profile profile, usec_t now, uint64_t bps);
/* What would be of use if the way carried it, when `need` is what the wishes come to: what the next
 * step asks, and not more than there will ever be. */
uint64_t ceiling_need(const struct ceiling *ceiling, enum profile profile, uint64_t need);

/* Whether more would come if the way went on as it is, of which nothing bad is known. */
bool ceiling_proving(const struct ceiling *ceiling, enum profile profile);

#endif
