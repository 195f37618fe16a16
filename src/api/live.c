#include "api/live.h"

#include <stdlib.h>

#include "school/events.h"
#include "school/recordings.h"

/* Classes of a large school joining at once; signal keeps what is not acknowledged. */
#define EVENTS_MAX 10000
#define EVENT_BYTES_MAX ((size_t)(16 * 1024))
#define LIST_MAX 10000
/* Words of the supervisor while the disk is full. */
#define CONTROLS_MAX 1000

struct waiting_event {
    uint64_t number;
    json_t *json;
    char *text; /* as it came */
};

static int send_frame(struct api *api, enum api_frame type, uint64_t id, json_t *payload)
{
    char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    json_decref(payload);
    if (!text)
        return ERR_MEMORY;
    api->output.signal(api->output.arg, type, id, slice_str(text));
    free(text);
    return 0;
}

static int send_control(struct api *api, json_t *message)
{
    if (!message)
        return ERR_MEMORY;
    api->output.control(api->output.arg, message);
    json_decref(message);
    return 0;
}

json_t *policy_json(uint32_t policy)
{
    return json_pack("{s:{s:b,s:b,s:b,s:b,s:b},s:b}", "pupils", "microphone",
                     (policy & POLICY_MICROPHONE) != 0, "camera", (policy & POLICY_CAMERA) != 0,
                     "screen", (policy & POLICY_SCREEN) != 0, "chat", (policy & POLICY_CHAT) != 0,
                     "private", (policy & POLICY_PRIVATE) != 0, "record",
                     (policy & POLICY_RECORD) != 0);
}

int live_class(struct api *api, const struct class *class)
{
    if (class->state != CLASS_OPEN)
        return send_frame(api, API_ROOM_GONE, 0, json_pack("{s:s}", "room", class->room));
    char codecs[CODEC_LIST_TEXT];
    codec_list_print(&class->codecs, ' ', codecs);
    return send_frame(api, API_ROOM, 0,
                      json_pack("{s:s,s:s,s:s,s:b,s:b,s:s,s:s,s:o}", "room", class->room, "class",
                                class->id, "title", class->title, "open", 1, "guests",
                                (int)class->guests, "profile", profile_name(class->profile),
                                "codecs", codecs, "policy", policy_json(class->policy)));
}

static int send_class(void *arg, const struct class *class)
{
    return live_class(arg, class);
}

int live_classes(struct api *api)
{
    return class_each_open(api->sql, send_class, api);
}

int api_signal_up(struct api *api)
{
    api->signal_up = true;
    int err = live_classes(api);
    return err ? err : send_frame(api, API_SYNC_DONE, 0, json_object());
}

void api_signal_down(struct api *api)
{
    api->signal_up = false;
}

int live_remove(struct api *api, const struct class *class, const char *person)
{
    if (class->state != CLASS_OPEN)
        return 0;
    return send_frame(api, API_REMOVE, 0,
                      json_pack("{s:s,s:s}", "room", class->room, "user", person));
}

struct removal {
    struct api *api;
    const char *person;
    bool all;
};

static int remove_if_out(void *arg, const struct class *class)
{
    struct removal *removal = arg;
    bool in = false;
    int err = removal->all ? 0 : class_has(removal->api->sql, class->id, removal->person, &in);
    struct person person;
    if (!err && in)
        in = person_find(removal->api->sql, removal->person, &person) == 0 && !person.disabled;
    return err || in ? err : live_remove(removal->api, class, removal->person);
}

int live_remove_everywhere(struct api *api, const char *person, bool all)
{
    struct removal removal = {api, person, all};
    return class_each_open(api->sql, remove_if_out, &removal);
}

/* Events */

static const char *text_of(json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));
    return text ? text : "";
}

static int64_t number_of(json_t *event, const char *name, int64_t otherwise)
{
    json_t *value = json_object_get(event, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : otherwise;
}

static void read_event(const struct waiting_event *waiting, struct event *ret_event)
{
    json_t *json = waiting->json;
    *ret_event = (struct event){
        .number = waiting->number,
        .payload = slice_str(waiting->text),
        .type = text_of(json, "event"),
        .room = text_of(json, "room"),
        .class = text_of(json, "class"),
        .at = number_of(json, "at_ms", 0),
        .user = text_of(json, "user"),
        .name = text_of(json, "name"),
        .guest = json_is_true(json_object_get(json, "guest")),
        .session = text_of(json, "session"),
        .clock = number_of(json, "clock_ms", 0),
        .present = number_of(json, "present_ms", -1),
        .recording = text_of(json, "recording"),
        .by = text_of(json, "by"),
        .duration = number_of(json, "duration_ms", 0),
        .media = text_of(json, "media"),
    };
}

int api_event(struct api *api, uint64_t number, struct slice payload)
{
    if (payload.len > EVENT_BYTES_MAX)
        return ERR_FORMAT;
    if (api->event_count >= EVENTS_MAX)
        return ERR_LIMIT;
    if (!api->events) {
        api->events = calloc(EVENTS_MAX, sizeof *api->events);
        if (!api->events)
            return ERR_MEMORY;
    }
    json_t *json = json_loadb((const char *)payload.data, payload.len, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        ++*api->metrics.bad_input;
        return ERR_FORMAT;
    }
    char *text = strndup((const char *)payload.data, payload.len);
    if (!text) {
        json_decref(json);
        return ERR_MEMORY;
    }
    api->events[api->event_count++] = (struct waiting_event){number, json, text};
    return 0;
}

static void free_event(struct waiting_event *event)
{
    json_decref(event->json);
    free(event->text);
}

void live_free_events(struct api *api)
{
    for (size_t i = 0; i < api->event_count; i++)
        free_event(&api->events[i]);
    free(api->events);
    json_decref(api->controls);
    api->controls = NULL;
    api->events = NULL;
    api->event_count = 0;
}

static int store_events(struct api *api, msec_t now)
{
    int err = 0;
    for (size_t i = 0; i < api->event_count && !err; i++) {
        struct event event;
        bool known = true;
        read_event(&api->events[i], &event);
        err = event_apply(api->sql, &event, now, &known);
        ++*api->metrics.events;
        *api->metrics.events_unknown += !known;
    }
    return err;
}

static int acknowledge(struct api *api)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < api->event_count; i++) {
        if (api->events[i].number > highest)
            highest = api->events[i].number;
        free_event(&api->events[i]);
    }
    api->event_count = 0;
    return api->signal_up ? send_frame(api, API_ACK, highest, json_object()) : 0;
}

