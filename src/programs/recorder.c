/* darasa-recorder: appends one relay feed to files and never looks inside (docs/feed.md). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/child.h"
#include "os/file.h"
#include "programs/recorder_sync.h"
#include "programs/rules.h"

#define READ_SIZE ((size_t)(256 * 1024))
/* What waits while the disk takes nothing: some seconds of a large class. Then the feed waits, and
 * behind it the bridge, which marks what it had to drop. */
#define PENDING_MAX ((size_t)(16 * 1024 * 1024))
#define ROTATE_SIZE (UINT64_C(64) * 1024 * 1024)
#define ROTATE_AFTER (10 * USEC_PER_SEC)
#define SYNC_EVERY USEC_PER_SEC
#define RETRY_EVERY USEC_PER_SEC
/* After "finish": how long the rest of the feed may take, and then how long the disk may. */
#define FINISH_WAIT (5 * USEC_PER_SEC)
#define DRAIN_WAIT (10 * USEC_PER_SEC)
/* Nobody feeds this recording any more and nobody says that it ended. */
#define ABANDONED_AFTER (15 * 60 * USEC_PER_SEC)

struct counters {
    uint64_t *bytes;
    uint64_t *files;
    uint64_t *feeds;
    uint64_t *write_errors;
    uint64_t *pending;
};

struct recorder {
    struct loop *loop;
    struct child *child;
    struct recorder_sync *sync;
    int spool;
    struct loop_io feed;
    uint8_t hello[8]; /* the handshake: bytes held */
    size_t hello_left;
    uint64_t accepted; /* bytes read from feeds, in all lives of this recording */
    uint64_t written;
    int file;
    uint64_t file_start;
    usec_t file_opened;
    bool dirty;
    struct buf pending;
    bool troubled;
    bool finishing;
    bool draining;
    int status;
    struct loop_timer sync_timer;
    struct loop_timer retry_timer;
    struct loop_timer end_timer;
    struct counters count;
};

static void report(struct recorder *r, const char *reason)
{
    json_t *message = json_pack("{s:s,s:s}", "type", "trouble", "reason", reason);
    if (!message || child_send(r->child, message, NULL, 0) < 0)
        log_warn("the supervisor does not listen");
    json_decref(message);
}

static void trouble(struct recorder *r, const char *what)
{
    (*r->count.write_errors)++;
    if (r->troubled)
        return;
    r->troubled = true;
    log_error("%s failed error=\"%m\" pending=%zu", what, r->pending.len);
    report(r, "disk");
}

static void set_timer(struct recorder *r, struct loop_timer *timer, usec_t in)
{
    if (loop_timer_set(r->loop, timer, loop_now(r->loop) + in) < 0) {
        log_error("no memory for a timer");
        exit(1); /* the successor goes on from what is written */
    }
}

static void close_file(struct recorder *r)
{
    if (r->file < 0)
        return;
    recorder_sync_last(r->sync, r->file);
    r->file = -1;
    r->dirty = false;
}

