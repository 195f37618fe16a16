/* What is asked of the room itself: its description, kicks and grants, the owner's form. */
#include <stdio.h>

#include "room/inner.h"

static void put_field(struct xml_writer *w, const char *var, const char *type, const char *value)
{
    xml_open(w, "field", NS_DATA);
    xml_put_str(w, "var", var);
    if (type)
        xml_put_str(w, "type", type);
    xml_leaf(w, "value", NS_DATA, slice_str(value));
    xml_close(w);
}

static void put_feature(struct xml_writer *w, const char *var)
{
    xml_open(w, "feature", NS_DISCO_INFO);
    xml_put_str(w, "var", var);
    xml_close(w);
}

static void describe(struct realm *r, struct session *s, const struct room *room,
                     const struct xml_node *iq)
{
    struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
    xml_open(w, "query", NS_DISCO_INFO);
    xml_open(w, "identity", NS_DISCO_INFO);
    xml_put_str(w, "category", "conference");
    xml_put_str(w, "type", "text");
    xml_put_str(w, "name", room->name);
    xml_close(w);
    put_feature(w, NS_MUC);
    put_feature(w, NS_DISCO_INFO);
    put_feature(w, room->password[0] ? "muc_passwordprotected" : "muc_unsecured");
    put_feature(w, "muc_open");
    put_feature(w, "muc_nonanonymous");
    xml_open(w, "x", NS_DATA);
    xml_put_str(w, "type", "result");
    put_field(w, "FORM_TYPE", "hidden", NS_MUC_ROOMINFO);
    put_field(w, "muc#roominfo_meetingId", NULL, room->meeting);
    if (room->paired) {
        char created[24];
        (void)snprintf(created, sizeof created, "%lld", (long long)room->created_ms); /* fits */
        put_field(w, "muc#roominfo_created_timestamp", NULL, created);
    }
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

static void send_away(struct realm *r, struct occupant *target, const char *by,
                      const struct departure *why)
{
    web_event(r, target->room, "kicked",
              json_pack("{ss ss}", "user", member_person(target), "by", by));
    presence_leave(r, target, why);
}

void admin_kick(struct realm *r, struct occupant *target, const char *actor, const char *by,
                struct slice reason)
{
    char text[256];
    (void)slice_copy(reason, text, sizeof text); /* a long one is cut */
    struct departure why = {.reason = text, .actor = actor};
    send_away(r, target, by, &why);
}

/* A moderator sends somebody out; an outcast's tokens are good for nothing here any more. */
static void expel(struct realm *r, struct session *s, const struct xml_node *iq,
                  struct occupant *target, bool outcast)
{
    struct occupant *by = s->upper;
    const struct xml_node *item = xml_child(xml_child(iq, "query", NULL), "item", NULL);
    char reason[256];
    if (!target) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
        return;
    }
    if (rights_staff(&target->session->token) || target == by) {
        xmpp_error(r->xmpp, s, iq, "cancel", "not-allowed", NULL);
        return;
    }
    (void)slice_copy(xml_text(xml_child(item, "reason", NULL)), reason, sizeof reason); /* cut */
    xmpp_result(r->xmpp, s, iq);
    if (outcast && member_person(target)[0])
        room_ban(r, target->room, member_person(target), BAN_FOR_GOOD);
    struct departure why = {.reason = reason, .actor = by->nick, .outcast = outcast};
    send_away(r, target, member_person(by), &why);
}

static struct occupant *find_by_jid(const struct room *room, struct slice jid)
{
    LIST_EACH(node, &room->occupants)
    {
        struct occupant *o = LIST_ITEM(node, struct occupant, link);
        if (slice_eq(jid_bare(slice_str(o->session->jid)), jid_bare(jid)))
            return o;
    }
    return NULL;
}

static void grant(struct realm *r, struct session *s, struct room *room, const struct xml_node *iq,
                  const struct xml_node *item)
{
    struct slice affiliation = xml_get(item, "affiliation");
    struct occupant *target = find_by_jid(room, xml_get(item, "jid"));
    bool owner = slice_eq_str(affiliation, "owner");
    if (!target) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
        return;
    }
    if (!owner && rights_staff(&target->session->token)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "not-allowed", "The token makes it a moderator");
        return;
    }
    target->granted = owner;
    xmpp_result(r->xmpp, s, iq);
    member_unsaved(r, target);
    member_judge(r, target);
}

