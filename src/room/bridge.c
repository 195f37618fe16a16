/* The bridge workers: where a conference lives, what they are told, what they report. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

/* How long a conference waits for its own worker to come back before it moves to another. */
static const usec_t ORPHAN_TIME = 5 * USEC_PER_SEC;
/* Two crashes by the same person within this time: refused for as long. */
static const usec_t SUSPECT_MEMORY = 600 * USEC_PER_SEC;
#define CRASHES_REFUSED 2

/* Takes the reference. */
static void send(struct realm *r, unsigned worker, uint16_t type, json_t *message)
{
    char *text = dump_json(message);
    struct slice payload = slice_str(text);
    if (text)
        outbox_add(r->outbox, OUTBOX_BRIDGE, worker, type, 0, &payload, 1);
    free(text);
}

struct worker *bridge_worker(struct realm *r, const struct room *room)
{
    struct worker *w = room->placed ? &r->workers[room->worker] : NULL;
    return w && w->up ? w : NULL;
}

static unsigned least_loaded(struct realm *r)
{
    size_t load[WORKERS_MAX] = {0};
    struct map_iter iter = {0};
    unsigned best = WORKERS_MAX;
    while (map_next(r->rooms, &iter)) {
        const struct room *room = iter.value;
        if (room->placed)
            load[room->worker] += room->count;
    }
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        if (r->workers[i].up && (best == WORKERS_MAX || load[i] < load[best]))
            best = i;
    return best;
}

static void put_on(struct realm *r, struct room *room, unsigned worker)
{
    room->placed = true;
    room->worker = worker;
    room->at_bridge = false;
    room->orphaned_at = 0;
    memcpy(room->boot, r->workers[worker].boot, sizeof room->boot);
    room_changed(r, room);
}

bool bridge_place(struct realm *r, struct room *room)
{
    if (room->placed)
        return bridge_worker(r, room) && strcmp(room->boot, r->workers[room->worker].boot) == 0;
    unsigned worker = least_loaded(r);
    if (worker == WORKERS_MAX)
        return false;
    put_on(r, room, worker);
    return true;
}

static json_t *source_message(const struct occupant *o, const struct source *s)
{
    static const char *const types[] = {"camera", "desktop", "none"};
    struct source_state state = member_source(o, s);
    json_t *ssrcs = json_array();
    json_t *rtx = json_array();
    int failed = 0;
    for (size_t i = 0; i < s->layer_count; i++) {
        failed |= json_array_append_new(ssrcs, json_integer(s->ssrcs[i]));
        failed |= json_array_append_new(rtx, json_integer(s->rtx[i]));
    }
    json_t *message =
        json_pack("{ss ss ss sb sb so so}", "name", s->name, "kind", s->video ? "video" : "audio",
                  "videoType", types[state.type], "muted", state.muted, "blocked", state.blocked,
                  "ssrcs", ssrcs, "rtx", rtx);
    if (failed) {
        json_decref(message);
        return NULL;
    }
    return message;
}

static json_t *optional(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static json_t *endpoint_message(const struct occupant *o)
{
    struct source list[SOURCES_MAX];
    size_t count = 0;
    json_t *sources = json_array();
    if (source_list(&o->sources, list, &count) != 0)
        count = 0;
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(sources, source_message(o, &list[i])) != 0)
            break;
    json_t *fingerprint = o->fingerprint[0] ? json_pack("{ss ss}", "hash", o->fingerprint_hash,
                                                        "value", o->fingerprint)
                                            : json_null();
    return json_pack("{ss ss s{ss ss ss so so} so sb sb sb sb so so sO}", "conference",
                     o->room->conference, "endpoint", o->nick, "ice", "session", o->bridge_session,
                     "ufrag", o->ufrag, "pwd", o->pwd, "remote_ufrag", optional(o->remote_ufrag),
                     "remote_pwd", optional(o->remote_pwd), "fingerprint", fingerprint, "rewriting",
                     o->caps.rewriting, "red", o->red, "encrypted", o->shown.encrypted, "staff",
                     member_staff(o), "person", optional(member_person(o)), "sources", sources,
                     "constraints", o->wishes);
}

static void tell_conference(struct realm *r, struct room *room)
{
    if (!bridge_worker(r, room))
        return;
    json_t *record =
        record_captures(room)
            ? json_pack("{ss ss sb}", "recording", room->recording.id, "scope", "all", "paused", 0)
            : json_null();
    send(r, room->worker, BRIDGE_CONFERENCE,
         json_pack("{ss ss so}", "conference", room->conference, "profile",
                   profile_name(room->profile), "record", record));
    room->at_bridge = true;
}

