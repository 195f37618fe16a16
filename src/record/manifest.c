#include "record/manifest.h"

#include <math.h>
#include <stdlib.h>

#include "record/job.h"
#include "record/out_file.h"

enum { VERSION = 1 };

json_t *manifest_seconds(usec_t time)
{
    return json_real(round((double)time / 1e3) / 1e3);
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *people_of(const struct timeline *timeline)
{
    json_t *people = json_array();
    for (uint32_t i = 0; i < timeline->endpoint_count; i++) {
        const struct timeline_endpoint *endpoint = timeline->endpoints[i];
        if (!endpoint->joined)
            continue;
        json_t *person =
            json_pack("{s:s,s:o,s:o}", "endpoint", endpoint->id, "person",
                      text_or_null(endpoint->person), "name", text_or_null(endpoint->name));
        if (!person || json_array_append_new(people, person) != 0) {
            json_decref(people);
            return NULL;
        }
    }
    return people;
}

static json_t *events_of(const struct timeline *timeline)
{
    json_t *events = json_array();
    for (size_t i = 0; i < timeline->event_count; i++) {
        json_t *event = json_copy(timeline->events[i].json);
        if (!event ||
            json_object_set_new(event, "t", manifest_seconds(timeline->events[i].time)) != 0 ||
            json_array_append_new(events, event) != 0) {
            json_decref(events);
            return NULL;
        }
    }
    return events;
}

static json_t *gaps_of(const struct timeline *timeline)
{
    json_t *gaps = json_array();
    for (size_t i = 0; i < timeline->gap_count; i++) {
        const struct timeline_span *gap = &timeline->gaps[i];
        json_t *item = json_pack("{s:o,s:o,s:s}", "from", manifest_seconds(gap->from), "to",
                                 manifest_seconds(gap->to), "reason", gap->reason);
        if (!item || json_array_append_new(gaps, item) != 0) {
            json_decref(gaps);
            return NULL;
        }
    }
    return gaps;
}

static int add_damage(json_t *manifest, const struct timeline *timeline)
{
    const struct {
        const char *what;
        uint64_t count;
    } damage[] = {
        {"damaged-bytes", timeline->damage.skipped},
        {"missing-bytes", timeline->damage.missing},
        {"unreadable-pieces", timeline->damage.unreadable},
        {"refused-records", timeline->refused},
        {"no-end", timeline->ended ? 0 : 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        int err = damage[i].count
                      ? manifest_add_trouble(manifest, NULL, damage[i].what, damage[i].count)
                      : 0;
        if (err)
            return err;
    }
    return 0;
}

json_t *manifest_new(const struct timeline *timeline)
{
    json_t *manifest = json_pack(
        "{s:i,s:s,s:I,s:o,s:o,s:[],s:o,s:o,s:{},s:[]}", "version", VERSION, "recording",
        timeline->recording, "startedAt", (json_int_t)(timeline->wall_zero / USEC_PER_MSEC),
        "duration", manifest_seconds(timeline->duration), "people", people_of(timeline), "tracks",
        "events", events_of(timeline), "gaps", gaps_of(timeline), "files", "troubles");
    if (manifest && add_damage(manifest, timeline) != 0) {
        json_decref(manifest);
        manifest = NULL;
    }
    return manifest;
}

static int append(json_t *manifest, const char *key, json_t *item)
{
    json_t *list = json_object_get(manifest, key);
    return item && json_array_append_new(list, item) == 0 ? 0 : ERR_MEMORY;
}

int manifest_add_track(json_t *manifest, json_t *track)
{
    return append(manifest, "tracks", track);
}

json_t *manifest_trouble(const struct timeline_source *source, const char *what, uint64_t count)
{
    json_t *trouble = json_pack("{s:s,s:I}", "what", what, "count", (json_int_t)count);
    if (trouble && source)
        (void)json_object_set_new(trouble, "source", json_string(source->name)); /* or without */
    return trouble;
}

int manifest_add_trouble(json_t *manifest, const struct timeline_source *source, const char *what,
                         uint64_t count)
{
    return append(manifest, "troubles", manifest_trouble(source, what, count));
}

static int set_file(json_t *files, const char *key, int out, const char *name)
{
    int64_t size = out_file_size(out, name);
    if (size < 0)
        return 0;
    json_t *file = json_pack("{s:s,s:I}", "file", name, "size", (json_int_t)size);
    return file && json_object_set_new(files, key, file) == 0 ? 0 : ERR_MEMORY;
}

int manifest_write(json_t *manifest, int out)
{
    json_t *files = json_object();
    int err = set_file(files, "mp4", out, MANIFEST_MP4);
    if (!err)
        err = set_file(files, "audio", out, MANIFEST_M4A);
    if (!err)
        err = set_file(files, "opus", out, MANIFEST_OPUS);
    if (err || json_object_set(manifest, "files", files) != 0) {
        json_decref(files);
        return ERR_MEMORY;
    }
    json_decref(files);
    char *text =
        json_dumps(manifest, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
    if (!text)
        return ERR_MEMORY;
    err = out_file_put(out, MANIFEST_NAME, text, strlen(text));
    free(text);
    return err;
}

static int add_new_troubles(json_t *manifest, const json_t *troubles)
{
    json_t *known = json_object_get(manifest, "troubles");
    for (size_t i = 0; i < json_array_size(troubles); i++) {
        json_t *trouble = json_array_get(troubles, i);
        bool is_new = true;
        for (size_t k = 0; k < json_array_size(known); k++)
            is_new = is_new && !json_equal(json_array_get(known, k), trouble);
        if (is_new && json_array_append(known, trouble) != 0)
            return ERR_MEMORY;
    }
    return 0;
}

int manifest_refresh(int out, const json_t *troubles)
{
    char *text;
    size_t len;
    int err = out_file_get(out, MANIFEST_NAME, JOB_MANIFEST_MAX, &text, &len);
    if (err)
        return err == ERR_NOT_FOUND ? 0 : err;
    json_t *manifest = json_loadb(text, len, 0, NULL);
    free(text);
    if (json_is_object(manifest))
        err = add_new_troubles(manifest, troubles);
    if (!err && json_is_object(manifest))
        err = manifest_write(manifest, out);
    json_decref(manifest);
    return err;
}
