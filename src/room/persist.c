/* Rooms and members in the journal: `room/<name>`, `member/<room>/<nick>`, `event/<number>`, and
 * `realm` for what is counted. Sessions and their queues are written by xmpp. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

static int put_json(const struct keeper *keeper, const char *key, json_t *json)
{
    char *text = dump_json(json);
    int err = text ? keeper->put(keeper->arg, slice_str(key), slice_str(text)) : ERR_MEMORY;
    free(text);
    return err;
}

/* A NUL-terminated field of a record, "" when absent. */
static const char *get(json_t *record, const char *key)
{
    const char *value = json_string_value(json_object_get(record, key));
    return value ? value : "";
}

static int64_t get_int(json_t *record, const char *key)
{
    return json_integer_value(json_object_get(record, key));
}

static bool get_bool(json_t *record, const char *key)
{
    return json_is_true(json_object_get(record, key));
}

#define GET_STRING(record, key, out) ((void)copy_string(out, sizeof(out), get(record, key)))

static json_t *policy_json(const struct policy *p)
{
    return json_pack("[bbbbbb]", p->microphone, p->camera, p->screen, p->chat, p->private_chat,
                     p->record);
}

static void policy_load(json_t *json, struct policy *p)
{
    int v[6] = {1, 1, 1, 1, 1, 1};
    if (json_unpack(json, "[bbbbbb]", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) == 0)
        *p = (struct policy){v[0] != 0, v[1] != 0, v[2] != 0, v[3] != 0, v[4] != 0, v[5] != 0};
}

static enum profile profile_load(json_t *json)
{
    json_int_t number = json_integer_value(json);
    return json_is_integer(json) && number >= 0 && number < PROFILES ? (enum profile)number
                                                                     : PROFILE_RICH;
}

static json_t *history_json(const struct room *room)
{
    json_t *all = json_array();
    for (size_t i = 0; i < room->history_count; i++) {
        const struct remark *m = &room->history[i];
        if (json_array_append_new(
                all, json_pack("[ssIs]", m->from, m->id, (json_int_t)m->wall_ms, m->markup)) != 0)
            break; /* the rest is lost to newcomers, no more */
    }
    return all;
}

static void history_load(struct room *room, json_t *all)
{
    for (size_t i = 0; i < json_array_size(all) && i < HISTORY_MAX; i++) {
        const char *from, *id, *markup;
        json_int_t wall;
        struct remark m = {0};
        if (json_unpack(json_array_get(all, i), "[ssIs]", &from, &id, &wall, &markup) != 0)
            continue;
        (void)copy_string(m.from, sizeof m.from, from); /* it fitted before */
        (void)copy_string(m.id, sizeof m.id, id);       /* it fitted before */
        m.wall_ms = wall;
        m.markup = strdup(markup);
        if (m.markup)
            room->history[room->history_count++] = m;
    }
}

static json_t *bans_json(const struct room *room)
{
    json_t *all = json_array();
    for (size_t i = 0; i < BANS_MAX; i++)
        if (room->bans[i].user[0] &&
            json_array_append_new(
                all, json_pack("[sI]", room->bans[i].user, (json_int_t)room->bans[i].wall_ms)) != 0)
            break; /* no memory: the others are kept */
    return all;
}

static void bans_load(struct room *room, json_t *all)
{
    for (size_t i = 0; i < json_array_size(all) && i < BANS_MAX; i++) {
        const char *user;
        json_int_t wall;
        if (json_unpack(json_array_get(all, i), "[sI]", &user, &wall) != 0)
            continue;
        (void)copy_string(room->bans[i].user, sizeof room->bans[i].user, user); /* it fitted */
        room->bans[i].wall_ms = wall;
    }
}

static json_t *recording_json(const struct recording *rec)
{
    return json_pack("{si ss ss ss sb sb sb sI}", "state", (int)rec->state, "id", rec->id,
                     "initiator", rec->initiator, "user", rec->user, "shown", rec->shown, "failed",
                     rec->failed, "disk", rec->disk, "since", (json_int_t)rec->since);
}

