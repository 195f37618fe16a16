#include "room/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/jwt.h"
#include "room/inner.h"

#define D "meet.example"

static void fill(void *arg, void *out, size_t len)
{
    struct world *w = arg;
    for (size_t i = 0; i < len; i++) {
        w->random = w->random * 1664525u + 1013904223u;
        ((uint8_t *)out)[i] = (uint8_t)(w->random >> 24);
    }
}

static void make_realm(struct world *w)
{
    w->realm = realm_new(&w->config);
    assert_non_null(w->realm);
    realm_clock(w->realm, w->now, w->wall_ms);
}

struct world *world_new(bool strict)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now = 1000 * USEC_PER_SEC;
    w->wall_ms = INT64_C(1800000000000);
    w->next_conn = 1;
    w->random = 1;
    w->config = (struct realm_config){
        .domain = D,
        .websocket = "wss://" D,
        .open_rooms = !strict,
        .anonymous = !strict,
        .occupants_max = 600,
        .sessions_max = 1000,
        .rooms_max = 1000,
        .codecs = "vp8 av1 h264",
        .tokens = {.domain = D,
                   .key_count = 1,
                   .keys = {{.jwt = {JWT_HS256, SLICE(WORLD_KEY)},
                             .issuers = {"darasa"},
                             .audiences = {"darasa"}}}},
        .ids = {fill, w},
        .seed = 7,
    };
    make_realm(w);
    return w;
}

void world_forget(struct world *w)
{
    for (size_t i = 0; i < w->seen_count; i++) {
        json_decref(w->seen[i].body);
        free(w->seen[i].text);
    }
    w->seen_count = 0;
}

void client_forget(struct client *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->inbox[i]);
    c->count = 0;
}

void world_free(struct world **world)
{
    struct world *w = *world;
    realm_free(&w->realm);
    world_forget(w);
    for (size_t i = 0; i < w->client_count; i++) {
        client_forget(&w->clients[i]);
        free(w->clients[i].inbox);
    }
    for (size_t i = 0; i < w->pair_count; i++) {
        free(w->pairs[i].key);
        free(w->pairs[i].value);
    }
    free(w->pairs);
    free(w);
    *world = NULL;
}

static struct client *by_conn(struct world *w, uint64_t conn)
{
    for (size_t i = w->client_count; i > 0; i--)
        if (w->clients[i - 1].conn == conn)
            return &w->clients[i - 1];
    return NULL;
}

static void check_stanza(const char *text, size_t len)
{
    struct arena *arena = arena_new(XML_ARENA_MAX * 4);
    struct xml_node *node;
    if (len > XML_SIZE_MAX) {
        arena_free(&arena);
        return; /* ours may be larger than a client's */
    }
    int err = xml_parse(arena, slice_of(text, len), SLICE("none"), &node);
    if (err && err != ERR_LIMIT)
        fail_msg("not well-formed (%s): %.*s", err_name(err), (int)len, text);
    if (!err && slice_eq_str(node->ns, "none"))
        fail_msg("no xmlns: %.*s", (int)len, text);
    arena_free(&arena);
}

static void deliver(struct world *w, uint64_t conn, struct slice text)
{
    struct client *c = by_conn(w, conn);
    if (!c || !c->open)
        return;
    if (text.len > 0 && text.data[0] == '<')
        check_stanza((const char *)text.data, text.len);
    if (slice_starts(text, SLICE("<iq")) || slice_starts(text, SLICE("<message")) ||
        slice_starts(text, SLICE("<presence")))
        c->handled++;
    w->bytes_out += text.len;
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->inbox = realloc(c->inbox, c->cap * sizeof *c->inbox);
        assert_non_null(c->inbox);
    }
    c->inbox[c->count++] = strndup((const char *)text.data, text.len);
}

