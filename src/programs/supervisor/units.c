#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "os/process.h"
#include "programs/supervisor/supervisor.h"

/* Another is there at once, unless it dies by its own fault right after its start: then pauses
 * double. A life this long makes up for earlier deaths. */
#define PAUSE_MIN (100 * USEC_PER_MSEC)
#define PAUSE_MAX (10 * USEC_PER_SEC)
#define LONG_LIFE (60 * USEC_PER_SEC)
#define AT_ONCE (5 * USEC_PER_SEC)
/* Those with somebody to tell give up after as many quick deaths. */
#define FAILURES_MAX 8
/* Opening and migrating a large database is the slowest start. */
#define START_MAX (120 * USEC_PER_SEC)
/* Before anybody was served: the reason will not go away. */
#define START_FAILURES_MAX 3
/* Stopping: a message, then SIGTERM, then SIGKILL. */
#define STOP_TERM (3 * USEC_PER_SEC)
#define STOP_KILL (4500 * USEC_PER_MSEC)

static void on_exit_io(struct loop_io *io, uint32_t events);
static void on_again(struct loop_timer *timer, usec_t now);
static void on_watch(struct loop_timer *timer, usec_t now);

int unit_new(struct supervisor *super, const struct kind *kind, unsigned number, void *owner,
             struct unit **ret_unit)
{
    struct unit *unit = calloc(1, sizeof *unit);
    if (!unit)
        return ERR_MEMORY;
    unit->super = super;
    unit->kind = kind;
    unit->number = number;
    unit->owner = owner;
    unit->exit_io = (struct loop_io){.fd = -1, .ready = on_exit_io};
    unit->metrics_fd = unit->witness_fd = -1;
    for (size_t i = 0; i < ARRAY_LEN(unit->udp); i++)
        unit->udp[i] = -1;
    unit->tcp[0] = unit->tcp[1] = -1;
    loop_timer_init(&unit->again, on_again);
    loop_timer_init(&unit->watch, on_watch);
    list_append(&super->units, &unit->node);
    *ret_unit = unit;
    return 0;
}

static void set_timer(struct unit *unit, struct loop_timer *timer, usec_t in)
{
    if (loop_timer_set(unit->super->loop, timer, loop_now(unit->super->loop) + in) < 0)
        log_error("no memory for a timer program=%s", unit->kind->program);
}

/* Everything of the process that was. */
static void clean(struct unit *unit)
{
    control_free(&unit->control);
    loop_timer_clear(unit->super->loop, &unit->again);
    loop_timer_clear(unit->super->loop, &unit->watch);
    if (unit->exit_io.fd >= 0) {
        loop_unwatch(unit->super->loop, &unit->exit_io);
        close(unit->exit_io.fd);
        unit->exit_io.fd = -1;
    }
    if (unit->metrics_fd >= 0) {
        house_hide_metrics(unit->super, unit->kind->program, unit->number);
        close(unit->metrics_fd);
        unit->metrics_fd = -1;
    }
    if (unit->witness_fd >= 0) {
        close(unit->witness_fd);
        unit->witness_fd = -1;
    }
    unit->pid = 0;
    unit->ready = false;
}

void unit_free(struct unit **unit)
{
    struct unit *dead = *unit;
    if (!dead)
        return;
    *unit = NULL;
    if (dead->pid > 0) {
        (void)kill(dead->pid, SIGKILL); /* ours, not yet waited for: the number is still its */
        (void)waitpid(dead->pid, NULL, 0);
    }
    clean(dead);
    for (size_t i = 0; i < 2; i++) {
        if (dead->udp[i] >= 0)
            close(dead->udp[i]);
        if (dead->tcp[i] >= 0)
            close(dead->tcp[i]);
    }
    list_remove(&dead->node);
    free(dead);
}

struct unit *unit_find(struct supervisor *super, const char *program, unsigned number)
{
    LIST_EACH(node, &super->units)
    {
        struct unit *unit = LIST_ITEM(node, struct unit, node);
        if (unit->number == number && unit->pid > 0 && strcmp(unit->kind->program, program) == 0)
            return unit;
    }
    return NULL;
}

