#include <stdlib.h>
#include <unistd.h>

#include "bridge/worker_state.h"

/* How long a feed without its conference, or the end of one, waits for the other half. */
#define PATIENCE (10 * USEC_PER_SEC)
#define RECORDINGS_MAX 256

static struct recording *find(struct worker *worker, const char *id)
{
    LIST_EACH(node, &worker->recordings)
    {
        struct recording *recording = LIST_ITEM(node, struct recording, node);
        if (strcmp(recording->id, id) == 0)
            return recording;
    }
    return NULL;
}

static struct recording *make(struct worker *worker, const char *id)
{
    size_t count = 0;
    LIST_EACH(node, &worker->recordings)
    count++;
    struct recording *recording = count < RECORDINGS_MAX ? calloc(1, sizeof *recording) : NULL;
    if (!recording || !slice_copy(slice_str(id), recording->id, sizeof recording->id)) {
        free(recording);
        return NULL;
    }
    recording->worker = worker;
    recording->fd = -1;
    recording->until = USEC_NEVER;
    list_append(&worker->recordings, &recording->node);
    return recording;
}

static void recording_free(struct recording *recording)
{
    list_remove(&recording->node);
    feed_out_free(&recording->out);
    feed_free(&recording->feed);
    if (recording->fd >= 0)
        close(recording->fd);
    free(recording);
}

static void tell(struct recording *recording, bool attached)
{
    const struct worker_handler *handler = &recording->worker->config.handler;
    recording->attached = attached;
    handler->feed(handler->arg, recording->conference, recording->id, attached);
}

static void on_attached(void *arg)
{
    tell(arg, true);
}

static void on_lost(void *arg)
{
    struct recording *recording = arg;
    recording->broken = true; /* freed by the next flush, not under its own feet */
    tell(recording, false);
}

/* Joins feed and descriptor once both are here. */
static void join(struct recording *recording)
{
    if (!recording->feed || recording->fd < 0)
        return;
    feed_out_free(&recording->out);
    recording->broken = false;
    const struct feed_out_handler handler = {on_attached, on_lost, recording};
    int fd = recording->fd;
    recording->fd = -1;
    if (feed_out_new(recording->worker->config.loop, fd, recording->feed, &handler,
                     &recording->out))
        tell(recording, false);
}

void worker_feed(struct worker *worker, const char *id, int fd)
{
    struct recording *recording = find(worker, id);
    if (!recording) {
        recording = make(worker, id);
        if (!recording) {
            close(fd);
            ++*worker->count.memory;
            return;
        }
        recording->until = loop_now(worker->config.loop) + PATIENCE;
    }
    if (recording->fd >= 0)
        close(recording->fd);
    recording->fd = fd;
    join(recording);
}

static struct recording *begin(struct room *room, usec_t now, const char *id)
{
    struct worker *worker = room->worker;
    struct recording *recording = find(worker, id);
    if (!recording)
        recording = make(worker, id);
    if (!recording)
        return NULL;
    recording->until = USEC_NEVER;
    (void)slice_copy(slice_str(room->id), recording->conference, sizeof recording->conference);
    if (!recording->feed) {
        const struct feed_setup setup = {
            .conference = recording->conference,
            .recording = recording->id,
            .boot = worker->config.boot,
            .wall_ms = clock_wall() / USEC_PER_MSEC,
        };
        recording->feed = feed_new(now, &setup);
    }
    if (!recording->feed) {
        recording_free(recording);
        return NULL;
    }
    join(recording);
    return recording;
}

void recording_end(struct room *room, usec_t now)
{
    struct recording *recording = room->recording;
    if (!recording)
        return;
    conference_set_feed(room->conference, now, NULL, false);
    feed_end(recording->feed, now);
    recording->until = now + PATIENCE;
    room->recording = NULL;
}

void recording_want(struct room *room, usec_t now, const char *id, bool paused)
{
    if (room->recording && strcmp(room->recording->id, id) != 0)
        recording_end(room, now);
    if (*id == '\0')
        return;
    if (!room->recording)
        room->recording = begin(room, now, id);
    if (room->recording)
        conference_set_feed(room->conference, now, room->recording->feed, paused);
    else
        ++*room->worker->count.memory;
}

void recording_flush_all(struct worker *worker, usec_t now)
{
    LIST_EACH(node, &worker->recordings)
    {
        struct recording *recording = LIST_ITEM(node, struct recording, node);
        if (recording->broken) {
            recording->broken = false;
            feed_out_free(&recording->out);
        }
        if (recording->out)
            feed_out_flush(recording->out, now);
        bool over =
            recording->until != USEC_NEVER && recording->feed && feed_drained(recording->feed);
        if (over || now >= recording->until)
            recording_free(recording);
    }
}

void recording_free_all(struct worker *worker)
{
    LIST_EACH(node, &worker->recordings)
    recording_free(LIST_ITEM(node, struct recording, node));
}
