/* The realm's own life, and who gets which frame. */
#include "room/realm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

const char *const realm_counter_names[REALM_COUNTERS] = {
    "joins_total",
    "leaves_total",
    "joins_refused_total",
    "offers_total",
    "accepts_total",
    "restarts_total",
    "restarts_refused_total",
    "ice_restarts_total",
    "sessions_renewed_total",
    "sources_refused_total",
    "rights_refused_total",
    "channels_total",
    "channels_refused_total",
    "channel_malformed_total",
    "channel_limited_total",
    "bridges_lost_total",
    "suspects_refused_total",
    "bus_malformed_total",
    "events_dropped_total",
    "client_errors_total",
};

/* A class of 500 that joins at once: 250,000 presences of a kilobyte wait here at the most. */
static const size_t OUTBOX_MAX = (size_t)512 * 1024 * 1024;
static const size_t CAPS_MAX = 512;
static const size_t TEXT_MAX = (size_t)1024 * 1024;
static const size_t FORGOTTEN_MAX = (size_t)8 * 1024 * 1024;

char *dump_json(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

json_t *parse_json(struct slice text)
{
    return json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
}

void next_iq_id(struct realm *r, char out[32])
{
    (void)snprintf(out, 32, "%s-%" PRIu64, r->iq_prefix, r->next_iq++); /* always fits */
}

int copy_string(char *out, size_t size, const char *from)
{
    return slice_copy(slice_str(from), out, size) ? 0 : ERR_LIMIT;
}

void replace_string(char **at, char *with)
{
    free(*at);
    *at = with;
}

static void stanza_in(void *arg, struct session *s, const struct xml_node *stanza);

static void session_over(void *arg, struct session *s)
{
    presence_gone(arg, s);
}

static bool make_parts(struct realm *r)
{
    const struct realm_config *c = &r->config;
    struct xmpp_config xc = {.domain = c->domain,
                             .anonymous = c->anonymous,
                             .tokens = c->tokens,
                             .ids = c->ids,
                             .components = r->components,
                             .component_count = 1,
                             .services = c->services,
                             .sessions_max = c->sessions_max,
                             .seed = c->seed};
    struct xmpp_upper upper = {stanza_in, session_over, r};
    r->components[0] = (struct xmpp_component){"room_metadata", r->metadata_host};
    r->outbox = outbox_new(OUTBOX_MAX);
    r->rooms = map_new(c->rooms_max, c->seed);
    r->by_conference = map_new(c->rooms_max, c->seed);
    r->channels = map_new(c->sessions_max * 2, c->seed);
    r->caps = caps_cache_new(CAPS_MAX, c->seed);
    r->crowd = calloc(c->sessions_max, sizeof(struct session *));
    r->sockets = calloc(c->sessions_max, sizeof *r->sockets);
    if (!r->outbox || !r->rooms || !r->by_conference || !r->channels || !r->caps || !r->crowd ||
        !r->sockets)
        return false;
    r->xmpp = xmpp_new(&xc, r->outbox, &upper);
    return r->xmpp != NULL;
}

struct realm *realm_new(const struct realm_config *config)
{
    struct realm *r = strlen(config->domain) < 64 ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    r->config = *config;
    codecs_configure(r, config->codecs);
    (void)snprintf(r->muc, sizeof r->muc, "conference.%s", config->domain);
    (void)snprintf(r->focus_host, sizeof r->focus_host, "focus.%s", config->domain);
    (void)snprintf(r->focus_jid, sizeof r->focus_jid, "focus@auth.%s", config->domain);
    (void)snprintf(r->metadata_host, sizeof r->metadata_host, "metadata.%s", config->domain);
    list_init(&r->changed_rooms);
    list_init(&r->changed_members);
    list_init(&r->unsaved_rooms);
    list_init(&r->unsaved_members);
    list_init(&r->events);
    r->next_event = 1;
    buf_init(&r->text, TEXT_MAX);
    buf_init(&r->forgotten, FORGOTTEN_MAX);
    ids_hex(&config->ids, r->iq_prefix, 8);
    if (!make_parts(r))
        realm_free(&r);
    return r;
}

void realm_free(struct realm **realm)
{
    struct realm *r = *realm;
    if (!r)
        return;
    *realm = NULL;
    struct map_iter iter = {0};
    while (r->rooms && map_next(r->rooms, &iter))
        room_free(r, iter.value);
    web_events_free(r);
    xmpp_free(&r->xmpp);
    for (size_t i = 0; i < WORKERS_MAX; i++)
        json_decref(r->workers[i].hello);
    map_free(&r->rooms);
    map_free(&r->by_conference);
    map_free(&r->channels);
    caps_cache_free(&r->caps);
    outbox_free(&r->outbox);
    buf_done(&r->text);
    buf_done(&r->forgotten);
    free(r->crowd);
    free(r->sockets);
    free(r);
}

void realm_configure(struct realm *r, const struct realm_config *config)
{
    r->config.tokens = config->tokens;
    r->config.tokens.domain = r->config.domain;
    r->config.occupants_max = config->occupants_max;
    r->config.open_rooms = config->open_rooms;
    r->config.anonymous = config->anonymous;
    xmpp_configure(r->xmpp, &r->config.tokens, config->anonymous);
}

void realm_clock(struct realm *r, usec_t now, int64_t wall_ms)
{
    r->now = now;
    r->wall_ms = wall_ms;
    xmpp_clock(r->xmpp, now, wall_ms);
}

static struct occupant *member_in(struct session *s, const struct room *room)
{
    struct occupant *o = s->upper;
    return o && o->room == room ? o : NULL;
}

static bool is_request(const struct xml_node *iq)
{
    struct slice type = xml_get(iq, "type");
    return slice_eq_str(type, "get") || slice_eq_str(type, "set");
}

/* From one occupant to another: addresses rewritten, the rest as it came. */
static void relay_iq(struct realm *r, struct occupant *from, const struct xml_node *iq)
{
    struct session *s = from->session;
    struct occupant *to = room_member(from->room, jid_split(xml_get(iq, "to")).resource);
    bool jingle = xml_child(iq, "jingle", NS_JINGLE) != NULL;
    const struct rights *may = &from->rights;
    if (!to) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
        return;
    }
    if (jingle && is_request(iq) && !(may->microphone && may->camera && may->screen)) {
        /* A direct session would pass by what the bridge withholds. */
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "auth", "forbidden", NULL);
        return;
    }
    struct xml_writer *w = xmpp_begin(r->xmpp);
    xml_open(w, "iq", NS_CLIENT);
    xml_put(w, "type", xml_get(iq, "type"));
    xml_put(w, "id", xml_get(iq, "id"));
    xml_put_str(w, "from", from->jid);
    xml_put_str(w, "to", to->session->jid);
    for (const struct xml_node *c = iq->first; c; c = c->next)
        if (c->name.len > 0)
            xml_copy(w, c);
    xml_close(w);
    xmpp_finish(r->xmpp, to->session);
}

