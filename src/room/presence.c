/* Joining, being seen, leaving (XEP-0045 as Jitsi's client knows it). */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define PRESENCE_RATE 2
#define PRESENCE_BURST 60

static void put_item(struct xml_writer *w, const struct occupant *o)
{
    xml_open(w, "item", NS_MUC_USER);
    xml_put_str(w, "affiliation", o->rights.moderate ? "owner" : "none");
    xml_put_str(w, "role", o->rights.moderate ? "moderator" : "participant");
    xml_put_str(w, "jid", o->session->jid);
    xml_close(w);
}

static void put_status(struct xml_writer *w, const char *code)
{
    xml_open(w, "status", NS_MUC_USER);
    xml_put_str(w, "code", code);
    xml_close(w);
}

static void put_if(struct xml_writer *w, const char *name, const char *value)
{
    if (*value)
        xml_leaf(w, name, NS_CLIENT, slice_str(value));
}

static void put_identity(struct xml_writer *w, const struct token *token)
{
    xml_open(w, "identity", NS_CLIENT);
    xml_open(w, "user", NS_CLIENT);
    put_if(w, "id", token->id);
    put_if(w, "name", token->name);
    put_if(w, "email", token->email);
    put_if(w, "avatar", token->avatar);
    put_if(w, "role", token->role);
    xml_close(w);
    put_if(w, "group", token->group);
    xml_close(w);
}

/* What a blocked source shows to others is muted, whatever its owner says. */
static void put_source_info(struct xml_writer *w, const struct occupant *o)
{
    bool clean = true;
    const char *name;
    json_t *one;
    if (!o->source_info)
        return;
    json_t *info = json_deep_copy(o->info);
    json_object_foreach(info, name, one)
    {
        struct source s = {.video = strstr(name, "-v") != NULL};
        (void)slice_copy(slice_str(name), s.name, sizeof s.name); /* an overlong one fits none */
        if (!member_source(o, &s).blocked || json_is_true(json_object_get(one, "muted")))
            continue;
        clean = false;
        if (json_is_object(one))
            (void)json_object_set_new(one, "muted", json_true()); /* shown by `clean` */
    }
    char *text = clean ? NULL : json_dumps(info, JSON_COMPACT);
    xml_leaf(w, "SourceInfo", NS_CLIENT, slice_str(clean ? o->source_info : text ? text : "{}"));
    free(text);
    json_decref(info);
}

static void put_permissions(struct xml_writer *w, const struct occupant *o)
{
    xml_open(w, "permissions", NS_JITMEET);
    for (size_t i = 0; i < TOKEN_FEATURES; i++) {
        bool may = rights_feature(&o->session->token, &o->rights, (enum token_feature)i);
        xml_open(w, "p", NS_JITMEET);
        xml_put_str(w, "name", token_feature_names[i]);
        xml_put_str(w, "val", may ? "true" : "false");
        xml_close(w);
    }
    xml_close(w);
}

static void put_codec_list(const struct realm *r, struct xml_writer *w, const struct occupant *o,
                           const char *name, const struct codec_list *said)
{
    char text[CODEC_LIST_TEXT];
    struct codec_list list = codecs_filter(r, o->room, said);
    codec_list_print(&list, ',', text);
    xml_leaf(w, name, NS_CLIENT, slice_str(text));
}

/* Others choose their codec from these lists: they may hold nothing that the class does not use.
 * Who has none is not passed over. */
static void put_codecs(const struct realm *r, struct xml_writer *w, const struct occupant *o)
{
    if (o->codecs.count > 0 || o->codec_type.count == 0)
        put_codec_list(r, w, o, "jitsi_participant_codecList", &o->codecs);
    if (o->codec_type.count > 0)
        put_codec_list(r, w, o, "jitsi_participant_codecType", &o->codec_type);
}

