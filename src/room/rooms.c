/* Rooms: finding, making, ending them, and speaking to everybody in one. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

/* A room that nobody is in and web does not want is forgotten after this. */
static const usec_t IDLE_TIME = 60 * USEC_PER_SEC;
/* Whatever is configured: the bridge holds no more. */
static const size_t OCCUPANTS_MAX = 1000;
/* Both ends of a measurement are the same person's. */
static const size_t CHECK_OCCUPANTS = 2;

struct room *room_find(const struct realm *r, struct slice name)
{
    return map_get(r->rooms, name);
}

struct room *room_of_jid(const struct realm *r, struct slice jid)
{
    char name[ROOM_NAME_MAX];
    struct jid parts = jid_split(jid);
    if (!slice_eq_str(parts.domain, r->muc) || !jid_lower(parts.node, name, sizeof name))
        return NULL;
    return room_find(r, slice_str(name));
}

static bool good_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if ((unsigned char)*name <= 0x20 || strchr("@/'\"<>&", *name))
            return false;
    return true;
}

struct room *room_get(struct realm *r, const char *name)
{
    struct room *room = room_find(r, slice_str(name));
    if (room || !good_name(name) || strlen(name) >= ROOM_NAME_MAX)
        return room;
    room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    list_init(&room->changed);
    list_init(&room->unsaved);
    list_init(&room->occupants);
    (void)copy_string(room->name, sizeof room->name, name); /* measured above */
    (void)snprintf(room->jid, sizeof room->jid, "%s@%s", name, r->muc);
    (void)snprintf(room->focus, sizeof room->focus, "%s/focus", room->jid);
    room->policy = (struct policy){true, true, true, true, true, true};
    room->profile = PROFILE_RICH;
    room->idle_at = r->now;
    room->by_nick = map_new(OCCUPANTS_MAX, r->config.seed);
    room->metadata = json_object();
    ids_hex(&r->config.ids, room->conference, 16);
    ids_uuid(&r->config.ids, room->meeting);
    for (size_t i = 0; i < 2; i++)
        room->feedback_ssrcs[i] = ids_u32(&r->config.ids) | 1;
    if (!room->by_nick || !room->metadata ||
        map_put(r->by_conference, slice_str(room->conference), room) != 0 ||
        map_put(r->rooms, slice_str(room->name), room) != 0) {
        room_free(r, room);
        return NULL;
    }
    room->created_ms = r->wall_ms;
    return room;
}

static bool is_banned(const struct room *room, const struct token *token)
{
    for (size_t i = 0; token->present && token->id[0] && i < BANS_MAX; i++)
        if (strcmp(room->bans[i].user, token->id) == 0 &&
            token->issued_at * 1000 <= room->bans[i].wall_ms)
            return true;
    return false;
}

void room_ban(struct realm *r, struct room *room, const char *user, int64_t wall_ms)
{
    struct ban *ban = &room->bans[room->next_ban++ % BANS_MAX];
    for (size_t i = 0; i < BANS_MAX; i++)
        if (strcmp(room->bans[i].user, user) == 0)
            ban = &room->bans[i];
    if (strcmp(ban->user, user) != 0 || ban->wall_ms < wall_ms)
        ban->wall_ms = wall_ms;
    if (copy_string(ban->user, sizeof ban->user, user) != 0)
        ban->user[0] = 0; /* nobody's token holds such a name */
    room_unsaved(r, room);
}

bool room_admits(const struct realm *r, const struct room *room, const struct token *token)
{
    if (!token_opens(token, room->name) || is_banned(room, token))
        return false;
    if (token_checks(token) || room->check_until)
        return token_checks(token) && r->now < room->check_until;
    if (!room->configured)
        return r->config.open_rooms;
    bool guest = !token->present || strcmp(token->role, "guest") == 0;
    return room->open && (room->guests || !guest);
}

bool room_is_full(const struct realm *r, const struct room *room)
{
    return room->count >= (room->check_until ? CHECK_OCCUPANTS : r->config.occupants_max);
}

struct occupant *room_member(const struct room *room, struct slice nick)
{
    return map_get(room->by_nick, nick);
}

