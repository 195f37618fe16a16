#include "bridge/target.h"

static uint16_t in_force(const struct target *t)
{
    return codec_cell(t->spatial, t->temporal);
}

void target_begin(struct target *t, const struct codec_facts *f, unsigned spatial,
                  unsigned temporal)
{
    if (!(f->present & codec_cell(spatial, temporal)))
        spatial = f->spatial;
    *t = (struct target){.spatial = (uint8_t)spatial, .temporal = (uint8_t)temporal};
}

static bool enter(struct target *t, uint16_t reach, unsigned spatial, unsigned temporal)
{
    for (unsigned i = temporal + 1; i > 0; i--) {
        if (reach & codec_cell(spatial, i - 1)) {
            t->spatial = (uint8_t)spatial;
            t->temporal = (uint8_t)(i - 1);
            return true;
        }
    }
    return false;
}

/* Another picture begins: go as near to what is wanted as its first frame allows. */
static void step(struct target *t, const struct codec_facts *f, unsigned spatial, unsigned temporal)
{
    uint16_t reach = t->whole | in_force(t);
    if (f->present & in_force(t))
        reach |= f->switches;
    /* A frame that needs the base alone may be the first of its temporal layer, if those between
     * are there. */
    if (f->sync && f->temporal <= t->temporal + 1)
        for (unsigned s = 0; s < CODEC_SPATIAL; s++)
            reach |= codec_cell(s, f->temporal);
    if (spatial == t->spatial || !enter(t, reach, spatial, temporal))
        (void)enter(t, reach, t->spatial, temporal); /* else it stays */
}

bool target_take(struct target *t, const struct codec_facts *f, uint32_t timestamp, bool late,
                 unsigned spatial, unsigned temporal)
{
    bool begins = f->start && !late;
    if (begins && (!t->started || timestamp != t->seen)) {
        step(t, f, spatial, temporal);
        t->started = true;
        t->seen = timestamp;
    }
    bool taken = f->present & in_force(t);
    if (begins && taken)
        t->whole |= f->switches | in_force(t);
    else if (begins)
        t->whole &= (uint16_t)~f->present;
    return taken;
}

bool target_needs_key(const struct target *t, unsigned spatial)
{
    return spatial != t->spatial && !(t->whole & codec_cell(spatial, 0));
}