/* The client takes the first <x/> away before it looks at the rest. */
static void write_presence(struct realm *r, const struct occupant *o, bool self)
{
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "presence", NULL, o->jid, NULL, slice_of(NULL, 0));
    xml_open(w, "x", NS_MUC_USER);
    put_item(w, o);
    if (self)
        put_status(w, "110");
    xml_close(w);
    if (o->name[0])
        xml_leaf(w, "nick", NS_NICK, slice_str(o->name));
    put_source_info(w, o);
    if (o->session->token.present)
        put_identity(w, &o->session->token);
    if (self)
        put_permissions(w, o);
    xml_raw(w, slice_str(o->children));
    put_codecs(r, w, o);
    xml_close(w);
}

void presence_build(struct realm *r, struct occupant *o)
{
    write_presence(r, o, false);
    text_unref(xmpp_texts(r->xmpp), &o->presence);
    o->presence = xmpp_take(r->xmpp);
}

static void send_self(struct realm *r, struct occupant *o)
{
    write_presence(r, o, true);
    xmpp_finish(r->xmpp, o->session);
}

static void show_others(struct realm *r, struct occupant *o)
{
    size_t count = 0;
    LIST_EACH(node, &o->room->occupants)
    {
        struct occupant *other = LIST_ITEM(node, struct occupant, link);
        if (other != o && other->session)
            r->crowd[count++] = other->session;
    }
    if (o->presence && count > 0)
        xmpp_send_many(r->xmpp, r->crowd, count, o->presence);
}

void presence_show(struct realm *r, struct occupant *o)
{
    presence_build(r, o);
    show_others(r, o);
    send_self(r, o);
}

void presence_focus(struct realm *r, struct room *room, bool show)
{
    char created[24];
    char codecs[CODEC_LIST_TEXT];
    struct codec_list allowed = codecs_of_room(r, room);
    (void)snprintf(created, sizeof created, "%lld", (long long)room->created_ms); /* fits */
    codec_list_print(&allowed, ',', codecs); /* members, alone or not, send nothing else */
    const char *const properties[][2] = {{"created-ms", created},
                                         {"support-terminate-restart", "true"},
                                         {"bridge-count", "1"},
                                         {"visitor-codecs", codecs}};
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "presence", NULL, room->focus, NULL, slice_of(NULL, 0));
    xml_open(w, "x", NS_MUC_USER);
    xml_open(w, "item", NS_MUC_USER);
    xml_put_str(w, "affiliation", "owner");
    xml_put_str(w, "role", "moderator");
    buf_printf(w->out, " jid='%s/focus'", r->focus_jid);
    xml_close(w);
    xml_close(w);
    xml_open(w, "conference-properties", NS_FOCUS);
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        xml_open(w, "property", NS_FOCUS);
        xml_put_str(w, "key", properties[i][0]);
        xml_put_str(w, "value", properties[i][1]);
        xml_close(w);
    }
    xml_close(w);
    record_write_status(room, w);
    xml_close(w);
    text_unref(xmpp_texts(r->xmpp), &room->focus_presence);
    room->focus_presence = xmpp_take(r->xmpp);
    if (show)
        room_broadcast(r, room, room->focus_presence);
}

struct shown presence_shown(const struct occupant *o)
{
    struct shown shown = o->shown; /* the hand, and old clients' own elements */
    const char *name;
    json_t *one;
    if (!o->info)
        return shown;
    for (size_t i = 0; i < MEDIA_KINDS; i++)
        shown.muted[i] = true;
    json_object_foreach(o->info, name, one)
    {
        struct source s = {.video = strstr(name, "-v") != NULL};
        if (!slice_copy(slice_str(name), s.name, sizeof s.name))
            continue;
        struct source_state state = member_source(o, &s);
        if (!state.muted)
            shown.muted[state.media] = false;
    }
    return shown;
}