/* Recordings */

int live_start(struct api *api, const char *run)
{
    int err = events_start(api->sql, run);
    return err ? err : recording_jobs_restart(api->sql);
}

int live_tick(struct api *api, msec_t now)
{
    int err = events_alive(api->sql, now);
    if (!err)
        err = events_purge(api->sql, now);
    return err ? err : live_jobs(api);
}

static int ask_job(void *arg, const char *recording, enum recording_job job)
{
    struct api *api = arg;
    return send_control(api, json_pack("{s:s,s:s,s:s,s:{}}", "type", "render", "recording",
                                       recording, "job", job_name(job), "options"));
}

int live_jobs(struct api *api)
{
    return recording_jobs_due(api->sql, ask_job, api);
}

int live_remove_recording(struct api *api, const char *recording)
{
    return send_control(api, json_pack("{s:s,s:s}", "type", "remove", "recording", recording));
}

static int see_recording(struct api *api, json_t *entry, msec_t now)
{
    const char *id = text_of(entry, "recording");
    bool deleted = false;
    if (!id_valid(slice_str(id))) {
        ++*api->metrics.bad_input;
        return 0;
    }
    int err = recording_deleted(api->sql, id, &deleted);
    if (err)
        return err;
    if (deleted)
        return live_remove_recording(api, id);
    return recording_seen(api->sql, id, json_is_true(json_object_get(entry, "finished")), now);
}

static int control_recordings(struct api *api, json_t *message, struct api_now now)
{
    json_t *list = json_object_get(message, "list");
    int err = 0;
    for (size_t i = 0; i < json_array_size(list) && i < LIST_MAX && !err; i++)
        err = see_recording(api, json_array_get(list, i), now.wall);
    return err;
}

static int control_render(struct api *api, json_t *message)
{
    const char *state = text_of(message, "state");
    double progress = json_number_value(json_object_get(message, "progress"));
    struct job_report report = {.reason = text_of(message, "reason"), .state = JOB_RUNNING};
    if (job_parse(text_of(message, "job"), &report.job))
        return 0; /* refused when it came */
    if (strcmp(state, "done") == 0)
        report.state = JOB_DONE;
    else if (strcmp(state, "failed") == 0)
        report.state = JOB_FAILED;
    if (report.state == JOB_DONE || progress > 1)
        progress = 1;
    report.progress = progress > 0 ? (unsigned)(progress * 1000) : 0;
    return recording_report(api->sql, text_of(message, "recording"), &report);
}

int api_control(struct api *api, const char *type, json_t *message)
{
    bool render = strcmp(type, "render") == 0;
    if (!render && strcmp(type, "recordings") != 0)
        return 0;
    enum recording_job job;
    if (render ? job_parse(text_of(message, "job"), &job)
               : !json_is_array(json_object_get(message, "list"))) {
        ++*api->metrics.bad_input;
        return ERR_FORMAT;
    }
    if (!api->controls)
        api->controls = json_array();
    if (json_array_size(api->controls) >= CONTROLS_MAX)
        return ERR_LIMIT;
    return json_array_append(api->controls, message) ? ERR_MEMORY : 0;
}

static int store_controls(struct api *api, struct api_now now)
{
    int err = 0;
    for (size_t i = 0; i < json_array_size(api->controls) && !err; i++) {
        json_t *message = json_array_get(api->controls, i);
        err = json_object_get(message, "list") ? control_recordings(api, message, now)
                                               : control_render(api, message);
    }
    return err;
}

static int store(struct api *api, struct api_now now)
{
    int err = sql_begin(api->sql);
    if (err)
        return err;
    err = store_events(api, now.wall);
    if (!err)
        err = store_controls(api, now);
    return sql_finish(api->sql, err);
}

int api_flush(struct api *api, struct api_now now)
{
    size_t controls = json_array_size(api->controls);
    if (api->event_count == 0 && controls == 0)
        return 0;
    int err = store(api, now);
    if (err) {
        *api->metrics.disk_full += err == ERR_LIMIT;
        return err;
    }
    if (controls > 0)
        (void)json_array_clear(api->controls); /* fails for no array only */
    if (api->event_count > 0)
        err = acknowledge(api);
    return err ? err : live_jobs(api);
}
