/* The bridge channel (colibri-ws): it ends here, and the bridge hears and says what matters to it
 * over the bus. Class names and types of fields are those of Jitsi's BridgeChannel. */
#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "room/inner.h"
#include "xmpp/query.h"

#define CHANNEL_RATE 30
#define CHANNEL_BURST 200
#define SHOUT_RATE 10
#define SHOUT_BURST 100
#define NAMES_MAX 512
/* What a client gets that speaks of constraints but of no height. */
#define USUAL_HEIGHT 180
static const size_t MESSAGE_MAX = 64 * 1024;
/* What is passed on to others is kept smaller. */
static const size_t SHOUT_MAX = 16 * 1024;

static struct slice id_key(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

static void close_socket(struct realm *r, uint64_t conn, int code, const char *reason)
{
    char text[96];
    (void)snprintf(text, sizeof text, "{\"code\":%d,\"reason\":\"%s\"}", code, reason); /* fits */
    struct slice payload = slice_str(text);
    outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_CLOSE, conn, &payload, 1);
}

void channel_drop(struct realm *r, struct occupant *o, int code, const char *reason)
{
    if (!o->channel)
        return;
    close_socket(r, o->channel, code, reason);
    (void)map_del(r->channels, id_key(&o->channel)); /* it is o */
    o->channel = 0;
}

void channel_write(struct realm *r, struct occupant *o, const char *text)
{
    struct slice payload = slice_str(text);
    if (o->channel && text)
        outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_TEXT, o->channel, &payload, 1);
}

/* One text to many channels in one frame. */
static void write_many(struct realm *r, const uint64_t *sockets, size_t count, const char *text)
{
    struct buf head;
    buf_init(&head, 4 + count * 8);
    for (size_t b = 0; b < 4; b++)
        buf_add_byte(&head, (uint8_t)(count >> (8 * b)));
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < 8; b++)
            buf_add_byte(&head, (uint8_t)(sockets[i] >> (8 * b)));
    struct slice parts[] = {buf_slice(&head), slice_str(text)};
    if (count > 0 && !head.failed)
        outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_TEXT_MANY, 0, parts, 2);
    buf_done(&head);
}

void channel_broadcast(struct realm *r, struct room *room, const char *text,
                       const struct occupant *except)
{
    size_t count = 0;
    if (!text)
        return;
    LIST_EACH(node, &room->occupants)
    {
        const struct occupant *o = LIST_ITEM(node, struct occupant, link);
        if (o != except && o->channel && count < r->config.sessions_max)
            r->sockets[count++] = o->channel;
    }
    write_many(r, r->sockets, count, text);
}

static void write_limit(struct realm *r, struct occupant *o, const char *source, int height)
{
    char *text = dump_json(json_pack("{ss ss si}", "colibriClass", "SenderSourceConstraints",
                                     "sourceName", source, "maxHeight", height));
    channel_write(r, o, text);
    free(text);
}

static void quiet_text(const struct occupant *of, char out[160])
{
    (void)snprintf(out, 160,
                   "{\"colibriClass\":\"EndpointConnectivityStatusChangeEvent\",\"endpoint\":"
                   "\"%s\",\"active\":\"%s\"}",
                   of->nick, of->quiet ? "false" : "true"); /* fits */
}

static void write_quiet(struct realm *r, struct occupant *to, const struct occupant *of)
{
    char text[160];
    quiet_text(of, text);
    channel_write(r, to, text);
}

/* What a client that connected again no longer knows. */
static void write_state(struct realm *r, struct occupant *o)
{
    channel_write(r, o, "{\"colibriClass\":\"ServerHello\",\"version\":\"darasa\"}");
    for (size_t i = 0; i < SOURCES_MAX; i++)
        if (o->limits[i].name[0])
            write_limit(r, o, o->limits[i].name, o->limits[i].height);
    channel_write(r, o, o->audio_map);
    channel_write(r, o, o->video_map);
    channel_write(r, o, o->forwarded);
    channel_write(r, o, o->room->speaker);
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        if (other != o && other->quiet)
            write_quiet(r, o, other);
    }
}

