/* darasa-edge: what faces the clients. Takes its listeners and directories from the supervisor,
 * raises its walls, serves. */
#include "edge/edge.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "os/child.h"
#include "programs/rules.h"

/* A certificate that is there comes at once. One that is yet to be asked for (ACME) needs the plain
 * listener to serve first. */
#define CERTIFICATE_WAIT (3 * USEC_PER_SEC)

struct program {
    struct child *child;
    struct loop *loop;
    struct edge *edge;
    struct loop_timer without; /* goes on without a certificate */
    bool ready;
};

static const char *const PEERS[EDGE_PEERS] = {[EDGE_SIGNAL] = "signal", [EDGE_WEB] = "web"};

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* Given open by the supervisor, or by its path in settings.directories. */
static int open_root(struct child *child, const char *name)
{
    int fd = child_fd(child, name, 0);
    json_t *directories = json_object_get(child_settings(child), "directories");
    const char *path = json_string_value(json_object_get(directories, name));
    if (fd < 0 && path)
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && path)
        log_warn("directory missing name=%s", name);
    return fd;
}

static void tell_ready(struct program *program)
{
    if (program->ready)
        return;
    program->ready = true;
    loop_timer_clear(program->loop, &program->without);
    child_ready(program->child);
}

static void on_without(struct loop_timer *timer, usec_t now)
{
    (void)now;
    log_warn("no certificate yet: only plain requests are answered");
    tell_ready(CONTAINER_OF(timer, struct program, without));
}

static void on_link(void *arg, const char *peer, unsigned number, int fd)
{
    struct program *program = arg;
    (void)number;
    for (size_t i = 0; i < EDGE_PEERS; i++) {
        if (!slice_eq_str(slice_str(peer), PEERS[i]))
            continue;
        int err = edge_link(program->edge, (enum edge_peer)i, fd);
        if (err)
            log_error("link failed peer=%s err=%s", peer, err_name(err));
        else
            log_info("link up peer=%s", peer);
        return;
    }
    log_warn("link refused peer=%s", peer);
    close(fd);
}

static void on_lost(void *arg, enum edge_peer peer, int err)
{
    struct program *program = arg;
    log_warn("link lost peer=%s err=%s", PEERS[peer], err_name(err));
    child_condemn(program->child, PEERS[peer], 0, err);
}

static void on_tls(struct program *program, json_t *message, const int *fds, size_t count)
{
    (void)message;
    if (count != 2) {
        log_error("tls refused descriptors=%zu", count);
        close_all(fds, count);
        return;
    }
    int err = edge_set_tls(program->edge, fds[0], fds[1]);
    if (err)
        log_error("certificate refused err=%s", err_name(err));
    else
        log_info("certificate loaded");
    if (edge_is_ready(program->edge))
        tell_ready(program);
}

static void on_config(struct program *program, json_t *message, const int *fds, size_t count)
{
    const char *key = NULL;
    close_all(fds, count);
    if (edge_set_settings(program->edge, json_object_get(message, "settings"), &key) < 0)
        log_error("settings refused key=%s", key);
    else
        log_info("settings loaded");
}

static void on_metrics(struct program *program, json_t *message, const int *fds, size_t count)
{
    const char *name = json_string_value(json_object_get(message, "program"));
    unsigned number = (unsigned)json_integer_value(json_object_get(message, "number"));
    if (!name || count != 1) {
        close_all(fds, count);
        return;
    }
    int err = edge_put_metrics(program->edge, name, number, fds[0]);
    if (err)
        log_warn("metrics refused program=%s err=%s", name, err_name(err));
}

static void on_metrics_gone(struct program *program, json_t *message, const int *fds, size_t count)
{
    const char *name = json_string_value(json_object_get(message, "program"));
    close_all(fds, count);
    if (name)
        edge_drop_metrics(program->edge, name,
                          (unsigned)json_integer_value(json_object_get(message, "number")));
}

static void on_relay(struct program *program, json_t *message, const int *fds, size_t count)
{
    (void)message;
    edge_relay(program->edge, count == 1 ? fds[0] : -1);
    if (count > 1)
        close_all(fds, count);
}

static void want_relay(void *arg)
{
    struct program *program = arg;
    json_t *message = json_pack("{s:s}", "type", "relay");
    if (!message || child_send(program->child, message, NULL, 0) < 0)
        log_warn("relay not asked for"); /* whoever waits for it gives up soon */
    json_decref(message);
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds, size_t count)
{
    static const struct {
        const char *type;
        void (*handle)(struct program *, json_t *, const int *, size_t);
    } handlers[] = {
        {"tls", on_tls},         {"config", on_config},
        {"metrics", on_metrics}, {"metrics-gone", on_metrics_gone},
        {"relay", on_relay},
    };
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (slice_eq_str(slice_str(type), handlers[i].type)) {
            handlers[i].handle(arg, message, fds, count);
            return;
        }
    close_all(fds, count);
}

static void on_stop(void *arg)
{
    struct program *program = arg;
    loop_stop(program->loop);
}

static void listen_all(struct program *program)
{
    static const struct {
        const char *name;
        enum conn_kind kind;
    } listeners[] = {{"http", CONN_PLAIN}, {"https", CONN_TLS}, {"admin", CONN_ADMIN}};
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
        for (int fd; (fd = child_fd(program->child, listeners[i].name, 0)) >= 0;) {
            int err = edge_listen(program->edge, listeners[i].kind, fd);
            if (err)
                log_error("listener refused name=%s err=%s", listeners[i].name, err_name(err));
        }
}

int main(void)
{
    struct program program = {.child = child_start("edge")};
    struct rules rules;
    json_t *settings = child_settings(program.child);
    const struct edge_roots roots = {
        .client = open_root(program.child, "client"),
        .jitsi = open_root(program.child, "jitsi"),
        .recordings = open_root(program.child, "recordings"),
        .acme = open_root(program.child, "acme"),
    };
    const struct edge_handler edge_handler = {on_lost, want_relay, &program};
    const struct child_handler handler = {on_link, on_message, on_stop, &program};
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; a write then says EPIPE */
    program.loop = loop_new();
    const char *what = "memory";
    int err = program.loop ? edge_new(program.loop, child_metrics(program.child), &roots,
                                      &edge_handler, &program.edge)
                           : ERR_MEMORY;
    if (!err)
        err = edge_set_settings(program.edge, settings, &what);
    if (!err)
        err = rules_get("edge", settings, &rules);
    if (err) {
        log_error("start failed what=%s err=%s", what, err_name(err));
        return EXIT_FAILURE;
    }
    child_enter(program.child, program.loop, &rules.sandbox, &handler);
    listen_all(&program);
    loop_timer_init(&program.without, on_without);
    if (edge_is_ready(program.edge))
        tell_ready(&program);
    else
        err = loop_timer_set(program.loop, &program.without,
                             loop_now(program.loop) + CERTIFICATE_WAIT);
    if (!err)
        err = loop_run(program.loop);
    edge_free(&program.edge);
    child_free(&program.child);
    loop_free(&program.loop);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
