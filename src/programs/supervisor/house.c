#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"
#include "programs/supervisor/supervisor.h"

#define MIB (INT64_C(1) << 20)
/* A journal on which signal dies so often in a row, right after its start, is what kills it. */
#define JOURNAL_DEATHS_MAX 4

#ifndef DARASA_VERSION
#error "the build names the version"
#endif

json_t *house_settings(struct supervisor *super, const char *program)
{
    json_t *settings = config_settings(super->config, program);
    json_t *common = json_pack(
        "{s:s,s:s,s:b,s:s,s:s,s:{}}", "host", config_text(super->config, "host"), "url", super->url,
        "demo", super->demo, "version", DARASA_VERSION, "run", super->run, "directories");
    bool ok = settings && common && json_object_update(settings, common) == 0;
    /* "default" is the supervisor's riddle, not theirs. */
    if (ok && json_object_get(settings, "tls"))
        ok = json_object_set_new(settings, "tls", json_string(super->tls)) == 0;
    if (ok && (strcmp(program, "signal") == 0 || strcmp(program, "web") == 0))
        ok = json_object_set_new(settings, "token_secret", json_string(super->token_secret)) == 0;
    if (ok && strcmp(program, "signal") == 0)
        ok = json_object_set(settings, "issuers", super->issuers) == 0 &&
             json_object_set_new(settings, "services", turn_services(super)) == 0;
    if (ok && (strcmp(program, "signal") == 0 || strcmp(program, "bridge") == 0))
        ok =
            json_object_set_new(settings, "workers", json_integer((json_int_t)super->workers)) == 0;
    json_decref(common);
    if (ok)
        return settings;
    json_decref(settings);
    return NULL;
}

static int add_directory(struct start *start, const char *name, const char *path)
{
    int fd;
    int err = dir_open(AT_FDCWD, path, &fd);
    if (err)
        return err;
    json_t *directories = json_object_get(start->settings, "directories");
    if (json_object_set_new(directories, name, json_string(path)) < 0) {
        close(fd);
        return ERR_MEMORY;
    }
    return start_add(start, name, fd, true);
}

int start_add_data(struct unit *unit, struct start *start, const char *name, const char *below)
{
    char path[PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", unit->super->data, below);
    return add_directory(start, name, path);
}

static int dress_edge(struct unit *unit, struct start *start)
{
    struct supervisor *super = unit->super;
    int err = 0;
    for (size_t i = 0; i < super->listener_count && !err; i++)
        err = start_add(start, super->listeners[i].name, super->listeners[i].fd, false);
    if (!err && super->client[0])
        err = add_directory(start, "client", super->client);
    if (!err && super->jitsi[0])
        err = add_directory(start, "jitsi", super->jitsi);
    if (!err)
        err = start_add_data(unit, start, "recordings", "recordings");
    if (!err)
        err = start_add_data(unit, start, "acme", "acme");
    return err;
}

static void message_edge(struct unit *unit, const char *type, json_t *message)
{
    (void)message;
    if (strcmp(type, "relay") == 0)
        turn_connect(unit);
}

static void show(struct unit *edge, const char *program, unsigned number, int fd)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int view = open(path, O_RDONLY | O_CLOEXEC); /* edge must not write into others' counters */
    if (view < 0) {
        log_warn("metrics not shown program=%s error=\"%m\"", program);
        return;
    }
    json_t *message =
        json_pack("{s:s,s:s,s:i}", "type", "metrics", "program", program, "number", (int)number);
    unit_send(edge, message, &view, 1);
    json_decref(message);
    close(view);
}

void house_show_metrics(struct supervisor *super, const char *program, unsigned number, int fd)
{
    struct unit *edge = unit_find(super, "edge", 0);
    if (!edge || super->stopping)
        return;
    if (strcmp(program, "edge") != 0) {
        show(edge, program, number, fd);
        return;
    }
    show(edge, "supervisor", 0, super->metrics_fd);
    LIST_EACH(node, &super->units)
    {
        const struct unit *unit = LIST_ITEM(node, struct unit, node);
        if (unit->pid > 0 && unit->metrics_fd >= 0 && unit != edge)
            show(edge, unit->kind->program, unit->number, unit->metrics_fd);
    }
    certificate_send(super);
}

void house_hide_metrics(struct supervisor *super, const char *program, unsigned number)
{
    struct unit *edge = unit_find(super, "edge", 0);
    if (!edge || !edge->control || super->stopping || strcmp(program, "edge") == 0)
        return;
    json_t *message = json_pack("{s:s,s:s,s:i}", "type", "metrics-gone", "program", program,
                                "number", (int)number);
    unit_send(edge, message, NULL, 0);
    json_decref(message);
}

static int new_journal(struct supervisor *super)
{
    if (super->journal_fd >= 0)
        close(super->journal_fd);
    super->journal_fd = memfd_create("darasa-journal", MFD_CLOEXEC);
    int64_t size = config_number(super->config, "journal.size") * MIB;
    return super->journal_fd >= 0 && ftruncate(super->journal_fd, size) == 0 ? 0 : ERR_IO;
}

static int dress_signal(struct unit *unit, struct start *start)
{
    if (unit->crashes > 0 && unit->crashes % JOURNAL_DEATHS_MAX == 0) {
        log_error("signal dies again and again: its journal is thrown away");
        if (new_journal(unit->super) < 0)
            return ERR_IO;
    }
    return start_add(start, "journal", unit->super->journal_fd, false);
}

static void ready_signal(struct unit *unit)
{
    recordings_tell_signal(unit->super);
}

