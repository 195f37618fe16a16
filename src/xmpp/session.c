/* Bound sessions: stanzas in and out, stream management, their end. */
#include <stdlib.h>

#include "xmpp/inner.h"
#include "xmpp/ns.h"

enum { WS_TEXT_MANY = 6 };

/* Answers to many IQs of ours may come at once; what reaches others is limited by the room. */
#define STANZA_RATE 100
#define STANZA_BURST 2000
/* Unacknowledged stanzas after which we ask; the client asks us after 5. */
#define ASK_AFTER 8

struct session *session_new(struct xmpp *x, const char *jid, uint32_t handle)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->handle = handle;
    list_init(&s->link);
    list_init(&s->dirty);
    list_init(&s->doomed);
    (void)slice_copy(slice_str(jid), s->jid, sizeof s->jid);        /* same size as the caller's */
    (void)slice_copy(slice_of(s->jid, 8), s->nick, sizeof s->nick); /* eight of them */
    if (map_put(x->by_jid, slice_str(s->jid), s) != 0 ||
        map_put(x->by_nick, slice_str(s->nick), s) != 0 ||
        map_put(x->by_handle, slice_of(&s->handle, sizeof s->handle), s) != 0) {
        session_free(x, s);
        return NULL;
    }
    list_append(&x->sessions, &s->link);
    return s;
}

static void unmap(struct map *map, struct slice key, const struct session *s)
{
    if (map_get(map, key) == s)
        (void)map_del(map, key); /* freed by the caller */
}

void session_free(struct xmpp *x, struct session *s)
{
    unmap(x->by_jid, slice_str(s->jid), s);
    unmap(x->by_nick, slice_str(s->nick), s);
    unmap(x->by_sm, slice_str(s->sm_id), s);
    unmap(x->by_handle, slice_of(&s->handle, sizeof s->handle), s);
    list_remove(&s->link);
    list_remove(&s->dirty);
    list_remove(&s->doomed);
    sm_done(&s->sm, &x->texts);
    json_decref(s->claims);
    free(s);
}

void session_end(struct xmpp *x, struct session *s)
{
    struct conn *c = s->conn ? conn_find(x, s->conn) : NULL;
    if (c) {
        c->session = NULL;
        conn_close(x, c);
    }
    s->conn = 0;
    x->upper.ended(x->upper.arg, s);
    if (s->recorded)
        buf_add(&x->forgotten, slice_of(&s->handle, sizeof s->handle));
    session_free(x, s);
}

void session_dirty(struct xmpp *x, struct session *s, bool record)
{
    if (!s->sm.enabled)
        return; /* cannot be resumed: the journal need not know it */
    s->queue_dirty = true;
    s->record_dirty |= record;
    list_remove(&s->dirty);
    list_append(&x->dirty, &s->dirty);
}

void session_attach(struct xmpp *x, struct session *s, struct conn *c)
{
    c->state = CONN_BOUND;
    c->session = s;
    s->conn = c->id;
    s->heard_at = x->now;
}

void session_detach(struct xmpp *x, struct session *s)
{
    s->conn = 0;
    s->lost_at = x->now;
    s->sm.asked = false;
    x->counters[XMPP_LOST]++;
    if (!s->sm.enabled)
        session_end(x, s);
}

void xmpp_doom(struct xmpp *x, struct session *s, const char *condition)
{
    if (s->doom)
        return;
    s->doom = condition;
    list_append(&x->doomed, &s->doomed);
}

void xmpp_settle(struct xmpp *x)
{
    while (!list_empty(&x->doomed)) {
        struct session *s = LIST_ITEM(x->doomed.next, struct session, doomed);
        struct conn *c = s->conn ? conn_find(x, s->conn) : NULL;
        list_remove(&s->doomed);
        if (c)
            conn_fail(x, c, s->doom);
        else
            session_end(x, s);
    }
}