static void recording_load(struct recording *rec, json_t *json)
{
    rec->state = (enum recording_state)get_int(json, "state");
    GET_STRING(json, "id", rec->id);
    GET_STRING(json, "initiator", rec->initiator);
    GET_STRING(json, "user", rec->user);
    rec->shown = get_bool(json, "shown");
    rec->failed = get_bool(json, "failed");
    rec->disk = get_bool(json, "disk");
    rec->since = get_int(json, "since");
}

static int save_room(const struct keeper *keeper, struct room *room)
{
    char key[ROOM_NAME_MAX + 8];
    (void)snprintf(key, sizeof key, "room/%s", room->name); /* fits */
    char codecs[CODEC_LIST_TEXT];
    codec_list_print(&room->codecs, ' ', codecs);
    json_t *record = json_pack(
        "{sb sb sb ss ss so si ss sI sb sb ss sI sb ss ss ss ss sO so so so}", "configured",
        room->configured, "open", room->open, "guests", room->guests, "class", room->class_id,
        "title", room->title, "policy", policy_json(&room->policy), "profile", (int)room->profile,
        "codecs", codecs, "check", (json_int_t)room->check_until, "requested", room->requested,
        "ran", room->ran, "meeting", room->meeting, "created", (json_int_t)room->created_ms,
        "paired", room->paired, "conference", room->conference, "password", room->password,
        "subject", room->subject, "subject_by", room->subject_by, "metadata", room->metadata,
        "history", history_json(room), "recording", recording_json(&room->recording), "bans",
        bans_json(room));
    if (record && room->placed) {
        int failed = json_object_set_new(record, "worker", json_integer(room->worker));
        failed |= json_object_set_new(record, "boot", json_string(room->boot));
        failed |= json_object_set_new(record, "feedback",
                                      json_pack("[II]", (json_int_t)room->feedback_ssrcs[0],
                                                (json_int_t)room->feedback_ssrcs[1]));
        if (failed)
            return ERR_MEMORY;
    }
    return put_json(keeper, key, record);
}

static void load_room(struct realm *r, struct slice name, json_t *record)
{
    char copy[ROOM_NAME_MAX];
    struct room *room = slice_copy(name, copy, sizeof copy) ? room_get(r, copy) : NULL;
    if (!room)
        return;
    room->configured = get_bool(record, "configured");
    room->open = get_bool(record, "open");
    room->guests = get_bool(record, "guests");
    room->check_until = get_int(record, "check");
    room->requested = get_bool(record, "requested");
    room->ran = get_bool(record, "ran");
    room->paired = get_bool(record, "paired");
    room->mentioned = true;
    GET_STRING(record, "class", room->class_id);
    GET_STRING(record, "title", room->title);
    GET_STRING(record, "meeting", room->meeting);
    GET_STRING(record, "password", room->password);
    GET_STRING(record, "subject", room->subject);
    GET_STRING(record, "subject_by", room->subject_by);
    room->created_ms = get_int(record, "created");
    policy_load(json_object_get(record, "policy"), &room->policy);
    room->profile = profile_load(json_object_get(record, "profile"));
    room->codecs = codec_list_read(slice_str(get(record, "codecs")), ' ');
    (void)map_del(r->by_conference, slice_str(room->conference)); /* put again below */
    GET_STRING(record, "conference", room->conference);
    if (map_put(r->by_conference, slice_str(room->conference), room) != 0)
        room->conference[0] = 0;
    if (json_is_object(json_object_get(record, "metadata"))) {
        json_decref(room->metadata);
        room->metadata = json_incref(json_object_get(record, "metadata"));
    }
    history_load(room, json_object_get(record, "history"));
    recording_load(&room->recording, json_object_get(record, "recording"));
    bans_load(room, json_object_get(record, "bans"));
    json_t *feedback = json_object_get(record, "feedback");
    room->placed = json_is_integer(json_object_get(record, "worker")) &&
                   get_int(record, "worker") >= 0 && get_int(record, "worker") < WORKERS_MAX;
    if (!room->placed)
        return;
    room->worker = (unsigned)get_int(record, "worker");
    room->at_bridge = true;
    GET_STRING(record, "boot", room->boot);
    for (size_t i = 0; i < 2; i++)
        room->feedback_ssrcs[i] = (uint32_t)json_integer_value(json_array_get(feedback, i));
}

