#include "bridge/control.h"

/* As many as all sources of a full conference. */
#define NAMES_MAX ((size_t)CONFERENCE_ENDPOINTS_MAX * CONFERENCE_SOURCES_MAX)
/* What a client gets before it said what it wants: thumbnails of everybody. */
#define HEIGHT_MAX 16384
#define RATE_MAX 1000

/* A member that is a string shorter than `size`, or NULL. */
static const char *text_of(json_t *object, const char *key, size_t size)
{
    json_t *member = json_object_get(object, key);
    if (!json_is_string(member) || json_string_length(member) >= size)
        return NULL;
    const char *text = json_string_value(member);
    return strlen(text) == json_string_length(member) ? text : NULL; /* no NUL inside */
}

static int take_text(json_t *object, const char *key, char *out, size_t size)
{
    const char *text = text_of(object, key, size);
    if (!text || !*text)
        return ERR_FORMAT;
    (void)slice_copy(slice_str(text), out, size); /* text_of has measured it */
    return 0;
}

/* A member that may be missing or null, or must be a string; copied into the arena. */
static int take_slice(json_t *object, const char *key, struct arena *arena, struct slice *ret_text)
{
    json_t *member = json_object_get(object, key);
    *ret_text = slice_of(NULL, 0);
    if (!member || json_is_null(member))
        return 0;
    if (!json_is_string(member))
        return ERR_FORMAT;
    struct slice text = slice_of(json_string_value(member), json_string_length(member));
    *ret_text = arena_copy(arena, text);
    return text.len > 0 && !ret_text->data ? ERR_LIMIT : 0;
}

static int64_t integer_of(json_t *object, const char *key, int64_t low, int64_t high,
                          int64_t otherwise)
{
    json_t *member = json_object_get(object, key);
    if (!json_is_number(member))
        return otherwise;
    double value = json_number_value(member);
    if (!(value >= (double)low)) /* NaN too */
        return low;
    return value >= (double)high ? high : (int64_t)value;
}

static int parse_ssrcs(json_t *list, uint32_t out[CONFERENCE_LAYERS_MAX], unsigned *ret_count)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > CONFERENCE_LAYERS_MAX)
        return ERR_FORMAT;
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(list, i);
        json_int_t value = json_integer_value(item);
        if (!json_is_integer(item) || value < 0 || value > UINT32_MAX)
            return ERR_FORMAT;
        out[i] = (uint32_t)value;
    }
    *ret_count = (unsigned)count;
    return 0;
}

static int parse_source(json_t *object, struct conference_source *source)
{
    const char *kind = text_of(object, "kind", 16);
    if (take_text(object, "name", source->name, sizeof source->name) || !kind)
        return ERR_FORMAT;
    bool video = strcmp(kind, "video") == 0;
    if (!video && strcmp(kind, "audio") != 0)
        return ERR_FORMAT;
    source->kind = video ? CONFERENCE_VIDEO : CONFERENCE_AUDIO;
    const char *type = text_of(object, "videoType", 16);
    source->video_type = !video || !type                ? CONFERENCE_CAMERA
                         : strcmp(type, "desktop") == 0 ? CONFERENCE_DESKTOP
                         : strcmp(type, "none") == 0    ? CONFERENCE_NONE
                                                        : CONFERENCE_CAMERA;
    source->muted = json_is_true(json_object_get(object, "muted"));
    source->blocked = json_is_true(json_object_get(object, "blocked"));
    unsigned rtx = 0;
    json_t *rtx_list = json_object_get(object, "rtx");
    if (parse_ssrcs(json_object_get(object, "ssrcs"), source->ssrcs, &source->layer_count) ||
        source->layer_count == 0)
        return ERR_FORMAT;
    if (rtx_list && (parse_ssrcs(rtx_list, source->rtx, &rtx) || rtx > source->layer_count))
        return ERR_FORMAT;
    return 0;
}