static void refuse(struct realm *r, uint64_t conn)
{
    struct slice payload = SLICE("{\"status\":403}");
    r->counters[REALM_CHANNELS_REFUSED]++;
    outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_REFUSE, conn, &payload, 1);
}

/* /colibri-ws/<worker>/<conference>/<endpoint>?pwd= */
void channel_open(struct realm *r, uint64_t conn, struct slice path, struct slice query)
{
    char pwd[64];
    struct slice rest = slice_sub(path, strlen("/colibri-ws/"), path.len);
    (void)slice_cut(&rest, '/'); /* the worker: the conference knows better */
    struct slice conference = slice_cut(&rest, '/');
    struct room *room = map_get(r->by_conference, conference);
    struct occupant *o = room ? room_member(room, rest) : NULL;
    if (!o || !query_get(query, "pwd", pwd, sizeof pwd) ||
        !hash_equal(slice_str(o->channel_pwd), slice_str(pwd))) {
        refuse(r, conn);
        return;
    }
    channel_drop(r, o, 1000, "replaced");
    if (map_put(r->channels, id_key(&conn), o) != 0) {
        refuse(r, conn);
        return;
    }
    struct slice accept = SLICE("{\"protocol\":null}");
    o->channel = conn;
    r->counters[REALM_CHANNELS]++;
    outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_ACCEPT, conn, &accept, 1);
    write_state(r, o);
}

bool channel_closed(struct realm *r, uint64_t conn)
{
    struct occupant *o = map_del(r->channels, id_key(&conn));
    if (o && o->channel == conn)
        o->channel = 0;
    return o != NULL;
}

void channel_closed_all(struct realm *r)
{
    struct map_iter iter = {0};
    while (map_next(r->channels, &iter)) {
        struct occupant *o = iter.value;
        o->channel = 0;
        (void)map_del(r->channels, iter.key); /* it is o */
    }
}

/* Heights stay untold: the bridge knows what that means for each way of signalling. */
/* Heights stay untold: the bridge knows what that means for each way of signalling. */
json_t *channel_first_wishes(void)
{
    return json_pack("{si s[] s[] sn s{} si}", "lastN", -1, "selectedSources", "onStageSources",
                     "defaultMaxHeight", "constraints", "assumedBandwidthBps", -1);
}

/* An old client names endpoints: their camera is meant. */
static json_t *source_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len + 4 > SOURCES_NAME_MAX)
        return NULL;
    return strchr(name, '-') ? json_string(name) : json_sprintf("%s-v0", name);
}

static void take_names(json_t *wishes, const char *key, json_t *names)
{
    json_t *copy = json_array();
    if (!json_is_array(names)) {
        json_decref(copy);
        return;
    }
    for (size_t i = 0; i < json_array_size(names) && i < NAMES_MAX; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        json_t *source = name ? source_name(name) : NULL;
        if (source)
            (void)json_array_append_new(copy, source); /* one wish less */
    }
    (void)json_object_set_new(wishes, key, copy); /* the old wish stays */
}

static bool read_height(json_t *from, const char *key, json_t **ret_value)
{
    json_t *value = json_object_get(from, key);
    if (!json_is_number(value))
        return false;
    double number = json_number_value(value);
    int height = number < 0 ? -1 : number > 10000 ? 10000 : (int)number;
    *ret_value = json_integer(height);
    return *ret_value != NULL;
}

static void take_constraints(json_t *wishes, json_t *constraints)
{
    const char *name;
    json_t *one;
    size_t count = 0;
    if (!json_is_object(constraints))
        return;
    json_t *copy = json_object();
    json_object_foreach(constraints, name, one)
    {
        json_t *height, *rate;
        json_t *source = source_name(name);
        json_t *limits = json_object();
        if (read_height(one, "maxHeight", &height))
            (void)json_object_set_new(limits, "maxHeight", height); /* one wish less */
        if (read_height(one, "maxFrameRate", &rate))
            (void)json_object_set_new(limits, "maxFrameRate", rate); /* one wish less */
        if (source && count++ < NAMES_MAX)
            (void)json_object_set(copy, json_string_value(source), limits); /* one wish less */
        json_decref(source);
        json_decref(limits);
    }
    (void)json_object_set_new(wishes, "constraints", copy); /* the old wish stays */
}