void presence_read_info(struct occupant *o, const char *text)
{
    json_t *info = parse_json(slice_str(text));
    if (!json_is_object(info)) {
        json_decref(info);
        return;
    }
    json_decref(o->info);
    o->info = info;
    replace_string(&o->source_info, strdup(text));
    if (!o->source_info) {
        json_decref(o->info);
        o->info = NULL;
    }
}

/* Elements that only the server may put into a presence. */
static bool is_forged(const struct xml_node *c)
{
    static const char *const names[] = {
        "identity",           "permissions", "conference-properties",  "versions", "etherpad",
        "bridgeNotAvailable", "ignore",      "jibri-recording-status", "error",    "delay",
        "display-name"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_eq_str(c->name, names[i]))
            return true;
    return slice_eq_str(c->name, "x") && slice_starts(c->ns, SLICE(NS_MUC));
}

/* A picture of one's own choosing makes all others ask a foreign host for it. */
static bool is_withheld(const struct occupant *o, const struct xml_node *c)
{
    bool picture = slice_eq_str(c->name, "avatar-url") || slice_eq_str(c->name, "email");
    return (picture || slice_eq_str(c->name, "startmuted")) && !o->rights.moderate;
}

static bool says(const struct xml_node *c, const char *word)
{
    return slice_eq_str(slice_trim(xml_text(c)), word);
}

static bool read_codecs(struct occupant *o, const struct xml_node *c)
{
    if (slice_eq_str(c->name, "jitsi_participant_codecList"))
        o->codecs = codec_list_read(xml_text(c), ',');
    else if (slice_eq_str(c->name, "jitsi_participant_codecType"))
        o->codec_type = codec_list_read(xml_text(c), ',');
    else
        return false;
    return true;
}

/* Elements that we read; true: it is not to be copied. */
static bool read_child(struct occupant *o, const struct xml_node *c)
{
    if (slice_eq_str(c->name, "nick")) {
        if (!o->session->token.present || !o->session->token.name[0])
            (void)slice_copy(xml_text(c), o->name, sizeof o->name); /* a long one is cut */
        return true;
    }
    if (slice_eq_str(c->name, "SourceInfo")) {
        char *text = strndup((const char *)xml_text(c).data, xml_text(c).len);
        if (text)
            presence_read_info(o, text);
        free(text);
        return true;
    }
    if (read_codecs(o, c))
        return true;
    if (slice_eq_str(c->name, "c")) {
        (void)slice_copy(xml_get(c, "ver"), o->ver, sizeof o->ver);    /* a cut one hits nothing */
        (void)slice_copy(xml_get(c, "node"), o->node, sizeof o->node); /* likewise */
    } else if (slice_eq_str(c->name, "jitsi_participant_e2ee.enabled")) {
        o->shown.encrypted = says(c, "true");
    } else if (slice_eq_str(c->name, "jitsi_participant_raisedHand")) {
        o->shown.hand = slice_trim(xml_text(c)).len > 0 && !says(c, "0") && !says(c, "false");
    } else if (slice_eq_str(c->name, "audiomuted") && !o->info) {
        o->shown.muted[MEDIA_AUDIO] = says(c, "true");
    } else if (slice_eq_str(c->name, "videomuted") && !o->info) {
        o->shown.muted[MEDIA_CAMERA] = says(c, "true");
    }
    return false;
}

void presence_clean(struct occupant *o, const struct xml_node *stanza)
{
    struct buf markup;
    struct xml_writer w;
    buf_init(&markup, PRESENCE_MAX * 2);
    xml_writer_init(&w, &markup);
    o->shown.hand = o->shown.encrypted = false;
    o->codecs.count = o->codec_type.count = 0;
    for (const struct xml_node *c = stanza->first; c; c = c->next)
        if (c->name.len > 0 && !is_forged(c) && !is_withheld(o, c) && !read_child(o, c))
            xml_copy(&w, c);
    buf_add_byte(&markup, 0);
    if (!markup.failed)
        replace_string(&o->children, strndup((char *)markup.data, markup.len));
    buf_done(&markup);
    o->shown = presence_shown(o);
}