static json_t *told_json(const struct occupant *o)
{
    json_t *all = json_array();
    for (size_t i = 0; i < o->told_count; i++)
        if (json_array_append_new(all, json_pack("[IIbs]", (json_int_t)o->told[i].ssrc,
                                                 (json_int_t)o->told[i].rtx, o->told[i].video,
                                                 o->told[i].name)) != 0)
            break; /* told twice at worst */
    return all;
}

static void told_load(struct occupant *o, json_t *all)
{
    o->told = json_array_size(all) > 0 ? calloc(json_array_size(all), sizeof *o->told) : NULL;
    for (size_t i = 0; o->told && i < json_array_size(all); i++) {
        json_int_t ssrc, rtx;
        int video;
        const char *name;
        if (json_unpack(json_array_get(all, i), "[IIbs]", &ssrc, &rtx, &video, &name) != 0)
            continue;
        struct told *t = &o->told[o->told_count++];
        *t = (struct told){(uint32_t)ssrc, (uint32_t)rtx, video != 0, ""};
        (void)copy_string(t->name, sizeof t->name, name); /* it fitted before */
    }
}

static json_t *types_json(const struct occupant *o)
{
    json_t *all = json_object();
    for (size_t i = 0; i < SOURCES_MAX; i++)
        if (o->types[i].name[0])
            (void)json_object_set_new(all, o->types[i].name,
                                      json_integer(o->types[i].type)); /* presence says it too */
    return all;
}

static void types_load(struct occupant *o, json_t *all)
{
    const char *name;
    json_t *type;
    size_t i = 0;
    json_object_foreach(all, name, type)
    {
        if (i == SOURCES_MAX)
            break;
        (void)copy_string(o->types[i].name, sizeof o->types[i].name, name); /* it fitted before */
        o->types[i++].type = (enum video_type)json_integer_value(type);
    }
}

static json_t *flags_json(const bool *flags)
{
    return json_pack("[bbb]", flags[0], flags[1], flags[2]);
}

static void flags_load(json_t *json, bool *flags)
{
    for (size_t i = 0; i < MEDIA_KINDS; i++)
        flags[i] = json_is_true(json_array_get(json, i));
}

static json_t *times_json(const usec_t last[RESTARTS_PER_MINUTE])
{
    json_t *all = json_array();
    for (size_t i = 0; i < RESTARTS_PER_MINUTE; i++)
        (void)json_array_append_new(all, json_integer(last[i])); /* one restart more, no more */
    return all;
}

static void times_load(json_t *all, usec_t last[RESTARTS_PER_MINUTE])
{
    for (size_t i = 0; i < RESTARTS_PER_MINUTE; i++)
        last[i] = json_integer_value(json_array_get(all, i));
}

static json_t *path_json(const struct occupant *o)
{
    return json_pack("{si so sb sI sb ss}", "generation", (int)o->path.generation, "restarts",
                     times_json(o->path.restarts), "silent", o->path.silent, "acknowledged",
                     (json_int_t)o->path.acknowledged, "understood", o->path.understood, "by",
                     o->path.acknowledged_by);
}

static void path_load(struct occupant *o, json_t *json)
{
    o->path.generation = (unsigned)get_int(json, "generation");
    times_load(json_object_get(json, "restarts"), o->path.restarts);
    o->path.silent = get_bool(json, "silent");
    o->path.acknowledged = get_int(json, "acknowledged");
    o->path.understood = get_bool(json, "understood");
    GET_STRING(json, "by", o->path.acknowledged_by);
}

static json_t *jingle_json(const struct occupant *o)
{
    return json_pack("{so si ss ss ss ss ss ss ss ss ss sb so so}", "path", path_json(o), "invite",
                     (int)o->invite, "offer", o->offer_id, "sid", o->sid, "bridge",
                     o->bridge_session, "ufrag", o->ufrag, "pwd", o->pwd, "remote_ufrag",
                     o->remote_ufrag, "remote_pwd", o->remote_pwd, "hash", o->fingerprint_hash,
                     "fingerprint", o->fingerprint, "red", o->red, "sources",
                     source_set_to_json(&o->sources), "told", told_json(o));
}

