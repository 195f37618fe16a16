/* The server's own life, and how stanzas are built. */
#include "xmpp/server.h"

#include <stdlib.h>

#include "xmpp/inner.h"
#include "xmpp/ns.h"

const char *const xmpp_counter_names[XMPP_COUNTERS] = {
    "connections_total",   "bound_total",         "resumed_total",
    "resume_failed_total", "auth_failed_total",   "malformed_total",
    "stanzas_total",       "stream_errors_total", "sockets_lost_total",
};

/* A session-initiate with the sources of a thousand members. */
static const size_t STANZA_OUT_MAX = (size_t)1024 * 1024;

static bool make_maps(struct xmpp *x)
{
    size_t max = x->config.sessions_max;
    uint64_t seed = x->config.seed;
    x->conns = map_new(max * 2, seed);
    x->by_jid = map_new(max, seed);
    x->by_nick = map_new(max, seed);
    x->by_sm = map_new(max, seed);
    x->by_handle = map_new(max, seed);
    x->loaded_texts = map_new(max * 64, seed);
    x->arena = arena_new(XML_ARENA_MAX);
    return x->conns && x->by_jid && x->by_nick && x->by_sm && x->by_handle && x->loaded_texts &&
           x->arena;
}

struct xmpp *xmpp_new(const struct xmpp_config *config, struct outbox *outbox,
                      const struct xmpp_upper *upper)
{
    struct xmpp *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->config = *config;
    x->outbox = outbox;
    x->upper = *upper;
    x->next_handle = 1;
    list_init(&x->conn_list);
    list_init(&x->sessions);
    list_init(&x->dirty);
    list_init(&x->doomed);
    text_pool_init(&x->texts);
    buf_init(&x->scratch, STANZA_OUT_MAX);
    buf_init(&x->fanout, config->sessions_max * 8);
    buf_init(&x->forgotten, (size_t)1024 * 1024);
    if (!make_maps(x))
        xmpp_free(&x);
    return x;
}

void xmpp_free(struct xmpp **xmpp)
{
    struct xmpp *x = *xmpp;
    if (!x)
        return;
    *xmpp = NULL;
    LIST_EACH(node, &x->conn_list)
    conn_free(x, LIST_ITEM(node, struct conn, link));
    LIST_EACH(node, &x->sessions)
    session_free(x, LIST_ITEM(node, struct session, link));
    struct map_iter iter = {0};
    while (x->loaded_texts && map_next(x->loaded_texts, &iter)) {
        struct text *text = iter.value;
        text_unref(&x->texts, &text);
    }
    map_free(&x->conns);
    map_free(&x->by_jid);
    map_free(&x->by_nick);
    map_free(&x->by_sm);
    map_free(&x->by_handle);
    map_free(&x->loaded_texts);
    arena_free(&x->arena);
    text_pool_done(&x->texts);
    buf_done(&x->scratch);
    buf_done(&x->fanout);
    buf_done(&x->forgotten);
    free(x);
}

void xmpp_configure(struct xmpp *x, const struct token_config *tokens, bool anonymous)
{
    x->config.tokens = *tokens;
    x->config.anonymous = anonymous;
}

void xmpp_clock(struct xmpp *x, usec_t now, int64_t wall_ms)
{
    x->now = now;
    x->wall_ms = wall_ms;
}

struct text_pool *xmpp_texts(struct xmpp *x)
{
    return &x->texts;
}

struct session *xmpp_find(const struct xmpp *x, struct slice full_jid)
{
    return map_get(x->by_jid, full_jid);
}

struct session *xmpp_by_handle(const struct xmpp *x, uint32_t handle)
{
    return map_get(x->by_handle, slice_of(&handle, sizeof handle));
}

size_t xmpp_count(const struct xmpp *x)
{
    return map_count(x->by_jid);
}

const uint64_t *xmpp_counters(const struct xmpp *x)
{
    return x->counters;
}

struct xml_writer *xmpp_begin(struct xmpp *x)
{
    buf_clear(&x->scratch);
    xml_writer_init(&x->writer, &x->scratch);
    return &x->writer;
}

struct xml_writer *xmpp_begin_stanza(struct xmpp *x, const char *name, const char *type,
                                     const char *from, const char *to, struct slice id)
{
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, name, NS_CLIENT);
    if (type)
        xml_put_str(w, "type", type);
    if (id.len > 0)
        xml_put(w, "id", id);
    if (from)
        xml_put_str(w, "from", from);
    if (to)
        xml_put_str(w, "to", to);
    return w;
}

struct text *xmpp_take(struct xmpp *x)
{
    return x->scratch.failed ? NULL : text_new(&x->texts, buf_slice(&x->scratch));
}

void xmpp_finish(struct xmpp *x, struct session *session)
{
    struct text *text = xmpp_take(x);
    if (text)
        xmpp_send(x, session, text);
    else
        xmpp_doom(x, session, "resource-constraint");
    text_unref(&x->texts, &text);
}

struct xml_writer *xmpp_begin_result(struct xmpp *x, const struct session *session,
                                     const struct xml_node *iq)
{
    struct xml_writer *w =
        xmpp_begin_stanza(x, "iq", "result", NULL, session->jid, xml_get(iq, "id"));
    struct slice to = xml_get(iq, "to");
    if (to.len > 0)
        xml_put(w, "from", to);
    return w;
}

void xmpp_result(struct xmpp *x, struct session *session, const struct xml_node *iq)
{
    xml_close(xmpp_begin_result(x, session, iq));
    xmpp_finish(x, session);
}

struct xml_writer *xmpp_begin_error(struct xmpp *x, const struct session *session,
                                    const struct xml_node *stanza, const char *type,
                                    const char *condition, const char *text)
{
    const char *name = xml_is(stanza, "iq", NULL)         ? "iq"
                       : xml_is(stanza, "presence", NULL) ? "presence"
                                                          : "message";
    struct xml_writer *w =
        xmpp_begin_stanza(x, name, "error", NULL, session->jid, xml_get(stanza, "id"));
    struct slice to = xml_get(stanza, "to");
    if (to.len > 0)
        xml_put(w, "from", to);
    xml_open(w, "error", NS_CLIENT);
    xml_put_str(w, "type", type);
    xml_empty(w, condition, NS_STANZAS);
    if (text)
        xml_leaf(w, "text", NS_STANZAS, slice_str(text));
    return w;
}

void xmpp_error(struct xmpp *x, struct session *session, const struct xml_node *stanza,
                const char *type, const char *condition, const char *text)
{
    struct slice kind = xml_get(stanza, "type");
    if (slice_eq_str(kind, "error") || slice_eq_str(kind, "result"))
        return;
    struct xml_writer *w = xmpp_begin_error(x, session, stanza, type, condition, text);
    xml_close(w);
    xml_close(w);
    xmpp_finish(x, session);
}