/* A member who was silenced and now is heard again: by its own will, which it may have. */
static void notice_unmute(struct occupant *o, const struct shown *before)
{
    for (size_t i = 0; i < MEDIA_KINDS; i++) {
        if (!o->silenced[i])
            continue;
        if (o->shown.muted[i])
            o->obeyed[i] = true;
        else if (o->obeyed[i] && before->muted[i])
            o->silenced[i] = o->obeyed[i] = false;
    }
}

/* A change of one source in the recording's words. NULL: its name is not known any more. */
static void tell_source(struct realm *r, struct occupant *o, enum media media, const char *name)
{
    bool muted = o->shown.muted[media];
    if (media == MEDIA_DESKTOP)
        bridge_event(r, o->room,
                     json_pack("{ss ss ss? sb}", "type", "screen", "endpoint", o->nick, "source",
                               name, "on", !muted));
    else
        bridge_event(r, o->room,
                     json_pack("{ss ss ss? sb}", "type", "mute", "endpoint", o->nick, "source",
                               name, "muted", muted));
}

static void tell_media(struct realm *r, struct occupant *o, enum media media)
{
    struct source list[SOURCES_MAX];
    size_t count = 0, told = 0;
    const char *name;
    json_t *one;
    json_object_foreach(o->info, name, one)
    {
        struct source s = {.video = strstr(name, "-v") != NULL};
        if (!slice_copy(slice_str(name), s.name, sizeof s.name) ||
            member_source(o, &s).media != media)
            continue;
        tell_source(r, o, media, name);
        told++;
    }
    if (told > 0)
        return;
    if (source_list(&o->sources, list, &count) != 0)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        if (member_source(o, &list[i]).media != media)
            continue;
        tell_source(r, o, media, list[i].name);
        told++;
    }
    if (told == 0)
        tell_source(r, o, media, NULL);
}

static void tell_feed(struct realm *r, struct occupant *o, const struct shown *before,
                      const char *old_name)
{
    if (!record_captures(o->room))
        return;
    for (size_t i = 0; i < MEDIA_KINDS; i++)
        if (before->muted[i] != o->shown.muted[i])
            tell_media(r, o, (enum media)i);
    if (before->hand != o->shown.hand)
        bridge_event(
            r, o->room,
            json_pack("{ss ss sb}", "type", "hand", "endpoint", o->nick, "raised", o->shown.hand));
    if (strcmp(old_name, o->name) != 0)
        bridge_event(r, o->room,
                     json_pack("{ss ss ss}", "type", "name", "endpoint", o->nick, "name", o->name));
}

/* Tells a client that shows itself sending what it may not: its own picture shall be right. */
static void hush(struct realm *r, struct occupant *o, const struct shown *before)
{
    const bool may[MEDIA_KINDS] = {o->rights.microphone, o->rights.camera, o->rights.screen};
    for (size_t i = 0; i < MEDIA_KINDS; i++)
        if (!may[i] && !o->shown.muted[i] && before->muted[i])
            focus_send_mute(r, o, (enum media)i, o->room->focus);
}

static void update(struct realm *r, struct occupant *o, const struct xml_node *stanza)
{
    struct shown before = o->shown;
    char old_name[sizeof o->name];
    memcpy(old_name, o->name, sizeof old_name);
    presence_clean(o, stanza);
    notice_unmute(o, &before);
    hush(r, o, &before);
    tell_feed(r, o, &before, old_name);
    record_encrypted(r, o);
    member_changed(r, o);
    presence_show(r, o);
}

/* Everything a newcomer is shown, in the order that XEP-0045 and the client want. */
static void welcome(struct realm *r, struct occupant *o)
{
    struct room *room = o->room;
    struct session *s = o->session;
    if (!room->focus_presence)
        presence_focus(r, room, false);
    if (room->focus_presence)
        xmpp_send(r->xmpp, s, room->focus_presence);
    LIST_EACH(node, &room->occupants)
    {
        struct occupant *other = LIST_ITEM(node, struct occupant, link);
        if (other != o && other->presence)
            xmpp_send(r->xmpp, s, other->presence);
    }
    metadata_send(r, room, s);
    send_self(r, o);
    chat_history(r, room, s);
    chat_subject(r, room, s);
}

