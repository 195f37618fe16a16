/* Recordings: what there is of my classes, and its files. */
#include "school/recordings.h"

#include <stdio.h>

#include "api/live.h"
#include "api/routes.h"

#define FILE_MAX 100

static json_t *url_json(const struct call *call, const struct recording *recording,
                        const char *file, bool there)
{
    char url[CALL_URL_SIZE + ID_SIZE + FILE_MAX];
    if (!there)
        return json_null();
    (void)snprintf(url, sizeof url, "%s/recordings/%s/%s", call->base, recording->id, file);
    return json_string(url);
}

static int may_manage(struct call *call, const struct recording *recording, bool *ret_may)
{
    if (recording->class[0])
        return class_may_manage(call->api->sql, recording->class, &call->session.person, ret_may);
    *ret_may = call->session.person.role == ROLE_ADMIN;
    return 0;
}

static double progress_of(const struct recording *recording, enum recording_job job)
{
    return recording->jobs[job].state == JOB_DONE ? 1 : recording->jobs[job].progress / 1000.0;
}

static json_t *recording_json(struct call *call, const struct recording *r)
{
    bool may = false;
    if (may_manage(call, r, &may))
        return NULL;
    /* Of one found on disk nobody knows the class: both are empty. */
    json_t *class = json_pack("{s:s,s:s}", "id", r->class, "title", r->class_title);
    json_t *duration =
        r->duration > 0 ? json_real((double)r->duration / (double)MSEC_PER_SEC) : json_null();
    return json_pack("{s:s,s:o,s:o,s:o,s:s,s:{s:f,s:f,s:f},s:o,s:{s:o,s:o},s:b}", "id", r->id,
                     "class", class, "startedAt", when_json(r->started_at), "duration", duration,
                     "state", recording_state_name(r->state), "progress", "tracks",
                     progress_of(r, JOB_TRACKS), "audio", progress_of(r, JOB_AUDIO), "mp4",
                     progress_of(r, JOB_MP4), "manifest",
                     url_json(call, r, "manifest.json", r->state == RECORDING_READY), "files",
                     "mp4", url_json(call, r, "video.mp4", r->jobs[JOB_MP4].state == JOB_DONE),
                     "audio", url_json(call, r, "audio.m4a", r->jobs[JOB_AUDIO].state == JOB_DONE),
                     "mayDelete", (int)may);
}

struct listing {
    struct call *call;
    json_t *list;
};

static int add_recording(void *arg, const struct recording *recording)
{
    struct listing *listing = arg;
    return json_array_append_new(listing->list, recording_json(listing->call, recording))
               ? ERR_MEMORY
               : 0;
}

int api_recordings(struct call *call)
{
    struct listing listing = {call, json_array()};
    int err = recording_each(call->api->sql, &call->session.person, add_recording, &listing);
    if (err) {
        json_decref(listing.list);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o}", "recordings", listing.list));
}

/* 1: found, and the person may see it. Others do not learn that it exists. */
static int find_recording(struct call *call, struct recording *ret_recording, bool *ret_may)
{
    struct sql *sql = call->api->sql;
    bool in = false;
    int err = recording_find(sql, call->parts[0], ret_recording);
    if (!err)
        err = may_manage(call, ret_recording, ret_may);
    if (!err && !*ret_may && ret_recording->class[0])
        err = class_has(sql, ret_recording->class, call->session.person.id, &in);
    if (err == ERR_NOT_FOUND || (!err && !in && !*ret_may))
        return call_fail(call, 404, "unknown-recording", "There is no such recording for you.");
    return err ? err : 1;
}

int api_recording_get(struct call *call)
{
    struct recording recording;
    bool may = false;
    int err = find_recording(call, &recording, &may);
    return err == 1 ? call_json(call, 200, recording_json(call, &recording)) : err;
}

int api_recording_delete(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct recording recording;
    bool may = false;
    int err = find_recording(call, &recording, &may);
    if (err != 1)
        return err;
    if (!may)
        return call_fail(call, 403, "not-staff", "Only the teachers of this class may do that.");
    err = sql_begin(sql);
    if (err)
        return err;
    err = recording_delete(sql, recording.id);
    if (!err)
        err = call_audit(call, "recording-delete", recording.id, "");
    err = sql_finish(sql, err);
    if (err == ERR_STATE)
        return call_fail(call, 409, "recording", "It is still being recorded: stop that first.");
    if (!err)
        err = live_remove_recording(call->api, recording.id);
    return err ? err : call_empty(call);
}

static const char *type_of(struct slice file)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {{".json", "application/json"}, {".webm", "video/webm"}, {".mp4", "video/mp4"},
                 {".m4a", "audio/mp4"},         {".opus", "audio/ogg"},  {".ogg", "audio/ogg"},
                 {".vtt", "text/vtt"},          {".jpg", "image/jpeg"},  {".png", "image/png"}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (slice_ends(file, slice_str(types[i].ending)))
            return types[i].type;
    return NULL;
}

/* A plain name; render's unfinished files end in ".tmp" and have no type. */
static bool is_file_name(struct slice file)
{
    for (size_t i = 0; i < file.len; i++) {
        uint8_t c = file.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr("._-", c)))
            return false;
    }
    return file.len > 0 && file.len < FILE_MAX && file.data[0] != '.' && type_of(file);
}

/* One line for each time somebody begins to look or to download, not for each piece. */
static int note_use(struct call *call, struct slice file)
{
    struct slice range = call_header(call, "range");
    const char *action = slice_eq_str(file, "manifest.json") ? "recording-view"
                         : slice_eq_str(file, "video.mp4") || slice_eq_str(file, "audio.m4a") ||
                                 slice_eq_str(file, "audio.opus")
                             ? "recording-download"
                             : NULL;
    bool start = range.len == 0 || slice_starts(range, SLICE("bytes=0-"));
    if (!action || !start || strcmp(call->method, "HEAD") == 0)
        return 0;
    return call_audit(call, action, call->parts[0], "");
}

int api_recording_file(struct call *call)
{
    struct recording recording;
    char path[ID_SIZE + FILE_MAX + 8];
    bool may = false;
    struct slice file = slice_str(call->parts[1]);
    int err = find_recording(call, &recording, &may);
    if (err != 1)
        return err;
    if (!is_file_name(file))
        return call_fail(call, 404, "not-found", "There is no such file.");
    err = note_use(call, file);
    if (err == ERR_LIMIT)
        err = 0; /* a full disk keeps nobody from watching */
    if (err)
        return err;
    (void)snprintf(path, sizeof path, "%s/out/%.*s", recording.id, SLICE_ARG(file));
    if (slice_ends(file, SLICE(".mp4")) || slice_ends(file, SLICE(".m4a")))
        call_set_header(call, "content-disposition", "inline");
    return call_file(call, type_of(file), path);
}
