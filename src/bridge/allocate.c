#include "bridge/allocate.h"

static uint64_t whole(const struct allocate_source *s, int layer)
{
    return s->bps[layer][s->max_tid];
}

int allocate_ideal(const struct allocate_source *s)
{
    int lowest = -1;
    int best = -1;
    if (s->max_height == 0)
        return -1;
    for (int i = 0; i < (int)s->layer_count; i++) {
        if (whole(s, i) == 0)
            continue;
        if (lowest < 0)
            lowest = i;
        if (s->max_height < 0 || s->height[i] <= s->max_height)
            best = i;
    }
    if (best >= 0 || !s->desktop || s->max_height < ALLOCATE_STAGE_HEIGHT)
        return best >= 0 ? best : lowest;
    /* A screen's streams may be of one height and differ in frames. */
    for (int i = lowest + 1; lowest >= 0 && i < (int)s->layer_count; i++)
        if (whole(s, i) > 0 && s->height[i] == s->height[lowest])
            best = i;
    return best >= 0 ? best : lowest;
}

static int lowest_on(const struct allocate_source *s, int ideal)
{
    int lowest = 0;
    while (lowest < ideal && whole(s, lowest) == 0)
        lowest++;
    return lowest;
}

uint64_t allocate_least(const struct allocate_source *s)
{
    int ideal = allocate_ideal(s);
    return ideal < 0 ? 0 : s->bps[lowest_on(s, ideal)][0];
}

/* A step that is not dearer than those before it replaces them: it is better. */
static void add_step(struct allocate_source *s, int layer, unsigned tid)
{
    uint64_t bps = s->bps[layer][tid];
    if (bps == 0)
        return;
    while (s->step_count > 0 && s->steps[s->step_count - 1].bps >= bps)
        s->step_count--;
    s->steps[s->step_count++] = (struct allocate_step){bps, (int8_t)layer, (int8_t)tid};
}

/* Fewer frames of a better stream of the same height: only where they cost clearly more than what
 * is below, for each change of streams takes a key frame. */
static bool worth_it(const struct allocate_source *s, int layer, unsigned tid)
{
    const struct allocate_step *last = s->step_count > 0 ? &s->steps[s->step_count - 1] : NULL;
    return !last || last->layer == layer || s->height[last->layer] != s->height[layer] ||
           s->bps[layer][tid] * 4 > last->bps * 5;
}

/* A camera gives up lines, then frames of the smallest picture. A screen gives up frames and keeps
 * its lines, while that can be. */
static void list_steps(struct allocate_source *s, int ideal)
{
    s->step_count = 0;
    if (ideal < 0)
        return;
    int lowest = lowest_on(s, ideal);
    for (unsigned tid = 0; tid <= s->max_tid; tid++)
        add_step(s, lowest, tid);
    for (int layer = lowest + 1; layer <= ideal; layer++)
        for (unsigned tid = s->desktop && layer == ideal ? 0 : s->max_tid; tid <= s->max_tid; tid++)
            if (!s->desktop || (s->height[layer] == s->height[ideal] && worth_it(s, layer, tid)))
                add_step(s, layer, tid);
}

/* Whether the step shows no more than was granted last time. */
static bool was_granted(const struct allocate_source *s, const struct allocate_step *step)
{
    return step->layer < s->before || (step->layer == s->before && step->tid <= (int)s->before_tid);
}

static void prepare(struct allocate_source *s, bool may_raise)
{
    list_steps(s, allocate_ideal(s));
    s->at = -1;
    s->ceiling = s->step_count - 1;
    while (!may_raise && s->was_limited && s->ceiling >= 0 &&
           !was_granted(s, &s->steps[s->ceiling]))
        s->ceiling--;
}

/* One step up if it fits. */
static bool raise(struct allocate_source *s, int ceiling, uint64_t *left)
{
    if (s->at >= ceiling)
        return false;
    uint64_t more = s->steps[s->at + 1].bps - (s->at >= 0 ? s->steps[s->at].bps : 0);
    if (more > *left)
        return false;
    *left -= more;
    s->at++;
    return true;
}

/* The highest step within the ceiling of a layer not above those lines; the first, if all are. */
static int step_of_height(const struct allocate_source *s, int height)
{
    int step = s->ceiling < 0 ? -1 : 0;
    for (int i = 0; i <= s->ceiling; i++)
        if (s->height[s->steps[i].layer] <= height)
            step = i;
    return step;
}

/* The smallest layer with all its frames. */
static int small_step(const struct allocate_source *s)
{
    int step = s->ceiling < 0 ? -1 : 0;
    while (step >= 0 && step < s->ceiling && s->steps[step + 1].layer == s->steps[0].layer)
        step++;
    return step;
}

static uint64_t grant(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise)
{
    uint64_t left = budget;
    bool stage_short = false; /* of what it needs before others move */
    bool stage_small = false; /* it has not even its smallest picture */
    for (size_t i = 0; i < count; i++) {
        struct allocate_source *s = &sources[i];
        prepare(s, may_raise);
        if (!s->on_stage)
            continue;
        int step = s->desktop ? s->ceiling : step_of_height(s, ALLOCATE_STAGE_HEIGHT);
        while (raise(s, step, &left))
            continue;
        stage_short = stage_short || (s->at >= 0 && s->at < step);
        stage_small = stage_small || (s->at >= 0 && s->at < small_step(s));
    }
    /* A stage that gets nothing at all must not starve the others. */
    for (size_t i = 0; i < count && !stage_small; i++)
        if (!sources[i].on_stage)
            (void)raise(&sources[i], sources[i].ceiling, &left);
    for (size_t i = 0; i < count && !stage_short; i++)
        while (!sources[i].on_stage && sources[i].at >= 0 &&
               raise(&sources[i], small_step(&sources[i]), &left))
            continue;
    for (size_t i = 0; i < count && !stage_short; i++)
        while (sources[i].on_stage && raise(&sources[i], sources[i].ceiling, &left))
            continue;
    for (bool any = !stage_short; any;) {
        any = false;
        for (size_t i = 0; i < count; i++)
            if (sources[i].at >= 0 && raise(&sources[i], sources[i].ceiling, &left))
                any = true;
    }
    return budget - left;
}

static void take_results(struct allocate_source *s)
{
    s->granted = s->at >= 0 ? s->steps[s->at].layer : -1;
    s->tid = s->at >= 0 ? (unsigned)s->steps[s->at].tid : 0;
    s->limited = s->at < s->step_count - 1;
}

uint64_t allocate_run(struct allocate_source *sources, size_t count, uint64_t budget,
                      bool may_raise, bool *ret_raised)
{
    *ret_raised = false;
    uint64_t used = grant(sources, count, budget, true);
    for (size_t i = 0; i < count; i++) {
        const struct allocate_source *s = &sources[i];
        if (s->was_limited && s->at >= 0 && !was_granted(s, &s->steps[s->at]))
            *ret_raised = true;
    }
    if (*ret_raised && !may_raise)
        used = grant(sources, count, budget, false);
    for (size_t i = 0; i < count; i++)
        take_results(&sources[i]);
    return used;
}