static void tell_web_join(struct realm *r, struct occupant *o)
{
    const struct token *t = &o->session->token;
    bool guest = !t->present || strcmp(t->role, "guest") == 0;
    if (o->room->count == 1)
        web_event(r, o->room, "opened", json_object());
    web_event(r, o->room, "join",
              json_pack("{ss ss sb ss ss sI}", "user", member_person(o), "name", o->name, "guest",
                        guest, "endpoint", o->nick, "session", o->stay, "clock_ms",
                        (json_int_t)(o->joined_at / USEC_PER_MSEC)));
}

static void join(struct realm *r, struct session *s, struct room *room,
                 const struct xml_node *stanza)
{
    struct occupant *o = member_new(r, room, s->nick);
    if (!o) {
        xmpp_error(r->xmpp, s, stanza, "cancel", "service-unavailable", NULL);
        return;
    }
    r->counters[REALM_JOINS]++;
    o->session = s;
    s->upper = o;
    o->rights = rights_of(&s->token, false, &room->policy);
    for (size_t i = 0; i < MEDIA_KINDS; i++)
        o->shown.muted[i] = i == MEDIA_DESKTOP;
    (void)copy_string(o->name, sizeof o->name, s->token.name); /* a long one is cut */
    presence_clean(o, stanza);
    presence_build(r, o);
    room->ran = true;
    room->paired |= room->count > 1;
    welcome(r, o);
    show_others(r, o);
    tell_web_join(r, o);
    record_introduce(r, o);
    room_unsaved(r, room);
    member_unsaved(r, o);
    focus_joined(r, o);
}

static void refuse(struct realm *r, struct session *s, const struct xml_node *stanza,
                   const char *type, const char *condition, const char *text)
{
    r->counters[REALM_JOINS_REFUSED]++;
    xmpp_error(r->xmpp, s, stanza, type, condition, text);
}

static bool password_fits(const struct room *room, const struct session *s,
                          const struct xml_node *stanza)
{
    struct slice given = xml_text(xml_child(xml_child(stanza, "x", NS_MUC), "password", NULL));
    return !room->password[0] || rights_staff(&s->token) || slice_eq_str(given, room->password);
}

static void try_join(struct realm *r, struct session *s, struct room *room, struct slice nick,
                     const struct xml_node *stanza)
{
    if (!room || (!room->configured && !room->requested))
        refuse(r, s, stanza, "cancel", "not-allowed", "Room creation is restricted");
    else if (!room_admits(r, room, &s->token))
        refuse(r, s, stanza, "cancel", "not-allowed", "You may not enter this room");
    else if (bridge_refuses(r, s->token.present ? s->token.id : s->jid))
        refuse(r, s, stanza, "cancel", "not-allowed", "Your device disturbed the class");
    else if (s->upper)
        refuse(r, s, stanza, "cancel", "not-allowed", "One room at a time");
    else if (slice_eq_str(nick, "focus") || room_member(room, nick))
        refuse(r, s, stanza, "cancel", "conflict", NULL);
    else if (!slice_eq_str(nick, s->nick))
        refuse(r, s, stanza, "cancel", "not-allowed", "The nickname is not yours");
    else if (!password_fits(room, s, stanza))
        refuse(r, s, stanza, "auth", "not-authorized", NULL);
    else if (room_is_full(r, room))
        refuse(r, s, stanza, "cancel", "service-unavailable", "The room is full");
    else
        join(r, s, room, stanza);
}