static void take_number(json_t *wishes, const char *key, json_t *value)
{
    if (json_is_number(value))
        (void)json_object_set_new(
            wishes, key, json_integer((json_int_t)json_number_value(value))); /* likewise */
}

/* A partial update: what is not said stays. Returns whether anything changed. */
static bool merge_wishes(struct occupant *o, json_t *message)
{
    json_t *before = json_deep_copy(o->wishes);
    json_t *height;
    take_number(o->wishes, "lastN", json_object_get(message, "lastN"));
    take_number(o->wishes, "assumedBandwidthBps", json_object_get(message, "assumedBandwidthBps"));
    take_names(o->wishes, "selectedSources", json_object_get(message, "selectedEndpoints"));
    take_names(o->wishes, "onStageSources", json_object_get(message, "onStageEndpoints"));
    take_names(o->wishes, "selectedSources", json_object_get(message, "selectedSources"));
    take_names(o->wishes, "onStageSources", json_object_get(message, "onStageSources"));
    take_constraints(o->wishes, json_object_get(message, "constraints"));
    if (read_height(json_object_get(message, "defaultConstraints"), "maxHeight", &height))
        (void)json_object_set_new(o->wishes, "defaultMaxHeight", height); /* the old one stays */
    else if (json_is_null(json_object_get(o->wishes, "defaultMaxHeight")))
        (void)json_object_set_new(o->wishes, "defaultMaxHeight",
                                  json_integer(USUAL_HEIGHT)); /* likewise */
    bool changed = !json_equal(before, o->wishes);
    json_decref(before);
    return changed;
}

static void constraints_in(struct realm *r, struct occupant *o, json_t *message)
{
    if (merge_wishes(o, message))
        member_changed(r, o);
}

static void last_n_in(struct realm *r, struct occupant *o, json_t *message)
{
    take_number(o->wishes, "lastN", json_object_get(message, "lastN"));
    member_changed(r, o);
}

static void set_type(struct realm *r, struct occupant *o, const char *source, const char *type)
{
    enum video_type t = strcmp(type, "none") == 0          ? VIDEO_NONE
                        : strncmp(type, "desktop", 7) == 0 ? VIDEO_DESKTOP
                                                           : VIDEO_CAMERA;
    size_t len = strlen(o->nick);
    if (strncmp(source, o->nick, len) != 0 || source[len] != '-' || source[len + 1] != 'v' ||
        strlen(source) >= SOURCES_NAME_MAX)
        return;
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        if (o->types[i].name[0] && strcmp(o->types[i].name, source) != 0)
            continue;
        (void)copy_string(o->types[i].name, sizeof o->types[i].name, source); /* measured above */
        o->types[i].type = t;
        member_changed(r, o);
        return;
    }
}

static void type_in(struct realm *r, struct occupant *o, json_t *message)
{
    const char *source = json_string_value(json_object_get(message, "sourceName"));
    const char *type = json_string_value(json_object_get(message, "videoType"));
    if (source && type)
        set_type(r, o, source, type);
}

static void old_type_in(struct realm *r, struct occupant *o, json_t *message)
{
    char source[SOURCES_NAME_MAX];
    const char *type = json_string_value(json_object_get(message, "videoType"));
    (void)snprintf(source, sizeof source, "%s-v0", o->nick); /* fits */
    if (type)
        set_type(r, o, source, type);
}

static void message_in(struct realm *r, struct occupant *o, json_t *message)
{
    const char *to = json_string_value(json_object_get(message, "to"));
    json_t *payload = json_object_get(message, "msgPayload");
    if (!json_is_object(payload)) {
        r->counters[REALM_CHANNEL_MALFORMED]++;
        return;
    }
    char *text = dump_json(json_pack("{ss ss ss sO}", "colibriClass", "EndpointMessage", "from",
                                     o->nick, "to", to ? to : "", "msgPayload", payload));
    if (!text || strlen(text) > SHOUT_MAX ||
        !bucket_take(&o->shouts, r->now, SHOUT_RATE, SHOUT_BURST)) {
        r->counters[REALM_CHANNEL_LIMITED]++;
        free(text);
        return;
    }
    struct occupant *target = to && *to ? room_member(o->room, slice_str(to)) : NULL;
    if (target)
        channel_write(r, target, text);
    else if (!to || !*to)
        channel_broadcast(r, o->room, text, o);
    free(text);
}

