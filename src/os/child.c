#include "os/child.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define START_WAIT (10 * USEC_PER_SEC)

struct child {
    char program[32];
    json_t *start;
    unsigned number;
    int fds[CONTROL_FDS];
    size_t fd_count;
    struct metrics *metrics;
    struct control *control;
    struct child_handler handler;
    bool stopping;
};

__attribute__((noreturn)) static void die(const char *what, int err)
{
    log_error("start failed what=\"%s\" err=%s", what, err_name(err));
    exit(1);
}

static enum log_level level_of(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum log_level)i;
    return LOG_LEVEL_INFO;
}

static void receive_start(struct child *child)
{
    char *message = malloc(CONTROL_MESSAGE_MAX);
    size_t len = 0;
    if (!message)
        die("memory", ERR_MEMORY);
    int err = control_receive(CONTROL_FD, START_WAIT, message, CONTROL_MESSAGE_MAX, &len,
                              child->fds, &child->fd_count);
    if (err)
        die("no orders: this program is started by darasa serve", err);
    child->start = json_loadb(message, len, 0, NULL);
    free(message);
    const char *type = json_string_value(json_object_get(child->start, "type"));
    if (!type || strcmp(type, "start") != 0)
        die("the first message is not start", ERR_FORMAT);
    if (json_array_size(json_object_get(child->start, "fds")) != child->fd_count)
        die("descriptors and names differ", ERR_FORMAT);
    child->number = (unsigned)json_integer_value(json_object_get(child->start, "number"));
}

struct child *child_start(const char *program)
{
    log_init(program, LOG_LEVEL_INFO);
    int err = sandbox_step_down();
    if (err)
        die("change of user", err);
    struct child *child = calloc(1, sizeof *child);
    if (!child)
        die("memory", ERR_MEMORY);
    (void)slice_copy(slice_str(program), child->program, sizeof child->program); /* short names */
    receive_start(child);
    log_init(program, level_of(json_string_value(json_object_get(child->start, "log"))));
    if (!json_is_object(json_object_get(child->start, "settings")))
        die("settings are missing", ERR_FORMAT);
    int fd = child_fd(child, "metrics", 0);
    if (fd >= 0) {
        err = metrics_map(fd, true, &child->metrics);
        close(fd);
        if (err)
            die("metrics page", err);
    }
    return child;
}

json_t *child_settings(struct child *child)
{
    return json_object_get(child->start, "settings");
}

unsigned child_number(const struct child *child)
{
    return child->number;
}

int child_fd(struct child *child, const char *name, unsigned index)
{
    json_t *names = json_object_get(child->start, "fds");
    for (size_t i = 0; i < child->fd_count; i++) {
        const char *here = json_string_value(json_array_get(names, i));
        if (!here || strcmp(here, name) != 0)
            continue;
        if (index > 0)
            index--;
        else if (child->fds[i] >= 0) {
            int fd = child->fds[i];
            child->fds[i] = -1;
            return fd;
        }
    }
    return -1;
}

struct metrics *child_metrics(struct child *child)
{
    return child->metrics;
}

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void stop(struct child *child)
{
    if (child->stopping)
        return;
    child->stopping = true;
    child->handler.stop(child->handler.arg);
}

static void take_link(struct child *child, json_t *message, const int *fds, size_t fd_count)
{
    const char *peer = json_string_value(json_object_get(message, "peer"));
    json_int_t number = json_integer_value(json_object_get(message, "number"));
    if (!peer || fd_count != 1 || !child->handler.link) {
        close_fds(fds, fd_count);
        return;
    }
    child->handler.link(child->handler.arg, peer, (unsigned)number, fds[0]);
}

/* The supervisor asks whether the loop still turns. */
static void answer_ping(struct child *child)
{
    if (control_send(child->control, SLICE("{\"type\":\"pong\"}"), NULL, 0) < 0)
        log_warn("the supervisor does not listen");
}

static void on_message(void *arg, struct slice json, const int *fds, size_t fd_count)
{
    struct child *child = arg;
    json_t *message = json_loadb((const char *)json.data, json.len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type && strcmp(type, "stop") == 0)
        stop(child);
    else if (type && strcmp(type, "ping") == 0)
        answer_ping(child);
    else if (type && strcmp(type, "link") == 0) {
        take_link(child, message, fds, fd_count);
        fd_count = 0;
    } else if (type && child->handler.message) {
        child->handler.message(child->handler.arg, type, message, fds, fd_count);
        fd_count = 0;
    }
    close_fds(fds, fd_count);
    json_decref(message);
}

static void on_closed(void *arg)
{
    stop(arg);
}

void child_enter(struct child *child, struct loop *loop, const struct sandbox_rules *rules,
                 const struct child_handler *handler)
{
    assert(handler->stop);
    child->handler = *handler;
    const char *trouble = NULL;
    int err = sandbox_enter(rules, &trouble);
    if (err)
        die(trouble ? trouble : "sandbox", err);
    if (trouble)
        log_warn("sandbox missing=\"%s\"", trouble);
    const struct control_handler lines = {on_message, on_closed, child};
    err = control_new(loop, CONTROL_FD, &lines, &child->control);
    if (err)
        die("control", err);
}

int child_send(struct child *child, json_t *message, const int *fds, size_t fd_count)
{
    char *text = json_dumps(message, JSON_COMPACT);
    if (!text)
        return ERR_MEMORY;
    int err =
        child->control ? control_send(child->control, slice_str(text), fds, fd_count) : ERR_STATE;
    free(text);
    return err;
}

void child_ready(struct child *child)
{
    if (control_send(child->control, SLICE("{\"type\":\"ready\"}"), NULL, 0) < 0)
        log_warn("the supervisor does not listen");
}

void child_condemn(struct child *child, const char *peer, unsigned number, int err)
{
    if (err == ERR_CLOSED)
        return;
    log_warn("peer condemned peer=%s number=%u err=%s", peer, number, err_name(err));
    json_t *message = json_pack("{s:s,s:s,s:i,s:s}", "type", "condemn", "peer", peer, "number",
                                (int)number, "reason", err_name(err));
    if (!message || child_send(child, message, NULL, 0) < 0)
        log_warn("the supervisor does not listen");
    json_decref(message);
}

void child_free(struct child **child)
{
    struct child *dead = *child;
    if (!dead)
        return;
    *child = NULL;
    control_free(&dead->control);
    metrics_unmap(&dead->metrics);
    close_fds(dead->fds, dead->fd_count);
    json_decref(dead->start);
    free(dead);
}