static int parse_sources(json_t *list, struct arena *arena, struct conference_endpoint *endpoint)
{
    size_t count = json_array_size(list);
    if (list && !json_is_array(list))
        return ERR_FORMAT;
    if (count > CONFERENCE_SOURCES_MAX)
        return ERR_FORMAT;
    struct conference_source *sources = arena_alloc(arena, (count + 1) * sizeof *sources);
    if (!sources)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        int err = parse_source(json_array_get(list, i), &sources[i]);
        if (err)
            return err;
    }
    endpoint->sources = sources;
    endpoint->source_count = count;
    return 0;
}

/* A list of names; wishes come from browsers, so what is no name is left out. */
static int parse_names(json_t *list, struct arena *arena,
                       const char (**ret_names)[CONFERENCE_NAME_MAX], size_t *ret_count)
{
    size_t count = json_is_array(list) ? json_array_size(list) : 0;
    if (count > NAMES_MAX)
        count = NAMES_MAX;
    char(*names)[CONFERENCE_NAME_MAX] = arena_alloc(arena, (count + 1) * sizeof *names);
    if (!names)
        return ERR_LIMIT;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(list, i);
        struct slice name = slice_of(json_string_value(item), json_string_length(item));
        if (name.len > 0 && slice_copy(name, names[used], sizeof names[used]))
            used++;
    }
    *ret_names = (const char(*)[CONFERENCE_NAME_MAX])names;
    *ret_count = used;
    return 0;
}

static int parse_constraints(json_t *object, struct arena *arena, struct conference_wishes *wishes)
{
    size_t count = json_object_size(object);
    if (count > NAMES_MAX)
        count = NAMES_MAX;
    struct conference_constraint *list = arena_alloc(arena, (count + 1) * sizeof *list);
    if (!list)
        return ERR_LIMIT;
    size_t used = 0;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (used == count)
            break;
        if (!*name || !slice_copy(slice_str(name), list[used].source, sizeof list[used].source))
            continue;
        list[used].max_height = (int)integer_of(value, "maxHeight", -1, HEIGHT_MAX, -1);
        list[used].max_frame_rate = (int)integer_of(value, "maxFrameRate", -1, RATE_MAX, -1);
        used++;
    }
    wishes->constraints = list;
    wishes->constraint_count = used;
    return 0;
}

static int parse_wishes(json_t *object, struct arena *arena, struct conference_wishes *wishes)
{
    wishes->last_n = (int)integer_of(object, "lastN", -1, CONFERENCE_ENDPOINTS_MAX, -1);
    wishes->default_max_height =
        (int)integer_of(object, "defaultMaxHeight", -1, HEIGHT_MAX, CONFERENCE_UNTOLD);
    wishes->assumed_bandwidth_bps =
        integer_of(object, "assumedBandwidthBps", -1, INT64_C(100000000000), -1);
    int err = parse_names(json_object_get(object, "selectedSources"), arena, &wishes->selected,
                          &wishes->selected_count);
    if (err == 0)
        err = parse_names(json_object_get(object, "onStageSources"), arena, &wishes->on_stage,
                          &wishes->on_stage_count);
    if (err == 0)
        err = parse_constraints(json_object_get(object, "constraints"), arena, wishes);
    return err;
}

static int parse_ice(json_t *root, struct arena *arena, struct control_ice *ice)
{
    json_t *object = json_object_get(root, "ice");
    json_t *fingerprint = json_object_get(root, "fingerprint");
    struct {
        json_t *from;
        const char *key;
        struct slice *to;
    } fields[] = {
        {object, "session", &ice->session},
        {object, "ufrag", &ice->ufrag},
        {object, "pwd", &ice->pwd},
        {object, "remote_ufrag", &ice->remote_ufrag},
        {object, "remote_pwd", &ice->remote_pwd},
        {fingerprint, "hash", &ice->hash},
        {fingerprint, "value", &ice->value},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        int err = take_slice(fields[i].from, fields[i].key, arena, fields[i].to);
        if (err)
            return err;
    }
    bool whole = ice->ufrag.len > 0 && ice->pwd.len > 0 &&
                 (ice->remote_ufrag.len > 0) == (ice->remote_pwd.len > 0) &&
                 (ice->hash.len > 0) == (ice->value.len > 0);
    return whole ? 0 : ERR_FORMAT;
}