/* Only to those who look at the sender: a large class would drown in them. */
static void stats_in(struct realm *r, struct occupant *o, json_t *message)
{
    size_t count = 0;
    if (!bucket_take(&o->stats, r->now, 1, 10)) {
        r->counters[REALM_CHANNEL_LIMITED]++;
        return;
    }
    if (json_object_set_new(message, "from", json_string(o->nick)) != 0)
        return;
    char *text = json_dumps(message, JSON_COMPACT);
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *to = LIST_ITEM(node, struct occupant, link);
        if (to != o && to->channel && count < r->config.sessions_max && member_watches(to, o->nick))
            r->sockets[count++] = to->channel;
    }
    if (text)
        write_many(r, r->sockets, count, text);
    free(text);
}

static void hello_in(struct realm *r, struct occupant *o, json_t *message)
{
    channel_write(r, o, "{\"colibriClass\":\"ServerHello\",\"version\":\"darasa\"}");
}

static const struct {
    const char *name;
    void (*handle)(struct realm *, struct occupant *, json_t *);
} classes[] = {
    {"ReceiverVideoConstraints", constraints_in},
    {"LastNChangedEvent", last_n_in},
    {"SourceVideoTypeMessage", type_in},
    {"VideoTypeMessage", old_type_in},
    {"EndpointMessage", message_in},
    {"EndpointStats", stats_in},
    {"ClientHello", hello_in},
};

bool channel_input(struct realm *r, uint64_t conn, struct slice text)
{
    struct occupant *o = map_get(r->channels, id_key(&conn));
    if (!o)
        return false;
    if (!bucket_take(&o->channel_texts, r->now, CHANNEL_RATE, CHANNEL_BURST)) {
        r->counters[REALM_CHANNEL_LIMITED]++;
        return true;
    }
    json_t *message = text.len <= MESSAGE_MAX ? parse_json(text) : NULL;
    const char *name = json_string_value(json_object_get(message, "colibriClass"));
    if (!name) {
        r->counters[REALM_CHANNEL_MALFORMED]++;
        channel_drop(r, o, 1007, "malformed");
    }
    for (size_t i = 0; name && i < ARRAY_LEN(classes); i++)
        if (strcmp(name, classes[i].name) == 0)
            classes[i].handle(r, o, message);
    json_decref(message);
    return true;
}

static json_int_t number_of(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static json_t *map_entry(json_t *slot, bool video)
{
    const char *source = json_string_value(json_object_get(slot, "source"));
    const char *owner = json_string_value(json_object_get(slot, "owner"));
    json_int_t ssrc = number_of(slot, "ssrc");
    json_int_t rtx = number_of(slot, "rtx");
    const char *type = json_string_value(json_object_get(slot, "videoType"));
    json_int_t pair = number_of(slot, "pair");
    if (!source || !owner)
        return NULL;
    if (!video)
        return json_pack("{ss ss sI sI}", "source", source, "owner", owner, "ssrc", ssrc, "pair",
                         pair);
    return json_pack("{ss ss sI sI ss sI sO*}", "source", source, "owner", owner, "ssrc", ssrc,
                     "rtx", rtx, "videoType",
                     type && strncmp(type, "desktop", 7) == 0 ? "DESKTOP" : "CAMERA", "pair", pair,
                     "after", json_object_get(slot, "after"));
}

/* Our client takes these SSRCs in before they carry anything; others take no notice. */
static json_t *make_spares(json_t *spares, bool video)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(spares); i++) {
        json_t *spare = json_array_get(spares, i);
        json_t *entry = json_pack("{sI sI sI}", "pair", number_of(spare, "pair"), "ssrc",
                                  number_of(spare, video ? "video" : "audio"), "rtx",
                                  video ? number_of(spare, "rtx") : (json_int_t)0);
        if (entry)
            (void)json_array_append_new(list, entry); /* as are these */
    }
    return list;
}