static void jingle_load(struct occupant *o, json_t *json)
{
    path_load(o, json_object_get(json, "path"));
    o->invite = (enum invite)get_int(json, "invite");
    GET_STRING(json, "offer", o->offer_id);
    GET_STRING(json, "sid", o->sid);
    GET_STRING(json, "bridge", o->bridge_session);
    GET_STRING(json, "ufrag", o->ufrag);
    GET_STRING(json, "pwd", o->pwd);
    GET_STRING(json, "remote_ufrag", o->remote_ufrag);
    GET_STRING(json, "remote_pwd", o->remote_pwd);
    GET_STRING(json, "hash", o->fingerprint_hash);
    GET_STRING(json, "fingerprint", o->fingerprint);
    o->red = get_bool(json, "red");
    source_set_from_json(json_object_get(json, "sources"), &o->sources);
    told_load(o, json_object_get(json, "told"));
    o->at_bridge = o->invite == INVITE_OFFERED || o->invite == INVITE_ACTIVE;
}

static json_t *caps_json(const struct occupant *o)
{
    return json_pack("{sb sb sb sb sb sb ss ss ss}", "known", o->caps_known, "rewriting",
                     o->caps.rewriting, "json", o->caps.json_sources, "rtx", o->caps.rtx, "tcc",
                     o->caps.tcc, "early_maps", o->caps.early_maps, "ver", o->ver, "node", o->node,
                     "id", o->caps_id);
}

static void caps_load(struct occupant *o, json_t *json)
{
    o->caps_known = get_bool(json, "known");
    o->caps =
        (struct caps){get_bool(json, "rewriting"), get_bool(json, "json"), get_bool(json, "rtx"),
                      get_bool(json, "tcc"), get_bool(json, "early_maps")};
    GET_STRING(json, "ver", o->ver);
    GET_STRING(json, "node", o->node);
    GET_STRING(json, "id", o->caps_id);
}

static int save_member(const struct keeper *keeper, const struct occupant *o)
{
    char key[ROOM_NAME_MAX + 32];
    char codecs[CODEC_LIST_TEXT], type[CODEC_LIST_TEXT];
    (void)snprintf(key, sizeof key, "member/%s/%s", o->room->name, o->nick); /* fits */
    codec_list_print(&o->codecs, ' ', codecs);
    codec_list_print(&o->codec_type, ' ', type);
    return put_json(keeper, key,
                    json_pack("{sI ss sI so sb ss ss ss* ss ss so so sb sb so so so so ss sO}",
                              "session", (json_int_t)o->session->handle, "stay", o->stay, "joined",
                              (json_int_t)o->joined_at, "renewals", times_json(o->restarts),
                              "granted", o->granted, "name", o->name, "children",
                              o->children ? o->children : "", "info", o->source_info, "codecs",
                              codecs, "codec_type", type, "caps", caps_json(o), "jingle",
                              jingle_json(o), "hand", o->shown.hand, "encrypted",
                              o->shown.encrypted, "muted", flags_json(o->shown.muted), "silenced",
                              flags_json(o->silenced), "obeyed", flags_json(o->obeyed), "types",
                              types_json(o), "channel", o->channel_pwd, "wishes", o->wishes));
}

