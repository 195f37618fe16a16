/* Jingle from a client to the focus: accept, sources, info, terminate. */
#include "room/inner.h"

static const usec_t RESTART_GAP = 5 * USEC_PER_SEC;
static const usec_t RESTART_WINDOW = 60 * USEC_PER_SEC;

/* The condition a client is told for an error of sources. */
static void refuse_sources(struct realm *r, struct session *s, const struct xml_node *iq, int err)
{
    r->counters[REALM_SOURCES_REFUSED]++;
    if (err == ERR_LIMIT)
        xmpp_error(r->xmpp, s, iq, "wait", "resource-constraint", "too many sources");
    else if (err == ERR_EXISTS)
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "an SSRC is in use");
    else if (err == ERR_DENIED)
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "a source's name is not yours");
    else
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "sources make no sense");
}

/* An SSRC is one member's in all the room. */
static bool in_conflict(const struct occupant *o, const struct source_set *set)
{
    for (size_t i = 0; i < 2; i++)
        if (source_has(set, o->room->feedback_ssrcs[i]))
            return true;
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        for (size_t i = 0; other != o && i < set->ssrc_count; i++)
            if (source_has(&other->sources, set->ssrcs[i].ssrc))
                return true;
    }
    return false;
}

static int read_sources(const struct occupant *o, const struct xml_node *jingle,
                        struct source_set *ret_set)
{
    int err = source_parse(jingle, o->nick, ret_set);
    return err ? err : in_conflict(o, ret_set) ? ERR_EXISTS : 0;
}

/* Credentials and fingerprint; the client puts the same into every content. */
static int read_transport(const struct xml_node *jingle, struct occupant *o)
{
    const struct xml_node *c = xml_child(jingle, "content", NS_JINGLE);
    for (; c; c = xml_next(c, "content", NS_JINGLE)) {
        const struct xml_node *t = xml_child(c, "transport", NS_JINGLE_ICE);
        const struct xml_node *f = xml_child(t, "fingerprint", NS_JINGLE_DTLS);
        struct slice ufrag = xml_get(t, "ufrag");
        struct slice pwd = xml_get(t, "pwd");
        if (!f || ufrag.len < 4 || pwd.len < 22)
            continue;
        if (!slice_copy(ufrag, o->remote_ufrag, sizeof o->remote_ufrag) ||
            !slice_copy(pwd, o->remote_pwd, sizeof o->remote_pwd) ||
            !slice_copy(xml_get(f, "hash"), o->fingerprint_hash, sizeof o->fingerprint_hash) ||
            !slice_copy(slice_trim(xml_text(f)), o->fingerprint, sizeof o->fingerprint))
            return ERR_LIMIT;
        return o->fingerprint_hash[0] && o->fingerprint[0] ? 0 : ERR_FORMAT;
    }
    return ERR_FORMAT;
}

/* Whether the answer keeps what was offered for redundant audio: not every browser knows it. */
static bool takes_red(const struct xml_node *jingle)
{
    const struct xml_node *c = xml_child(jingle, "content", NS_JINGLE);
    for (; c; c = xml_next(c, "content", NS_JINGLE)) {
        const struct xml_node *d = xml_child(c, "description", NS_JINGLE_RTP);
        const struct xml_node *p = xml_child(d, "payload-type", NS_JINGLE_RTP);
        for (; p; p = xml_next(p, "payload-type", NS_JINGLE_RTP))
            if (slice_eq_str(xml_get(p, "name"), "red"))
                return true;
    }
    return false;
}

static void accept(struct realm *r, struct session *s, struct occupant *o,
                   const struct xml_node *iq, const struct xml_node *jingle)
{
    struct source_set offered, empty = {0}, set = {0};
    if (o->invite == INVITE_ACTIVE) {
        xmpp_error(r->xmpp, s, iq, "wait", "unexpected-request", NULL);
        return;
    }
    int err = read_transport(jingle, o);
    if (err) {
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "no usable transport");
        return;
    }
    err = read_sources(o, jingle, &offered);
    if (!err)
        err = source_add(&set, &offered);
    if (err) {
        refuse_sources(r, s, iq, err);
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    r->counters[REALM_ACCEPTS]++;
    o->sources = set;
    o->red = takes_red(jingle);
    o->invite = INVITE_ACTIVE;
    o->client_errors = 0;
    member_changed(r, o);
    spread_change(r, o, &empty);
    spread_catch_up(r, o);
}

