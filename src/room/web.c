/* The link to web: which rooms there shall be, and what happened in them. */
#include <stdlib.h>

#include "room/inner.h"

/* A day of a large school with web dead. */
static const size_t EVENTS_MAX = 50000;

static void send(struct realm *r, const struct event *e)
{
    struct slice payload = slice_str(e->text);
    if (r->web_up)
        outbox_add(r->outbox, OUTBOX_WEB, 0, WEB_EVENT, e->id, &payload, 1);
}

void web_event(struct realm *r, const struct room *room, const char *event, json_t *fields)
{
    struct event *e = room->configured && fields ? calloc(1, sizeof *e) : NULL;
    json_t *head = e ? json_pack("{ss ss ss sI}", "event", event, "room", room->name, "class",
                                 room->class_id, "at_ms", (json_int_t)r->wall_ms)
                     : NULL;
    if (!head || json_object_update(head, fields) != 0) {
        json_decref(head);
        json_decref(fields);
        free(e);
        return;
    }
    json_decref(fields);
    e->text = dump_json(head);
    e->id = r->next_event++;
    if (!e->text || r->event_count >= EVENTS_MAX) {
        r->counters[REALM_EVENTS_DROPPED]++;
        free(e->text);
        free(e);
        return;
    }
    list_append(&r->events, &e->link);
    r->event_count++;
    send(r, e);
}

static void free_event(struct realm *r, struct event *e)
{
    r->event_count--;
    list_remove(&e->link);
    free(e->text);
    free(e);
}

void web_events_free(struct realm *r)
{
    LIST_EACH(node, &r->events)
    free_event(r, LIST_ITEM(node, struct event, link));
}

static void acknowledged(struct realm *r, uint64_t id)
{
    char key[40];
    LIST_EACH(node, &r->events)
    {
        struct event *e = LIST_ITEM(node, struct event, link);
        if (e->id > id)
            break;
        struct buf name;
        buf_init(&name, sizeof key);
        buf_printf(&name, "event/%llu", (unsigned long long)e->id);
        if (e->saved && slice_copy(buf_slice(&name), key, sizeof key))
            room_forget_key(r, key);
        buf_done(&name);
        free_event(r, e);
    }
}

static bool allows(json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    return value ? json_is_true(value) : true;
}

static struct policy read_policy(json_t *policy)
{
    json_t *pupils = json_object_get(policy, "pupils");
    return (struct policy){.microphone = allows(pupils, "microphone"),
                           .camera = allows(pupils, "camera"),
                           .screen = allows(pupils, "screen"),
                           .chat = allows(pupils, "chat"),
                           .private_chat = allows(pupils, "private"),
                           .record = allows(policy, "record")};
}

static const char *field(json_t *message, const char *key)
{
    const char *value = json_string_value(json_object_get(message, key));
    return value ? value : "";
}

static struct room *named_room(struct realm *r, json_t *message, bool make)
{
    char name[ROOM_NAME_MAX];
    if (!jid_lower(slice_str(field(message, "room")), name, sizeof name))
        return NULL;
    return make ? room_get(r, name) : room_find(r, slice_str(name));
}

/* Sessions that are there go on speaking as they were told; new ones, and all that the bridge
 * passes on, follow at once. */
static void take_profile(struct realm *r, struct room *room, json_t *message)
{
    enum profile profile;
    if (profile_parse(slice_str(field(message, "profile")), &profile))
        profile = PROFILE_RICH;
    if (profile == room->profile)
        return;
    room->profile = profile;
    room_changed(r, room);
    metadata_send(r, room, NULL);
}

static void take_codecs(struct realm *r, struct room *room, json_t *message)
{
    struct codec_list before = codecs_of_room(r, room);
    room->codecs = codec_list_read(slice_str(field(message, "codecs")), ' ');
    struct codec_list now = codecs_of_room(r, room);
    if (memcmp(&before, &now, sizeof now) == 0 || room->count == 0)
        return;
    /* The lists first: who hears what is allowed looks at them at once. */
    LIST_EACH(node, &room->occupants)
    presence_show(r, LIST_ITEM(node, struct occupant, link));
    presence_focus(r, room, true);
}

static int room_in(struct realm *r, json_t *message)
{
    struct room *room = named_room(r, message, true);
    if (!room)
        return ERR_FORMAT;
    room->configured = room->mentioned = true;
    room->open = json_is_true(json_object_get(message, "open"));
    room->guests = json_is_true(json_object_get(message, "guests"));
    (void)copy_string(room->class_id, sizeof room->class_id, field(message, "class")); /* short */
    (void)copy_string(room->title, sizeof room->title, field(message, "title"));       /* cut */
    room->policy = read_policy(json_object_get(message, "policy"));
    take_profile(r, room, message);
    take_codecs(r, room, message);
    room_unsaved(r, room);
    if (!room->open) {
        room_end(r, room);
        return 0;
    }
    if (room->recording.state != RECORDING_OFF && !room->policy.record)
        record_stop(r, room, room->focus);
    LIST_EACH(node, &room->occupants)
    member_judge(r, LIST_ITEM(node, struct occupant, link));
    return 0;
}

static void drop_room(struct realm *r, struct room *room)
{
    room_end(r, room);
    room->configured = room->requested = false;
    room->idle_at = r->now;
    room_unsaved(r, room);
}

static void sync_done(struct realm *r)
{
    struct map_iter iter = {0};
    while (map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        if (room->configured && !room->mentioned)
            drop_room(r, room);
    }
}

static void remove_person(struct realm *r, json_t *message)
{
    struct room *room = named_room(r, message, false);
    const char *user = field(message, "user");
    bool found = room && *user;
    if (found)
        room_ban(r, room, user, r->wall_ms);
    while (found) {
        found = false;
        LIST_EACH(node, &room->occupants)
        {
            struct occupant *o = LIST_ITEM(node, struct occupant, link);
            if (strcmp(member_person(o), user) != 0)
                continue;
            admin_kick(r, o, "focus", "web", SLICE("You were removed from the class"));
            found = room->count > 0;
            break;
        }
    }
}

int realm_input_web(struct realm *r, uint16_t type, uint64_t id, struct slice payload)
{
    json_t *message = parse_json(payload);
    struct room *room;
    int err = 0;
    if (type == WEB_ACK) {
        acknowledged(r, id);
    } else if (!json_is_object(message)) {
        err = ERR_FORMAT;
    } else if (type == WEB_ROOM) {
        err = room_in(r, message);
    } else if (type == WEB_ROOM_GONE) {
        room = named_room(r, message, false);
        if (room)
            drop_room(r, room);
    } else if (type == WEB_SYNC_DONE) {
        sync_done(r);
    } else if (type == WEB_REMOVE) {
        remove_person(r, message);
    }
    json_decref(message);
    if (err)
        r->counters[REALM_BUS_MALFORMED]++;
    xmpp_settle(r->xmpp);
    bridge_settle(r);
    return err;
}

void realm_web_up(struct realm *r)
{
    struct map_iter iter = {0};
    r->web_up = true;
    while (map_next(r->rooms, &iter))
        ((struct room *)iter.value)->mentioned = false;
    LIST_EACH(node, &r->events)
    send(r, LIST_ITEM(node, struct event, link));
}

void realm_web_lost(struct realm *r)
{
    r->web_up = false;
}