static void tell_endpoint(struct realm *r, struct occupant *o)
{
    struct room *room = o->room;
    if (!bridge_worker(r, room) || (o->invite != INVITE_OFFERED && o->invite != INVITE_ACTIVE))
        return;
    if (!room->at_bridge)
        tell_conference(r, room);
    send(r, room->worker, BRIDGE_ENDPOINT, endpoint_message(o));
    o->at_bridge = true;
}

void bridge_settle(struct realm *r)
{
    LIST_EACH(node, &r->changed_rooms)
    {
        struct room *room = LIST_ITEM(node, struct room, changed);
        list_remove(&room->changed);
        if (room->count > 0)
            tell_conference(r, room);
    }
    LIST_EACH(node, &r->changed_members)
    {
        struct occupant *o = LIST_ITEM(node, struct occupant, changed);
        list_remove(&o->changed);
        tell_endpoint(r, o);
    }
}

void bridge_endpoint_gone(struct realm *r, struct occupant *o)
{
    if (o->at_bridge && bridge_worker(r, o->room))
        send(r, o->room->worker, BRIDGE_ENDPOINT_GONE,
             json_pack("{ss ss}", "conference", o->room->conference, "endpoint", o->nick));
    o->at_bridge = false;
}

void bridge_conference_gone(struct realm *r, struct room *room)
{
    if (room->at_bridge && bridge_worker(r, room))
        send(r, room->worker, BRIDGE_CONFERENCE_GONE,
             json_pack("{ss}", "conference", room->conference));
    room->placed = room->at_bridge = false;
    room->boot[0] = 0;
    room->orphaned_at = 0;
    list_remove(&room->changed);
}

void bridge_event(struct realm *r, struct room *room, json_t *event)
{
    if (!event || !record_captures(room) || !bridge_worker(r, room)) {
        json_decref(event);
        return;
    }
    send(r, room->worker, BRIDGE_EVENT,
         json_pack("{ss so}", "conference", room->conference, "event", event));
}

static struct suspect *find_suspect(struct realm *r, const char *person)
{
    struct suspect *oldest = &r->suspects[0];
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        if (strcmp(r->suspects[i].person, person) == 0)
            return &r->suspects[i];
        if (r->suspects[i].at < oldest->at)
            oldest = &r->suspects[i];
    }
    *oldest = (struct suspect){.at = r->now};
    (void)copy_string(oldest->person, sizeof oldest->person, person); /* a cut name is a name */
    return oldest;
}

static const char *suspect_name(const struct occupant *o)
{
    return o->session->token.present ? o->session->token.id : o->session->jid;
}

bool bridge_refuses(const struct realm *r, const char *person)
{
    for (size_t i = 0; i < SUSPECTS_MAX; i++)
        if (r->suspects[i].crashes >= CRASHES_REFUSED &&
            r->now - r->suspects[i].at < SUSPECT_MEMORY &&
            strcmp(r->suspects[i].person, person) == 0)
            return true;
    return false;
}

static void accuse(struct realm *r, struct occupant *o)
{
    struct suspect *s = find_suspect(r, suspect_name(o));
    if (r->now - s->at > SUSPECT_MEMORY)
        s->crashes = 0;
    s->at = r->now;
    if (++s->crashes < CRASHES_REFUSED)
        return;
    r->counters[REALM_SUSPECTS]++;
    admin_kick(r, o, "focus", "crash", SLICE("Your device disturbed the class"));
}

/* Every session with the clients ends, and a new one is offered on the present worker. */
static void invite_all_again(struct realm *r, struct room *room)
{
    room->at_bridge = false;
    record_again(r, room);
    LIST_EACH(node, &room->occupants)
    {
        struct occupant *o = LIST_ITEM(node, struct occupant, link);
        focus_terminate(r, o, "success", "The bridge was restarted");
        if (o->invite != INVITE_CAPS && o->invite != INVITE_NONE)
            o->invite = INVITE_WAITING;
        o->at_bridge = false;
        o->sources = (struct source_set){0};
        memset(o->limits, 0, sizeof o->limits);
    }
    LIST_EACH(node, &room->occupants)
    {
        struct occupant *o = LIST_ITEM(node, struct occupant, link);
        if (o->invite == INVITE_WAITING)
            focus_invite(r, o);
    }
}

/* The worker's process is another one than that which held the conference. */
static void move(struct realm *r, struct room *room, unsigned worker)
{
    put_on(r, room, worker);
    invite_all_again(r, room);
}

static void resend(struct realm *r, struct room *room)
{
    room->orphaned_at = 0;
    tell_conference(r, room);
    LIST_EACH(node, &room->occupants)
    tell_endpoint(r, LIST_ITEM(node, struct occupant, link));
}

