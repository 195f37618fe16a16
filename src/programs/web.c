/* darasa-web: pages, API and the database. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "api/api.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "os/child.h"
#include "os/link.h"
#include "programs/rules.h"
#include "store/schema.h"

#define DATABASE "darasa.db"
/* Passwords are hashed two at a time at most: 40 MiB, and a core stays for everybody else. A class
 * that signs in at once waits a second or two; more are told to come back. */
#define HASHERS 2
#define HASH_QUEUE 128
#define EDGE_QUEUE_MAX ((size_t)(64 * 1024 * 1024))
#define SIGNAL_QUEUE_MAX ((size_t)(16 * 1024 * 1024))
#define TICK (60 * USEC_PER_SEC)
/* After a write failed, the next try. */
#define RETRY (5 * USEC_PER_SEC)
#define FRAME_HTTP_REQUEST 10
#define FRAME_HTTP_RESPONSE 11
#define FRAME_HTTP_GONE 12

struct web {
    struct child *child;
    struct loop *loop;
    struct sql *sql;
    struct api *api;
    struct hasher *hasher;
    struct loop_io hash_io;
    struct loop_timer tick;
    struct link *edge;
    struct link *signal;
    unsigned edge_number, signal_number;
    uint8_t secret[64];
    size_t secret_len;
    usec_t flush_after;
    bool stuck;      /* the database does not take what waits */
    bool overflowed; /* events of signal were dropped: it sends them again to a successor */
    uint64_t *dropped;
};

static struct api_now now_of(struct web *web)
{
    return (struct api_now){clock_wall() / USEC_PER_MSEC, loop_now(web->loop)};
}

__attribute__((noreturn)) static void die(const char *what, int err)
{
    log_error("stopped what=\"%s\" err=%s", what, err_name(err));
    exit(1);
}

static const char *setting(struct web *web, const char *name)
{
    const char *text = json_string_value(json_object_get(child_settings(web->child), name));
    return text ? text : "";
}

/* Without a host name the request says how we are called. */
static struct api_settings read_settings(struct web *web, json_t *settings)
{
    const char *host = json_string_value(json_object_get(settings, "host"));
    const char *url = json_string_value(json_object_get(settings, "url"));
    const char *domain = json_string_value(json_object_get(settings, "xmpp.domain"));
    const char *secret = json_string_value(json_object_get(settings, "token_secret"));
    const char *codecs = json_string_value(json_object_get(settings, "media.codecs"));
    int err = secret_from_hex(slice_str(secret), web->secret, sizeof web->secret, &web->secret_len);
    if (err || web->secret_len < 16)
        die("token_secret is no secret", err);
    return (struct api_settings){
        .url = host && host[0] && url ? url : "",
        .domain = domain && domain[0] ? domain : "meet.darasa",
        .token_secret = slice_of(web->secret, web->secret_len),
        .codecs = codecs && codecs[0] ? codecs : "vp8",
        .demo = json_is_true(json_object_get(settings, "demo")),
    };
}

static void open_database(struct web *web)
{
    char path[4096];
    json_t *directories = json_object_get(child_settings(web->child), "directories");
    const char *school = json_string_value(json_object_get(directories, "school"));
    if (!school || snprintf(path, sizeof path, "%s/" DATABASE, school) >= (int)sizeof path)
        die("no directory for the database", ERR_NOT_FOUND);
    int err = sql_open(path, &web->sql);
    if (err)
        die("the database does not open", err);
    err = schema_migrate(web->sql);
    if (err)
        die(err == ERR_UNSUPPORTED ? "the database belongs to a newer version"
                                   : "the database cannot be brought up to date",
            err);
}

/* What the engine wants from others */

