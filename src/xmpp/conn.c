/* Sockets: opening, closing, texts in and out. */
#include <stdlib.h>

#include "xmpp/inner.h"
#include "xmpp/ns.h"

enum { WS_TEXT = 4, WS_CLOSE = 5 };

static struct slice id_key(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

struct conn *conn_find(const struct xmpp *x, uint64_t id)
{
    return map_get(x->conns, id_key(&id));
}

void conn_write(struct xmpp *x, struct conn *c, struct slice text)
{
    outbox_add(x->outbox, OUTBOX_EDGE, 0, WS_TEXT, c->id, &text, 1);
}

void conn_free(struct xmpp *x, struct conn *c)
{
    (void)map_del(x->conns, id_key(&c->id)); /* the value is c */
    list_remove(&c->link);
    json_decref(c->claims);
    free(c->query);
    free(c);
}

void conn_close(struct xmpp *x, struct conn *c)
{
    struct slice reason = SLICE("{\"code\":1000,\"reason\":\"\"}");
    /* Jitsi's client compares this text byte by byte. */
    conn_write(x, c, SLICE("<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />"));
    outbox_add(x->outbox, OUTBOX_EDGE, 0, WS_CLOSE, c->id, &reason, 1);
    conn_free(x, c);
}

void conn_fail(struct xmpp *x, struct conn *c, const char *condition)
{
    x->counters[XMPP_STREAM_ERRORS]++;
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "error", NS_STREAM);
    xml_empty(w, condition, NS_STREAM_ERRORS);
    xml_close(w);
    conn_write(x, c, buf_slice(&x->scratch));
    struct session *s = c->session;
    conn_close(x, c);
    if (s) {
        s->conn = 0;
        session_end(x, s);
    }
}

static void read_origin(struct conn *c, json_t *open)
{
    const char *origin = json_string_value(json_object_get(open, "origin"));
    const char *host = json_string_value(json_object_get(open, "host"));
    (void)slice_copy(slice_str(host), c->host, sizeof c->host); /* only names the way back */
    c->secure = origin && strncmp(origin, "https:", 6) == 0;
    c->plain = origin && strncmp(origin, "http:", 5) == 0;
}

void xmpp_opened(struct xmpp *x, uint64_t id, json_t *open, struct slice tenant)
{
    struct conn *c = conn_find(x, id) ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->id = id;
    c->opened_at = x->now;
    read_origin(c, open);
    (void)slice_copy(tenant, c->tenant, sizeof c->tenant); /* a cut one fits no token */
    const char *query = json_string_value(json_object_get(open, "query"));
    c->query = strdup(query ? query : "");
    if (!c->query || map_put(x->conns, id_key(&id), c) != 0) {
        struct slice reason = SLICE("{\"code\":1013,\"reason\":\"full\"}");
        outbox_add(x->outbox, OUTBOX_EDGE, 0, WS_CLOSE, id, &reason, 1);
        free(c->query);
        free(c);
        return;
    }
    list_append(&x->conn_list, &c->link);
    x->counters[XMPP_OPENED]++;
}

bool xmpp_has(const struct xmpp *x, uint64_t conn)
{
    return conn_find(x, conn) != NULL;
}

/* The end of the stream by the client's own will: no resume after that. */
static void say_goodbye(struct xmpp *x, struct conn *c)
{
    struct session *s = c->session;
    conn_close(x, c);
    if (s) {
        s->conn = 0;
        session_end(x, s);
    }
}

void xmpp_input(struct xmpp *x, uint64_t id, struct slice text)
{
    struct conn *c = conn_find(x, id);
    if (!c)
        return; /* it crossed our close */
    struct xml_node *node;
    arena_reset(x->arena);
    int err = xml_parse(x->arena, text, SLICE(NS_CLIENT), &node);
    if (err) {
        x->counters[XMPP_MALFORMED]++;
        conn_fail(x, c, err == ERR_LIMIT ? "policy-violation" : "not-well-formed");
    } else if (xml_is(node, "close", NS_FRAMING)) {
        say_goodbye(x, c);
    } else if (c->state == CONN_BOUND) {
        session_input(x, c, node);
    } else {
        negotiate_input(x, c, node);
    }
}

void xmpp_closed(struct xmpp *x, uint64_t id)
{
    struct conn *c = conn_find(x, id);
    if (!c)
        return;
    struct session *s = c->session;
    conn_free(x, c);
    if (s)
        session_detach(x, s);
}

void xmpp_closed_all(struct xmpp *x)
{
    LIST_EACH(node, &x->conn_list)
    {
        struct conn *c = LIST_ITEM(node, struct conn, link);
        struct session *s = c->session;
        conn_free(x, c);
        if (s)
            session_detach(x, s);
    }
}
