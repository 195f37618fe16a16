/* The focus: learns what a newcomer can do, invites it to the bridge, restarts, mutes. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

/* A client answers disco#info at once; a silent one is taken for a plain one. */
static const usec_t CAPS_TIME = 3 * USEC_PER_SEC;
static const usec_t RETRY_TIME = 2 * USEC_PER_SEC;

static void ask_caps(struct realm *r, struct occupant *o)
{
    next_iq_id(r, o->caps_id);
    o->invite = INVITE_CAPS;
    o->caps_at = r->now;
    struct xml_writer *w = xmpp_begin_stanza(r->xmpp, "iq", "get", o->room->focus, o->session->jid,
                                             slice_str(o->caps_id));
    xml_open(w, "query", NS_DISCO_INFO);
    if (o->node[0] && o->ver[0]) {
        char node[sizeof o->node + sizeof o->ver];
        (void)snprintf(node, sizeof node, "%s#%s", o->node, o->ver); /* fits */
        xml_put_str(w, "node", node);
    }
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}

static void caps_learnt(struct realm *r, struct occupant *o, struct caps caps)
{
    o->caps = caps;
    o->caps_known = true;
    o->caps_id[0] = 0;
    member_unsaved(r, o);
    focus_invite(r, o);
}

void focus_joined(struct realm *r, struct occupant *o)
{
    const struct caps *caps = caps_cache_get(r->caps, slice_str(o->ver));
    if (o->ver[0] && caps)
        caps_learnt(r, o, *caps);
    else
        ask_caps(r, o);
}

void focus_invite(struct realm *r, struct occupant *o)
{
    if (!bridge_place(r, o->room)) {
        o->invite = INVITE_WAITING;
        o->invite_at = r->now;
        member_unsaved(r, o);
        return;
    }
    ids_hex(&r->config.ids, o->sid, 12);
    ids_hex(&r->config.ids, o->bridge_session, 12);
    path_begin(r, o);
    o->fingerprint_hash[0] = o->fingerprint[0] = 0;
    o->red = false;
    next_iq_id(r, o->offer_id);
    o->invite = INVITE_OFFERED;
    r->counters[REALM_OFFERS]++;
    member_changed(r, o);
    offer_send(r, o);
}

void focus_drop_transport(struct realm *r, struct occupant *o)
{
    struct source_set before = o->sources;
    bridge_endpoint_gone(r, o);
    o->invite = INVITE_NONE;
    o->sid[0] = 0;
    o->sources = (struct source_set){0};
    memset(o->limits, 0, sizeof o->limits);
    free(o->told);
    o->told = NULL;
    o->told_count = 0;
    spread_change(r, o, &before);
    member_unsaved(r, o);
}

void focus_invite_again(struct realm *r, struct occupant *o, const char *why)
{
    focus_terminate(r, o, "success", why);
    focus_drop_transport(r, o);
    focus_invite(r, o);
}

void focus_terminate(struct realm *r, struct occupant *o, const char *reason, const char *text)
{
    char id[32];
    if (o->invite != INVITE_OFFERED && o->invite != INVITE_ACTIVE)
        return;
    next_iq_id(r, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "iq", "set", o->room->focus, o->session->jid, slice_str(id));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", "session-terminate");
    xml_put_str(w, "sid", o->sid);
    xml_put_str(w, "initiator", o->room->focus);
    xml_open(w, "reason", NS_JINGLE);
    xml_empty(w, reason, NS_JINGLE);
    xml_leaf(w, "text", NS_JINGLE, slice_str(text));
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}

void focus_tick(struct realm *r, struct occupant *o)
{
    if (o->invite == INVITE_CAPS && r->now - o->caps_at > CAPS_TIME)
        caps_learnt(r, o, caps_unknown);
    else if (o->invite == INVITE_WAITING && r->now >= o->invite_at)
        focus_invite(r, o);
    path_tick(r, o);
}

static void caps_answered(struct realm *r, struct occupant *o, const struct xml_node *iq)
{
    const struct xml_node *query = xml_child(iq, "query", NS_DISCO_INFO);
    if (o->invite != INVITE_CAPS)
        return; /* too late: it was taken for a plain client */
    if (!query) {
        caps_learnt(r, o, caps_unknown);
        return;
    }
    bool verified;
    struct caps caps = caps_read(query, slice_str(o->ver), &verified);
    if (verified)
        caps_cache_put(r->caps, slice_str(o->ver), caps);
    caps_learnt(r, o, caps);
}