static void respond(void *arg, uint64_t request, struct slice head, struct slice body)
{
    struct web *web = arg;
    uint8_t len[4];
    for (int i = 0; i < 4; i++)
        len[i] = (uint8_t)(head.len >> (8 * i));
    struct slice parts[] = {slice_of(len, sizeof len), head, body};
    int err =
        web->edge ? link_send_parts(web->edge, FRAME_HTTP_RESPONSE, request, parts, 3) : ERR_CLOSED;
    if (err) {
        ++*web->dropped;
        log_warn("answer dropped request=%llu err=%s", (unsigned long long)request, err_name(err));
    }
}

static void to_signal(void *arg, enum api_frame type, uint64_t id, struct slice payload)
{
    struct web *web = arg;
    int err = web->signal ? link_send(web->signal, (uint16_t)type, id, payload) : 0;
    if (err)
        log_warn("signal does not listen err=%s", err_name(err));
}

static void to_supervisor(void *arg, json_t *message)
{
    struct web *web = arg;
    int err = child_send(web->child, message, NULL, 0);
    if (err)
        log_warn("the supervisor does not listen err=%s", err_name(err));
}

static int submit(void *arg, const struct hash_job *job)
{
    struct web *web = arg;
    return hasher_submit(web->hasher, job);
}

/* What comes in */

static void hashes_ready(struct loop_io *io, uint32_t events)
{
    struct web *web = CONTAINER_OF(io, struct web, hash_io);
    struct hash_result result;
    (void)events;
    while (hasher_poll(web->hasher, &result) == 0)
        api_hashed(web->api, &result, now_of(web));
    hash_wipe(&result, sizeof result);
}

static void set_tick(struct web *web, usec_t in)
{
    int err = loop_timer_set(web->loop, &web->tick, loop_now(web->loop) + in);
    if (err)
        die("timer", err);
}

/* Once per turn: what came in together is stored together. */
static void flush(void *arg, usec_t now)
{
    struct web *web = arg;
    if (now < web->flush_after)
        return;
    int err = api_flush(web->api, now_of(web));
    if (err) {
        if (!web->stuck)
            log_error("the database does not take what happened err=%s", err_name(err));
        web->stuck = true;
        web->flush_after = now + RETRY;
        set_tick(web, RETRY);
        return;
    }
    if (web->stuck)
        log_info("the database takes data again");
    web->stuck = false;
    if (web->overflowed) {
        log_warn("restarting to get the events that did not fit");
        loop_stop(web->loop);
    }
}

static void ticked(struct loop_timer *timer, usec_t now)
{
    struct web *web = CONTAINER_OF(timer, struct web, tick);
    (void)now;
    set_tick(web, web->stuck ? RETRY : TICK);
    int err = api_tick(web->api, now_of(web));
    if (err && !web->stuck)
        log_error("housekeeping failed err=%s", err_name(err));
}

static void edge_closed(void *arg, int err)
{
    struct web *web = arg;
    link_free(&web->edge);
    api_gone_all(web->api);
    child_condemn(web->child, "edge", web->edge_number, err);
}

static void edge_frame(void *arg, const struct link_frame *frame)
{
    struct web *web = arg;
    if (frame->type == FRAME_HTTP_GONE) {
        api_gone(web->api, frame->id);
        return;
    }
    if (frame->type != FRAME_HTTP_REQUEST)
        return;
    struct slice all = frame->payload;
    size_t len = 0;
    for (size_t i = 0; i < 4 && all.len >= 4; i++)
        len |= (size_t)all.data[i] << (8 * i);
    if (all.len < 4 || len > all.len - 4 ||
        api_request(web->api, frame->id, slice_sub(all, 4, len), slice_sub(all, 4 + len, all.len),
                    now_of(web)))
        edge_closed(web, ERR_FORMAT);
}

static void signal_closed(void *arg, int err)
{
    struct web *web = arg;
    link_free(&web->signal);
    api_signal_down(web->api);
    child_condemn(web->child, "signal", web->signal_number, err);
}