static void available(struct realm *r, struct session *s, const struct xml_node *stanza)
{
    struct slice to = xml_get(stanza, "to");
    struct room *room = room_of_jid(r, to);
    struct slice nick = jid_split(to).resource;
    struct occupant *o = s->upper;
    bool joining = xml_child(stanza, "x", NS_MUC) != NULL;
    size_t size = 0;
    for (const struct xml_node *c = stanza->first; c; c = c->next)
        size += xml_text(c).len;
    if (!bucket_take(o ? &o->presences : &s->stanzas, r->now, PRESENCE_RATE, PRESENCE_BURST)) {
        xmpp_doom(r->xmpp, s, "policy-violation");
    } else if (size > PRESENCE_MAX) {
        refuse(r, s, stanza, "cancel", "policy-violation", "presence is too large");
    } else if (o && o->room == room && slice_eq_str(nick, o->nick)) {
        if (joining) {
            presence_clean(o, stanza);
            presence_build(r, o);
            welcome(r, o);
            show_others(r, o);
            member_changed(r, o);
        } else {
            update(r, o, stanza);
        }
    } else if (joining) {
        try_join(r, s, room, nick, stanza);
    }
}

void presence_input(struct realm *r, struct session *s, const struct xml_node *stanza)
{
    struct slice type = xml_get(stanza, "type");
    struct slice to = xml_get(stanza, "to");
    struct occupant *o = s->upper;
    if (slice_eq_str(type, "unavailable")) {
        struct departure why = {0};
        if (o && (to.len == 0 || room_of_jid(r, to) == o->room))
            presence_leave(r, o, &why);
    } else if (type.len == 0 && to.len > 0) {
        available(r, s, stanza);
    }
}

static void write_leave(struct realm *r, const struct occupant *o, const struct departure *why,
                        bool self)
{
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "presence", "unavailable", o->jid, NULL, slice_of(NULL, 0));
    xml_open(w, "x", NS_MUC_USER);
    xml_open(w, "item", NS_MUC_USER);
    bool owner = o->rights.moderate && !why->actor;
    xml_put_str(w, "affiliation", why->outcast ? "outcast" : owner ? "owner" : "none");
    xml_put_str(w, "role", "none");
    xml_put_str(w, "jid", o->session->jid);
    if (why->actor) {
        xml_open(w, "actor", NS_MUC_USER);
        xml_put_str(w, "nick", why->actor);
        xml_close(w);
        xml_leaf(w, "reason", NS_MUC_USER, slice_str(why->reason));
    }
    xml_close(w);
    if (why->destroyed) {
        xml_open(w, "destroy", NS_MUC_USER);
        xml_leaf(w, "reason", NS_MUC_USER, slice_str(why->reason));
        xml_close(w);
    }
    if (self)
        put_status(w, "110");
    if (why->actor)
        put_status(w, why->outcast ? "301" : "307");
    xml_close(w);
    xml_close(w);
}

void presence_leave(struct realm *r, struct occupant *o, const struct departure *why)
{
    struct room *room = o->room;
    r->counters[REALM_LEAVES]++;
    write_leave(r, o, why, true);
    xmpp_finish(r->xmpp, o->session);
    /* From here on it is no member: the others are told without it. */
    list_remove(&o->link);
    list_init(&o->link);
    if (!why->destroyed) {
        write_leave(r, o, why, false);
        room_broadcast_taken(r, room);
    }
    bridge_event(r, room, json_pack("{ss ss}", "type", "leave", "endpoint", o->nick));
    web_event(r, room, "leave",
              json_pack("{ss ss sI}", "session", o->stay, "user", member_person(o), "present_ms",
                        (json_int_t)((r->now - o->joined_at) / USEC_PER_MSEC)));
    channel_drop(r, o, 1001, "left");
    bridge_endpoint_gone(r, o);
    member_free(r, o);
    if (room->count == 0)
        room_emptied(r, room);
}

void presence_gone(struct realm *r, struct session *s)
{
    struct departure why = {0};
    if (s->upper)
        presence_leave(r, s->upper, &why);
}
