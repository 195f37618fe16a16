/* darasa-signal: the live classes. Wiring only: links and the journal on one side, room/realm.h on
 * the other. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "os/child.h"
#include "os/link.h"
#include "programs/rules.h"
#include "room/realm.h"

#define WORKERS_MAX 36
/* A class of 500 that joins at once makes some 300 MB for edge within seconds. */
static const size_t EDGE_QUEUE_MAX = (size_t)512 * 1024 * 1024;
static const size_t PEER_QUEUE_MAX = (size_t)64 * 1024 * 1024;
static const size_t SESSIONS_MAX = 20000;
static const unsigned JOURNAL_MIB = 32;
/* Rooms that web has not opened, or not forgotten yet. */
static const size_t IDLE_ROOMS = 1000;
static const int64_t CLOCK_LEEWAY = 5;

enum peer_kind { PEER_EDGE, PEER_WEB, PEER_BRIDGE };

/* The other end of one link. */
struct peer {
    struct signal *signal;
    enum peer_kind kind;
    unsigned number;
    struct link *link; /* NULL: not there */
};

struct signal {
    struct child *child;
    struct loop *loop;
    struct loop_timer timer;
    struct realm *realm;
    struct journal *journal;
    struct peer edge;
    struct peer web;
    struct peer bridges[WORKERS_MAX];
    uint8_t secret[64];
    size_t secret_len;
    uint64_t *realm_metrics[REALM_COUNTERS];
    uint64_t *xmpp_metrics[XMPP_COUNTERS];
    uint64_t *gauges[6];
    uint64_t *journal_failures;
    char websocket[512]; /* where clients reach us, when they do not say how they did */
    bool journal_failed;
    json_t *settings; /* of the last reload, NULL: none */
};

static void fill_random(void *arg, void *out, size_t len)
{
    random_bytes(out, len);
}

static const char *const peer_names[] = {"edge", "web", "bridge"};

static void tell_lost(struct peer *p)
{
    struct realm *realm = p->signal->realm;
    if (p->kind == PEER_EDGE)
        realm_edge_lost(realm);
    else if (p->kind == PEER_WEB)
        realm_web_lost(realm);
    else
        realm_bridge_lost(realm, p->number);
}

static void lose(struct peer *p, int err)
{
    if (!p->link)
        return;
    log_warn("link lost peer=%s number=%u err=%s", peer_names[p->kind], p->number, err_name(err));
    link_free(&p->link);
    child_condemn(p->signal->child, peer_names[p->kind], p->number, err);
    tell_lost(p);
}

static void set_clock(struct signal *s)
{
    realm_clock(s->realm, loop_now(s->loop), clock_wall() / USEC_PER_MSEC);
}

static void on_frame(void *arg, const struct link_frame *frame)
{
    struct peer *p = arg;
    struct realm *realm = p->signal->realm;
    set_clock(p->signal);
    int err = p->kind == PEER_EDGE ? realm_input_edge(realm, frame->type, frame->id, frame->payload)
              : p->kind == PEER_WEB
                  ? realm_input_web(realm, frame->type, frame->id, frame->payload)
                  : realm_input_bridge(realm, p->number, frame->type, frame->payload);
    if (err)
        lose(p, err);
}

static void on_closed(void *arg, int err)
{
    struct peer *p = arg;
    set_clock(p->signal);
    lose(p, err);
}

static struct peer *find_peer(struct signal *s, const char *name, unsigned number)
{
    if (strcmp(name, "edge") == 0)
        return &s->edge;
    if (strcmp(name, "web") == 0)
        return &s->web;
    return strcmp(name, "bridge") == 0 && number < WORKERS_MAX ? &s->bridges[number] : NULL;
}