static void signal_frame(void *arg, const struct link_frame *frame)
{
    struct web *web = arg;
    if (frame->type != API_EVENT || web->overflowed)
        return;
    int err = api_event(web->api, frame->id, frame->payload);
    if (err == ERR_FORMAT) {
        signal_closed(web, err);
    } else if (err) {
        log_error("too many events wait err=%s", err_name(err));
        web->overflowed = true;
    }
}

static void linked(void *arg, const char *peer, unsigned number, int fd)
{
    struct web *web = arg;
    bool edge = strcmp(peer, "edge") == 0;
    struct link_handler handler = {.frame = edge ? edge_frame : signal_frame,
                                   .closed = edge ? edge_closed : signal_closed,
                                   .arg = web};
    struct link **link = edge ? &web->edge : &web->signal;
    link_free(link);
    int err = link_new(web->loop, fd, edge ? EDGE_QUEUE_MAX : SIGNAL_QUEUE_MAX, &handler, link);
    if (err)
        die("link", err);
    if (edge) {
        api_gone_all(web->api);
        web->edge_number = number;
        return;
    }
    web->signal_number = number;
    err = api_signal_up(web->api);
    if (err)
        die("the open classes cannot be read", err);
}

static void told(void *arg, const char *type, json_t *message, const int *fds, size_t fd_count)
{
    struct web *web = arg;
    (void)fds;
    (void)fd_count; /* nobody gives us any */
    int err = 0;
    if (strcmp(type, "config") == 0) {
        struct api_settings settings = read_settings(web, json_object_get(message, "settings"));
        err = api_configure(web->api, &settings);
    } else {
        err = api_control(web->api, type, message);
    }
    if (err)
        log_warn("message not taken type=%s err=%s", type, err_name(err));
}

static void stop(void *arg)
{
    struct web *web = arg;
    loop_stop(web->loop);
}

static void start(struct web *web)
{
    struct api_output output = {respond, to_signal, to_supervisor, submit, web};
    struct api_settings settings = read_settings(web, child_settings(web->child));
    struct child_handler handler = {linked, told, stop, web};
    struct rules rules;
    int err = rules_get("web", child_settings(web->child), &rules);
    if (err)
        die("rules", err);
    child_enter(web->child, web->loop, &rules.sandbox, &handler);
    /* The database's files belong to the user of the walls, and are read inside them. */
    open_database(web);
    err = api_new(web->sql, &settings, &output, child_metrics(web->child), &web->api);
    if (err)
        die("settings", err);
    /* Threads come after the walls, or they would stand outside. */
    err = hasher_new(HASHERS, HASH_QUEUE, &web->hasher);
    if (err)
        die("password helpers", err);
    web->hash_io = (struct loop_io){.fd = hasher_fd(web->hasher), .ready = hashes_ready};
    err = loop_watch(web->loop, &web->hash_io, LOOP_READ);
    if (err)
        die("loop", err);
    err = api_start(web->api, setting(web, "run"), now_of(web));
    if (err)
        die("the school cannot be read", err);
    loop_before_sleep(web->loop, flush, web);
    loop_timer_init(&web->tick, ticked);
    set_tick(web, TICK);
    child_ready(web->child);
}

int main(void)
{
    struct web web = {.child = child_start("web")};
    (void)umask(077);
    web.loop = loop_new();
    if (!web.loop)
        die("loop", ERR_MEMORY);
    web.dropped = metrics_counter(child_metrics(web.child), "darasa_web_answers_dropped_total");
    log_info("started version=%s", setting(&web, "version"));
    start(&web);
    int err = loop_run(web.loop);
    if (err)
        log_error("loop err=%s", err_name(err));
    else if (api_flush(web.api, now_of(&web)) || api_tick(web.api, now_of(&web)))
        log_warn("not everything was stored; signal sends it again");
    loop_unwatch(web.loop, &web.hash_io);
    hasher_free(&web.hasher);
    link_free(&web.edge);
    link_free(&web.signal);
    api_free(&web.api);
    sql_close(&web.sql);
    loop_free(&web.loop);
    child_free(&web.child);
    return err ? 1 : 0;
}