void unit_kill(struct unit *unit, const char *why)
{
    if (unit->pid <= 0)
        return;
    log_warn("killed program=%s number=%u pid=%d why=\"%s\"", unit->kind->program, unit->number,
             (int)unit->pid, why);
    unit->killed = true;
    (void)kill(unit->pid, SIGKILL); /* dead already is as good */
}

void unit_send(struct unit *unit, json_t *message, const int *fds, size_t fd_count)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    int err = ERR_MEMORY;
    if (text && unit->control)
        err = control_send(unit->control, slice_str(text), fds, fd_count);
    free(text);
    if (err && unit->pid > 0)
        log_warn("message lost program=%s number=%u err=%s", unit->kind->program, unit->number,
                 err_name(err));
    if (err == ERR_LIMIT)
        unit_kill(unit, "does not read its orders");
}

int start_add(struct start *start, const char *name, int fd, bool owned)
{
    if (fd < 0 || start->count >= CONTROL_FDS ||
        json_array_append_new(start->names, json_string(name)) < 0) {
        if (owned && fd >= 0)
            close(fd);
        return fd < 0 ? ERR_NOT_FOUND : ERR_LIMIT;
    }
    start->fds[start->count] = fd;
    start->owned[start->count++] = owned;
    return 0;
}

static void start_done(struct start *start)
{
    for (size_t i = 0; i < start->count; i++)
        if (start->owned[i])
            close(start->fds[i]);
    json_decref(start->settings);
    json_decref(start->names);
}

static void condemn(struct unit *unit, json_t *message)
{
    const char *peer = json_string_value(json_object_get(message, "peer"));
    const char *reason = json_string_value(json_object_get(message, "reason"));
    json_int_t number = json_integer_value(json_object_get(message, "number"));
    if (!peer || !link_allowed(unit->kind->program, peer))
        return;
    struct unit *bad = unit_find(unit->super, peer, (unsigned)number);
    log_warn("condemned by=%s program=%s number=%d reason=%s", unit->kind->program, peer,
             (int)number, reason ? reason : "");
    if (bad)
        unit_kill(bad, "condemned");
}

static void become_ready(struct unit *unit)
{
    if (unit->ready)
        return;
    unit->ready = true;
    log_debug("ready program=%s number=%u", unit->kind->program, unit->number);
    if (unit->kind->ready)
        unit->kind->ready(unit);
    house_announce(unit->super);
}

