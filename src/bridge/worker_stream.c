#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/worker_state.h"
#include "os/control.h"
#include "os/tcp.h"
#include "proto/framed.h"

/* Everybody of several classes behind firewalls, with what their reconnects leave behind. */
#define OPEN_MAX 2000
/* Connections without an authenticated check yet: beyond it the oldest goes, so that silent ones
 * keep nobody out. */
#define HALF_MAX 256
#define HALF_LIFE (5 * USEC_PER_SEC)
/* System calls per turn, so that one flood does not hold up the rest. */
#define ACCEPTS_MAX 32
#define READS_MAX 4
#define BUFFER ((size_t)(32 * 1024))
/* In the kernel nothing can be dropped any more for being late: 130 ms of 1 Mb/s. */
#define UNSENT_MAX (16 * 1024)

/* In the order of worker_count.c. */
enum end { END_CLOSED, END_MALFORMED, END_STRANGER, END_SILENT, END_EVICTED, END_FULL, END_PASSED };
_Static_assert(END_PASSED + 1 == WORKER_STREAM_ENDS, "one counter for each");

struct stream {
    struct list node;    /* in streams->half or ->open */
    struct list written; /* in streams->written: writes at the end of the turn */
    struct worker *worker;
    struct loop_io io;
    struct path path;
    usec_t since;
    bool half;
    bool passed; /* by another worker */
    struct framed framed;
    struct backlog *backlog; /* NULL: nothing was sent yet */
};

struct listener {
    struct worker *worker;
    struct loop_io io;
};

struct stream_peer {
    struct worker *worker;
    struct control *control; /* NULL: not there */
};

struct streams {
    struct listener listeners[WORKER_SOCKETS_MAX];
    size_t listener_count;
    struct stream_peer peers[WORKER_COUNT_MAX];
    struct map *by_number;
    struct list half; /* the oldest first */
    size_t half_count;
    struct list open;
    size_t open_count;
    struct list written;
    uint64_t last_number;
    uint8_t buffer[BUFFER];
};

struct streams *streams_new(uint64_t seed)
{
    struct streams *streams = calloc(1, sizeof *streams);
    if (!streams)
        return NULL;
    list_init(&streams->half);
    list_init(&streams->open);
    list_init(&streams->written);
    streams->by_number = map_new(OPEN_MAX + HALF_MAX, seed);
    if (!streams->by_number) {
        free(streams);
        return NULL;
    }
    return streams;
}

static struct slice number_key(const struct path *path)
{
    return slice_of(&path->local, sizeof path->local);
}

static void count_end(struct worker *worker, enum end why)
{
    ++*worker->count.stream_ended[why];
}

static void count_dropped(struct stream *stream)
{
    uint64_t dropped[BACKLOG_KINDS] = {0};
    if (stream->backlog)
        backlog_take_dropped(stream->backlog, dropped);
    for (size_t i = 0; i < BACKLOG_KINDS; i++)
        *stream->worker->count.stream_dropped[i] += dropped[i];
}

static void stream_free(struct stream *stream, usec_t now, enum end why)
{
    struct worker *worker = stream->worker;
    struct streams *streams = worker->streams;
    count_end(worker, why);
    count_dropped(stream);
    *(stream->half ? &streams->half_count : &streams->open_count) -= 1;
    *worker->count.streams_open = streams->open_count;
    list_remove(&stream->node);
    list_remove(&stream->written);
    loop_unwatch(worker->config.loop, &stream->io);
    close(stream->io.fd);
    map_del(streams->by_number, number_key(&stream->path));
    route_forget_stream(worker, now, &stream->path);
    backlog_free(&stream->backlog);
    free(stream);
}

void streams_free(struct worker *worker)
{
    struct streams *streams = worker->streams;
    usec_t now = loop_now(worker->config.loop);
    if (!streams)
        return;
    LIST_EACH(half, &streams->half)
    stream_free(LIST_ITEM(half, struct stream, node), now, END_CLOSED);
    LIST_EACH(open, &streams->open)
    stream_free(LIST_ITEM(open, struct stream, node), now, END_CLOSED);
    for (size_t i = 0; i < WORKER_COUNT_MAX; i++)
        control_free(&streams->peers[i].control);
    for (size_t i = 0; i < streams->listener_count; i++) {
        loop_unwatch(worker->config.loop, &streams->listeners[i].io);
        close(streams->listeners[i].io.fd);
    }
    map_free(&streams->by_number);
    free(streams);
    worker->streams = NULL;
}