static char *make_map(json_t *message, bool video)
{
    json_t *slots = json_object_get(message, video ? "video" : "audio");
    json_t *mapped = json_array();
    for (size_t i = 0; i < json_array_size(slots); i++) {
        json_t *entry = map_entry(json_array_get(slots, i), video);
        if (entry)
            (void)json_array_append_new(mapped, entry); /* sent again with the next change */
    }
    return dump_json(json_pack("{ss so so}", "colibriClass",
                               video ? "VideoSourcesMap" : "AudioSourcesMap", "mappedSources",
                               mapped, "spareSlots",
                               make_spares(json_object_get(message, "spare"), video)));
}

/* Whether it is another one than before. */
static bool change_map(struct realm *r, struct occupant *o, char **at, char *with)
{
    bool same = *at && with && strcmp(*at, with) == 0;
    replace_string(at, with);
    if (!same)
        channel_write(r, o, with);
    return !same;
}

/* A channel takes several round trips to open, which the first sound need not wait for. */
static void tell_early(struct realm *r, struct occupant *o)
{
    if (!o->channel && o->caps.early_maps && o->sid[0] && o->audio_map)
        jingle_say(r, o, o->audio_map);
}

void channel_maps(struct realm *r, struct occupant *o, json_t *message)
{
    if (!o->caps.rewriting)
        return;
    if (change_map(r, o, &o->audio_map, make_map(message, false)))
        tell_early(r, o);
    (void)change_map(r, o, &o->video_map, make_map(message, true));
}

void channel_forwarded(struct realm *r, struct occupant *o, json_t *message)
{
    json_t *names = json_object_get(message, "sources");
    if (!json_is_array(names))
        return;
    json_decref(o->forwarded_names);
    o->forwarded_names = json_incref(names);
    (void)change_map(r, o, &o->forwarded,
                     dump_json(json_pack("{ss sO}", "colibriClass", "ForwardedSources",
                                         "forwardedSources", names)));
}

void channel_limit(struct realm *r, struct occupant *o, json_t *message)
{
    const char *source = json_string_value(json_object_get(message, "source"));
    int height = (int)json_integer_value(json_object_get(message, "maxHeight"));
    if (!source || !*source || strlen(source) >= SOURCES_NAME_MAX)
        return;
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        bool same = strcmp(o->limits[i].name, source) == 0;
        if (!same && o->limits[i].name[0])
            continue;
        if (same && o->limits[i].height == height)
            return;
        (void)copy_string(o->limits[i].name, sizeof o->limits[i].name, source); /* measured */
        o->limits[i].height = height;
        write_limit(r, o, source, height);
        return;
    }
}

void channel_stats(struct realm *r, struct occupant *o, json_t *message)
{
    char *text = dump_json(json_pack("{ss sI sO*}", "colibriClass", "ConnectionStats",
                                     "estimatedDownlinkBandwidth",
                                     json_integer_value(json_object_get(message, "downlink_bps")),
                                     "shortage", json_object_get(message, "shortage")));
    channel_write(r, o, text);
    free(text);
}

void channel_speaker(struct realm *r, struct room *room, json_t *message)
{
    const char *nick = json_string_value(json_object_get(message, "endpoint"));
    json_t *previous = json_object_get(message, "previous");
    bool silence = json_is_true(json_object_get(message, "silence"));
    if (!nick || !room_member(room, slice_str(nick)))
        return;
    json_t *event = json_pack("{ss ss sb}", "colibriClass", "DominantSpeakerEndpointChangeEvent",
                              "dominantSpeakerEndpoint", nick, "silence", silence);
    json_t *list = json_is_array(previous) ? json_incref(previous) : json_array();
    if (event)
        (void)json_object_set_new(event, "previousSpeakers", list); /* only a hint */
    char *text = dump_json(event);
    if (room->speaker && text && strcmp(text, room->speaker) == 0) {
        free(text);
        return;
    }
    replace_string(&room->speaker, text);
    channel_broadcast(r, room, text, NULL);
}

void channel_quiet(struct realm *r, struct occupant *o, bool quiet)
{
    char text[160];
    if (o->quiet == quiet)
        return;
    o->quiet = quiet;
    quiet_text(o, text);
    channel_broadcast(r, o->room, text, o);
}
