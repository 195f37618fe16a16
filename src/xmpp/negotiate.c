/* From the opened socket to the bound or resumed session (RFC 7395, RFC 6120 sections 6 and 7). */
#include <stdlib.h>

#include "xmpp/inner.h"
#include "xmpp/ns.h"
#include "xmpp/query.h"

static void send_open(struct xmpp *x, struct conn *c)
{
    char id[17];
    ids_hex(&x->config.ids, id, 16);
    /* The client takes nothing for an opening that does not begin with `<open `. */
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "open", NS_FRAMING);
    xml_put_str(w, "from", x->config.domain);
    xml_put_str(w, "id", id);
    xml_put_str(w, "version", "1.0");
    xml_close(w);
    conn_write(x, c, buf_slice(&x->scratch));
}

static void open_stream(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    if (!xml_is(node, "open", NS_FRAMING)) {
        conn_fail(x, c, "bad-format");
        return;
    }
    send_open(x, c);
    if (!slice_eq_nocase(xml_get(node, "to"), slice_str(x->config.domain))) {
        conn_fail(x, c, "host-unknown");
        return;
    }
    if (c->state == CONN_OPEN) {
        c->state = CONN_AUTH;
        conn_write(x, c,
                   SLICE("<stream:features xmlns:stream='" NS_STREAM "'><mechanisms xmlns='" NS_SASL
                         "'><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>"));
    } else {
        c->state = CONN_BIND;
        conn_write(x, c,
                   SLICE("<stream:features xmlns:stream='" NS_STREAM "'><bind xmlns='" NS_BIND
                         "'/><sm xmlns='" NS_SM "'/></stream:features>"));
    }
}

/* The client finds the reason by an expression that wants exactly this form. */
static void refuse_auth(struct xmpp *x, struct conn *c, const char *condition, const char *reason)
{
    x->counters[XMPP_AUTH_FAILED]++;
    struct xml_writer *w = xmpp_begin(x);
    buf_printf(&x->scratch, "<failure xmlns='" NS_SASL "'><%s/><text>", condition);
    xml_chars(w, slice_str(reason));
    buf_add_str(&x->scratch, "</text></failure>");
    conn_write(x, c, buf_slice(&x->scratch));
    if (++c->auth_tries >= CONN_AUTH_TRIES)
        conn_fail(x, c, "policy-violation");
}

/* The address names a session that waits here: its person was let in when it began. */
static bool comes_back(const struct xmpp *x, const struct conn *c)
{
    char id[sizeof((struct session *)0)->sm_id];
    return query_get(slice_str(c->query), "previd", id, sizeof id) && id[0] &&
           map_get(x->by_sm, slice_str(id));
}

/* Whoever is inside stays, however old the token has become and whatever happened to the clock:
 * such a token is good for a resume and nothing else. */
static int check_token(struct xmpp *x, struct conn *c, struct slice text, json_t **ret_claims,
                       const char **ret_reason)
{
    const struct token_config *config = &x->config.tokens;
    struct slice tenant = slice_str(c->tenant);
    int err = token_check(config, text, tenant, x->wall_ms / 1000, ret_claims, ret_reason);
    if (!err || !comes_back(x, c))
        return err;
    const char *other;
    c->resume_only = true;
    return token_check(config, text, tenant, TOKEN_ANY_TIME, ret_claims, &other);
}

static int check_user(struct xmpp *x, struct conn *c, const char **ret_reason)
{
    char *text = malloc(TOKEN_SIZE_MAX + 2);
    if (!text)
        return ERR_MEMORY;
    bool given = query_get(slice_str(c->query), "token", text, TOKEN_SIZE_MAX + 2) && text[0];
    int err = 0;
    json_t *claims = NULL;
    if (given || !x->config.anonymous)
        err = check_token(x, c, slice_str(text), &claims, ret_reason);
    free(text);
    if (err || !claims)
        return err;
    json_decref(c->claims);
    c->claims = claims;
    token_read(claims, &c->token);
    return 0;
}