static void component_iq(struct realm *r, struct session *s, const struct xml_node *iq)
{
    const struct xml_node *what = xml_child(iq, NULL, NULL);
    if (xml_is(what, "ping", NS_PING)) {
        xmpp_result(r->xmpp, s, iq);
    } else if (xml_is(what, "query", NS_DISCO_INFO)) {
        bool muc = slice_eq_str(xml_get(iq, "to"), r->muc);
        struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
        xml_open(w, "query", NS_DISCO_INFO);
        xml_open(w, "identity", NS_DISCO_INFO);
        xml_put_str(w, "category", muc ? "conference" : "component");
        xml_put_str(w, "type", muc ? "text" : "generic");
        xml_close(w);
        xml_open(w, "feature", NS_DISCO_INFO);
        xml_put_str(w, "var", muc ? NS_MUC : NS_DISCO_INFO);
        xml_close(w);
        xml_close(w);
        xml_close(w);
        xmpp_finish(r->xmpp, s);
    } else {
        xmpp_error(r->xmpp, s, iq, "cancel", "service-unavailable", NULL);
    }
}

static void muc_iq(struct realm *r, struct session *s, const struct xml_node *iq)
{
    struct slice to = xml_get(iq, "to");
    struct room *room = room_of_jid(r, to);
    struct occupant *o = room ? member_in(s, room) : NULL;
    struct slice nick = jid_split(to).resource;
    if (!is_request(iq)) {
        if (o && slice_eq_str(nick, "focus"))
            focus_answer(r, o, iq);
        else if (o && nick.len > 0)
            relay_iq(r, o, iq);
    } else if (!room) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
    } else if (nick.len == 0) {
        admin_iq(r, s, room, iq);
    } else if (!o) {
        xmpp_error(r->xmpp, s, iq, "modify", "not-acceptable", NULL);
    } else if (slice_eq_str(nick, "focus")) {
        focus_iq(r, s, o, iq);
    } else {
        relay_iq(r, o, iq);
    }
}

static void iq_in(struct realm *r, struct session *s, const struct xml_node *iq)
{
    struct jid to = jid_split(xml_get(iq, "to"));
    if (slice_eq_str(to.domain, r->muc) && to.node.len > 0) {
        muc_iq(r, s, iq);
    } else if (!is_request(iq)) {
        return; /* an answer to nothing of ours */
    } else if (slice_eq_str(to.domain, r->focus_host) && xml_child(iq, "conference", NS_FOCUS)) {
        request_iq(r, s, iq);
    } else if (to.node.len == 0 &&
               (slice_eq_str(to.domain, r->muc) || slice_eq_str(to.domain, r->focus_host) ||
                slice_eq_str(to.domain, r->metadata_host))) {
        component_iq(r, s, iq);
    } else {
        xmpp_error(r->xmpp, s, iq, "cancel", "service-unavailable", NULL);
    }
}