static int parse_endpoint(json_t *root, struct arena *arena, struct control_message *message)
{
    struct conference_endpoint *endpoint = &message->endpoint_state;
    if (take_text(root, "endpoint", message->endpoint, sizeof message->endpoint))
        return ERR_FORMAT;
    memcpy(endpoint->id, message->endpoint, sizeof endpoint->id);
    const char *person = text_of(root, "person", sizeof endpoint->person);
    if (person)
        (void)slice_copy(slice_str(person), endpoint->person, sizeof endpoint->person);
    endpoint->rewriting = json_is_true(json_object_get(root, "rewriting"));
    endpoint->staff = json_is_true(json_object_get(root, "staff"));
    endpoint->red = json_is_true(json_object_get(root, "red"));
    endpoint->encrypted = json_is_true(json_object_get(root, "encrypted"));
    int err = parse_ice(root, arena, &message->ice);
    if (err == 0)
        err = parse_sources(json_object_get(root, "sources"), arena, endpoint);
    if (err == 0)
        err = parse_wishes(json_object_get(root, "constraints"), arena, &endpoint->wishes);
    return err;
}

static int parse_conference(json_t *root, struct control_message *message)
{
    json_t *record = json_object_get(root, "record");
    const char *profile = text_of(root, "profile", 16);
    message->profile = PROFILE_RICH;
    if (profile && profile_parse(slice_str(profile), &message->profile))
        return ERR_FORMAT;
    if (!record || json_is_null(record))
        return 0;
    message->paused = json_is_true(json_object_get(record, "paused"));
    return take_text(record, "recording", message->recording, sizeof message->recording);
}

static int parse_event(json_t *root, struct arena *arena, struct control_message *message)
{
    json_t *event = json_object_get(root, "event");
    if (!json_is_object(event))
        return ERR_FORMAT;
    char *text = json_dumps(event, JSON_COMPACT);
    if (!text)
        return ERR_MEMORY;
    message->event = arena_copy(arena, slice_str(text));
    free(text);
    return message->event.data ? 0 : ERR_LIMIT;
}

static int parse_body(json_t *root, struct arena *arena, struct control_message *message)
{
    if (message->type == CONTROL_SYNC_DONE)
        return 0;
    if (take_text(root, "conference", message->conference, sizeof message->conference))
        return ERR_FORMAT;
    switch (message->type) {
    case CONTROL_CONFERENCE:
        return parse_conference(root, message);
    case CONTROL_ENDPOINT:
        return parse_endpoint(root, arena, message);
    case CONTROL_ENDPOINT_GONE:
        return take_text(root, "endpoint", message->endpoint, sizeof message->endpoint);
    case CONTROL_EVENT:
        return parse_event(root, arena, message);
    default:
        return 0;
    }
}

int control_parse(uint16_t type, struct slice payload, struct arena *arena,
                  struct control_message *ret_message)
{
    if (type < CONTROL_CONFERENCE || type > CONTROL_EVENT)
        return ERR_UNSUPPORTED;
    if (payload.len > CONTROL_PAYLOAD_MAX)
        return ERR_LIMIT;
    json_t *root =
        json_loadb((const char *)payload.data, payload.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_FORMAT;
    }
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->type = (enum control_type)type;
    int err = parse_body(root, arena, ret_message);
    json_decref(root);
    return err;
}

json_t *control_hello(const struct control_hello *hello)
{
    return json_pack("{s:i, s:i, s:s, s:{s:s, s:s}, s:O}", "version", 1, "worker",
                     (int)hello->worker, "boot", hello->boot, "fingerprint", "hash", "sha-256",
                     "value", hello->fingerprint, "candidates", hello->candidates);
}

json_t *control_endpoint_state(const char *conference, const char *endpoint,
                               enum transport_state state, usec_t rtt)
{
    static const char *const names[] = {
        [TRANSPORT_NEW] = "new",
        [TRANSPORT_CHECKING] = "checking",
        [TRANSPORT_CONNECTED] = "connected",
        [TRANSPORT_QUIET] = "quiet",
        [TRANSPORT_FAILED] = "failed",
    };
    return json_pack("{s:s, s:s, s:s, s:I}", "conference", conference, "endpoint", endpoint,
                     "state", names[state], "rtt_us", (json_int_t)rtt);
}