static void ask(struct xmpp *x, struct session *s)
{
    struct conn *c = conn_find(x, s->conn);
    if (!c || s->sm.asked)
        return;
    s->sm.asked = true;
    conn_write(x, c, SLICE("<r xmlns='" NS_SM "'/>"));
}

/* Keeps the text until the client has acknowledged it. */
static void queue(struct xmpp *x, struct session *s, struct text *text)
{
    if (!s->sm.enabled)
        return;
    if (sm_push(&s->sm, &x->texts, text) != 0)
        xmpp_doom(x, s, "policy-violation");
    session_dirty(x, s, false);
}

void xmpp_send(struct xmpp *x, struct session *s, struct text *text)
{
    struct conn *c = s->conn ? conn_find(x, s->conn) : NULL;
    queue(x, s, text);
    if (c)
        conn_write(x, c, text_slice(text));
    if (s->sm.count >= ASK_AFTER)
        ask(x, s);
}

void xmpp_send_many(struct xmpp *x, struct session *const *sessions, size_t count,
                    struct text *text)
{
    uint32_t live = 0;
    buf_clear(&x->fanout);
    for (size_t i = 0; i < count; i++) {
        queue(x, sessions[i], text);
        if (!sessions[i]->conn)
            continue;
        uint8_t id[8];
        for (size_t b = 0; b < 8; b++)
            id[b] = (uint8_t)(sessions[i]->conn >> (8 * b));
        buf_add(&x->fanout, slice_of(id, sizeof id));
        live++;
    }
    uint8_t head[4] = {(uint8_t)live, (uint8_t)(live >> 8), (uint8_t)(live >> 16),
                       (uint8_t)(live >> 24)};
    struct slice parts[] = {slice_of(head, sizeof head), buf_slice(&x->fanout), text_slice(text)};
    if (live > 0 && !x->fanout.failed)
        outbox_add(x->outbox, OUTBOX_EDGE, 0, WS_TEXT_MANY, 0, parts, 3);
    for (size_t i = 0; i < count; i++)
        if (sessions[i]->sm.count >= ASK_AFTER)
            ask(x, sessions[i]);
}

void session_resend(struct xmpp *x, struct session *s)
{
    struct conn *c = conn_find(x, s->conn);
    for (size_t i = 0; c && i < s->sm.count; i++)
        conn_write(x, c, text_slice(sm_at(&s->sm, i)));
    if (s->sm.count > 0)
        ask(x, s);
}

static void enable(struct xmpp *x, struct conn *c, struct session *s)
{
    ids_hex(&x->config.ids, s->sm_id, 32);
    if (s->sm.enabled || map_put(x->by_sm, slice_str(s->sm_id), s) != 0) {
        conn_write(x, c,
                   SLICE("<failed xmlns='" NS_SM "'><unexpected-request xmlns='" NS_STANZAS
                         "'/></failed>"));
        return;
    }
    s->sm.enabled = true;
    session_dirty(x, s, true);
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "enabled", NS_SM);
    xml_put_str(w, "id", s->sm_id);
    xml_put_str(w, "resume", "true");
    xml_put_u64(w, "max", SESSION_RESUME_TIME / USEC_PER_SEC);
    xml_close(w);
    conn_write(x, c, buf_slice(&x->scratch));
}

static void acknowledge(struct xmpp *x, struct conn *c, struct session *s)
{
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "a", NS_SM);
    xml_put_u64(w, "h", s->sm.handled);
    xml_close(w);
    conn_write(x, c, buf_slice(&x->scratch));
}

static void acknowledged(struct xmpp *x, struct session *s, const struct xml_node *node)
{
    uint64_t h;
    if (slice_to_u64(xml_get(node, "h"), UINT32_MAX, &h) != 0 ||
        sm_ack(&s->sm, &x->texts, (uint32_t)h) != 0)
        xmpp_doom(x, s, "undefined-condition");
    else
        session_dirty(x, s, false);
}

