/* The way of a member's media: credentials of ICE, and their change within a session, as Jitsi's
 * "in-place ICE restart" has it: the client asks by session-info, or the bridge hears nothing of it
 * any more; our new credentials go out by transport-info with a generation, the client's come back
 * likewise. DTLS and keys stay. */
#include "room/inner.h"

/* A client that has heard of a restart and does not take part by then does not know it: it gets a
 * new session. */
static const usec_t ANSWER_TIME = 2 * USEC_PER_SEC;

static void make_credentials(struct realm *r, struct occupant *o)
{
    ids_alnum(&r->config.ids, o->ufrag + 1, 8);
    o->ufrag[0] = "0123456789abcdefghijklmnopqrstuvwxyz"[o->room->worker % WORKERS_MAX];
    ids_alnum(&r->config.ids, o->pwd, 24);
    o->remote_ufrag[0] = o->remote_pwd[0] = 0;
}

static void forget_silence(struct occupant *o)
{
    o->path.silent = o->path.understood = false;
    o->path.acknowledged = 0;
    o->path.acknowledged_by[0] = 0;
}

void path_begin(struct realm *r, struct occupant *o)
{
    make_credentials(r, o);
    o->path.generation = 0;
    forget_silence(o);
}

static void restart(struct realm *r, struct occupant *o)
{
    make_credentials(r, o);
    o->path.generation++;
    r->counters[REALM_ICE_RESTARTS]++;
    next_iq_id(r, o->path.acknowledged_by);
    offer_send_transport(r, o, o->path.acknowledged_by);
    member_changed(r, o);
}

void path_asked(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq,
                const struct xml_node *jingle)
{
    const struct xml_node *bridge = xml_child(jingle, "bridge-session", NS_FOCUS);
    if (!slice_eq_str(xml_get(bridge, "ice-restart"), "true")) {
        xmpp_result(r->xmpp, s, iq);
    } else if (!slice_eq_str(xml_get(bridge, "id"), o->bridge_session)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
    } else if (o->invite != INVITE_ACTIVE || !bridge_worker(r, o->room)) {
        xmpp_error(r->xmpp, s, iq, "wait", "unexpected-request", NULL);
    } else if (!jingle_may_restart(r, o->path.restarts)) {
        r->counters[REALM_RESTARTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "wait", "resource-constraint", NULL);
    } else {
        xmpp_result(r->xmpp, s, iq);
        restart(r, o);
    }
}

void path_answered(struct realm *r, struct session *s, struct occupant *o,
                   const struct xml_node *iq, const struct xml_node *jingle)
{
    const struct xml_node *content = xml_child(jingle, "content", NS_JINGLE);
    const struct xml_node *t = xml_child(content, "transport", NS_JINGLE_ICE);
    struct slice ufrag = xml_get(t, "ufrag"), pwd = xml_get(t, "pwd");
    uint64_t generation = 0;
    int err = slice_to_u64(xml_get(t, "ice-generation"), UINT32_MAX, &generation);
    if (err || generation != o->path.generation || generation == 0) {
        xmpp_result(r->xmpp, s, iq); /* a candidate: those are learnt from checks */
        return;
    }
    if (ufrag.len < 4 || pwd.len < 22 || ufrag.len >= ICE_FIELD_MAX || pwd.len >= ICE_FIELD_MAX) {
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "no usable transport");
        return;
    }
    xmpp_result(r->xmpp, s, iq);
    (void)slice_copy(ufrag, o->remote_ufrag, sizeof o->remote_ufrag); /* measured above */
    (void)slice_copy(pwd, o->remote_pwd, sizeof o->remote_pwd);
    o->path.understood = true;
    member_changed(r, o);
}

void path_quiet(struct realm *r, struct occupant *o)
{
    if (o->path.silent || o->invite != INVITE_ACTIVE || !jingle_may_restart(r, o->path.restarts))
        return;
    forget_silence(o);
    o->path.silent = true;
    restart(r, o);
}

void path_works(struct realm *r, struct occupant *o)
{
    if (!o->path.silent)
        return;
    forget_silence(o);
    member_unsaved(r, o);
}

void path_acknowledged(struct realm *r, struct occupant *o)
{
    o->path.acknowledged = r->now;
    o->path.acknowledged_by[0] = 0;
    member_unsaved(r, o);
}

/* Its signalling is alive and its media is not. */
void path_tick(struct realm *r, struct occupant *o)
{
    if (!o->path.silent || !o->path.acknowledged || o->path.understood ||
        r->now - o->path.acknowledged < ANSWER_TIME || o->invite != INVITE_ACTIVE ||
        !jingle_may_restart(r, o->restarts))
        return;
    r->counters[REALM_SESSIONS_RENEWED]++;
    focus_invite_again(r, o, "No media came any more");
}