/* The client could not take our offer: another one, a few times. */
static void offer_failed(struct realm *r, struct occupant *o)
{
    r->counters[REALM_CLIENT_ERRORS]++;
    focus_drop_transport(r, o);
    if (++o->client_errors > ERRORS_OF_CLIENT_MAX)
        return;
    o->invite = INVITE_WAITING;
    o->invite_at = r->now + RETRY_TIME;
}

void focus_answer(struct realm *r, struct occupant *o, const struct xml_node *iq)
{
    struct slice id = xml_get(iq, "id");
    bool error = slice_eq_str(xml_get(iq, "type"), "error");
    if (o->caps_id[0] && slice_eq_str(id, o->caps_id))
        caps_answered(r, o, iq);
    else if (o->path.acknowledged_by[0] && slice_eq_str(id, o->path.acknowledged_by))
        path_acknowledged(r, o);
    else if (error && o->invite == INVITE_OFFERED && slice_eq_str(id, o->offer_id))
        offer_failed(r, o);
    else if (error)
        r->counters[REALM_CLIENT_ERRORS]++;
}

static const char *const mute_ns[MEDIA_KINDS] = {NS_JITMEET_AUDIO, NS_JITMEET_VIDEO,
                                                 NS_JITMEET_DESKTOP};

void focus_send_mute(struct realm *r, struct occupant *o, enum media media, const char *actor)
{
    char id[32];
    next_iq_id(r, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "iq", "set", o->room->focus, o->session->jid, slice_str(id));
    xml_open(w, "mute", mute_ns[media]);
    xml_put_str(w, "actor", actor);
    xml_chars(w, SLICE("true"));
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}

static void unmute_self(struct realm *r, struct occupant *o, enum media media)
{
    if (!o->silenced[media])
        return;
    o->silenced[media] = o->obeyed[media] = false;
    member_changed(r, o);
    presence_show(r, o);
}

static void mute_other(struct realm *r, struct occupant *by, struct occupant *target,
                       enum media media)
{
    static const char *const names[MEDIA_KINDS] = {"audio", "video", "desktop"};
    member_silence(r, target, media, by->jid);
    presence_show(r, target);
    web_event(r, by->room, "muted",
              json_pack("{ss ss ss}", "user", member_person(target), "by", member_person(by),
                        "media", names[media]));
}

static void mute_iq(struct realm *r, struct session *s, struct occupant *o,
                    const struct xml_node *iq, const struct xml_node *mute, enum media media)
{
    struct slice jid = xml_get(mute, "jid");
    struct occupant *target =
        room_of_jid(r, jid) == o->room ? room_member(o->room, jid_split(jid).resource) : NULL;
    struct slice text = slice_trim(xml_text(mute));
    bool on = slice_eq_str(text, "true");
    if (!on && !slice_eq_str(text, "false")) {
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", NULL);
    } else if (!target) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
    } else if (target == o) {
        xmpp_result(r->xmpp, s, iq);
        if (!on)
            unmute_self(r, o, media);
    } else if (!o->rights.moderate || !on) {
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "cancel", "not-allowed", NULL);
    } else {
        xmpp_result(r->xmpp, s, iq);
        mute_other(r, o, target, media);
    }
}

static void describe(struct realm *r, struct session *s, const struct xml_node *iq)
{
    struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
    xml_open(w, "query", NS_DISCO_INFO);
    xml_open(w, "identity", NS_DISCO_INFO);
    xml_put_str(w, "category", "component");
    xml_put_str(w, "type", "conference");
    xml_close(w);
    xml_open(w, "feature", NS_DISCO_INFO);
    xml_put_str(w, "var", NS_JINGLE);
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

void focus_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq)
{
    const struct xml_node *what = xml_child(iq, NULL, NULL);
    if (xml_is(what, "jingle", NS_JINGLE)) {
        jingle_iq(r, s, o, iq);
        return;
    }
    for (size_t i = 0; i < MEDIA_KINDS; i++) {
        if (xml_is(what, "mute", mute_ns[i])) {
            mute_iq(r, s, o, iq, what, (enum media)i);
            return;
        }
    }
    if (xml_is(what, "jibri", NS_JIBRI))
        record_iq(r, s, o, iq);
    else if (xml_is(what, "query", NS_DISCO_INFO))
        describe(r, s, iq);
    else if (xml_is(what, "ping", NS_PING))
        xmpp_result(r->xmpp, s, iq);
    else
        xmpp_error(r->xmpp, s, iq, "cancel", "service-unavailable", NULL);
}