/* To the worker that owns the endpoint, with all that was read. False: it could not be. */
static bool pass(struct stream *stream, int owner, struct slice rest)
{
    struct worker *worker = stream->worker;
    struct control *control = worker->streams->peers[owner].control;
    struct buf bytes;
    if (stream->passed || !control)
        return false;
    buf_init(&bytes, sizeof stream->framed.bytes + BUFFER);
    buf_add(&bytes, slice_of(stream->framed.bytes, stream->framed.len));
    buf_add(&bytes, rest);
    int err =
        bytes.failed ? ERR_MEMORY : control_send(control, buf_slice(&bytes), &stream->io.fd, 1);
    buf_done(&bytes);
    return err == 0;
}

/* The first frame says whose it is. False: the stream is gone. */
static bool take_first(struct stream *stream, usec_t now, uint8_t *data, size_t len,
                       struct slice rest)
{
    struct worker *worker = stream->worker;
    struct streams *streams = worker->streams;
    int owner = receive_owner(slice_of(data, len));
    if (owner >= 0 && owner != (int)worker->config.number) {
        stream_free(stream, now, pass(stream, owner, rest) ? END_PASSED : END_STRANGER);
        return false;
    }
    receive_from_stream(worker, now, &stream->path, data, len);
    bool known = route_has_endpoint(worker, &stream->path);
    if (!known || streams->open_count == OPEN_MAX) {
        stream_free(stream, now, known ? END_FULL : END_STRANGER);
        return false;
    }
    stream->half = false;
    list_remove(&stream->node);
    list_append(&streams->open, &stream->node);
    streams->half_count--;
    *worker->count.streams_open = ++streams->open_count;
    return true;
}

/* False: the stream is gone. */
static bool take(struct stream *stream, usec_t now, struct slice input)
{
    for (;;) {
        uint8_t *data;
        size_t len;
        int err = framed_next(&stream->framed, &input, &data, &len);
        if (err == ERR_AGAIN)
            return true;
        if (err) {
            stream_free(stream, now, END_MALFORMED);
            return false;
        }
        if (!stream->half)
            receive_from_stream(stream->worker, now, &stream->path, data, len);
        else if (!take_first(stream, now, data, len, input))
            return false;
    }
}

/* False: the stream is gone. */
static bool read_stream(struct stream *stream)
{
    uint8_t *buffer = stream->worker->streams->buffer;
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = recv(stream->io.fd, buffer, BUFFER, 0);
        usec_t now = clock_monotonic(); /* as in worker_receive.c */
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (got <= 0) {
            stream_free(stream, now, END_CLOSED);
            return false;
        }
        if (!take(stream, now, slice_of(buffer, (size_t)got)))
            return false;
    }
    return true;
}

static void write_stream(struct stream *stream, usec_t now)
{
    struct worker *worker = stream->worker;
    uint8_t *buffer = worker->streams->buffer;
    list_remove(&stream->written);
    for (;;) {
        size_t len = backlog_peek(stream->backlog, now, buffer, BUFFER);
        if (len == 0)
            break;
        ssize_t sent = send(stream->io.fd, buffer, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            stream_free(stream, now, END_CLOSED);
            return;
        }
        if (sent < 0)
            break;
        backlog_sent(stream->backlog, (size_t)sent);
        *worker->count.sent_bytes += (uint64_t)sent;
    }
    uint32_t wanted = LOOP_READ | (backlog_empty(stream->backlog) ? 0 : LOOP_WRITE);
    if (loop_watch(worker->config.loop, &stream->io, wanted))
        stream_free(stream, now, END_FULL);
}

static void on_stream(struct loop_io *io, uint32_t events)
{
    struct stream *stream = CONTAINER_OF(io, struct stream, io);
    usec_t now = loop_now(stream->worker->config.loop);
    if ((events & (LOOP_READ | LOOP_HANGUP)) && !read_stream(stream))
        return;
    if ((events & LOOP_WRITE) && stream->backlog)
        write_stream(stream, now);
}

/* Takes the descriptor. NULL: it was closed. */
static struct stream *stream_new(struct worker *worker, usec_t now, int fd)
{
    struct streams *streams = worker->streams;
    struct address remote;
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream || socket_remote(fd, &remote) || tcp_make_prompt(fd, UNSENT_MAX))
        goto fail; /* gone again, as a rule */
    if (streams->half_count == HALF_MAX)
        stream_free(LIST_ITEM(streams->half.next, struct stream, node), now, END_EVICTED);
    *stream = (struct stream){.worker = worker,
                              .io = {.fd = fd, .ready = on_stream},
                              .path = path_of_stream(++streams->last_number, &remote),
                              .since = now,
                              .half = true};
    list_init(&stream->node);
    list_init(&stream->written);
    if (map_put(streams->by_number, number_key(&stream->path), stream))
        goto fail;
    if (loop_watch(worker->config.loop, &stream->io, LOOP_READ)) {
        map_del(streams->by_number, number_key(&stream->path));
        goto fail;
    }
    list_append(&streams->half, &stream->node);
    streams->half_count++;
    return stream;