static void on_link(void *arg, const char *name, unsigned number, int fd)
{
    struct signal *s = arg;
    struct peer *p = find_peer(s, name, number);
    if (!p) {
        close(fd);
        return;
    }
    set_clock(s);
    if (p->link) {
        link_free(&p->link);
        tell_lost(p);
    }
    p->number = number;
    const struct link_handler handler = {on_frame, on_closed, p};
    size_t max = p->kind == PEER_EDGE ? EDGE_QUEUE_MAX : PEER_QUEUE_MAX;
    int err = link_new(s->loop, fd, max, &handler, &p->link);
    if (err)
        log_error("no link peer=%s number=%u err=%s", name, number, err_name(err));
    else if (p->kind == PEER_WEB)
        realm_web_up(s->realm);
    log_info("link peer=%s number=%u", name, number);
}

static void on_stop(void *arg)
{
    struct signal *s = arg;
    loop_stop(s->loop);
}

static void send_supervisor(struct signal *s, struct slice text)
{
    json_t *message = json_loadb((const char *)text.data, text.len, 0, NULL);
    int err = message ? child_send(s->child, message, NULL, 0) : ERR_FORMAT;
    if (err)
        log_error("supervisor not told err=%s", err_name(err));
    json_decref(message);
}

static void send_frame(struct signal *s, const struct outbox_frame *frame)
{
    struct peer *p = frame->peer == OUTBOX_EDGE  ? &s->edge
                     : frame->peer == OUTBOX_WEB ? &s->web
                                                 : &s->bridges[frame->number];
    if (frame->peer == OUTBOX_SUPERVISOR) {
        send_supervisor(s, frame->payload);
        return;
    }
    int err = p->link ? link_send(p->link, frame->type, frame->id, frame->payload) : 0;
    if (err)
        lose(p, err);
}

static void keep_begin(void *arg)
{
    struct signal *s = arg;
    journal_begin(s->journal);
}

static int keep_commit(void *arg)
{
    struct signal *s = arg;
    return journal_commit(s->journal);
}

static int keep_put(void *arg, struct slice key, struct slice value)
{
    struct signal *s = arg;
    return journal_put(s->journal, key, value);
}

