#include "os/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define HEAD 16
/* Read at most this much in one go, so that one busy link does not starve the others. */
#define READ_SIZE ((size_t)(256 * 1024))
/* Memory above this is given back when a buffer runs empty. */
#define KEEP_SIZE ((size_t)(512 * 1024))
/* A peer that takes no byte for this long while some wait is hung. */
#define STALL_MAX (10 * USEC_PER_SEC)

struct link {
    struct loop *loop;
    struct loop_io io;
    struct loop_task flush;
    struct loop_timer stall;
    struct link_handler handler;
    struct buf in;
    struct buf out;
    size_t out_done; /* bytes of `out` that are written */
    int lost;        /* why it is closed, or 0 */
    bool told;
    bool busy; /* inside a callback: memory stays until it returns */
    bool freed;
};

static void put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void shut(struct link *link)
{
    if (link->io.fd < 0)
        return;
    loop_unwatch(link->loop, &link->io);
    loop_timer_clear(link->loop, &link->stall);
    loop_task_cancel(&link->flush);
    close(link->io.fd);
    link->io.fd = -1;
}

static void destroy(struct link *link)
{
    buf_done(&link->in);
    buf_done(&link->out);
    free(link);
}

/* Tells the owner from the flush task, never from inside link_send. */
static void lose(struct link *link, int err)
{
    if (link->lost)
        return;
    shut(link);
    link->lost = err;
    loop_defer(link->loop, &link->flush);
}

static void tell(struct link *link)
{
    if (link->told || link->freed)
        return;
    link->told = true;
    link->busy = true;
    link->handler.closed(link->handler.arg, link->lost);
    link->busy = false;
    if (link->freed)
        destroy(link);
}

/* Bytes consumed; the link may be freed or lost by a callback on the way. */
static size_t parse(struct link *link)
{
    size_t at = 0;
    while (!link->freed && !link->lost && link->in.len - at >= HEAD) {
        const uint8_t *head = link->in.data + at;
        size_t len = (size_t)get_le(head, 4);
        if (len > LINK_FRAME_MAX || get_le(head + 6, 2) != 0) {
            lose(link, ERR_FORMAT);
            break;
        }
        if (link->in.len - at - HEAD < len)
            break;
        struct link_frame frame = {(uint16_t)get_le(head + 4, 2), get_le(head + 8, 8),
                                   slice_of(head + HEAD, len)};
        link->handler.frame(link->handler.arg, &frame);
        at += HEAD + len;
    }
    return at;
}

static void read_some(struct link *link)
{
    uint8_t *at = buf_reserve(&link->in, READ_SIZE);
    if (!at) {
        lose(link, ERR_MEMORY);
        return;
    }
    ssize_t got = read(link->io.fd, at, READ_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(link, ERR_CLOSED);
        return;
    }
    buf_commit(&link->in, (size_t)got);
    buf_consume(&link->in, parse(link));
    if (link->in.len == 0 && link->in.cap > KEEP_SIZE)
        buf_done(&link->in);
}

static void want(struct link *link, uint32_t events)
{
    if (loop_watch(link->loop, &link->io, events) < 0)
        lose(link, ERR_IO);
}

static void write_some(struct link *link)
{
    bool moved = false;
    while (link->out_done < link->out.len) {
        ssize_t sent = send(link->io.fd, link->out.data + link->out_done,
                            link->out.len - link->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            /* What the peer said before it went is still to be read; the end shows there. */
            link->out_done = link->out.len;
            break;
        }
        if (sent < 0)
            break;
        link->out_done += (size_t)sent;
        moved = true;
    }
    if (link->out_done == link->out.len) {
        link->out_done = 0;
        buf_clear(&link->out);
        if (link->out.cap > KEEP_SIZE)
            buf_done(&link->out);
        loop_timer_clear(link->loop, &link->stall);
        want(link, LOOP_READ);
        return;
    }
    if (moved || link->stall.slot < 0)
        if (loop_timer_set(link->loop, &link->stall, loop_now(link->loop) + STALL_MAX) < 0) {
            lose(link, ERR_MEMORY);
            return;
        }
    want(link, LOOP_READ | LOOP_WRITE);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct link *link = CONTAINER_OF(io, struct link, io);
    link->busy = true;
    if (events & LOOP_WRITE)
        write_some(link);
    if (!link->lost && (events & (LOOP_READ | LOOP_HANGUP)))
        read_some(link);
    link->busy = false;
    if (link->freed)
        destroy(link);
}

static void on_flush(struct loop_task *task, usec_t now)
{
    struct link *link = CONTAINER_OF(task, struct link, flush);
    (void)now;
    if (!link->lost)
        write_some(link);
    if (link->lost)
        tell(link);
}

static void on_stall(struct loop_timer *timer, usec_t now)
{
    struct link *link = CONTAINER_OF(timer, struct link, stall);
    (void)now;
    lose(link, ERR_LIMIT);
}

int link_new(struct loop *loop, int fd, size_t max_queued, const struct link_handler *handler,
             struct link **ret_link)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return ERR_MEMORY;
    link->loop = loop;
    link->io = (struct loop_io){.fd = fd, .ready = on_ready};
    link->flush.run = on_flush;
    link->handler = *handler;
    loop_timer_init(&link->stall, on_stall);
    buf_init(&link->in, LINK_FRAME_MAX + HEAD + READ_SIZE);
    buf_init(&link->out, max_queued);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        loop_watch(loop, &link->io, LOOP_READ) < 0) {
        free(link);
        return ERR_IO;
    }
    *ret_link = link;
    return 0;
}

void link_free(struct link **link)
{
    struct link *dead = *link;
    if (!dead)
        return;
    *link = NULL;
    shut(dead);
    loop_task_cancel(&dead->flush);
    dead->freed = true;
    if (!dead->busy)
        destroy(dead);
}

size_t link_queued(const struct link *link)
{
    return link->out.len - link->out_done;
}

static int make_room(struct link *link, size_t len)
{
    if (len > link->out.max || link_queued(link) > link->out.max - len)
        return ERR_LIMIT;
    /* Moving what waits once per half buffer keeps the cost of a byte constant. */
    if (link->out_done > 0 &&
        (link->out_done >= link->out.len / 2 || len > link->out.max - link->out.len)) {
        buf_consume(&link->out, link->out_done);
        link->out_done = 0;
    }
    return 0;
}

int link_send_parts(struct link *link, uint16_t type, uint64_t id, const struct slice *parts,
                    size_t count)
{
    size_t len = 0;
    if (link->lost)
        return ERR_CLOSED;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > LINK_FRAME_MAX - len)
            return ERR_LIMIT;
        len += parts[i].len;
    }
    int err = make_room(link, HEAD + len);
    if (err)
        return err;
    uint8_t *at = buf_reserve(&link->out, HEAD + len);
    if (!at) {
        link->out.failed = false;
        return ERR_MEMORY;
    }
    put_le(at, len, 4);
    put_le(at + 4, type, 2);
    put_le(at + 6, 0, 2);
    put_le(at + 8, id, 8);
    buf_commit(&link->out, HEAD);
    for (size_t i = 0; i < count; i++)
        buf_add(&link->out, parts[i]);
    loop_defer(link->loop, &link->flush);
    return 0;
}

int link_send(struct link *link, uint16_t type, uint64_t id, struct slice payload)
{
    return link_send_parts(link, type, id, &payload, 1);
}
