#include "record/layout.h"

#include <stdlib.h>

/* A new speaker waits until the one before was shown this long. */
#define STAY (2 * USEC_PER_SEC)
/* Without a picture for this many seconds a camera is off. A shared screen may stand still. */
#define CAMERA_QUIET 3u
#define SCREEN_QUIET 12u
/* Frames arrive a little later than they were captured. */
#define LATE 1u

struct presence {
    bool here;
    bool left;
};

struct state {
    const struct timeline *timeline;
    size_t next_event;
    struct presence *endpoints;
    bool *muted;      /* by source */
    uint32_t speaker; /* as the events say */
    uint32_t shown;   /* speaker on screen */
    usec_t shown_since;
};

static uint32_t endpoint_of(const struct timeline *timeline, const json_t *event)
{
    const char *id = json_string_value(json_object_get(event, "endpoint"));
    void *known = id ? map_get(timeline->by_endpoint, slice_str(id)) : NULL;
    return known ? (uint32_t)((uintptr_t)known - 1) : LAYOUT_NONE;
}

static void set_muted(struct state *s, const json_t *event, bool muted)
{
    const char *name = json_string_value(json_object_get(event, "source"));
    for (uint32_t i = 0; name && i < s->timeline->source_count; i++) {
        if (strcmp(s->timeline->sources[i].name, name) == 0)
            s->muted[i] = muted;
    }
}

static void take_event(struct state *s, const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    uint32_t endpoint = endpoint_of(s->timeline, event);
    if (strcmp(type, "mute") == 0)
        set_muted(s, event, json_is_true(json_object_get(event, "muted")));
    else if (strcmp(type, "screen") == 0)
        set_muted(s, event, !json_is_true(json_object_get(event, "on")));
    if (endpoint == LAYOUT_NONE)
        return;
    if (strcmp(type, "speaker") == 0)
        s->speaker = endpoint;
    else if (strcmp(type, "join") == 0)
        s->endpoints[endpoint] = (struct presence){.here = true};
    else if (strcmp(type, "leave") == 0)
        s->endpoints[endpoint] = (struct presence){.left = true};
}

static size_t second_of(const struct state *s, usec_t time)
{
    return (size_t)(timeline_arrival(s->timeline, time) / USEC_PER_SEC);
}

static bool has_picture(const struct state *s, uint32_t source, usec_t time)
{
    const struct timeline_source *from = &s->timeline->sources[source];
    if (from->kind != TIMELINE_VIDEO || s->muted[source] || s->endpoints[from->endpoint_index].left)
        return false;
    bool screen = strcmp(from->video_type, "desktop") == 0;
    size_t now = second_of(s, time), reach = screen ? SCREEN_QUIET : CAMERA_QUIET;
    for (size_t second = now > reach ? now - reach : 0; second <= now; second++) {
        if (timeline_active(from, second))
            return true;
    }
    return false;
}

/* The camera of an endpoint, or any shared screen (endpoint NONE). */
static uint32_t find_picture(const struct state *s, uint32_t endpoint, usec_t time)
{
    for (uint32_t i = 0; i < s->timeline->source_count; i++) {
        const struct timeline_source *source = &s->timeline->sources[i];
        bool screen = strcmp(source->video_type, "desktop") == 0;
        bool asked =
            endpoint == LAYOUT_NONE ? screen : !screen && source->endpoint_index == endpoint;
        if (asked && has_picture(s, i, time))
            return i;
    }
    return LAYOUT_NONE;
}

/* Somebody to look at when nobody has spoken: who has a camera, else who came first. */
static uint32_t anybody(const struct state *s, usec_t time)
{
    uint32_t first = LAYOUT_NONE;
    for (uint32_t i = 0; i < s->timeline->endpoint_count; i++) {
        if (!s->endpoints[i].here)
            continue;
        if (find_picture(s, i, time) != LAYOUT_NONE)
            return i;
        if (first == LAYOUT_NONE)
            first = i;
    }
    return first;
}

