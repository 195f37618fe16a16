/* Messages: public, private, subject, and what newcomers are told of them. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define CHAT_RATE 3
#define CHAT_BURST 30
static const size_t CHAT_MAX = 16 * 1024;

/* Elements that only the server may put into a message. */
static bool is_forged(const struct xml_node *c)
{
    return slice_eq_str(c->ns, NS_DELAY) || slice_eq_str(c->ns, NS_DISPLAY_NAME) ||
           slice_eq_str(c->ns, "http://jabber.org/protocol/address") ||
           slice_starts(c->ns, SLICE(NS_MUC));
}

static void put_children(struct xml_writer *w, const struct xml_node *stanza)
{
    for (const struct xml_node *c = stanza->first; c; c = c->next)
        if (c->name.len > 0 && !is_forged(c))
            xml_copy(w, c);
}

static void message_id(struct realm *r, const struct xml_node *stanza, char out[128])
{
    struct slice id = xml_get(stanza, "id");
    if (id.len == 0 || !slice_copy(id, out, 128))
        ids_uuid(&r->config.ids, out);
}

static void forget_remark(struct remark *remark)
{
    free(remark->markup);
    *remark = (struct remark){0};
}

void chat_forget(struct room *room)
{
    for (size_t i = 0; i < room->history_count; i++)
        forget_remark(&room->history[i]);
    room->history_count = 0;
}

static void remember(struct realm *r, struct occupant *o, const struct xml_node *stanza,
                     const char *id)
{
    struct room *room = o->room;
    struct remark remark = {.wall_ms = r->wall_ms};
    struct buf markup;
    struct xml_writer w;
    buf_init(&markup, CHAT_MAX * 2);
    xml_writer_init(&w, &markup);
    put_children(&w, stanza);
    if (!markup.failed)
        remark.markup = strndup((char *)markup.data, markup.len);
    buf_done(&markup);
    if (!remark.markup)
        return;
    (void)copy_string(remark.from, sizeof remark.from, o->nick); /* same size */
    (void)copy_string(remark.id, sizeof remark.id, id);          /* same size */
    if (room->history_count == HISTORY_MAX) {
        forget_remark(&room->history[0]);
        memmove(room->history, room->history + 1, (HISTORY_MAX - 1) * sizeof room->history[0]);
        room->history_count--;
    }
    room->history[room->history_count++] = remark;
    room_unsaved(r, room);
}

static void speak(struct realm *r, struct occupant *o, const struct xml_node *stanza)
{
    char id[128];
    const struct xml_node *body = xml_child(stanza, "body", NULL);
    message_id(r, stanza, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "message", "groupchat", o->jid, NULL, slice_str(id));
    put_children(w, stanza);
    xml_close(w);
    room_broadcast_taken(r, o->room);
    if (!body)
        return;
    remember(r, o, stanza, id);
    bridge_event(r, o->room,
                 json_pack("{ss ss ss ss%}", "type", "chat", "endpoint", o->nick, "name", o->name,
                           "text", (const char *)xml_text(body).data, xml_text(body).len));
}

static void change_subject(struct realm *r, struct occupant *o, struct slice subject)
{
    struct room *room = o->room;
    (void)slice_copy(subject, room->subject, sizeof room->subject);        /* a long one is cut */
    (void)copy_string(room->subject_by, sizeof room->subject_by, o->nick); /* same size */
    room_unsaved(r, room);
    chat_subject(r, room, NULL);
}

void chat_subject(struct realm *r, struct room *room, struct session *s)
{
    char from[sizeof room->jid + 20];
    (void)snprintf(from, sizeof from, "%s%s%s", room->jid, room->subject_by[0] ? "/" : "",
                   room->subject_by);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "message", "groupchat", from, NULL, slice_of(NULL, 0));
    xml_leaf(w, "subject", NS_CLIENT, slice_str(room->subject));
    xml_close(w);
    if (s)
        xmpp_finish(r->xmpp, s);
    else
        room_broadcast_taken(r, room);
}

void chat_notice(struct realm *r, struct room *room, const char *status)
{
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "message", "groupchat", room->jid, NULL, slice_of(NULL, 0));
    xml_open(w, "x", NS_MUC_USER);
    xml_open(w, "status", NS_MUC_USER);
    xml_put_str(w, "code", status);
    xml_close(w);
    xml_close(w);
    xml_close(w);
    room_broadcast_taken(r, room);
}

