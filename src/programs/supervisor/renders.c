#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "programs/supervisor/supervisor.h"

#define WAITING_MAX 10000
#define ATTEMPTS_MAX 2

struct job {
    struct list node;
    char recording[37];
    char what[16];
    json_t *options;
    unsigned attempts;
    char reason[32];
};

/* Jobs of one kind of length, one at a time in the order asked. */
struct lane {
    struct supervisor *super;
    struct list waiting; /* the first one runs while there is a unit */
    size_t count;
    struct unit *unit;
    struct loop_timer limit;
};

/* Tracks make a recording playable within a minute: they never wait behind an hour's film. */
enum { LANE_TRACKS, LANE_FILES, LANES };

struct renders {
    struct lane lanes[LANES];
};

static struct lane *lane_of(struct renders *renders, const char *what)
{
    return &renders->lanes[strcmp(what, "tracks") == 0 ? LANE_TRACKS : LANE_FILES];
}

static int dress(struct unit *unit, struct start *start);
static void on_message(struct unit *unit, const char *type, json_t *message);
static void ended(struct unit *unit, int status);

static const struct kind kind_render = {.program = "render",
                                        .low_priority = true,
                                        .dress = dress,
                                        .message = on_message,
                                        .ended = ended};

static void tell(struct supervisor *super, const struct job *job, const char *state, double done)
{
    struct unit *web = unit_find(super, "web", 0);
    json_t *message =
        json_pack("{s:s,s:s,s:s,s:s,s:f,s:s}", "type", "render", "recording", job->recording, "job",
                  job->what, "state", state, "progress", done, "reason", job->reason);
    if (web)
        unit_send(web, message, NULL, 0);
    json_decref(message);
}

static struct job *first(struct lane *lane)
{
    return list_empty(&lane->waiting) ? NULL : LIST_ITEM(lane->waiting.next, struct job, node);
}

static void drop(struct lane *lane, struct job *job)
{
    list_remove(&job->node);
    lane->count--;
    json_decref(job->options);
    free(job);
}

static int dress(struct unit *unit, struct start *start)
{
    const struct job *job = first(unit->owner);
    char below[80];
    json_t *more = json_pack("{s:s,s:s,s:O}", "recording", job->recording, "job", job->what,
                             "options", job->options);
    int err = more && json_object_update(start->settings, more) == 0 ? 0 : ERR_MEMORY;
    json_decref(more);
    (void)snprintf(below, sizeof below, "recordings/%s/spool", job->recording);
    if (!err)
        err = start_add_data(unit, start, "spool", below);
    (void)snprintf(below, sizeof below, "recordings/%s/out", job->recording);
    if (!err)
        err = start_add_data(unit, start, "out", below);
    return err;
}

static void give_up(struct lane *lane, const char *reason)
{
    struct job *job = first(lane);
    if (!job->reason[0])
        (void)slice_copy(slice_str(reason), job->reason, sizeof job->reason); /* a short word */
    log_error("render failed recording=%s job=%s reason=%s", job->recording, job->what,
              job->reason);
    tell(lane->super, job, "failed", 0);
    drop(lane, job);
}

static void next(struct lane *lane)
{
    struct supervisor *super = lane->super;
    while (!lane->unit && first(lane) && !super->stopping) {
        struct job *job = first(lane);
        usec_t limit = config_number(super->config, "render.limit") * USEC_PER_SEC;
        job->attempts++;
        unsigned number = (unsigned)(lane - super->renders->lanes);
        int err = unit_new(super, &kind_render, number, lane, &lane->unit);
        if (!err)
            err = unit_start(lane->unit);
        if (!err)
            err = loop_timer_set(super->loop, &lane->limit, loop_now(super->loop) + limit);
        if (err) {
            unit_free(&lane->unit);
            give_up(lane, "start");
            continue;
        }
        tell(super, job, "running", 0);
    }
}

static void on_limit(struct loop_timer *timer, usec_t now)
{
    struct lane *lane = CONTAINER_OF(timer, struct lane, limit);
    struct job *job = first(lane);
    (void)now;
    if (!lane->unit || !job)
        return;
    (void)slice_copy(SLICE("timeout"), job->reason, sizeof job->reason); /* fits */
    unit_kill(lane->unit, "takes too long");
}