static int keep_del(void *arg, struct slice key)
{
    struct signal *s = arg;
    int err = journal_del(s->journal, key);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static void save(struct signal *s)
{
    const struct keeper keeper = {keep_begin, keep_commit, keep_put, keep_del, s};
    int err = s->journal ? realm_save(s->realm, &keeper) : 0;
    if (err) {
        ++*s->journal_failures;
        if (!s->journal_failed)
            log_error("journal does not take the state err=%s", err_name(err));
    }
    s->journal_failed = err != 0;
}

static void count(struct signal *s)
{
    const uint64_t *realm = realm_counters(s->realm);
    const uint64_t *xmpp = realm_xmpp_counters(s->realm);
    struct realm_gauges g = realm_gauges(s->realm);
    for (size_t i = 0; i < REALM_COUNTERS; i++)
        *s->realm_metrics[i] = realm[i];
    for (size_t i = 0; i < XMPP_COUNTERS; i++)
        *s->xmpp_metrics[i] = xmpp[i];
    const uint64_t values[] = {g.sessions,       g.rooms,   g.occupants,
                               g.events_waiting, g.workers, g.frames_dropped};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        *s->gauges[i] = values[i];
}

/* The journal first: a client never holds what a successor would not know. */
static void before_sleep(void *arg, usec_t now)
{
    struct signal *s = arg;
    struct outbox_frame frame;
    set_clock(s);
    usec_t next = realm_tick(s->realm);
    save(s);
    while (realm_take(s->realm, &frame))
        send_frame(s, &frame);
    count(s);
    int err = next == USEC_NEVER ? 0 : loop_timer_set(s->loop, &s->timer, next);
    if (err)
        log_error("timer not set err=%s", err_name(err));
}

static void on_timer(struct loop_timer *timer, usec_t now)
{
    /* It only wakes the loop: the work is done before it sleeps again. */
}

static const char *setting(json_t *settings, const char *key)
{
    const char *value = json_string_value(json_object_get(settings, key));
    return value && *value ? value : NULL;
}

static int64_t number_setting(json_t *settings, const char *key, int64_t usual)
{
    json_t *value = json_object_get(settings, key);
    return json_is_integer(value) ? json_integer_value(value) : usual;
}

static int read_secret(struct signal *s, json_t *settings, struct token_config *tokens)
{
    struct slice hex = slice_str(setting(settings, "token_secret"));
    if (hex.len == 0)
        return 0;
    int err = secret_from_hex(hex, s->secret, sizeof s->secret, &s->secret_len);
    if (err)
        return err;
    tokens->keys[tokens->key_count++] =
        (struct token_key){.jwt = {JWT_HS256, slice_of(s->secret, s->secret_len)},
                           .issuers = {"darasa"},
                           .audiences = {"darasa"}};
    return 0;
}

/* Others' keys: the name is the issuer. */
static int read_issuers(json_t *settings, struct token_config *tokens)
{
    json_t *issuers = json_object_get(settings, "issuers");
    for (size_t i = 0; i < json_array_size(issuers); i++) {
        json_t *one = json_array_get(issuers, i);
        const char *id = setting(one, "id");
        const char *alg = setting(one, "algorithm");
        const char *key = setting(one, "key");
        const char *audience = setting(one, "audience");
        if (!id || !alg || !key || !audience || tokens->key_count == TOKEN_KEYS_MAX)
            return ERR_FORMAT;
        tokens->keys[tokens->key_count++] = (struct token_key){
            .jwt = {strcmp(alg, "RS256") == 0 ? JWT_RS256 : JWT_HS256, slice_str(key)},
            .kid = setting(one, "kid"),
            .issuers = {id},
            .audiences = {audience}};
    }
    return 0;
}

/* `settings` must live as long as the configuration is used. */
static int read_config(struct signal *s, json_t *settings, struct realm_config *ret_config)
{
    const char *domain = setting(settings, "xmpp.domain");
    const char *url = setting(settings, "url");
    const char *codecs = setting(settings, "media.codecs");
    bool open = json_is_true(json_object_get(settings, "rooms.open"));
    if (url && strncmp(url, "http", 4) == 0)
        (void)snprintf(s->websocket, sizeof s->websocket, "ws%s", url + 4); /* a cut one: no use */
    *ret_config = (struct realm_config){
        .domain = domain ? domain : "meet.darasa",
        .websocket = s->websocket,
        .open_rooms = open,
        .anonymous = open,
        .occupants_max = (size_t)number_setting(settings, "limits.participants", 500),
        .rooms_max = (size_t)number_setting(settings, "limits.rooms", 1000) + IDLE_ROOMS,
        .sessions_max = SESSIONS_MAX,
        .codecs = codecs && codecs[0] ? codecs : "vp8",
        .tokens = {.leeway = CLOCK_LEEWAY},
        .ids = {fill_random, NULL},
        .services = json_object_get(settings, "services"),
    };
    ret_config->tokens.domain = ret_config->domain;
    int err = read_secret(s, settings, &ret_config->tokens);
    return err ? err : read_issuers(settings, &ret_config->tokens);
}

static int make_realm(struct signal *s)
{
    struct realm_config config;
    int err = read_config(s, child_settings(s->child), &config);
    if (err)
        return err;
    config.seed = random_u64();
    s->realm = realm_new(&config);
    return s->realm ? 0 : ERR_MEMORY;
}

static void on_config(struct signal *s, json_t *message)
{
    struct realm_config config;
    json_t *settings = json_object_get(message, "settings");
    int err = json_is_object(settings) ? read_config(s, settings, &config) : ERR_FORMAT;
    if (err) {
        log_error("new settings refused err=%s", err_name(err));
        return;
    }
    realm_configure(s->realm, &config);
    json_decref(s->settings);
    s->settings = json_incref(settings);
    log_info("new settings");
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds,
                       size_t fd_count)
{
    struct signal *s = arg;
    set_clock(s);
    if (strcmp(type, "recorder") == 0)
        realm_input_recorder(s->realm, message);
    else if (strcmp(type, "crash") == 0)
        realm_input_crash(s->realm, message);
    else if (strcmp(type, "config") == 0)
        on_config(s, message);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void load_pair(void *arg, struct slice key, struct slice value)
{
    struct signal *s = arg;
    realm_load(s->realm, key, value);
}

/* Takes over what a predecessor left. */
static int take_over(struct signal *s)
{
    int fd = child_fd(s->child, "journal", 0);
    size_t max =
        (size_t)number_setting(child_settings(s->child), "journal.size", JOURNAL_MIB) * 1024 * 1024;
    if (fd < 0) {
        log_warn("no journal: classes end with this process");
        return 0;
    }
    int err = journal_open(fd, max, &s->journal);
    if (err)
        return err;
    journal_each(s->journal, slice_of(NULL, 0), load_pair, s);
    realm_loaded(s->realm);
    struct realm_gauges g = realm_gauges(s->realm);
    log_info("took over sessions=%zu rooms=%zu occupants=%zu", g.sessions, g.rooms, g.occupants);
    return 0;
}

static void make_metrics(struct signal *s)
{
    static const char *const gauges[] = {"sessions",       "rooms",   "occupants",
                                         "events_waiting", "workers", "frames_dropped_total"};
    struct metrics *metrics = child_metrics(s->child);
    char name[METRICS_NAME_MAX];
    for (size_t i = 0; i < REALM_COUNTERS; i++) {
        (void)snprintf(name, sizeof name, "darasa_signal_%s", realm_counter_names[i]);
        s->realm_metrics[i] = metrics_counter(metrics, name);
    }
    for (size_t i = 0; i < XMPP_COUNTERS; i++) {
        (void)snprintf(name, sizeof name, "darasa_signal_xmpp_%s", xmpp_counter_names[i]);
        s->xmpp_metrics[i] = metrics_counter(metrics, name);
    }
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        (void)snprintf(name, sizeof name, "darasa_signal_%s", gauges[i]);
        s->gauges[i] = metrics_counter(metrics, name);
    }
    s->journal_failures = metrics_counter(metrics, "darasa_signal_journal_failures_total");
}

static int start(struct signal *s)
{
    *s = (struct signal){.child = child_start("signal"), .loop = loop_new()};
    if (!s->loop)
        return ERR_MEMORY;
    s->edge = (struct peer){s, PEER_EDGE, 0, NULL};
    s->web = (struct peer){s, PEER_WEB, 0, NULL};
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        s->bridges[i] = (struct peer){s, PEER_BRIDGE, i, NULL};
    loop_timer_init(&s->timer, on_timer);
    make_metrics(s);
    int err = make_realm(s);
    if (err)
        return err;
    set_clock(s);
    return take_over(s);
}

int main(void)
{
    struct signal s;
    struct rules rules;
    int err = start(&s);
    if (err == 0)
        err = rules_get("signal", child_settings(s.child), &rules);
    if (err) {
        log_error("start failed err=%s", err_name(err));
        return 1;
    }
    const struct child_handler handler = {on_link, on_message, on_stop, &s};
    loop_before_sleep(s.loop, before_sleep, &s);
    child_enter(s.child, s.loop, &rules.sandbox, &handler);
    child_ready(s.child);
    err = loop_run(s.loop);
    link_free(&s.edge.link);
    link_free(&s.web.link);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        link_free(&s.bridges[i].link);
    realm_free(&s.realm);
    json_decref(s.settings);
    journal_close(&s.journal);
    child_free(&s.child);
    loop_free(&s.loop);
    return err ? 1 : 0;
}