/* XEP-0082: 2026-11-22T12:00:00.123Z. The calendar counts years from March, so that a leap day is
 * the last day of one, and eras of 400 of them. */
static void format_stamp(int64_t wall_ms, char out[48])
{
    int64_t days = wall_ms / 86400000 + 719468;
    int64_t day_ms = wall_ms % 86400000;
    int64_t era = days / 146097;
    int64_t of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);
    (void)snprintf(out, 48, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month, (int)day,
                   (int)(day_ms / 3600000), (int)(day_ms / 60000 % 60), (int)(day_ms / 1000 % 60),
                   (int)(day_ms % 1000)); /* fits */
}

void chat_history(struct realm *r, struct room *room, struct session *s)
{
    for (size_t i = 0; i < room->history_count; i++) {
        const struct remark *m = &room->history[i];
        char from[sizeof room->jid + 20], stamp[48];
        (void)snprintf(from, sizeof from, "%s/%s", room->jid, m->from); /* fits */
        format_stamp(m->wall_ms, stamp);
        struct xml_writer *w =
            xmpp_begin_stanza(r->xmpp, "message", "groupchat", from, s->jid, slice_str(m->id));
        xml_raw(w, slice_str(m->markup));
        xml_open(w, "delay", NS_DELAY);
        xml_put_str(w, "from", room->jid);
        xml_put_str(w, "stamp", stamp);
        xml_close(w);
        xml_close(w);
        xmpp_finish(r->xmpp, s);
    }
}

static void whisper(struct realm *r, struct occupant *from, struct occupant *to,
                    const struct xml_node *stanza)
{
    char id[128];
    message_id(r, stanza, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "message", "chat", from->jid, to->session->jid, slice_str(id));
    put_children(w, stanza);
    xml_close(w);
    xmpp_finish(r->xmpp, to->session);
}

static void forbid(struct realm *r, struct occupant *o, const struct xml_node *stanza,
                   const char *text)
{
    r->counters[REALM_RIGHTS_REFUSED]++;
    xmpp_error(r->xmpp, o->session, stanza, "auth", "forbidden", text);
}

static void groupchat(struct realm *r, struct occupant *o, const struct xml_node *stanza)
{
    const struct xml_node *subject = xml_child(stanza, "subject", NULL);
    if (subject && !xml_child(stanza, "body", NULL)) {
        if (o->rights.moderate)
            change_subject(r, o, xml_text(subject));
        else
            forbid(r, o, stanza, "Only moderators change the subject");
    } else if (!o->rights.chat) {
        forbid(r, o, stanza, "Chat is off for you");
    } else {
        speak(r, o, stanza);
    }
}

void chat_input(struct realm *r, struct session *s, const struct xml_node *stanza)
{
    struct slice to = xml_get(stanza, "to");
    struct slice type = xml_get(stanza, "type");
    struct slice nick = jid_split(to).resource;
    struct room *room = room_of_jid(r, to);
    struct occupant *o = s->upper;
    size_t size = 0;
    for (const struct xml_node *c = stanza->first; c; c = c->next)
        size += xml_text(c).len;
    if (slice_eq_str(type, "error"))
        return;
    if (!room || !o || o->room != room) {
        xmpp_error(r->xmpp, s, stanza, "cancel", room ? "not-acceptable" : "service-unavailable",
                   NULL);
    } else if (size > CHAT_MAX) {
        xmpp_error(r->xmpp, s, stanza, "modify", "policy-violation", "The message is too long");
    } else if (!bucket_take(&o->chats, r->now, CHAT_RATE, CHAT_BURST)) {
        xmpp_error(r->xmpp, s, stanza, "wait", "resource-constraint", "Too many messages");
    } else if (nick.len == 0 && slice_eq_str(type, "groupchat")) {
        groupchat(r, o, stanza);
    } else if (nick.len > 0 && !slice_eq_str(type, "groupchat")) {
        struct occupant *target = room_member(room, nick);
        if (!target)
            xmpp_error(r->xmpp, s, stanza, "cancel", "item-not-found", NULL);
        else if (!o->rights.private_chat)
            forbid(r, o, stanza, "Private messages are off for you");
        else
            whisper(r, o, target, stanza);
    } else {
        xmpp_error(r->xmpp, s, stanza, "modify", "bad-request", NULL);
    }
}