static void stanza_in(void *arg, struct session *s, const struct xml_node *stanza)
{
    struct realm *r = arg;
    if (xml_is(stanza, "iq", NULL))
        iq_in(r, s, stanza);
    else if (xml_is(stanza, "presence", NULL))
        presence_input(r, s, stanza);
    else if (slice_eq_str(jid_split(xml_get(stanza, "to")).domain, r->metadata_host))
        metadata_input(r, s, stanza);
    else
        chat_input(r, s, stanza);
}

static void refuse_socket(struct realm *r, uint64_t conn, int status)
{
    char text[32];
    (void)snprintf(text, sizeof text, "{\"status\":%d}", status); /* always fits */
    struct slice payload = slice_str(text);
    outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_REFUSE, conn, &payload, 1);
}

static bool offers_xmpp(json_t *open)
{
    json_t *protocols = json_object_get(open, "protocols");
    for (size_t i = 0; i < json_array_size(protocols); i++) {
        const char *one = json_string_value(json_array_get(protocols, i));
        if (one && strcmp(one, "xmpp") == 0)
            return true;
    }
    return false;
}

static void socket_opened(struct realm *r, uint64_t conn, json_t *open)
{
    struct slice path = slice_str(json_string_value(json_object_get(open, "path")));
    if (slice_starts(path, SLICE("/colibri-ws/"))) {
        channel_open(r, conn, path, slice_str(json_string_value(json_object_get(open, "query"))));
        return;
    }
    if (!slice_ends(path, SLICE("/xmpp-websocket"))) {
        refuse_socket(r, conn, 404);
        return;
    }
    if (!offers_xmpp(open)) {
        refuse_socket(r, conn, 400);
        return;
    }
    struct slice tenant = slice_sub(path, 0, path.len - strlen("/xmpp-websocket"));
    struct slice accept = SLICE("{\"protocol\":\"xmpp\"}");
    outbox_add(r->outbox, OUTBOX_EDGE, 0, EDGE_WS_ACCEPT, conn, &accept, 1);
    xmpp_opened(r->xmpp, conn, open, slice_sub(tenant, 1, tenant.len));
}

static void settle(struct realm *r)
{
    xmpp_settle(r->xmpp);
    bridge_settle(r);
}

int realm_input_edge(struct realm *r, uint16_t type, uint64_t id, struct slice payload)
{
    json_t *open;
    switch (type) {
    case EDGE_WS_OPEN:
        open = parse_json(payload);
        if (!json_is_object(open)) {
            json_decref(open);
            r->counters[REALM_BUS_MALFORMED]++;
            return ERR_FORMAT;
        }
        socket_opened(r, id, open);
        json_decref(open);
        break;
    case EDGE_WS_TEXT:
        if (!channel_input(r, id, payload))
            xmpp_input(r->xmpp, id, payload);
        break;
    case EDGE_WS_CLOSE:
        if (!channel_closed(r, id))
            xmpp_closed(r->xmpp, id);
        break;
    case EDGE_HTTP_REQUEST:
        request_http(r, id, payload);
        break;
    default:
        break;
    }
    settle(r);
    return 0;
}

void realm_edge_lost(struct realm *r)
{
    channel_closed_all(r);
    xmpp_closed_all(r->xmpp);
    settle(r);
}

/* How often rooms are looked through. */
static const usec_t SWEEP = USEC_PER_SEC / 4;

usec_t realm_tick(struct realm *r)
{
    usec_t next = xmpp_tick(r->xmpp);
    if (r->now >= r->next_sweep) {
        r->next_sweep = r->now + SWEEP;
        struct map_iter iter = {0};
        while (map_next(r->rooms, &iter))
            room_sweep(r, iter.value);
    }
    settle(r);
    return map_count(r->rooms) > 0 ? usec_min(next, r->next_sweep) : next;
}

bool realm_take(struct realm *r, struct outbox_frame *ret_frame)
{
    return outbox_take(r->outbox, ret_frame);
}

struct realm_gauges realm_gauges(const struct realm *r)
{
    struct realm_gauges g = {.sessions = xmpp_count(r->xmpp),
                             .rooms = map_count(r->rooms),
                             .occupants = r->occupants,
                             .events_waiting = r->event_count,
                             .frames_dropped = outbox_dropped(r->outbox)};
    for (size_t i = 0; i < WORKERS_MAX; i++)
        g.workers += r->workers[i].up;
    return g;
}

const uint64_t *realm_counters(const struct realm *r)
{
    return r->counters;
}

const uint64_t *realm_xmpp_counters(const struct realm *r)
{
    return xmpp_counters(r->xmpp);
}