static void authenticate(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    const char *reason = "out of memory";
    if (!xml_is(node, "auth", NS_SASL)) {
        conn_fail(x, c, "not-authorized");
    } else if (!slice_eq_str(xml_get(node, "mechanism"), "ANONYMOUS")) {
        refuse_auth(x, c, "invalid-mechanism", "only ANONYMOUS is offered");
    } else if (check_user(x, c, &reason) != 0) {
        refuse_auth(x, c, "not-allowed", reason);
    } else {
        c->state = CONN_REOPEN;
        conn_write(x, c, SLICE("<success xmlns='" NS_SASL "'/>"));
    }
}

/* A node whose first eight digits nobody else has: they become the endpoint's name. */
static void choose_jid(struct xmpp *x, char *out, size_t size)
{
    char uuid[37], resource[9];
    do
        ids_uuid(&x->config.ids, uuid);
    while (map_get(x->by_nick, slice_of(uuid, 8)));
    ids_alnum(&x->config.ids, resource, 8);
    struct buf jid;
    buf_init(&jid, size);
    buf_printf(&jid, "%s@%s/%s", uuid, x->config.domain, resource);
    (void)slice_copy(buf_slice(&jid), out, size); /* the domain's length was checked */
    buf_done(&jid);
}

static void bind_session(struct xmpp *x, struct conn *c, const struct xml_node *iq)
{
    char jid[sizeof((struct session *)0)->jid];
    choose_jid(x, jid, sizeof jid);
    struct session *s = session_new(x, jid, x->next_handle);
    if (!s) {
        conn_fail(x, c, "resource-constraint");
        return;
    }
    x->next_handle++;
    s->claims = c->claims;
    s->token = c->token;
    c->claims = NULL;
    memcpy(s->host, c->host, sizeof s->host);
    s->secure = c->secure;
    s->plain = c->plain;
    session_attach(x, s, c);
    x->counters[XMPP_BOUND]++;
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "iq", NS_CLIENT);
    xml_put_str(w, "type", "result");
    xml_put(w, "id", xml_get(iq, "id"));
    xml_open(w, "bind", NS_BIND);
    xml_leaf(w, "jid", NS_BIND, slice_str(s->jid));
    xml_close(w);
    xml_close(w);
    xmpp_finish(x, s);
}

/* The new socket must carry as good a token as the session was opened with: the same person's. */
static bool same_user(const struct session *s, const struct conn *c)
{
    return s->token.present == c->token.present && strcmp(s->token.id, c->token.id) == 0 &&
           strcmp(s->token.room, c->token.room) == 0;
}

static void resume(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    uint64_t h = 0;
    struct session *s = map_get(x->by_sm, xml_get(node, "previd"));
    if (!s || s->doom || !same_user(s, c) ||
        slice_to_u64(xml_get(node, "h"), UINT32_MAX, &h) != 0 ||
        sm_ack(&s->sm, &x->texts, (uint32_t)h) != 0) {
        x->counters[XMPP_RESUME_FAILED]++;
        conn_write(
            x, c,
            SLICE("<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZAS "'/></failed>"));
        return;
    }
    struct conn *old = s->conn ? conn_find(x, s->conn) : NULL;
    if (old) {
        old->session = NULL;
        conn_fail(x, old, "conflict");
    }
    memcpy(s->host, c->host, sizeof s->host);
    s->secure = c->secure;
    s->plain = c->plain;
    session_attach(x, s, c);
    session_dirty(x, s, true);
    x->counters[XMPP_RESUMED]++;
    struct xml_writer *w = xmpp_begin(x);
    xml_open(w, "resumed", NS_SM);
    xml_put_u64(w, "h", s->sm.handled);
    xml_put_str(w, "previd", s->sm_id);
    xml_close(w);
    conn_write(x, c, buf_slice(&x->scratch));
    session_resend(x, s);
}

void negotiate_input(struct xmpp *x, struct conn *c, const struct xml_node *node)
{
    if (c->state == CONN_OPEN || c->state == CONN_REOPEN)
        open_stream(x, c, node);
    else if (c->state == CONN_AUTH)
        authenticate(x, c, node);
    else if (xml_is(node, "resume", NS_SM))
        resume(x, c, node);
    else if (!c->resume_only && xml_is(node, "iq", NS_CLIENT) &&
             slice_eq_str(xml_get(node, "type"), "set") && xml_child(node, "bind", NS_BIND))
        bind_session(x, c, node);
    else
        conn_fail(x, c, "not-authorized");
}
