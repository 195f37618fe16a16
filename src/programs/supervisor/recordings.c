#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"
#include "programs/supervisor/supervisor.h"

#define NAME_SIZE 37
#define RECORDINGS_MAX 100000
/* Entries per message: well under CONTROL_MESSAGE_MAX. */
#define LIST_PART 300
#define MIB UINT64_C(1048576)
/* What is being removed: not a recording any more, whatever happens meanwhile. */
#define REMOVING "removing-"

struct recording {
    struct list node;
    struct supervisor *super;
    char name[NAME_SIZE];
    char conference[128];
    unsigned worker;
    struct unit *recorder; /* while it is under way */
    bool stopping;
    bool finished;
    uint64_t bytes;
};

struct recordings {
    struct list all;
    size_t count;
    size_t running;
    unsigned next_number;
    int dir;
};

static int dress(struct unit *unit, struct start *start);
static void ready(struct unit *unit);
static void on_message(struct unit *unit, const char *type, json_t *message);
static void ended(struct unit *unit, int status);

static const struct kind kind_recorder = {.program = "recorder",
                                          .watched = true,
                                          .dress = dress,
                                          .ready = ready,
                                          .message = on_message,
                                          .ended = ended};

bool recording_name_ok(const char *name)
{
    if (!name || strlen(name) != NAME_SIZE - 1)
        return false;
    for (size_t i = 0; name[i]; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (name[i] >= '0' && name[i] <= '9') || (name[i] >= 'a' && name[i] <= 'f');
        if (hyphen ? name[i] != '-' : !hex)
            return false;
    }
    return true;
}

static struct recording *find(struct supervisor *super, const char *name)
{
    LIST_EACH(node, &super->recordings->all)
    {
        struct recording *r = LIST_ITEM(node, struct recording, node);
        if (name && strcmp(r->name, name) == 0)
            return r;
    }
    return NULL;
}

static struct recording *add(struct supervisor *super, const char *name)
{
    struct recording *r = NULL;
    if (super->recordings->count < RECORDINGS_MAX)
        r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->super = super;
    (void)slice_copy(slice_str(name), r->name, sizeof r->name); /* checked */
    list_append(&super->recordings->all, &r->node);
    super->recordings->count++;
    return r;
}

static void drop(struct recording *r)
{
    if (r->recorder)
        r->super->recordings->running--;
    unit_free(&r->recorder);
    list_remove(&r->node);
    r->super->recordings->count--;
    free(r);
}

static void tell_signal(const struct recording *r, const char *state, const char *reason)
{
    struct unit *signal = unit_find(r->super, "signal", 0);
    json_t *message = json_pack("{s:s,s:s,s:s,s:s}", "type", "recorder", "recording", r->name,
                                "state", state, "reason", reason);
    if (signal)
        unit_send(signal, message, NULL, 0);
    json_decref(message);
}

static void refuse(struct supervisor *super, const char *name, const char *reason)
{
    const struct recording stranger = {.super = super};
    struct recording told = stranger;
    log_warn("recording refused recording=%s reason=%s", name, reason);
    (void)slice_copy(slice_str(name), told.name, sizeof told.name); /* checked */
    tell_signal(&told, "failed", reason);
}

static void measure(struct recording *r)
{
    char path[NAME_SIZE + 8];
    r->bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        int fd;
        uint64_t bytes = 0;
        (void)snprintf(path, sizeof path, "%s/%s", r->name, i == 0 ? "spool" : "out");
        if (dir_open(r->super->recordings->dir, path, &fd) < 0)
            continue; /* spools of rendered recordings may be gone */
        if (dir_size(fd, &bytes) == 0)
            r->bytes += bytes;
        close(fd);
    }
}

static void finish(struct recording *r, const char *state, const char *reason)
{
    char path[NAME_SIZE + 16];
    if (r->recorder)
        r->super->recordings->running--;
    unit_free(&r->recorder);
    (void)snprintf(path, sizeof path, "%s/finished", r->name);
    int err = file_write(r->super->recordings->dir, path, slice_of(NULL, 0), 0644);
    if (err) /* the next start finds it without the mark and makes it then */
        log_error("mark failed recording=%s err=%s", r->name, err_name(err));
    r->finished = true;
    r->stopping = false;
    measure(r);
    log_info("recording ended recording=%s state=%s bytes=%llu", r->name, state,
             (unsigned long long)r->bytes);
    tell_signal(r, state, reason);
    recordings_tell_web(r->super);
}