/* Children are not trusted: whatever does not parse as an order they may give is dropped. */
static void on_message(void *arg, struct slice json, const int *fds, size_t fd_count)
{
    struct unit *unit = arg;
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    json_t *message = json_loadb((const char *)json.data, json.len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    unit->heard = loop_now(unit->super->loop);
    if (!type)
        unit_kill(unit, "message without sense");
    else if (strcmp(type, "ready") == 0)
        become_ready(unit);
    else if (strcmp(type, "condemn") == 0)
        condemn(unit, message);
    else if (strcmp(type, "pong") != 0 && unit->kind->message && !unit->super->stopping)
        unit->kind->message(unit, type, message);
    json_decref(message);
}

/* Alive without a control line it is of no use. */
static void on_closed(void *arg)
{
    struct unit *unit = arg;
    if (!unit->super->stopping)
        set_timer(unit, &unit->watch, USEC_PER_SEC);
}

static int send_start(struct unit *unit)
{
    struct supervisor *super = unit->super;
    struct start start = {.settings = house_settings(super, unit->kind->program),
                          .names = json_array()};
    int err = start.settings && start.names ? 0 : ERR_MEMORY;
    if (!err)
        err = metrics_create(unit->kind->program, unit->number, &unit->metrics_fd);
    if (!err)
        err = start_add(&start, "metrics", unit->metrics_fd, false);
    if (!err && unit->kind->dress)
        err = unit->kind->dress(unit, &start);
    json_t *message = NULL;
    if (!err)
        message =
            json_pack("{s:s,s:s,s:i,s:s,s:O,s:O}", "type", "start", "program", unit->kind->program,
                      "number", (int)unit->number, "log", config_text(super->config, "log.level"),
                      "settings", start.settings, "fds", start.names);
    if (!err && !message)
        err = ERR_MEMORY;
    if (!err)
        unit_send(unit, message, start.fds, start.count);
    json_decref(message);
    start_done(&start);
    return err;
}

static int spawn(struct unit *unit)
{
    struct supervisor *super = unit->super;
    char path[PATH_SIZE + 64];
    int ends[2];
    int pidfd = -1;
    (void)snprintf(path, sizeof path, "%s/darasa-%s", super->programs, unit->kind->program);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return ERR_IO;
    const char *const argv[] = {path, NULL};
    const struct process_options options = {.control = ends[1],
                                            .low_priority = unit->kind->low_priority};
    int err = process_spawn(path, argv, &options, &unit->pid, &pidfd);
    close(ends[1]);
    if (err) {
        close(ends[0]);
        return err;
    }
    unit->exit_io.fd = pidfd;
    const struct control_handler handler = {on_message, on_closed, unit};
    err = control_new(super->loop, ends[0], &handler, &unit->control);
    if (err)
        close(ends[0]);
    else
        err = loop_watch(super->loop, &unit->exit_io, LOOP_READ);
    return err;
}

int unit_start(struct unit *unit)
{
    struct supervisor *super = unit->super;
    unit->started = unit->heard = loop_now(super->loop);
    int err = spawn(unit);
    if (!err)
        err = send_start(unit);
    if (err) {
        log_error("start failed program=%s number=%u err=%s", unit->kind->program, unit->number,
                  err_name(err));
        if (unit->pid > 0) {
            (void)kill(unit->pid, SIGKILL); /* just started, not yet waited for */
            (void)waitpid(unit->pid, NULL, 0);
        }
        clean(unit);
        if (!unit->kind->ended && !super->stopping)
            set_timer(unit, &unit->again, PAUSE_MAX);
        return err;
    }
    log_info("started program=%s number=%u pid=%d", unit->kind->program, unit->number,
             (int)unit->pid);
    house_show_metrics(super, unit->kind->program, unit->number, unit->metrics_fd);
    links_make(unit);
    if (unit->kind->watched)
        set_timer(unit, &unit->watch, USEC_PER_SEC);
    return 0;
}

static void on_again(struct loop_timer *timer, usec_t now)
{
    struct unit *unit = CONTAINER_OF(timer, struct unit, again);
    (void)now;
    if (unit->super->stopping || unit->pid > 0)
        return;
    /* One of the house has set its timer again; others have somebody who decides. */
    if (unit_start(unit) < 0 && unit->kind->ended)
        unit->kind->ended(unit, W_EXITCODE(1, 0));
}

static void on_watch(struct loop_timer *timer, usec_t now)
{
    struct unit *unit = CONTAINER_OF(timer, struct unit, watch);
    struct supervisor *super = unit->super;
    usec_t limit = config_number(super->config, "watchdog") * USEC_PER_SEC;
    if (super->stopping || unit->pid == 0)
        return;
    if (!unit->control || control_send(unit->control, SLICE("{\"type\":\"ping\"}"), NULL, 0) < 0)
        unit_kill(unit, "closed its control line");
    else if (!unit->ready && now - unit->started > START_MAX)
        unit_kill(unit, "does not become ready");
    else if (unit->ready && limit > 0 && now - unit->heard > limit)
        unit_kill(unit, "hangs");
    else
        set_timer(unit, &unit->watch, limit > 0 ? usec_max(limit / 4, USEC_PER_SEC) : START_MAX);
}

bool unit_again(struct unit *unit)
{
    unsigned failures = unit->failures;
    usec_t pause = failures < 2 ? 0 : PAUSE_MIN << (failures - 2 < 10 ? failures - 2 : 10);
    /* Whoever kills it may not make us spin. */
    if (unit->lived < PAUSE_MIN)
        pause = usec_max(pause, PAUSE_MIN);
    set_timer(unit, &unit->again, usec_min(pause, PAUSE_MAX));
    return failures <= FAILURES_MAX;
}

/* Somebody else's SIGKILL, or the kernel's for want of memory, says nothing of the program or of
 * what it was given. */
static void judge_death(struct unit *unit, int status)
{
    bool own_fault = unit->killed || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
    bool quick = unit->lived < AT_ONCE || !unit->ready;
    if (own_fault)
        unit->crashes = quick ? unit->crashes + 1 : 0;
    if (unit->lived >= LONG_LIFE)
        unit->failures = 0;
    if (own_fault && quick)
        unit->failures++;
    unit->killed = false;
    if (own_fault && unit->kind->crashed && !unit->super->stopping)
        unit->kind->crashed(unit);
}

static bool all_gone(const struct supervisor *super)
{
    LIST_EACH(node, &super->units)
    if (LIST_ITEM(node, struct unit, node)->pid > 0)
        return false;
    return true;
}

static void tell_end(const struct unit *unit, int status)
{
    char name[METRICS_NAME_MAX];
    bool expected = unit->super->stopping || (unit->kind->ended && status == 0);
    log_line(expected ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
             "ended program=%s number=%u pid=%d %s=%d lived_ms=%lld", unit->kind->program,
             unit->number, (int)unit->pid, WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
             (long long)(unit->lived / USEC_PER_MSEC));
    (void)snprintf(name, sizeof name, "darasa_supervisor_ended_total{child=\"%s\"}",
                   unit->kind->program);
    (*metrics_counter(unit->super->metrics, name))++;
}

static void on_exit_io(struct loop_io *io, uint32_t events)
{
    struct unit *unit = CONTAINER_OF(io, struct unit, exit_io);
    struct supervisor *super = unit->super;
    int status = 0;
    (void)events;
    if (unit->control)
        control_read(unit->control);
    if (process_reap(unit->pid, &status) == ERR_AGAIN)
        return;
    unit->lived = loop_now(super->loop) - unit->started;
    bool was_ready = unit->ready;
    tell_end(unit, status);
    judge_death(unit, status);
    clean(unit);
    if (super->stopping) {
        if (all_gone(super))
            loop_stop(super->loop);
        return;
    }
    if (unit->kind->ended) {
        unit->kind->ended(unit, status);
        return;
    }
    (void)unit_again(unit); /* the house never gives up */
    if (!super->announced && !was_ready && unit->failures >= START_FAILURES_MAX) {
        complain("darasa-%s cannot start; the lines above say why.", unit->kind->program);
        super->status = 1;
        units_stop(super);
    }
}

struct stopping {
    struct loop_timer timer;
    struct supervisor *super;
    int signal;
};

static void on_stop_timer(struct loop_timer *timer, usec_t now)
{
    struct stopping *stopping = CONTAINER_OF(timer, struct stopping, timer);
    struct supervisor *super = stopping->super;
    LIST_EACH(node, &super->units)
    {
        const struct unit *unit = LIST_ITEM(node, struct unit, node);
        if (unit->pid <= 0)
            continue;
        log_warn("slow to stop program=%s number=%u", unit->kind->program, unit->number);
        (void)kill(unit->pid, stopping->signal); /* dead already is as good */
    }
    if (stopping->signal == SIGTERM) {
        stopping->signal = SIGKILL;
        if (loop_timer_set(super->loop, timer, now + STOP_KILL - STOP_TERM) == 0)
            return;
    }
    loop_stop(super->loop); /* whoever is left is killed by unit_free */
}

void units_stop(struct supervisor *super)
{
    static struct stopping stopping;
    if (super->stopping) { /* asked twice: at once */
        loop_stop(super->loop);
        return;
    }
    super->stopping = true;
    json_t *message = json_pack("{s:s}", "type", "stop");
    LIST_EACH(node, &super->units)
    {
        struct unit *unit = LIST_ITEM(node, struct unit, node);
        loop_timer_clear(super->loop, &unit->again);
        if (unit->pid > 0)
            unit_send(unit, message, NULL, 0);
    }
    json_decref(message);
    stopping = (struct stopping){.super = super, .signal = SIGTERM};
    loop_timer_init(&stopping.timer, on_stop_timer);
    if (all_gone(super) ||
        loop_timer_set(super->loop, &stopping.timer, loop_now(super->loop) + STOP_TERM) < 0)
        loop_stop(super->loop);
}