static uint64_t le(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static char *copy_of(struct slice s)
{
    char *copy = malloc(s.len + 1);
    assert_non_null(copy);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return copy;
}

static void keep_seen(struct world *w, const struct outbox_frame *f)
{
    struct slice json = f->payload;
    struct slice rest = slice_of(NULL, 0);
    if (f->peer == OUTBOX_EDGE) {
        size_t len = (size_t)le(json.data, 4);
        rest = slice_sub(json, 4 + len, json.len);
        json = slice_sub(json, 4, len);
    }
    if (w->quiet)
        return;
    assert_true(w->seen_count < WORLD_FRAMES);
    struct seen *s = &w->seen[w->seen_count++];
    *s = (struct seen){f->peer, f->number, f->type, f->id, NULL, NULL};
    s->body = json_loadb((const char *)json.data, json.len, 0, NULL);
    s->text = copy_of(rest);
    assert_non_null(s->body);
}

static void edge_frame(struct world *w, const struct outbox_frame *f)
{
    struct client *c = by_conn(w, f->id);
    json_t *body;
    switch (f->type) {
    case EDGE_WS_ACCEPT:
        c->open = true;
        break;
    case EDGE_WS_REFUSE:
        c->refused = true;
        break;
    case EDGE_WS_TEXT:
        deliver(w, f->id, f->payload);
        break;
    case EDGE_WS_TEXT_MANY: {
        size_t count = (size_t)le(f->payload.data, 4);
        struct slice text = slice_sub(f->payload, 4 + count * 8, f->payload.len);
        for (size_t i = 0; i < count; i++)
            deliver(w, le(f->payload.data + 4 + i * 8, 8), text);
        break;
    }
    case EDGE_WS_CLOSE:
        body = json_loadb((const char *)f->payload.data, f->payload.len, 0, NULL);
        if (c && c->open)
            c->close_code = (int)json_integer_value(json_object_get(body, "code"));
        if (c)
            c->open = false;
        json_decref(body);
        break;
    default:
        keep_seen(w, f);
    }
}

static void nothing(void *arg)
{
}

static int taken(void *arg)
{
    return 0;
}

static struct pair *find_pair(struct world *w, struct slice key)
{
    for (size_t i = 0; i < w->pair_count; i++)
        if (w->pairs[i].key_len == key.len && memcmp(w->pairs[i].key, key.data, key.len) == 0)
            return &w->pairs[i];
    return NULL;
}

static int put(void *arg, struct slice key, struct slice value)
{
    struct world *w = arg;
    struct pair *p = find_pair(w, key);
    if (!p) {
        if (w->pair_count == w->pair_cap) {
            w->pair_cap = w->pair_cap ? w->pair_cap * 2 : 64;
            w->pairs = realloc(w->pairs, w->pair_cap * sizeof *w->pairs);
            assert_non_null(w->pairs);
        }
        p = &w->pairs[w->pair_count++];
        *p = (struct pair){copy_of(key), key.len, NULL, 0};
    }
    free(p->value);
    p->value = copy_of(value);
    p->value_len = value.len;
    return 0;
}

static int del(void *arg, struct slice key)
{
    struct world *w = arg;
    struct pair *p = find_pair(w, key);
    if (!p)
        return 0;
    free(p->key);
    free(p->value);
    *p = w->pairs[--w->pair_count];
    return 0;
}

void world_pump(struct world *w)
{
    const struct keeper keeper = {nothing, taken, put, del, w};
    struct outbox_frame f;
    if (!w->quiet)
        assert_int_equal(realm_save(w->realm, &keeper), 0);
    while (realm_take(w->realm, &f)) {
        if (f.peer == OUTBOX_EDGE)
            edge_frame(w, &f);
        else
            keep_seen(w, &f);
    }
}

void world_run(struct world *w, usec_t time)
{
    usec_t until = w->now + time;
    while (w->now < until) {
        usec_t step = usec_min(USEC_PER_SEC / 4, until - w->now);
        w->now += step;
        w->wall_ms += step / USEC_PER_MSEC;
        realm_clock(w->realm, w->now, w->wall_ms);
        (void)realm_tick(w->realm);
        world_pump(w);
    }
}

void world_restart(struct world *w)
{
    realm_free(&w->realm);
    for (size_t i = 0; i < w->client_count; i++)
        w->clients[i].open = false;
    make_realm(w);
    for (size_t i = 0; i < w->pair_count; i++)
        realm_load(w->realm, slice_of(w->pairs[i].key, w->pairs[i].key_len),
                   slice_of(w->pairs[i].value, w->pairs[i].value_len));
    realm_loaded(w->realm);
    world_pump(w);
}

void world_bridge(struct world *w, unsigned number, uint16_t type, const char *text)
{
    assert_int_equal(realm_input_bridge(w->realm, number, type, slice_str(text)), 0);
    world_pump(w);
}

void world_bridge_up(struct world *w, unsigned number, const char *boot)
{
    char text[640];
    (void)snprintf(text, sizeof text,
                   "{\"version\":1,\"worker\":%u,\"boot\":\"%s\",\"fingerprint\":{\"hash\":"
                   "\"sha-256\",\"value\":\"AA:BB\"},\"candidates\":[{\"ip\":\"203.0.113.5\","
                   "\"port\":10000,\"type\":\"host\",\"priority\":2130706431,\"foundation\":"
                   "\"1\"},{\"ip\":\"203.0.113.5\",\"port\":10000,\"protocol\":\"tcp\","
                   "\"tcptype\":\"passive\",\"type\":\"host\",\"priority\":1509949439,"
                   "\"foundation\":\"2\"}]}",
                   number, boot);
    world_bridge(w, number, BRIDGE_HELLO, text);
}

void world_web(struct world *w, uint16_t type, uint64_t id, const char *text)
{
    assert_int_equal(realm_input_web(w->realm, type, id, slice_str(text)), 0);
    world_pump(w);
}

static bool fits(const struct seen *s, enum outbox_peer peer, uint16_t type, const char *part)
{
    if (s->peer != peer || s->type != type)
        return false;
    char *text = json_dumps(s->body, JSON_COMPACT);
    bool found = !part || strstr(text, part);
    free(text);
    return found;
}

static struct seen taken_out;

static struct seen *take_at(struct world *w, size_t i)
{
    taken_out = w->seen[i];
    /* Borrowed bodies live until the world forgets: they move to the end, unmatched by peers. */
    memmove(&w->seen[i], &w->seen[i + 1], (w->seen_count - i - 1) * sizeof w->seen[0]);
    w->seen[w->seen_count - 1] =
        (struct seen){.peer = 99, .body = taken_out.body, .text = taken_out.text};
    return &taken_out;
}

struct seen *world_take(struct world *w, enum outbox_peer peer, uint16_t type, const char *part)
{
    for (size_t i = 0; i < w->seen_count; i++)
        if (fits(&w->seen[i], peer, type, part))
            return take_at(w, i);
    return NULL;
}

struct seen *world_last(struct world *w, enum outbox_peer peer, uint16_t type, const char *part)
{
    for (size_t i = w->seen_count; i > 0; i--)
        if (fits(&w->seen[i - 1], peer, type, part))
            return &w->seen[i - 1];
    return NULL;
}

char *world_token(struct world *w, const char *id, const char *name, const char *role,
                  const char *features, const char *room)
{
    const struct jwt_key key = {JWT_HS256, SLICE(WORLD_KEY)};
    char *token = NULL;
    json_t *claims =
        json_pack("{ss ss ss ss sI sI s{s{ss ss ss ss}}}", "iss", "darasa", "aud", "darasa", "sub",
                  "*", "room", room, "exp", (json_int_t)(w->wall_ms / 1000 + 3600), "iat",
                  (json_int_t)(w->wall_ms / 1000), "context", "user", "id", id, "name", name,
                  "role", role, "moderator", strcmp(role, "teacher") == 0 ? "true" : "false");
    if (features)
        json_object_set_new(json_object_get(claims, "context"), "features",
                            json_loads(features, 0, NULL));
    assert_int_equal(jwt_sign(claims, &key, NULL, &token), 0);
    json_decref(claims);
    return token;
}

struct client *client_open(struct world *w, const char *path, const char *query, bool xmpp)
{
    assert_true(w->client_count < WORLD_CLIENTS);
    struct client *c = &w->clients[w->client_count++];
    *c = (struct client){.world = w, .conn = w->next_conn++, .json = true};
    c->ssrc = (uint32_t)(c->conn * 1000);
    json_t *open = json_pack("{ss ss s[] ss ss ss}", "path", path, "query", query, "protocols",
                             "host", "school.example:8443", "origin", "https://school.example:8443",
                             "address", "192.0.2.1");
    if (xmpp)
        json_array_append_new(json_object_get(open, "protocols"), json_string("xmpp"));
    char *text = json_dumps(open, 0);
    json_decref(open);
    assert_int_equal(realm_input_edge(w->realm, EDGE_WS_OPEN, c->conn, slice_str(text)), 0);
    free(text);
    world_pump(w);
    return c;
}

void client_send(struct client *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    assert_true(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    assert_int_equal(realm_input_edge(c->world->realm, EDGE_WS_TEXT, c->conn, slice_str(text)), 0);
    free(text);
    world_pump(c->world);
}

void client_vanish(struct client *c)
{
    c->open = false;
    assert_int_equal(realm_input_edge(c->world->realm, EDGE_WS_CLOSE, c->conn,
                                      SLICE("{\"code\":1006,\"reason\":\"\"}")),
                     0);
    world_pump(c->world);
}

static bool holds_all(const char *text, va_list args)
{
    va_list copy;
    bool all = true;
    va_copy(copy, args);
    for (const char *part; (part = va_arg(copy, const char *));)
        all &= strstr(text, part) != NULL;
    va_end(copy);
    return all;
}

static char last_message[2][1024 * 1024];
static unsigned last_at;

const char *client_expect(struct client *c, ...)
{
    va_list args;
    va_start(args, c);
    for (size_t i = 0; i < c->count; i++) {
        if (!holds_all(c->inbox[i], args))
            continue;
        last_at ^= 1;
        (void)snprintf(last_message[last_at], sizeof last_message[0], "%s", c->inbox[i]);
        free(c->inbox[i]);
        memmove(&c->inbox[i], &c->inbox[i + 1], (c->count - i - 1) * sizeof *c->inbox);
        c->count--;
        va_end(args);
        return last_message[last_at];
    }
    for (size_t i = 0; i < c->count; i++)
        print_error("  unread: %s\n", c->inbox[i]);
    fail_msg("nothing like '%s' came", va_arg(args, const char *));
    va_end(args);
    return NULL;
}

void client_never(struct client *c, ...)
{
    va_list args;
    va_start(args, c);
    for (size_t i = 0; i < c->count; i++)
        if (holds_all(c->inbox[i], args))
            fail_msg("this came: %s", c->inbox[i]);
    va_end(args);
}

size_t client_unread(const struct client *c, const char *part)
{
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++)
        found += strstr(c->inbox[i], part) != NULL;
    return found;
}

void cut_after(const char *text, const char *before, char *out, size_t size)
{
    const char *at = strstr(text, before);
    if (!at) {
        fail_msg("no %s in %s", before, text);
        return;
    }
    at += strlen(before);
    size_t len = strcspn(at, "'\"<");
    assert_true(len < size);
    memcpy(out, at, len);
    out[len] = 0;
}

#define OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" D "' version='1.0'/>"

struct client *client_login(struct world *w, const char *token)
{
    char query[4096];
    (void)snprintf(query, sizeof query, "room=class%s%s", token ? "&token=" : "",
                   token ? token : "");
    struct client *c = client_open(w, "/xmpp-websocket", query, true);
    assert_true(c->open);
    client_send(c, OPEN);
    assert_memory_equal(client_expect(c, "<open ", NULL), "<open ", 6);
    client_expect(c, "<stream:features xmlns:stream=", "ANONYMOUS", NULL);
    client_send(c, "<auth xmlns='" NS_SASL "' mechanism='ANONYMOUS'/>");
    client_expect(c, "<success", NULL);
    client_send(c, OPEN);
    client_expect(c, "<open ", NULL);
    client_expect(c, NS_BIND, NS_SM, NULL);
    client_send(c,
                "<iq type='set' id='_bind' xmlns='jabber:client'><bind xmlns='" NS_BIND "'/></iq>");
    const char *bound = client_expect(c, "_bind", "<jid", NULL);
    cut_after(strstr(bound, "<jid"), ">", c->jid, sizeof c->jid);
    memcpy(c->nick, c->jid, 8);
    client_send(c, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    cut_after(client_expect(c, "<enabled", NULL), "id='", c->sm, sizeof c->sm);
    c->handled = 0;
    return c;
}

static void answer_caps(struct client *c, const char *room)
{
    char id[64];
    if (client_unread(c, "disco#info' node=") == 0)
        return;
    cut_after(client_expect(c, "disco#info' node=", NULL), " id='", id, sizeof id);
    client_send(c,
                "<iq xmlns='jabber:client' type='result' id='%s' to='%s@conference." D
                "/focus'><query xmlns='" NS_DISCO_INFO "'>%s%s%s<feature var='urn:ietf:rfc:4588'/>"
                "<feature var='http://jitsi.org/tcc'/></query></iq>",
                id, room, c->rewriting ? "<feature var='http://jitsi.org/ssrc-rewriting-1'/>" : "",
                c->json ? "<feature var='http://jitsi.org/json-encoded-sources'/>" : "",
                c->early_maps ? "<feature var='urn:darasa:early-maps'/>" : "");
}

void client_join(struct client *c, const char *room)
{
    client_send(c,
                "<iq xmlns='jabber:client' type='set' id='conf' to='focus." D
                "'><conference xmlns='" NS_FOCUS "' room='%s@conference." D
                "' machine-uid='x'/></iq>",
                room);
    client_expect(c, "id='conf'", "ready='true'", "focusjid='focus@auth." D "'", NULL);
    client_send(c,
                "<presence xmlns='jabber:client' to='%s@conference." D "/%s'><x xmlns='" NS_MUC
                "'/><c xmlns='" NS_CAPS "' hash='sha-1' node='https://jitsi.org/jitsi-meet' "
                "ver='v%d'/><jitsi_participant_codecList>av1,vp9,vp8,h264"
                "</jitsi_participant_codecList><nick xmlns='" NS_NICK "'>N%s</nick>"
                "<SourceInfo>{}</SourceInfo></presence>",
                room, c->nick, c->rewriting, c->nick);
    answer_caps(c, room);
}

struct client *client_back(struct world *w, struct client *old)
{
    struct client *c = client_open(w, "/xmpp-websocket", "previd=x", true);
    client_send(c, OPEN);
    client_send(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>");
    client_send(c, OPEN);
    client_forget(c);
    client_send(c, "<resume xmlns='urn:xmpp:sm:3' h='%u' previd='%s'/>", old->handled, old->sm);
    client_expect(c, "<resumed", NULL);
    memcpy(c->jid, old->jid, sizeof c->jid);
    memcpy(c->nick, old->nick, sizeof c->nick);
    memcpy(c->sid, old->sid, sizeof c->sid);
    memcpy(c->sm, old->sm, sizeof c->sm);
    memcpy(c->channel_url, old->channel_url, sizeof c->channel_url);
    memcpy(c->bridge_session, old->bridge_session, sizeof c->bridge_session);
    c->handled += old->handled;
    return c;
}

void client_accept(struct client *c, const char *room)
{
    const char *offer = client_expect(c, "session-initiate", NULL);
    cut_after(offer, "sid='", c->sid, sizeof c->sid);
    cut_after(offer, " url='", c->channel_url, sizeof c->channel_url);
    cut_after(strstr(offer, "<bridge-session"), " id='", c->bridge_session,
              sizeof c->bridge_session);
    uint32_t s = c->ssrc;
    client_send(
        c,
        "<iq xmlns='jabber:client' type='set' id='acc' to='%s@conference." D "/focus'>"
        "<jingle xmlns='" NS_JINGLE "' action='session-accept' sid='%s'>"
        "<content name='audio' creator='responder'><description xmlns='" NS_JINGLE_RTP
        "' media='audio'><payload-type id='111' name='opus' clockrate='48000' channels='2'/>%s"
        "<source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u' name='%s-a0'>"
        "<parameter xmlns='" NS_JINGLE_RTP "' name='msid' value='sa ta'/></source></description>"
        "<transport xmlns='" NS_JINGLE_ICE "' ufrag='uf%s' pwd='0123456789012345678901'>"
        "<fingerprint xmlns='" NS_JINGLE_DTLS "' hash='sha-256' setup='active'>CC:DD</fingerprint>"
        "</transport></content><content name='video' creator='responder'><description "
        "xmlns='" NS_JINGLE_RTP "' media='video'>"
        "<source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u' name='%s-v0'><parameter name='msid' "
        "value='sv tv'/></source>"
        "<source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u' name='%s-v0'><parameter name='msid' "
        "value='sv tv'/></source>"
        "<source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u' name='%s-v0'><parameter name='msid' "
        "value='sv tv'/></source>"
        "<source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u' name='%s-v0'><parameter name='msid' "
        "value='sv tv'/></source>"
        "<ssrc-group xmlns='" NS_JINGLE_SOURCES
        "' semantics='SIM'><source xmlns='" NS_JINGLE_SOURCES
        "' ssrc='%u'/><source xmlns='" NS_JINGLE_SOURCES
        "' ssrc='%u'/><source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u'/></ssrc-group>"
        "<ssrc-group xmlns='" NS_JINGLE_SOURCES
        "' semantics='FID'><source xmlns='" NS_JINGLE_SOURCES
        "' ssrc='%u'/><source xmlns='" NS_JINGLE_SOURCES "' ssrc='%u'/></ssrc-group>"
        "</description></content></jingle></iq>",
        room, c->sid,
        c->red ? "<payload-type id='112' name='red' clockrate='48000' channels='2'/>" : "", s,
        c->nick, c->nick, s + 1, c->nick, s + 2, c->nick, s + 3, c->nick, s + 4, c->nick, s + 1,
        s + 2, s + 3, s + 1, s + 4);
    client_expect(c, "type='result'", "id='acc'", NULL);
}

struct client *client_enter(struct world *w, const char *room, const char *token, bool rewriting)
{
    struct client *c = client_login(w, token);
    c->rewriting = rewriting;
    client_join(c, room);
    client_accept(c, room);
    client_forget(c);
    return c;
}

struct client *client_channel(struct client *c)
{
    const char *path = strstr(c->channel_url, "/colibri-ws/");
    char copy[256];
    (void)snprintf(copy, sizeof copy, "%s", path);
    char *query = strchr(copy, '?');
    *query++ = 0;
    return client_open(c->world, copy, query, false);
}