static int dress(struct unit *unit, struct start *start)
{
    const struct recording *r = unit->owner;
    char below[NAME_SIZE + 24];
    (void)snprintf(below, sizeof below, "recordings/%s/spool", r->name);
    if (json_object_set_new(start->settings, "recording", json_string(r->name)) < 0)
        return ERR_MEMORY;
    return start_add_data(unit, start, "spool", below);
}

/* A fresh pipe between the bridge worker and the recorder; older ones die with it. */
static void feed(struct recording *r)
{
    int ends[2];
    struct unit *bridge = unit_find(r->super, "bridge", r->worker);
    if (!bridge || !bridge->ready || !r->recorder || !r->recorder->ready || r->stopping)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        log_error("feed failed recording=%s error=\"%m\"", r->name);
        return;
    }
    json_t *message = json_pack("{s:s,s:s,s:s}", "type", "feed", "recording", r->name, "conference",
                                r->conference);
    unit_send(r->recorder, message, &ends[1], 1);
    unit_send(bridge, message, &ends[0], 1);
    json_decref(message);
    close(ends[0]);
    close(ends[1]);
}

static void ready(struct unit *unit)
{
    struct recording *r = unit->owner;
    feed(r);
    tell_signal(r, "running", "");
}

static void on_message(struct unit *unit, const char *type, json_t *message)
{
    const struct recording *r = unit->owner;
    const char *reason = json_string_value(json_object_get(message, "reason"));
    if (strcmp(type, "trouble") == 0 && reason)
        tell_signal(r, "running", reason);
}

static void ended(struct unit *unit, int status)
{
    struct recording *r = unit->owner;
    if (r->stopping || status == 0) {
        finish(r, "finished", r->stopping ? "" : "abandoned");
        return;
    }
    if (!unit_again(unit)) {
        finish(r, "failed", "recorder");
        return;
    }
    tell_signal(r, "lost", "recorder");
}

/* 0, or the word that says why not. */
static const char *prepare(struct supervisor *super, const char *name)
{
    static const char *const parts[] = {"", "/spool", "/out"};
    char below[NAME_SIZE + 24];
    uint64_t room = 0;
    uint64_t reserve = (uint64_t)config_number(super->config, "recordings.reserve") * MIB;
    if ((int64_t)super->recordings->running >= config_number(super->config, "limits.recordings"))
        return "limit";
    if (dir_free_bytes(super->recordings->dir, &room) < 0 || room < reserve)
        return "disk";
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        (void)snprintf(below, sizeof below, "recordings/%s%s", name, parts[i]);
        if (data_make(super, below) < 0)
            return "disk";
    }
    return fsync(super->recordings->dir) == 0 ? NULL : "disk";
}

static void begin(struct supervisor *super, const char *name, const char *conference,
                  unsigned worker)
{
    const char *why = prepare(super, name);
    struct recording *r = why ? NULL : add(super, name);
    if (!r) {
        refuse(super, name, why ? why : "limit");
        return;
    }
    (void)slice_copy(slice_str(conference), r->conference, sizeof r->conference); /* checked */
    r->worker = worker;
    int err = unit_new(super, &kind_recorder, super->recordings->next_number++, r, &r->recorder);
    if (!err) {
        super->recordings->running++;
        err = unit_start(r->recorder);
    }
    if (err)
        finish(r, "failed", "recorder");
    else
        recordings_tell_web(super);
}

void recordings_start(struct supervisor *super, json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "recording"));
    const char *conference = json_string_value(json_object_get(message, "conference"));
    json_int_t worker = json_integer_value(json_object_get(message, "worker"));
    if (!recording_name_ok(name) || !conference || strlen(conference) >= 128 || worker < 0 ||
        worker >= (json_int_t)super->workers) {
        log_warn("order without sense type=record");
        return;
    }
    struct recording *r = find(super, name);
    if (!r) {
        begin(super, name, conference, (unsigned)worker);
    } else if (r->finished) {
        refuse(super, name, "finished");
    } else if (r->worker != (unsigned)worker || strcmp(r->conference, conference) != 0) {
        r->worker = (unsigned)worker;
        (void)slice_copy(slice_str(conference), r->conference, sizeof r->conference); /* checked */
        feed(r);
    }
}