fail:
    count_end(worker, END_CLOSED);
    close(fd);
    free(stream);
    return NULL;
}

static void on_listener(struct loop_io *io, uint32_t events)
{
    struct worker *worker = CONTAINER_OF(io, struct listener, io)->worker;
    usec_t now = loop_now(worker->config.loop);
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd;
        int err = tcp_accept(io->fd, &fd);
        if (err == ERR_LIMIT)
            loop_unwatch(worker->config.loop, io); /* until the next sweep */
        if (err)
            return;
        ++*worker->count.streams_accepted;
        (void)stream_new(worker, now, fd); /* counted when it failed */
    }
}

int worker_add_listener(struct worker *worker, int fd)
{
    struct streams *streams = worker->streams;
    if (streams->listener_count == WORKER_SOCKETS_MAX)
        return ERR_LIMIT;
    struct listener *listener = &streams->listeners[streams->listener_count];
    *listener = (struct listener){worker, {.fd = fd, .ready = on_listener}};
    int err = loop_watch(worker->config.loop, &listener->io, LOOP_READ);
    if (err == 0)
        streams->listener_count++;
    return err;
}

static void on_passed(void *arg, struct slice bytes, const int *fds, size_t fd_count)
{
    struct worker *worker = ((struct stream_peer *)arg)->worker;
    usec_t now = loop_now(worker->config.loop);
    struct stream *stream = fd_count == 1 ? stream_new(worker, now, fds[0]) : NULL;
    for (size_t i = 0; fd_count != 1 && i < fd_count; i++)
        close(fds[i]);
    if (!stream)
        return;
    stream->passed = true;
    (void)take(stream, now, bytes); /* false: gone, and counted */
}

static void on_peer_closed(void *arg)
{
    control_free(&((struct stream_peer *)arg)->control);
}

void worker_link_streams(struct worker *worker, unsigned number, int fd)
{
    if (number >= WORKER_COUNT_MAX || number == worker->config.number) {
        close(fd);
        return;
    }
    struct stream_peer *peer = &worker->streams->peers[number];
    const struct control_handler handler = {on_passed, on_peer_closed, peer};
    peer->worker = worker;
    control_free(&peer->control);
    if (control_new(worker->config.loop, fd, &handler, &peer->control)) {
        close(fd);
        ++*worker->count.memory;
    }
}

void stream_send(struct worker *worker, const struct udp_datagram *out)
{
    struct stream *stream = map_get(worker->streams->by_number, number_key(&out->path));
    if (!stream)
        return; /* it went in this very turn */
    if (!stream->backlog)
        stream->backlog = backlog_new();
    if (!stream->backlog) {
        ++*worker->count.memory;
        return;
    }
    usec_t now = loop_now(worker->config.loop);
    size_t segment = out->segment ? out->segment : out->data.len;
    for (size_t at = 0; at < out->data.len; at += segment) {
        struct slice datagram = slice_sub(out->data, at, segment);
        enum backlog_kind kind = backlog_kind_of(datagram);
        bool taken = backlog_put(stream->backlog, now, kind, datagram) == 0;
        ++*(taken ? worker->count.sent : worker->count.stream_dropped[kind]);
    }
    /* While the kernel takes no more it says when it does. */
    if (list_empty(&stream->written) && !(stream->io.wanted & LOOP_WRITE))
        list_append(&worker->streams->written, &stream->written);
}

void streams_flush(struct worker *worker, usec_t now)
{
    /* What ends here may give another one something to say: until none is left. */
    while (!list_empty(&worker->streams->written))
        write_stream(LIST_ITEM(worker->streams->written.next, struct stream, written), now);
}

void streams_sweep(struct worker *worker, usec_t now)
{
    struct streams *streams = worker->streams;
    LIST_EACH(half, &streams->half)
    {
        struct stream *stream = LIST_ITEM(half, struct stream, node);
        if (now - stream->since < HALF_LIFE)
            break;
        stream_free(stream, now, END_SILENT);
    }
    LIST_EACH(open, &streams->open)
    {
        struct stream *stream = LIST_ITEM(open, struct stream, node);
        count_dropped(stream);
        if (!route_has_endpoint(worker, &stream->path))
            stream_free(stream, now, END_STRANGER);
    }
    for (size_t i = 0; i < streams->listener_count; i++)
        if (loop_watch(worker->config.loop, &streams->listeners[i].io, LOOP_READ))
            ++*worker->count.memory; /* the next sweep tries again */
}