void room_broadcast(struct realm *r, struct room *room, struct text *text)
{
    size_t count = 0;
    LIST_EACH(node, &room->occupants)
    {
        struct occupant *o = LIST_ITEM(node, struct occupant, link);
        if (o->session && count < r->config.sessions_max)
            r->crowd[count++] = o->session;
    }
    if (text && count > 0)
        xmpp_send_many(r->xmpp, r->crowd, count, text);
}

void room_broadcast_taken(struct realm *r, struct room *room)
{
    struct text *text = xmpp_take(r->xmpp);
    room_broadcast(r, room, text);
    text_unref(xmpp_texts(r->xmpp), &text);
}

void room_unsaved(struct realm *r, struct room *room)
{
    list_remove(&room->unsaved);
    list_append(&r->unsaved_rooms, &room->unsaved);
}

void room_changed(struct realm *r, struct room *room)
{
    list_remove(&room->changed);
    list_append(&r->changed_rooms, &room->changed);
    room_unsaved(r, room);
}

void member_unsaved(struct realm *r, struct occupant *o)
{
    list_remove(&o->unsaved);
    list_append(&r->unsaved_members, &o->unsaved);
}

void member_changed(struct realm *r, struct occupant *o)
{
    list_remove(&o->changed);
    list_append(&r->changed_members, &o->changed);
    member_unsaved(r, o);
}

void room_end(struct realm *r, struct room *room)
{
    struct departure why = {.reason = "The meeting has been terminated", .destroyed = true};
    /* Nobody hears of the others' leaving: each is told of the end of all. */
    while (!list_empty(&room->occupants))
        presence_leave(r, LIST_ITEM(room->occupants.next, struct occupant, link), &why);
}

/* The next meeting in this room starts with a clean sheet. */
static void start_afresh(struct realm *r, struct room *room)
{
    ids_uuid(&r->config.ids, room->meeting);
    (void)map_del(r->by_conference, slice_str(room->conference)); /* put again below */
    ids_hex(&r->config.ids, room->conference, 16);
    if (map_put(r->by_conference, slice_str(room->conference), room) != 0)
        room->conference[0] = 0;
    room->password[0] = room->subject[0] = room->subject_by[0] = 0;
    replace_string(&room->speaker, NULL);
    chat_forget(room);
    json_decref(room->metadata);
    room->metadata = json_object();
    room->recording = (struct recording){0};
    text_unref(xmpp_texts(r->xmpp), &room->focus_presence);
    room->paired = room->ran = false;
}

void room_emptied(struct realm *r, struct room *room)
{
    record_stop(r, room, room->focus);
    bridge_conference_gone(r, room);
    web_event(r, room, "emptied", json_object());
    start_afresh(r, room);
    room->idle_at = r->now;
    room_unsaved(r, room);
}

void room_forget_key(struct realm *r, const char *key)
{
    buf_add(&r->forgotten, slice_of(key, strlen(key) + 1));
}

void room_free(struct realm *r, struct room *room)
{
    char key[ROOM_NAME_MAX + 8];
    (void)snprintf(key, sizeof key, "room/%s", room->name); /* always fits */
    room_forget_key(r, key);
    LIST_EACH(node, &room->occupants)
    member_free(r, LIST_ITEM(node, struct occupant, link));
    if (room->by_nick && map_get(r->rooms, slice_str(room->name)) == room)
        (void)map_del(r->rooms, slice_str(room->name)); /* it is room */
    if (map_get(r->by_conference, slice_str(room->conference)) == room)
        (void)map_del(r->by_conference, slice_str(room->conference)); /* it is room */
    list_remove(&room->changed);
    list_remove(&room->unsaved);
    chat_forget(room);
    json_decref(room->metadata);
    if (r->xmpp)
        text_unref(xmpp_texts(r->xmpp), &room->focus_presence);
    map_free(&room->by_nick);
    free(room->speaker);
    free(room);
}

void room_sweep(struct realm *r, struct room *room)
{
    if (room->count == 0) {
        if (!room->configured && r->now - room->idle_at > IDLE_TIME)
            room_free(r, room);
        return;
    }
    if (room->check_until && r->now >= room->check_until) {
        room_end(r, room);
        return;
    }
    bridge_tick(r, room);
    record_tick(r, room);
    LIST_EACH(node, &room->occupants)
    focus_tick(r, LIST_ITEM(node, struct occupant, link));
}