void recordings_stop(struct supervisor *super, json_t *message)
{
    struct recording *r = find(super, json_string_value(json_object_get(message, "recording")));
    if (!r || r->finished || r->stopping)
        return;
    r->stopping = true;
    if (!r->recorder || r->recorder->pid <= 0) {
        finish(r, "finished", "");
        return;
    }
    json_t *order = json_pack("{s:s,s:s}", "type", "finish", "recording", r->name);
    unit_send(r->recorder, order, NULL, 0);
    json_decref(order);
}

void recordings_remove(struct supervisor *super, json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "recording"));
    struct recording *r = find(super, name);
    char away[sizeof REMOVING + NAME_SIZE];
    if (!r)
        return;
    renders_forget(super, r->name);
    if (r->recorder)
        tell_signal(r, "failed", "removed");
    (void)snprintf(away, sizeof away, REMOVING "%s", r->name);
    int dir = super->recordings->dir;
    bool moved = renameat(dir, r->name, dir, away) == 0;
    log_info("recording removed recording=%s", r->name);
    drop(r);
    if (!moved || dir_remove(dir, away) < 0)
        log_error("removal failed error=\"%m\"");
    recordings_tell_web(super);
}

void recordings_feed_worker(struct supervisor *super, unsigned number)
{
    LIST_EACH(node, &super->recordings->all)
    {
        struct recording *r = LIST_ITEM(node, struct recording, node);
        if (r->recorder && r->worker == number)
            feed(r);
    }
}

void recordings_tell_signal(struct supervisor *super)
{
    LIST_EACH(node, &super->recordings->all)
    {
        const struct recording *r = LIST_ITEM(node, struct recording, node);
        if (r->recorder)
            tell_signal(r, r->recorder->ready ? "running" : "lost", "");
    }
}

bool recordings_finished(struct supervisor *super, const char *recording)
{
    const struct recording *r = find(super, recording);
    return r && r->finished;
}

static void send_part(struct unit *web, json_t *list, bool more)
{
    json_t *message = json_pack("{s:s,s:O,s:b}", "type", "recordings", "list", list, "more", more);
    unit_send(web, message, NULL, 0);
    json_decref(message);
    json_decref(list);
}

void recordings_tell_web(struct supervisor *super)
{
    struct unit *web = unit_find(super, "web", 0);
    if (!web || super->stopping)
        return;
    json_t *list = json_array();
    LIST_EACH(node, &super->recordings->all)
    {
        const struct recording *r = LIST_ITEM(node, struct recording, node);
        json_t *item = json_pack("{s:s,s:b,s:I}", "recording", r->name, "finished", r->finished,
                                 "bytes", (json_int_t)r->bytes);
        if (json_array_size(list) >= LIST_PART) {
            send_part(web, list, true);
            list = json_array();
        }
        if (json_array_append_new(list, item) < 0) {
            json_decref(list); /* no memory: the next change tells it all again */
            return;
        }
    }
    send_part(web, list, false);
}

static int found(void *arg, int dir, const char *name)
{
    struct supervisor *super = arg;
    struct stat st;
    char path[NAME_SIZE + 16];
    if (slice_starts(slice_str(name), SLICE(REMOVING)))
        return dir_remove(dir, name);
    if (!recording_name_ok(name))
        return 0;
    struct recording *r = add(super, name);
    if (!r)
        return ERR_LIMIT;
    (void)snprintf(path, sizeof path, "%s/finished", name);
    r->finished = fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!r->finished) /* we or the machine went down in the middle */
        finish(r, "finished", "");
    else
        measure(r);
    return 0;
}

int recordings_open(struct supervisor *super)
{
    struct recordings *recordings = calloc(1, sizeof *recordings);
    if (!recordings)
        return ERR_MEMORY;
    list_init(&recordings->all);
    recordings->dir = -1;
    super->recordings = recordings;
    int err = dir_open(super->data_fd, "recordings", &recordings->dir);
    if (!err)
        err = dir_each(recordings->dir, found, super);
    if (err)
        complain("cannot read %s/recordings: %s.", super->data, strerror(errno));
    return err;
}

void recordings_close(struct supervisor *super)
{
    if (!super->recordings)
        return;
    LIST_EACH(node, &super->recordings->all)
    drop(LIST_ITEM(node, struct recording, node));
    if (super->recordings->dir >= 0)
        close(super->recordings->dir);
    free(super->recordings);
    super->recordings = NULL;
}