static void load_member(struct realm *r, struct slice path, json_t *record)
{
    char nick[16];
    struct slice rest = path;
    struct slice name = slice_cut(&rest, '/');
    char copy[ROOM_NAME_MAX];
    if (!slice_copy(name, copy, sizeof copy) || !slice_copy(rest, nick, sizeof nick))
        return;
    struct room *room = room_get(r, copy);
    struct occupant *o = room ? member_new(r, room, nick) : NULL;
    if (!o)
        return;
    o->handle = (uint32_t)get_int(record, "session");
    GET_STRING(record, "stay", o->stay);
    o->joined_at = get_int(record, "joined");
    times_load(json_object_get(record, "renewals"), o->restarts);
    o->granted = get_bool(record, "granted");
    GET_STRING(record, "name", o->name);
    o->children = strdup(get(record, "children"));
    flags_load(json_object_get(record, "muted"), o->shown.muted);
    flags_load(json_object_get(record, "silenced"), o->silenced);
    flags_load(json_object_get(record, "obeyed"), o->obeyed);
    o->shown.hand = get_bool(record, "hand");
    o->shown.encrypted = get_bool(record, "encrypted");
    types_load(o, json_object_get(record, "types"));
    if (json_is_string(json_object_get(record, "info")))
        presence_read_info(o, get(record, "info"));
    o->codecs = codec_list_read(slice_str(get(record, "codecs")), ' ');
    o->codec_type = codec_list_read(slice_str(get(record, "codec_type")), ' ');
    caps_load(o, json_object_get(record, "caps"));
    jingle_load(o, json_object_get(record, "jingle"));
    GET_STRING(record, "channel", o->channel_pwd);
    if (json_is_object(json_object_get(record, "wishes"))) {
        json_decref(o->wishes);
        o->wishes = json_incref(json_object_get(record, "wishes"));
    }
}

static int save_events(struct realm *r, const struct keeper *keeper)
{
    char key[40];
    int err = 0;
    bool news = false;
    for (struct list *n = r->events.prev; n != &r->events; n = n->prev) {
        struct event *e = LIST_ITEM(n, struct event, link);
        if (e->saved)
            break; /* so are all before it */
        (void)snprintf(key, sizeof key, "event/%llu", (unsigned long long)e->id); /* fits */
        int put = keeper->put(keeper->arg, slice_str(key), slice_str(e->text));
        err = err ? err : put;
        e->saved = news = true;
    }
    if (news) {
        int put =
            put_json(keeper, "realm", json_pack("{sI}", "next_event", (json_int_t)r->next_event));
        err = err ? err : put;
    }
    return err;
}

static void load_event(struct realm *r, uint64_t id, struct slice text)
{
    struct event *e = calloc(1, sizeof *e);
    if (!e)
        return;
    e->id = id;
    e->saved = true;
    e->text = strndup((const char *)text.data, text.len);
    if (!e->text) {
        free(e);
        return;
    }
    /* They come in no order; most often the next belongs at the end. */
    struct list *after = r->events.prev;
    while (after != &r->events && LIST_ITEM(after, struct event, link)->id > id)
        after = after->prev;
    list_append(after->next, &e->link);
    r->event_count++;
    if (id >= r->next_event)
        r->next_event = id + 1;
}

static int save_all(struct realm *r, const struct keeper *keeper)
{
    int err = xmpp_save(r->xmpp, keeper);
    for (size_t at = 0; at < r->forgotten.len;) {
        const char *key = (const char *)r->forgotten.data + at;
        int del = keeper->del(keeper->arg, slice_str(key));
        err = err ? err : del;
        at += strlen(key) + 1;
    }
    LIST_EACH(node, &r->unsaved_rooms)
    {
        struct room *room = LIST_ITEM(node, struct room, unsaved);
        list_remove(&room->unsaved);
        int put = save_room(keeper, room);
        err = err ? err : put;
    }
    LIST_EACH(member, &r->unsaved_members)
    {
        struct occupant *o = LIST_ITEM(member, struct occupant, unsaved);
        list_remove(&o->unsaved);
        int put = save_member(keeper, o);
        err = err ? err : put;
    }
    int events = save_events(r, keeper);
    return err ? err : events;
}

static void write_again(struct realm *r)
{
    struct map_iter iter = {0};
    while (map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        room_unsaved(r, room);
        LIST_EACH(node, &room->occupants)
        member_unsaved(r, LIST_ITEM(node, struct occupant, link));
    }
    LIST_EACH(node, &r->events)
    LIST_ITEM(node, struct event, link)->saved = false;
}

static bool unsaved(const struct realm *r)
{
    const struct event *last = LIST_ITEM(r->events.prev, struct event, link);
    return xmpp_unsaved(r->xmpp) || r->forgotten.len > 0 || !list_empty(&r->unsaved_rooms) ||
           !list_empty(&r->unsaved_members) || (!list_empty(&r->events) && !last->saved);
}