static void manage(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    struct session *s = c->session;
    if (slice_eq_str(node->name, "enable")) {
        enable(x, c, s);
    } else if (!s->sm.enabled) {
        conn_write(x, c,
                   SLICE("<failed xmlns='" NS_SM "'><unexpected-request xmlns='" NS_STANZAS
                         "'/></failed>"));
    } else if (slice_eq_str(node->name, "r")) {
        acknowledge(x, c, s);
    } else if (slice_eq_str(node->name, "a")) {
        acknowledged(x, s, node);
    } else {
        xmpp_doom(x, s, "unsupported-stanza-type");
    }
}

static bool is_request(const struct xml_node *iq)
{
    return slice_eq_str(xml_get(iq, "type"), "get") || slice_eq_str(xml_get(iq, "type"), "set");
}

static void handle_iq(struct xmpp *x, struct session *s, const struct xml_node *iq)
{
    struct slice type = xml_get(iq, "type");
    bool request = is_request(iq);
    if (!request && !slice_eq_str(type, "result") && !slice_eq_str(type, "error")) {
        xmpp_error(x, s, iq, "modify", "bad-request", "unknown type of iq");
    } else if (xml_get(iq, "id").len == 0 || (request && !xml_child(iq, NULL, NULL))) {
        xmpp_error(x, s, iq, "modify", "bad-request", "iq without id or payload");
    } else if (!disco_answer(x, s, iq)) {
        x->upper.stanza(x->upper.arg, s, iq);
    }
}

void session_input(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    struct session *s = c->session;
    s->heard_at = x->now;
    if (s->doom)
        return;
    if (slice_eq_str(node->ns, NS_SM)) {
        manage(x, c, node);
        return;
    }
    bool iq = xml_is(node, "iq", NS_CLIENT);
    if (!iq && !xml_is(node, "presence", NS_CLIENT) && !xml_is(node, "message", NS_CLIENT)) {
        xmpp_doom(x, s, "unsupported-stanza-type");
        return;
    }
    if (!bucket_take(&s->stanzas, x->now, STANZA_RATE, STANZA_BURST)) {
        xmpp_doom(x, s, "policy-violation");
        return;
    }
    x->counters[XMPP_STANZAS]++;
    if (s->sm.enabled) {
        s->sm.handled++;
        session_dirty(x, s, false);
    }
    if (iq)
        handle_iq(x, s, node);
    else
        x->upper.stanza(x->upper.arg, s, node);
}

/* How often sessions and connections are looked through. */
static const usec_t SWEEP = USEC_PER_SEC;

static void sweep_conn(struct xmpp *x, struct conn *c)
{
    if (c->state != CONN_BOUND && x->now - c->opened_at > CONN_SETUP_TIME)
        conn_fail(x, c, "connection-timeout");
}

static void sweep_session(struct xmpp *x, struct session *s)
{
    if (!s->conn) {
        if (x->now - s->lost_at > SESSION_RESUME_TIME)
            session_end(x, s);
        return;
    }
    usec_t silent = x->now - s->heard_at;
    if (silent > CONN_SILENCE_TIME) {
        struct conn *c = conn_find(x, s->conn);
        c->session = NULL;
        conn_fail(x, c, "connection-timeout");
        session_detach(x, s);
    } else if (s->sm.enabled && !s->sm.asked &&
               (silent > CONN_SILENCE_TIME / 2 || (s->sm.count > 0 && silent > 5 * SWEEP))) {
        ask(x, s);
    }
}

usec_t xmpp_tick(struct xmpp *x)
{
    if (x->now >= x->next_sweep) {
        x->next_sweep = x->now + SWEEP;
        LIST_EACH(node, &x->conn_list)
        sweep_conn(x, LIST_ITEM(node, struct conn, link));
        LIST_EACH(node, &x->sessions)
        sweep_session(x, LIST_ITEM(node, struct session, link));
    }
    xmpp_settle(x);
    bool idle = list_empty(&x->conn_list) && list_empty(&x->sessions);
    return idle ? USEC_NEVER : x->next_sweep;
}