static void message_signal(struct unit *unit, const char *type, json_t *message)
{
    if (strcmp(type, "record") == 0)
        recordings_start(unit->super, message);
    else if (strcmp(type, "record-stop") == 0)
        recordings_stop(unit->super, message);
}

static int dress_web(struct unit *unit, struct start *start)
{
    return start_add_data(unit, start, "school", "school");
}

static void ready_web(struct unit *unit)
{
    recordings_tell_web(unit->super);
}

static void message_web(struct unit *unit, const char *type, json_t *message)
{
    struct supervisor *super = unit->super;
    if (strcmp(type, "render") == 0)
        renders_ask(super, message);
    else if (strcmp(type, "remove") == 0)
        recordings_remove(super, message);
    else if (strcmp(type, "links") == 0) {
        json_decref(super->links);
        super->links = json_incref(json_object_get(message, "links"));
    }
}

static int dress_bridge(struct unit *unit, struct start *start)
{
    json_t *candidates = ports_candidates(unit->super);
    if (!candidates || json_object_set_new(start->settings, "candidates", candidates) < 0)
        return ERR_MEMORY;
    int err = witness_create(&unit->witness_fd);
    if (!err)
        err = start_add(start, "witness", unit->witness_fd, false);
    for (size_t i = 0; i < ARRAY_LEN(unit->udp) && !err; i++)
        if (unit->udp[i] >= 0)
            err = start_add(start, "udp", unit->udp[i], false);
    for (size_t i = 0; i < ARRAY_LEN(unit->tcp) && !err; i++)
        if (unit->tcp[i] >= 0)
            err = start_add(start, "tcp", unit->tcp[i], false);
    return err;
}

/* Signal judges whoever's bytes it died of. */
static void crashed_bridge(struct unit *unit)
{
    struct unit *signal = unit_find(unit->super, "signal", 0);
    struct witness_entry entry;
    if (!signal || unit->witness_fd < 0 || !witness_read(unit->witness_fd, &entry))
        return;
    /* NULL when the dead one left no text: then nobody is told. */
    json_t *message = json_pack("{s:s,s:i,s:s,s:s}", "type", "crash", "worker", (int)unit->number,
                                "conference", entry.where, "endpoint", entry.who);
    if (!message)
        return;
    log_warn("crashed by worker=%u conference=%s endpoint=%s", unit->number, entry.where,
             entry.who);
    unit_send(signal, message, NULL, 0);
    json_decref(message);
}

static void ready_bridge(struct unit *unit)
{
    recordings_feed_worker(unit->super, unit->number);
}

const struct kind kind_edge = {
    .program = "edge", .watched = true, .dress = dress_edge, .message = message_edge};
const struct kind kind_signal = {.program = "signal",
                                 .watched = true,
                                 .dress = dress_signal,
                                 .ready = ready_signal,
                                 .message = message_signal};
const struct kind kind_web = {.program = "web",
                              .watched = true,
                              .dress = dress_web,
                              .ready = ready_web,
                              .message = message_web};
const struct kind kind_bridge = {.program = "bridge",
                                 .watched = true,
                                 .dress = dress_bridge,
                                 .ready = ready_bridge,
                                 .crashed = crashed_bridge};

int house_start(struct supervisor *super)
{
    const struct kind *const kinds[] = {&kind_edge, &kind_signal, &kind_web};
    int err = new_journal(super);
    for (size_t i = 0; i < ARRAY_LEN(kinds) + super->workers && !err; i++) {
        struct unit *unit = NULL;
        bool worker = i >= ARRAY_LEN(kinds);
        unsigned number = worker ? (unsigned)(i - ARRAY_LEN(kinds)) : 0;
        err = unit_new(super, worker ? &kind_bridge : kinds[i], number, NULL, &unit);
        if (!err && worker)
            err = ports_open_media(super, unit->udp);
        if (!err && worker)
            err = ports_open_media_tcp(super, unit->tcp);
    }
    if (err)
        return err;
    LIST_EACH(node, &super->units)
    {
        err = unit_start(LIST_ITEM(node, struct unit, node));
        if (err)
            break;
    }
    return err;
}

void house_reload(struct supervisor *super)
{
    LIST_EACH(node, &super->units)
    {
        struct unit *unit = LIST_ITEM(node, struct unit, node);
        if (unit->pid <= 0 || unit->kind->ended)
            continue;
        json_t *message = json_pack("{s:s,s:o}", "type", "config", "settings",
                                    house_settings(super, unit->kind->program));
        unit_send(unit, message, NULL, 0);
        json_decref(message);
    }
    certificate_send(super);
}

static bool all_ready(const struct supervisor *super)
{
    LIST_EACH(node, &super->units)
    {
        const struct unit *unit = LIST_ITEM(node, struct unit, node);
        if (!unit->kind->ended && !unit->ready)
            return false;
    }
    return true;
}

/* The only lines on standard output: for people, and for ./run. */
void house_announce(struct supervisor *super)
{
    size_t i;
    json_t *link;
    if (super->announced || super->stopping || !all_ready(super))
        return;
    super->announced = true;
    (void)printf("Darasa is ready: %s\n", super->url);
    json_array_foreach(super->links, i, link)
    {
        const char *label = json_string_value(json_object_get(link, "label"));
        const char *path = json_string_value(json_object_get(link, "path"));
        if (label && path)
            (void)printf("  %s: %s%s\n", label, super->url, path);
    }
    (void)fflush(stdout); /* nobody may be there to read */
}