static int hello(struct realm *r, unsigned number, json_t *message)
{
    struct worker *w = &r->workers[number];
    const char *boot = json_string_value(json_object_get(message, "boot"));
    json_t *fingerprint = json_object_get(message, "fingerprint");
    if (!boot || strlen(boot) >= sizeof w->boot || !*boot ||
        !json_is_string(json_object_get(fingerprint, "hash")) ||
        !json_is_string(json_object_get(fingerprint, "value")) ||
        !json_is_array(json_object_get(message, "candidates")))
        return ERR_FORMAT;
    json_decref(w->hello);
    w->hello = json_incref(message);
    w->up = true;
    w->seen_at = r->now;
    (void)copy_string(w->boot, sizeof w->boot, boot); /* measured above */
    struct map_iter iter = {0};
    while (map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        if (room->count == 0)
            continue;
        if (room->placed && room->worker == number && strcmp(room->boot, boot) == 0)
            resend(r, room);
        else if (room->placed && room->worker == number)
            move(r, room, number);
        LIST_EACH(node, &room->occupants)
        focus_tick(r, LIST_ITEM(node, struct occupant, link));
    }
    bridge_settle(r);
    send(r, number, BRIDGE_SYNC_DONE, json_object());
    return 0;
}

void realm_bridge_lost(struct realm *r, unsigned number)
{
    if (number >= WORKERS_MAX || !r->workers[number].up)
        return;
    r->workers[number].up = false;
    r->counters[REALM_BRIDGES_LOST]++;
    struct map_iter iter = {0};
    while (map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        if (room->placed && room->worker == number)
            room->orphaned_at = r->now;
    }
}

void bridge_tick(struct realm *r, struct room *room)
{
    if (!room->placed || r->workers[room->worker].up)
        return;
    if (room->orphaned_at == 0) {
        room->orphaned_at = r->now; /* a worker that this process has not seen yet */
        return;
    }
    unsigned other = least_loaded(r);
    if (r->now - room->orphaned_at > ORPHAN_TIME && other != WORKERS_MAX)
        move(r, room, other);
}

static struct room *find_room(struct realm *r, json_t *message)
{
    const char *conference = json_string_value(json_object_get(message, "conference"));
    return conference ? map_get(r->by_conference, slice_str(conference)) : NULL;
}

static struct occupant *find_endpoint(const struct room *room, json_t *message)
{
    const char *nick = json_string_value(json_object_get(message, "endpoint"));
    return nick ? room_member(room, slice_str(nick)) : NULL;
}

void realm_input_crash(struct realm *r, json_t *message)
{
    struct room *room = find_room(r, message);
    struct occupant *o = room ? find_endpoint(room, message) : NULL;
    if (o)
        accuse(r, o);
    xmpp_settle(r->xmpp);
    bridge_settle(r);
}

static void endpoint_state(struct realm *r, struct occupant *o, json_t *message)
{
    const char *state = json_string_value(json_object_get(message, "state"));
    if (!state)
        return;
    if (strcmp(state, "quiet") == 0 || strcmp(state, "failed") == 0) {
        channel_quiet(r, o, true);
        path_quiet(r, o);
    } else if (strcmp(state, "connected") == 0) {
        channel_quiet(r, o, false);
        path_works(r, o);
    }
}

static void notice(struct realm *r, unsigned number, uint16_t type, json_t *message)
{
    struct room *room = find_room(r, message);
    if (!room || !room->placed || room->worker != number)
        return; /* it crossed our own news */
    struct occupant *o = find_endpoint(room, message);
    if (type == BRIDGE_SPEAKER)
        channel_speaker(r, room, message);
    if (!o)
        return;
    switch (type) {
    case BRIDGE_ENDPOINT_STATE:
        endpoint_state(r, o, message);
        break;
    case BRIDGE_SOURCE_MAPS:
        channel_maps(r, o, message);
        break;
    case BRIDGE_FORWARDED:
        channel_forwarded(r, o, message);
        break;
    case BRIDGE_SENDER_CONSTRAINTS:
        channel_limit(r, o, message);
        break;
    case BRIDGE_CONNECTION_STATS:
        channel_stats(r, o, message);
        break;
    default:
        break;
    }
}

int realm_input_bridge(struct realm *r, unsigned number, uint16_t type, struct slice payload)
{
    json_t *message = number < WORKERS_MAX ? parse_json(payload) : NULL;
    int err = 0;
    if (!json_is_object(message))
        err = ERR_FORMAT;
    else if (type == BRIDGE_HELLO)
        err = hello(r, number, message);
    else if (r->workers[number].up)
        notice(r, number, type, message);
    json_decref(message);
    if (err)
        r->counters[REALM_BUS_MALFORMED]++;
    xmpp_settle(r->xmpp);
    bridge_settle(r);
    return err;
}