/* A full journal is not tried at every turn. */
static const usec_t SAVE_PAUSE = 5 * USEC_PER_SEC;

int realm_save(struct realm *r, const struct keeper *keeper)
{
    if (!unsaved(r) || r->now < r->save_at)
        return 0;
    keeper->begin(keeper->arg);
    int err = save_all(r, keeper);
    int commit = keeper->commit(keeper->arg);
    err = err ? err : commit;
    xmpp_saved(r->xmpp, err == 0);
    if (err) {
        r->save_at = r->now + SAVE_PAUSE;
        write_again(r);
    } else {
        buf_clear(&r->forgotten);
    }
    return err;
}

void realm_load(struct realm *r, struct slice key, struct slice value)
{
    struct slice rest = key;
    struct slice kind = slice_cut(&rest, '/');
    uint64_t id;
    if (slice_eq_str(kind, "event") && slice_to_u64(rest, UINT64_MAX, &id) == 0) {
        load_event(r, id, value);
        return;
    }
    if (xmpp_load(r->xmpp, key, value))
        return;
    json_t *record = parse_json(value);
    if (slice_eq_str(kind, "room"))
        load_room(r, rest, record);
    else if (slice_eq_str(kind, "member"))
        load_member(r, rest, record);
    else if (slice_eq_str(kind, "realm") && (uint64_t)get_int(record, "next_event") > r->next_event)
        r->next_event = (uint64_t)get_int(record, "next_event");
    json_decref(record);
}

static void load_done(struct realm *r, struct occupant *o)
{
    o->session = xmpp_by_handle(r->xmpp, o->handle);
    if (o->session)
        o->session->upper = o;
}

/* Its session could not be resumed: it has left, unseen. */
static void drop_orphan(struct realm *r, struct occupant *o)
{
    struct room *room = o->room;
    web_event(r, room, "leave",
              json_pack("{ss ss sI}", "session", o->stay, "user", "", "present_ms",
                        (json_int_t)((r->now - o->joined_at) / USEC_PER_MSEC)));
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "presence", "unavailable", o->jid, NULL, slice_of(NULL, 0));
    xml_open(w, "x", NS_MUC_USER);
    xml_open(w, "item", NS_MUC_USER);
    xml_put_str(w, "affiliation", "none");
    xml_put_str(w, "role", "none");
    xml_close(w);
    xml_close(w);
    xml_close(w);
    room_broadcast_taken(r, room);
    bridge_endpoint_gone(r, o);
    member_free(r, o);
    if (room->count == 0)
        room_emptied(r, room);
}

static int by_time(const void *a, const void *b)
{
    const struct occupant *x = *(struct occupant *const *)a;
    const struct occupant *y = *(struct occupant *const *)b;
    return (x->joined_at > y->joined_at) - (x->joined_at < y->joined_at);
}

/* Oldest first, as before. */
static void sort_members(struct room *room)
{
    struct occupant **all = calloc(room->count + 1, sizeof(struct occupant *));
    size_t count = 0;
    if (!all)
        return;
    LIST_EACH(node, &room->occupants)
    all[count++] = LIST_ITEM(node, struct occupant, link);
    qsort(all, count, sizeof(struct occupant *), by_time);
    for (size_t i = 0; i < count; i++) {
        list_remove(&all[i]->link);
        list_append(&room->occupants, &all[i]->link);
    }
    free(all);
}

static void settle_room(struct realm *r, struct room *room)
{
    LIST_EACH(node, &room->occupants)
    load_done(r, LIST_ITEM(node, struct occupant, link));
    sort_members(room);
    LIST_EACH(other, &room->occupants)
    {
        struct occupant *o = LIST_ITEM(other, struct occupant, link);
        if (!o->session) {
            drop_orphan(r, o);
            continue;
        }
        o->rights = rights_of(&o->session->token, o->granted, &room->policy);
        o->caps_at = r->now;
        presence_build(r, o);
    }
}

void realm_loaded(struct realm *r)
{
    xmpp_loaded(r->xmpp);
    struct map_iter iter = {0};
    while (map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        settle_room(r, room);
        room->idle_at = r->now;
        if (room->count > 0)
            presence_focus(r, room, false);
    }
}