static void choose_speaker(struct state *s, usec_t time)
{
    bool gone = s->shown == LAYOUT_NONE || s->endpoints[s->shown].left;
    uint32_t next =
        s->speaker != LAYOUT_NONE && !s->endpoints[s->speaker].left ? s->speaker : anybody(s, time);
    /* Nobody has spoken yet: no reason to leave who is shown. */
    if (!gone && s->speaker == LAYOUT_NONE &&
        (find_picture(s, s->shown, time) != LAYOUT_NONE ||
         find_picture(s, next, time) == LAYOUT_NONE))
        next = s->shown;
    if (next == s->shown || (!gone && time - s->shown_since < STAY))
        return;
    s->shown = next;
    s->shown_since = time;
}

static struct layout_scene scene_at(struct state *s, usec_t time)
{
    choose_speaker(s, time);
    uint32_t camera = s->shown == LAYOUT_NONE ? LAYOUT_NONE : find_picture(s, s->shown, time);
    uint32_t screen = find_picture(s, LAYOUT_NONE, time);
    if (screen == LAYOUT_NONE)
        return (struct layout_scene){camera, s->shown, LAYOUT_NONE, LAYOUT_NONE};
    return (struct layout_scene){screen, s->timeline->sources[screen].endpoint_index, camera,
                                 s->shown};
}

int layout_make(const struct timeline *timeline, struct layout *ret_layout)
{
    struct state s = {.timeline = timeline, .speaker = LAYOUT_NONE, .shown = LAYOUT_NONE};
    struct layout layout = {.count = (size_t)(timeline->duration / LAYOUT_STEP) + 1};
    layout.steps = calloc(layout.count, sizeof(*layout.steps));
    s.endpoints = calloc(timeline->endpoint_count + 1, sizeof(*s.endpoints));
    s.muted = calloc(timeline->source_count + 1, sizeof(*s.muted));
    bool good = layout.steps && s.endpoints && s.muted;
    for (size_t i = 0; good && i < layout.count; i++) {
        usec_t time = (usec_t)i * LAYOUT_STEP;
        for (; s.next_event < timeline->event_count && timeline->events[s.next_event].time <= time;
             s.next_event++)
            take_event(&s, timeline->events[s.next_event].json);
        layout.steps[i] = scene_at(&s, time);
    }
    free(s.endpoints);
    free(s.muted);
    if (!good) {
        layout_done(&layout);
        return ERR_MEMORY;
    }
    *ret_layout = layout;
    return 0;
}

void layout_done(struct layout *layout)
{
    free(layout->steps);
    *layout = (struct layout){0};
}

const struct layout_scene *layout_at(const struct layout *layout, usec_t time)
{
    size_t step = (size_t)(usec_max(time, 0) / LAYOUT_STEP);
    return &layout->steps[step < layout->count ? step : layout->count - 1];
}

bool layout_same(const struct layout_scene *a, const struct layout_scene *b)
{
    return a->source == b->source && a->endpoint == b->endpoint &&
           a->inset_source == b->inset_source && a->inset_endpoint == b->inset_endpoint;
}

void layout_needed(const struct layout *layout, const struct timeline *timeline, uint32_t source,
                   bool *needed, size_t count)
{
    const struct timeline_source *from = &timeline->sources[source];
    for (size_t i = 0; i < layout->count; i++) {
        const struct layout_scene *scene = &layout->steps[i];
        if (scene->source != source && scene->inset_source != source)
            continue;
        size_t second =
            (size_t)(timeline_arrival(timeline, (usec_t)i * LAYOUT_STEP) / USEC_PER_SEC);
        for (size_t s = second; s <= second + LATE + 1 && s < count; s++)
            needed[s] = true;
        /* A key frame of a layer that is not the chosen one may come first: take two. */
        for (size_t s = second, keys = 0; s > 0 && keys < 2; s--) {
            if (s - 1 < count && needed[s - 1])
                break;
            if (s - 1 < count)
                needed[s - 1] = true;
            keys += timeline_keys(from, s - 1) > 0;
        }
    }
}