/* Whether the person may send each kind that is to be added. */
static bool may_send(const struct occupant *o, const struct source_set *set)
{
    struct source list[SOURCES_MAX];
    size_t count;
    if (source_list(set, list, &count) != 0)
        return true; /* found wanting elsewhere */
    for (size_t i = 0; i < count; i++) {
        enum media media = member_source(o, &list[i]).media;
        bool may = media == MEDIA_AUDIO    ? o->rights.microphone
                   : media == MEDIA_CAMERA ? o->rights.camera
                                           : o->rights.screen;
        if (!may)
            return false;
    }
    return true;
}

static void add_sources(struct realm *r, struct session *s, struct occupant *o,
                        const struct xml_node *iq, const struct xml_node *jingle)
{
    struct source_set more, before = o->sources;
    int err = o->invite == INVITE_ACTIVE ? read_sources(o, jingle, &more) : ERR_STATE;
    if (!err && !may_send(o, &more)) {
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "auth", "forbidden", "You may not send that");
        return;
    }
    if (!err)
        err = source_add(&o->sources, &more);
    if (err == ERR_STATE) {
        xmpp_error(r->xmpp, s, iq, "wait", "unexpected-request", NULL);
        return;
    }
    if (err) {
        refuse_sources(r, s, iq, err);
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    member_changed(r, o);
    spread_change(r, o, &before);
}

static void remove_sources(struct realm *r, struct session *s, struct occupant *o,
                           const struct xml_node *iq, const struct xml_node *jingle)
{
    struct source_set less, before = o->sources;
    int err = source_parse(jingle, o->nick, &less);
    if (err) {
        refuse_sources(r, s, iq, err);
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    source_remove(&o->sources, &less);
    member_changed(r, o);
    spread_change(r, o, &before);
}

bool jingle_may_restart(struct realm *r, usec_t last[RESTARTS_PER_MINUTE])
{
    if (last[RESTARTS_PER_MINUTE - 1] && r->now - last[RESTARTS_PER_MINUTE - 1] < RESTART_GAP)
        return false;
    if (last[0] && r->now - last[0] < RESTART_WINDOW)
        return false;
    memmove(last, last + 1, (RESTARTS_PER_MINUTE - 1) * sizeof *last);
    last[RESTARTS_PER_MINUTE - 1] = r->now;
    return true;
}

static void terminate(struct realm *r, struct session *s, struct occupant *o,
                      const struct xml_node *iq, const struct xml_node *jingle)
{
    const struct xml_node *bridge = xml_child(jingle, "bridge-session", NS_FOCUS);
    bool restart = slice_eq_str(xml_get(bridge, "restart"), "true");
    if (restart && !slice_eq_str(xml_get(bridge, "id"), o->bridge_session)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
        return;
    }
    if (restart && !jingle_may_restart(r, o->restarts)) {
        r->counters[REALM_RESTARTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "wait", "resource-constraint", NULL);
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    focus_drop_transport(r, o);
    if (restart) {
        r->counters[REALM_RESTARTS]++;
        focus_invite(r, o);
    }
}

void jingle_say(struct realm *r, struct occupant *o, const char *text)
{
    char id[32];
    next_iq_id(r, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "iq", "set", o->room->focus, o->session->jid, slice_str(id));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", "session-info");
    xml_put_str(w, "sid", o->sid);
    xml_put_str(w, "initiator", o->room->focus);
    xml_leaf(w, "json-message", NS_JITMEET, slice_str(text));
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}

static void unknown_session(struct realm *r, struct session *s, const struct xml_node *iq)
{
    struct xml_writer *w = xmpp_begin_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
    xml_empty(w, "unknown-session", NS_JINGLE_ERRORS);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

/* Nothing for us in it. */
static void acknowledge(struct realm *r, struct session *s, struct occupant *o,
                        const struct xml_node *iq, const struct xml_node *jingle)
{
    xmpp_result(r->xmpp, s, iq);
}

static const struct {
    const char *action;
    void (*handle)(struct realm *, struct session *, struct occupant *, const struct xml_node *,
                   const struct xml_node *);
} actions[] = {
    {"session-accept", accept},        {"source-add", add_sources},
    {"addsource", add_sources},        {"source-remove", remove_sources},
    {"removesource", remove_sources},  {"session-terminate", terminate},
    {"session-info", path_asked},      {"transport-info", path_answered},
    {"transport-accept", acknowledge}, {"transport-reject", acknowledge},
    {"content-modify", acknowledge},
};

void jingle_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq)
{
    const struct xml_node *jingle = xml_child(iq, "jingle", NS_JINGLE);
    struct slice action = xml_get(jingle, "action");
    if (!o->sid[0] || !slice_eq_str(xml_get(jingle, "sid"), o->sid)) {
        unknown_session(r, s, iq);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (slice_eq_str(action, actions[i].action)) {
            actions[i].handle(r, s, o, iq, jingle);
            return;
        }
    }
    xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "unknown action");
}
