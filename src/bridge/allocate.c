#include "bridge/allocate.h"

#include <limits.h>

int allocate_ideal(const struct allocate_source *s)
{
    int lowest = -1;
    int best = -1;
    if (s->max_height == 0)
        return -1;
    for (unsigned i = 0; i < s->layer_count; i++) {
        if (s->bps[i] == 0)
            continue;
        if (lowest < 0)
            lowest = (int)i;
        if (s->max_height < 0 || s->height[i] <= s->max_height)
            best = (int)i;
    }
    return best >= 0 ? best : lowest;
}

/* The next layer up that is on, within the ideal; -1: none. */
static int next_up(const struct allocate_source *s, int ideal)
{
    for (int i = s->granted + 1; i <= ideal; i++)
        if (s->bps[i] > 0)
            return i;
    return -1;
}

static uint64_t cost(const struct allocate_source *s, int layer)
{
    return layer < 0 ? 0 : s->bps[layer];
}

/* One layer up if it fits. */
static bool raise(struct allocate_source *s, int ceiling, uint64_t *left)
{
    int up = next_up(s, ceiling);
    if (up < 0)
        return false;
    uint64_t more = cost(s, up) > cost(s, s->granted) ? cost(s, up) - cost(s, s->granted) : 0;
    if (more > *left)
        return false;
    *left -= more;
    s->granted = up;
    return true;
}

/* As far as it may go now. */
static int ceiling_of(const struct allocate_source *s, bool may_raise)
{
    int ideal = allocate_ideal(s);
    if (!may_raise && s->was_limited && s->before < ideal)
        return s->before;
    return ideal;
}

/* The layer of about ALLOCATE_STAGE_HEIGHT within the ceiling. */
static int stage_step(const struct allocate_source *s, int ceiling)
{
    int step = ceiling < 0 ? -1 : 0;
    for (int i = 0; i <= ceiling; i++)
        if (s->height[i] <= ALLOCATE_STAGE_HEIGHT)
            step = i;
    return step;
}

static uint64_t grant(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise)
{
    uint64_t left = budget;
    bool stage_short = false;
    for (size_t i = 0; i < count; i++)
        sources[i].granted = -1;
    for (size_t i = 0; i < count; i++) {
        struct allocate_source *s = &sources[i];
        int step = stage_step(s, ceiling_of(s, may_raise));
        if (!s->on_stage)
            continue;
        while (s->granted < step && raise(s, step, &left))
            continue;
        stage_short = stage_short || (s->granted >= 0 && next_up(s, step) >= 0);
    }
    /* Thumbnails take nothing from a stage that lacks: they would flap. A stage that gets nothing
     * at all must not starve them. */
    for (size_t i = 0; i < count && !stage_short; i++)
        if (!sources[i].on_stage)
            (void)raise(&sources[i], ceiling_of(&sources[i], may_raise), &left);
    for (size_t i = 0; i < count && !stage_short; i++)
        while (sources[i].on_stage && raise(&sources[i], ceiling_of(&sources[i], may_raise), &left))
            continue;
    for (bool any = !stage_short; any;) {
        any = false;
        for (size_t i = 0; i < count; i++)
            if (sources[i].granted >= 0 &&
                raise(&sources[i], ceiling_of(&sources[i], may_raise), &left))
                any = true;
    }
    return budget - left;
}

uint64_t allocate_run(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise, bool *ret_raised)
{
    *ret_raised = false;
    uint64_t used = grant(sources, count, budget, true);
    for (size_t i = 0; i < count; i++)
        if (sources[i].was_limited && sources[i].granted > sources[i].before)
            *ret_raised = true;
    if (*ret_raised && !may_raise)
        used = grant(sources, count, budget, false);
    for (size_t i = 0; i < count; i++)
        sources[i].limited = sources[i].granted < allocate_ideal(&sources[i]);
    return used;
}