static bool open_file(struct recorder *r)
{
    char name[32];
    usec_t now = loop_now(r->loop);
    if (r->file >= 0 && r->written - r->file_start < ROTATE_SIZE &&
        now - r->file_opened < ROTATE_AFTER)
        return true;
    close_file(r);
    (void)snprintf(name, sizeof name, "%016llx.feed", (unsigned long long)r->written);
    r->file = openat(r->spool, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (r->file < 0) {
        trouble(r, "open");
        return false;
    }
    r->file_start = r->written;
    r->file_opened = now;
    (*r->count.files)++;
    recorder_sync_directory(r->sync, r->spool);
    return true;
}

/* Writes what waits. False: the disk does not take it all now. */
static bool flush(struct recorder *r)
{
    while (r->pending.len > 0) {
        if (!open_file(r))
            break;
        size_t len = r->pending.len;
        if (len > ROTATE_SIZE - (r->written - r->file_start))
            len = (size_t)(ROTATE_SIZE - (r->written - r->file_start));
        ssize_t done = write(r->file, r->pending.data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            trouble(r, "write");
            break;
        }
        r->written += (uint64_t)done;
        *r->count.bytes += (uint64_t)done;
        r->dirty = true;
        buf_consume(&r->pending, (size_t)done);
    }
    *r->count.pending = r->pending.len;
    if (r->pending.len > 0) {
        set_timer(r, &r->retry_timer, RETRY_EVERY);
        return false;
    }
    if (r->troubled) {
        r->troubled = false;
        log_info("the disk takes data again");
        report(r, "ok");
    }
    return true;
}

static void end(struct recorder *r, int status)
{
    r->status = status;
    loop_stop(r->loop);
}

/* No more will come: ends once all is written, at the latest after DRAIN_WAIT. */
static void drain(struct recorder *r)
{
    if (!r->draining)
        set_timer(r, &r->end_timer, DRAIN_WAIT);
    r->draining = true;
    if (flush(r))
        end(r, 0);
}

static void close_feed(struct recorder *r)
{
    if (r->feed.fd < 0)
        return;
    loop_unwatch(r->loop, &r->feed);
    close(r->feed.fd);
    r->feed.fd = -1;
}

static void lose_feed(struct recorder *r)
{
    close_feed(r);
    log_info("feed ended bytes=%llu", (unsigned long long)r->accepted);
    if (r->finishing)
        drain(r);
    else
        set_timer(r, &r->end_timer, ABANDONED_AFTER);
}

static void watch_feed(struct recorder *r)
{
    uint32_t wanted = r->hello_left > 0 ? LOOP_WRITE : 0;
    if (r->pending.max - r->pending.len >= READ_SIZE)
        wanted |= LOOP_READ;
    if (r->feed.fd >= 0 && loop_watch(r->loop, &r->feed, wanted) < 0)
        lose_feed(r);
}

static bool say_hello(struct recorder *r)
{
    while (r->hello_left > 0) {
        ssize_t done = write(r->feed.fd, r->hello + sizeof r->hello - r->hello_left, r->hello_left);
        if (done < 0)
            return errno == EAGAIN || errno == EINTR;
        r->hello_left -= (size_t)done;
    }
    return true;
}

static void on_feed(struct loop_io *io, uint32_t events)
{
    struct recorder *r = CONTAINER_OF(io, struct recorder, feed);
    if ((events & LOOP_WRITE) && !say_hello(r)) {
        lose_feed(r);
        return;
    }
    if (events & LOOP_READ) {
        uint8_t *at = buf_reserve(&r->pending, READ_SIZE);
        if (!at) {
            r->pending.failed = false;
            trouble(r, "memory");
            return;
        }
        ssize_t got = read(r->feed.fd, at, READ_SIZE);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            lose_feed(r);
            return;
        }
        if (got > 0) {
            buf_commit(&r->pending, (size_t)got);
            r->accepted += (uint64_t)got;
            if (!r->troubled)
                (void)flush(r); /* what is left over is tried again by the timer */
        }
    }
    watch_feed(r);
}

static void take_feed(struct recorder *r, int fd)
{
    close_feed(r);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return;
    }
    r->feed.fd = fd;
    for (size_t i = 0; i < sizeof r->hello; i++)
        r->hello[i] = (uint8_t)(r->accepted >> (8 * i));
    r->hello_left = sizeof r->hello;
    (*r->count.feeds)++;
    log_info("feed begins bytes=%llu", (unsigned long long)r->accepted);
    if (r->finishing)
        set_timer(r, &r->end_timer, FINISH_WAIT);
    else
        loop_timer_clear(r->loop, &r->end_timer);
    watch_feed(r);
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds,
                       size_t fd_count)
{
    struct recorder *r = arg;
    (void)message;
    bool feed = strcmp(type, "feed") == 0 && fd_count == 1;
    for (size_t i = 0; !feed && i < fd_count; i++)
        close(fds[i]);
    if (feed)
        take_feed(r, fds[0]);
    else if (strcmp(type, "finish") == 0 && !r->finishing) {
        r->finishing = true;
        if (r->feed.fd < 0)
            drain(r);
        else
            set_timer(r, &r->end_timer, FINISH_WAIT);
    }
}