static void change_item(struct realm *r, struct session *s, struct room *room,
                        const struct xml_node *iq, const struct xml_node *item)
{
    struct slice affiliation = xml_get(item, "affiliation");
    if (slice_eq_str(xml_get(item, "role"), "none")) {
        expel(r, s, iq, room_member(room, xml_get(item, "nick")), false);
    } else if (slice_eq_str(affiliation, "outcast")) {
        expel(r, s, iq, find_by_jid(room, xml_get(item, "jid")), true);
    } else if (slice_eq_str(affiliation, "owner") || slice_eq_str(affiliation, "member") ||
               slice_eq_str(affiliation, "none")) {
        grant(r, s, room, iq, item);
    } else {
        xmpp_error(r->xmpp, s, iq, "cancel", "feature-not-implemented", NULL);
    }
}

static void show_form(struct realm *r, struct session *s, const struct room *room,
                      const struct xml_node *iq)
{
    struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
    xml_open(w, "query", NS_MUC_OWNER);
    xml_open(w, "x", NS_DATA);
    xml_put_str(w, "type", "form");
    put_field(w, "FORM_TYPE", "hidden", NS_MUC_ROOMCONFIG);
    put_field(w, "muc#roomconfig_passwordprotectedroom", "boolean", room->password[0] ? "1" : "0");
    put_field(w, "muc#roomconfig_roomsecret", "text-private", room->password);
    put_field(w, "muc#roomconfig_whois", "list-single", "anyone");
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

static const struct xml_node *find_field(const struct xml_node *form, const char *var)
{
    const struct xml_node *f = xml_child(form, "field", NS_DATA);
    for (; f; f = xml_next(f, "field", NS_DATA))
        if (slice_eq_str(xml_get(f, "var"), var))
            return f;
    return NULL;
}

static void submit_form(struct realm *r, struct session *s, struct room *room,
                        const struct xml_node *iq, const struct xml_node *form)
{
    const struct xml_node *secret = find_field(form, "muc#roomconfig_roomsecret");
    const struct xml_node *locked = find_field(form, "muc#roomconfig_passwordprotectedroom");
    struct slice lock = xml_text(xml_child(locked, "value", NULL));
    struct slice password = xml_text(xml_child(secret, "value", NULL));
    if (locked && (slice_eq_str(lock, "0") || slice_eq_str(lock, "false")))
        password = slice_of(NULL, 0);
    char copy[sizeof room->password];
    if (!slice_copy(password, copy, sizeof copy)) {
        xmpp_error(r->xmpp, s, iq, "modify", "not-acceptable", "The password is too long");
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    if (!secret)
        return;
    memcpy(room->password, copy, sizeof copy);
    room_unsaved(r, room);
    chat_notice(r, room, "104");
}

static void owner_iq(struct realm *r, struct session *s, struct room *room,
                     const struct xml_node *iq, const struct xml_node *query)
{
    const struct xml_node *form = xml_child(query, "x", NS_DATA);
    if (slice_eq_str(xml_get(iq, "type"), "get"))
        show_form(r, s, room, iq);
    else if (form && slice_eq_str(xml_get(form, "type"), "cancel"))
        xmpp_result(r->xmpp, s, iq);
    else if (form)
        submit_form(r, s, room, iq, form);
    else
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", NULL);
}

void admin_iq(struct realm *r, struct session *s, struct room *room, const struct xml_node *iq)
{
    const struct occupant *o = s->upper;
    const struct xml_node *what = xml_child(iq, NULL, NULL);
    const struct xml_node *item = xml_child(what, "item", NULL);
    bool set = slice_eq_str(xml_get(iq, "type"), "set");
    bool known = o && o->room == room;
    if (xml_is(what, "query", NS_DISCO_INFO) && !set) {
        if (known || room_admits(r, room, &s->token))
            describe(r, s, room, iq);
        else
            xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
    } else if (xml_is(what, "ping", NS_PING) && !set) {
        xmpp_result(r->xmpp, s, iq);
    } else if (!xml_is(what, "query", NS_MUC_ADMIN) && !xml_is(what, "query", NS_MUC_OWNER)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "service-unavailable", NULL);
    } else if (!known || !o->rights.moderate) {
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "auth", "forbidden", NULL);
    } else if (xml_is(what, "query", NS_MUC_OWNER)) {
        owner_iq(r, s, room, iq, what);
    } else if (set && item) {
        change_item(r, s, room, iq, item);
    } else {
        xmpp_error(r->xmpp, s, iq, "cancel", "feature-not-implemented", NULL);
    }
}