json_t *control_feed_state(const char *conference, const char *recording, bool attached)
{
    return json_pack("{s:s, s:s, s:s}", "conference", conference, "recording", recording, "state",
                     attached ? "attached" : "lost");
}

static json_t *names_of(const struct conference_notice *notice)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < notice->name_count; i++)
        if (json_array_append_new(list, json_string(notice->names[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *slots_of(const struct conference_notice *notice, enum conference_kind kind)
{
    static const char *const types[] = {
        [CONFERENCE_CAMERA] = "camera",
        [CONFERENCE_DESKTOP] = "desktop",
        [CONFERENCE_NONE] = "none",
    };
    json_t *list = json_array();
    for (size_t i = 0; list && i < notice->slot_count; i++) {
        const struct conference_slot *slot = &notice->slots[i];
        if (slot->kind != kind)
            continue;
        json_t *item =
            json_pack("{s:s, s:s, s:I, s:I}", "source", slot->source, "owner", slot->owner, "ssrc",
                      (json_int_t)slot->ssrc, "pair", (json_int_t)slot->pair);
        bool done = item;
        if (kind == CONFERENCE_VIDEO && item)
            done =
                json_object_set_new(item, "rtx", json_integer(slot->rtx)) == 0 &&
                json_object_set_new(item, "videoType", json_string(types[slot->video_type])) == 0 &&
                (slot->after < 0 ||
                 json_object_set_new(item, "after", json_integer(slot->after)) == 0);
        if (json_array_append_new(list, item) || !done) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *spares_of(const struct conference_notice *notice)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < notice->spare_count; i++) {
        const struct conference_spare *spare = &notice->spares[i];
        json_t *item = json_pack("{s:I, s:I, s:I, s:I}", "pair", (json_int_t)spare->pair, "audio",
                                 (json_int_t)spare->audio, "video", (json_int_t)spare->video, "rtx",
                                 (json_int_t)spare->rtx);
        if (json_array_append_new(list, item)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static const char *const shortages[] = {
    [CONFERENCE_WHOLE] = "none",
    [CONFERENCE_PROVING] = "proving",
    [CONFERENCE_PICTURES] = "pictures",
    [CONFERENCE_VOICES] = "voices",
};

/* With "o" a NULL member makes the whole NULL, and all are released. */
json_t *control_notice(const char *conference, const struct conference_notice *notice,
                       enum control_type *ret_type)
{
    switch (notice->type) {
    case CONFERENCE_MAPS:
        *ret_type = CONTROL_SOURCE_MAPS;
        return json_pack("{s:s, s:s, s:o, s:o, s:o}", "conference", conference, "endpoint",
                         notice->endpoint, "audio", slots_of(notice, CONFERENCE_AUDIO), "video",
                         slots_of(notice, CONFERENCE_VIDEO), "spare", spares_of(notice));
    case CONFERENCE_FORWARDED:
        *ret_type = CONTROL_FORWARDED;
        return json_pack("{s:s, s:s, s:o}", "conference", conference, "endpoint", notice->endpoint,
                         "sources", names_of(notice));
    case CONFERENCE_SPEAKER:
        *ret_type = CONTROL_SPEAKER;
        return json_pack("{s:s, s:s, s:o, s:b}", "conference", conference, "endpoint",
                         notice->subject, "previous", names_of(notice), "silence",
                         (int)notice->silence);
    case CONFERENCE_SENDER_CONSTRAINTS:
        *ret_type = CONTROL_SENDER_CONSTRAINTS;
        return json_pack("{s:s, s:s, s:s, s:i}", "conference", conference, "endpoint",
                         notice->endpoint, "source", notice->subject, "maxHeight",
                         notice->max_height);
    case CONFERENCE_STATS:
        *ret_type = CONTROL_CONNECTION_STATS;
        return json_pack("{s:s, s:s, s:I, s:s}", "conference", conference, "endpoint",
                         notice->endpoint, "downlink_bps", (json_int_t)notice->downlink_bps,
                         "shortage", shortages[notice->shortage]);
    }
    return NULL;
}