static void on_stop(void *arg)
{
    struct recorder *r = arg;
    close_feed(r);
    drain(r);
}

static void on_sync(struct loop_timer *timer, usec_t now)
{
    struct recorder *r = CONTAINER_OF(timer, struct recorder, sync_timer);
    (void)now;
    if (r->dirty && recorder_sync_now(r->sync, r->file))
        r->dirty = false;
    if (recorder_sync_failed(r->sync))
        trouble(r, "sync");
    set_timer(r, &r->sync_timer, SYNC_EVERY);
}

static void on_retry(struct loop_timer *timer, usec_t now)
{
    struct recorder *r = CONTAINER_OF(timer, struct recorder, retry_timer);
    (void)now;
    if (flush(r) && r->draining)
        end(r, 0);
    watch_feed(r);
}

static void on_end(struct loop_timer *timer, usec_t now)
{
    struct recorder *r = CONTAINER_OF(timer, struct recorder, end_timer);
    (void)now;
    if (r->draining) {
        log_error("the disk did not take the end pending=%zu", r->pending.len);
        report(r, "gap");
        end(r, 1);
        return;
    }
    if (!r->finishing)
        log_warn("abandoned: no feed for a long time");
    close_feed(r);
    drain(r);
}

static int count_file(void *arg, int dir, const char *name)
{
    uint64_t *end_of_all = arg;
    unsigned long long start;
    struct stat st;
    char *rest;
    start = strtoull(name, &rest, 16);
    if (rest != name + 16 || strcmp(rest, ".feed") != 0)
        return 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ERR_IO;
    uint64_t here = start + (uint64_t)st.st_size;
    if (here > *end_of_all)
        *end_of_all = here;
    return 0;
}

static void init(struct recorder *r, struct child *child)
{
    struct metrics *metrics = child_metrics(child);
    *r = (struct recorder){.loop = loop_new(), .child = child, .file = -1};
    r->spool = child_fd(child, "spool", 0);
    r->feed = (struct loop_io){.fd = -1, .ready = on_feed};
    buf_init(&r->pending, PENDING_MAX);
    loop_timer_init(&r->sync_timer, on_sync);
    loop_timer_init(&r->retry_timer, on_retry);
    loop_timer_init(&r->end_timer, on_end);
    r->count = (struct counters){
        metrics_counter(metrics, "darasa_recorder_bytes_total"),
        metrics_counter(metrics, "darasa_recorder_files_total"),
        metrics_counter(metrics, "darasa_recorder_feeds_total"),
        metrics_counter(metrics, "darasa_recorder_write_errors_total"),
        metrics_counter(metrics, "darasa_recorder_pending_bytes"),
    };
    if (!r->loop || r->spool < 0 || dir_each(r->spool, count_file, &r->accepted) < 0) {
        log_error("no spool directory");
        exit(1);
    }
    r->written = r->accepted;
}

int main(void)
{
    struct recorder r;
    struct rules rules;
    struct child *child = child_start("recorder");
    init(&r, child);
    if (rules_get("recorder", child_settings(child), &rules) < 0)
        return 1;
    const struct child_handler handler = {.message = on_message, .stop = on_stop, .arg = &r};
    child_enter(child, r.loop, &rules.sandbox, &handler);
    if (recorder_sync_new(child_metrics(child), &r.sync) < 0) {
        log_error("no thread for syncing");
        return 1;
    }
    set_timer(&r, &r.sync_timer, SYNC_EVERY);
    set_timer(&r, &r.end_timer, ABANDONED_AFTER);
    child_ready(child);
    if (loop_run(r.loop) < 0)
        r.status = 1;
    close_file(&r);
    close_feed(&r);
    recorder_sync_free(&r.sync);
    close(r.spool);
    buf_done(&r.pending);
    child_free(&child);
    loop_free(&r.loop);
    return r.status;
}