static void on_message(struct unit *unit, const char *type, json_t *message)
{
    struct lane *lane = unit->owner;
    struct job *job = first(lane);
    const char *reason = json_string_value(json_object_get(message, "reason"));
    double done = json_number_value(json_object_get(message, "done"));
    if (strcmp(type, "progress") == 0 && done >= 0 && done <= 1)
        tell(lane->super, job, "running", done);
    else if (strcmp(type, "trouble") == 0 && reason)
        (void)slice_copy(slice_str(reason), job->reason, sizeof job->reason); /* may be cut */
}

static void ended(struct unit *unit, int status)
{
    struct lane *lane = unit->owner;
    struct job *job = first(lane);
    loop_timer_clear(lane->super->loop, &lane->limit);
    unit_free(&lane->unit);
    if (status == 0) {
        log_info("rendered recording=%s job=%s", job->recording, job->what);
        job->reason[0] = 0;
        tell(lane->super, job, "done", 1);
        drop(lane, job);
    } else if (job->attempts >= ATTEMPTS_MAX) {
        give_up(lane, "crashed");
    } else {
        job->reason[0] = 0;
    }
    next(lane);
}

static struct job *find(struct lane *lane, const char *recording, const char *what)
{
    LIST_EACH(node, &lane->waiting)
    {
        struct job *job = LIST_ITEM(node, struct job, node);
        if (strcmp(job->recording, recording) == 0 && strcmp(job->what, what) == 0)
            return job;
    }
    return NULL;
}

static bool known(const char *what)
{
    static const char *const all[] = {"tracks", "audio", "mp4"};
    for (size_t i = 0; what && i < ARRAY_LEN(all); i++)
        if (strcmp(what, all[i]) == 0)
            return true;
    return false;
}

static void queue(struct lane *lane, const char *recording, const char *what, json_t *options)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return; /* web asks again when it restarts */
    (void)slice_copy(slice_str(recording), job->recording, sizeof job->recording); /* checked */
    (void)slice_copy(slice_str(what), job->what, sizeof job->what);                /* checked */
    job->options = json_is_object(options) ? json_incref(options) : json_object();
    list_append(&lane->waiting, &job->node);
    lane->count++;
    if (!recordings_finished(lane->super, recording) || lane->count > WAITING_MAX) {
        (void)slice_copy(lane->count > WAITING_MAX ? SLICE("limit") : SLICE("unfinished"),
                         job->reason, sizeof job->reason); /* fits */
        tell(lane->super, job, "failed", 0);
        drop(lane, job);
    }
    next(lane);
}

void renders_ask(struct supervisor *super, json_t *message)
{
    const char *recording = json_string_value(json_object_get(message, "recording"));
    const char *what = json_string_value(json_object_get(message, "job"));
    if (!recording_name_ok(recording) || !known(what)) {
        log_warn("order without sense type=render");
        return;
    }
    struct lane *lane = lane_of(super->renders, what);
    const struct job *job = find(lane, recording, what);
    if (!job)
        queue(lane, recording, what, json_object_get(message, "options"));
    else if (job == first(lane))
        tell(super, job, "running", 0);
}

static void lane_forget(struct lane *lane, const char *recording)
{
    struct job *running = lane->unit ? first(lane) : NULL;
    if (running && strcmp(running->recording, recording) == 0) {
        loop_timer_clear(lane->super->loop, &lane->limit);
        unit_free(&lane->unit);
    }
    LIST_EACH(node, &lane->waiting)
    {
        struct job *job = LIST_ITEM(node, struct job, node);
        if (strcmp(job->recording, recording) == 0)
            drop(lane, job);
    }
    next(lane);
}

void renders_forget(struct supervisor *super, const char *recording)
{
    for (size_t i = 0; i < LANES; i++)
        lane_forget(&super->renders->lanes[i], recording);
}

int renders_open(struct supervisor *super)
{
    struct renders *renders = calloc(1, sizeof *renders);
    if (!renders)
        return ERR_MEMORY;
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &renders->lanes[i];
        lane->super = super;
        list_init(&lane->waiting);
        loop_timer_init(&lane->limit, on_limit);
    }
    super->renders = renders;
    return 0;
}

void renders_close(struct supervisor *super)
{
    struct renders *renders = super->renders;
    for (size_t i = 0; renders && i < LANES; i++) {
        struct lane *lane = &renders->lanes[i];
        loop_timer_clear(super->loop, &lane->limit);
        unit_free(&lane->unit);
        while (first(lane))
            drop(lane, first(lane));
    }
    free(renders);
    super->renders = NULL;
}
