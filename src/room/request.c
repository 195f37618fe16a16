/* The conference request: a client asks the focus for a room before it joins, by IQ or HTTP. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"
#include "xmpp/query.h"

/* A measurement takes ten seconds, over a slow line up to half a minute. */
static const usec_t CHECK_TIME = 45 * USEC_PER_SEC;
/* A token for one is good for this long after it was made, whatever stream lives on. */
static const int64_t CHECK_TOKEN_TIME = 60;

/* A room that a token for measuring a line opens; NULL when it is too old. */
static struct room *check_room(struct realm *r, const struct token *token, const char *name)
{
    if (r->wall_ms / 1000 > token->issued_at + CHECK_TOKEN_TIME || strcmp(token->room, name) != 0)
        return NULL;
    struct room *room = room_get(r, name);
    if (room) {
        room->check_until = r->now + CHECK_TIME;
        room->policy = (struct policy){.microphone = true, .camera = true};
    }
    return room;
}

/* The room of that address, made when rooms are open; NULL with a reason. */
static struct room *request_room(struct realm *r, const struct token *token, struct slice jid)
{
    char name[ROOM_NAME_MAX];
    struct jid parts = jid_split(jid);
    if (!slice_eq_str(parts.domain, r->muc) || !jid_lower(parts.node, name, sizeof name))
        return NULL;
    struct room *room = room_find(r, slice_str(name));
    if (!room && token_checks(token))
        room = check_room(r, token, name);
    else if (!room && r->config.open_rooms && token_opens(token, name))
        room = room_get(r, name);
    if (!room || !room_admits(r, room, token))
        return NULL;
    if (!room->requested) {
        room->requested = true;
        room->idle_at = r->now;
        room_unsaved(r, room);
    }
    return room;
}

static const char *const properties[][2] = {{"authentication", "false"},
                                            {"externalAuth", "false"},
                                            {"sipGatewayEnabled", "false"},
                                            {"visitors-supported", "false"}};

void request_iq(struct realm *r, struct session *s, const struct xml_node *iq)
{
    const struct xml_node *ask = xml_child(iq, "conference", NS_FOCUS);
    struct slice jid = xml_get(ask, "room");
    if (!request_room(r, &s->token, jid)) {
        r->counters[REALM_JOINS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "cancel", "not-allowed", "There is no such room for you");
        return;
    }
    struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
    xml_open(w, "conference", NS_FOCUS);
    xml_put(w, "room", jid);
    xml_put_str(w, "ready", "true");
    xml_put_str(w, "focusjid", r->focus_jid);
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        xml_open(w, "property", NS_FOCUS);
        xml_put_str(w, "name", properties[i][0]);
        xml_put_str(w, "value", properties[i][1]);
        xml_close(w);
    }
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

/* Takes the reference of `body`, which may be NULL. */
static void respond(struct realm *r, uint64_t id, int status, json_t *body)
{
    char *text = dump_json(body);
    json_t *head = json_pack("{si s{ss ss ss ss ss}}", "status", status, "headers", "content-type",
                             text ? "application/json" : "text/plain",
                             "access-control-allow-origin", "*", "access-control-allow-headers",
                             "authorization, content-type", "access-control-allow-methods",
                             "GET, POST, OPTIONS", "cache-control", "no-store");
    char *lines = dump_json(head);
    if (lines) {
        uint32_t len = (uint32_t)strlen(lines);
        uint8_t size[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
                           (uint8_t)(len >> 24)};
        struct slice parts[] = {slice_of(size, 4), slice_str(lines), slice_str(text)};
        outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_HTTP_RESPONSE, id, parts, 3);
    }
    free(lines);
    free(text);
}

static void fail(struct realm *r, uint64_t id, int status, const char *why)
{
    respond(r, id, status, json_pack("{ss}", "error", why));
}

/* The bearer's token, or the one in the query. */
static int bearer(struct realm *r, json_t *head, struct token *ret_token, const char **ret_reason)
{
    const char *auth =
        json_string_value(json_object_get(json_object_get(head, "headers"), "authorization"));
    const char *query = json_string_value(json_object_get(head, "query"));
    struct slice text = slice_str(auth);
    char *from_query = NULL;
    *ret_token = (struct token){0};
    if (slice_starts(text, SLICE("Bearer "))) {
        text = slice_trim(slice_sub(text, 7, text.len));
    } else {
        from_query = malloc(TOKEN_SIZE_MAX + 2);
        if (!from_query)
            return ERR_MEMORY;
        (void)query_get(slice_str(query), "token", from_query,
                        TOKEN_SIZE_MAX + 2); /* empty when absent */
        text = slice_str(from_query);
    }
    json_t *claims = NULL;
    int err = 0;
    if (text.len > 0 || !r->config.anonymous)
        err = token_check(&r->config.tokens, text, slice_of(NULL, 0), r->wall_ms / 1000, &claims,
                          ret_reason);
    if (!err && claims)
        token_read(claims, ret_token);
    json_decref(claims);
    free(from_query);
    return err;
}

static void request_post(struct realm *r, uint64_t id, json_t *head, struct slice body)
{
    struct token token;
    const char *reason = "out of memory";
    if (bearer(r, head, &token, &reason) != 0) {
        fail(r, id, 403, reason);
        return;
    }
    json_t *ask = parse_json(body);
    const char *jid = json_string_value(json_object_get(ask, "room"));
    if (!jid)
        fail(r, id, 400, "the request names no room");
    else if (!request_room(r, &token, slice_str(jid)))
        fail(r, id, 403, "there is no such room for you");
    else
        respond(r, id, 200,
                json_pack("{sb ss s{ss ss ss ss}}", "ready", 1, "focusJid", r->focus_jid,
                          "properties", properties[0][0], properties[0][1], properties[1][0],
                          properties[1][1], properties[2][0], properties[2][1], properties[3][0],
                          properties[3][1]));
    json_decref(ask);
}

void request_http(struct realm *r, uint64_t id, struct slice payload)
{
    size_t len = payload.len < 4
                     ? 0
                     : (size_t)payload.data[0] | (size_t)payload.data[1] << 8 |
                           (size_t)payload.data[2] << 16 | (size_t)payload.data[3] << 24;
    json_t *head =
        len > 0 && len <= payload.len - 4 ? parse_json(slice_sub(payload, 4, len)) : NULL;
    struct slice body = slice_sub(payload, 4 + len, payload.len);
    const char *method = json_string_value(json_object_get(head, "method"));
    const char *path = json_string_value(json_object_get(head, "path"));
    struct slice where = slice_str(path);
    if (!method || !path) {
        r->counters[REALM_BUS_MALFORMED]++;
        fail(r, id, 400, "malformed request");
    } else if (strcmp(method, "OPTIONS") == 0) {
        respond(r, id, 204, NULL);
    } else if (slice_ends(where, SLICE("/conference-request/v1"))) {
        if (strcmp(method, "POST") == 0)
            request_post(r, id, head, body);
        else
            fail(r, id, 405, "POST only");
    } else if (slice_ends(where, SLICE("/xmpp-websocket"))) {
        respond(r, id, 200, NULL); /* the clients' keep-alive */
    } else {
        fail(r, id, 404, "no such page");
    }
    json_decref(head);
}
