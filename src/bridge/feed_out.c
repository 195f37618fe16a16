#include "bridge/feed_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* Writes per flush: a recorder that lags eight seconds behind must not hold up the class. */
#define WRITES_MAX 8

struct feed_out {
    struct loop *loop;
    struct loop_io io;
    struct feed *feed;
    struct feed_out_handler handler;
    uint8_t hello[8];
    size_t hello_len;
    bool attached;
    bool lost;
    bool full; /* waits until the socket takes more */
};

static void watch(struct feed_out *out, uint32_t wanted);

static void lose(struct feed_out *out)
{
    if (out->lost)
        return;
    out->lost = true;
    loop_unwatch(out->loop, &out->io);
    if (out->attached)
        feed_detach(out->feed);
    out->attached = false;
    out->handler.lost(out->handler.arg);
}

static void watch(struct feed_out *out, uint32_t wanted)
{
    if (loop_watch(out->loop, &out->io, wanted | LOOP_READ | LOOP_HANGUP))
        lose(out);
}

/* The recorder says once, in eight bytes, how much it has; after that only its end is read. */
static void read_hello(struct feed_out *out, usec_t now)
{
    uint8_t rest[8];
    uint8_t *to = out->attached ? rest : out->hello + out->hello_len;
    size_t want = out->attached ? sizeof rest : sizeof out->hello - out->hello_len;
    ssize_t n = read(out->io.fd, to, want);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || out->attached) {
        lose(out);
        return;
    }
    out->hello_len += (size_t)n;
    if (out->hello_len < sizeof out->hello)
        return;
    uint64_t offset = 0;
    for (size_t i = sizeof out->hello; i > 0; i--)
        offset = offset << 8 | out->hello[i - 1];
    if (feed_attach(out->feed, now, offset)) {
        lose(out);
        return;
    }
    out->attached = true;
    out->handler.attached(out->handler.arg);
}

static void ready(struct loop_io *io, uint32_t events)
{
    struct feed_out *out = CONTAINER_OF(io, struct feed_out, io);
    usec_t now = loop_now(out->loop);
    if (events & (LOOP_READ | LOOP_HANGUP))
        read_hello(out, now);
    if (!out->lost && (events & LOOP_WRITE)) {
        out->full = false;
        feed_out_flush(out, now);
    }
}

int feed_out_new(struct loop *loop, int fd, struct feed *feed,
                 const struct feed_out_handler *handler, struct feed_out **ret_out)
{
    struct feed_out *out = calloc(1, sizeof *out);
    if (!out) {
        close(fd);
        return ERR_MEMORY;
    }
    *out = (struct feed_out){.loop = loop, .feed = feed, .handler = *handler};
    out->io = (struct loop_io){.fd = fd, .ready = ready};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        loop_watch(loop, &out->io, LOOP_READ | LOOP_HANGUP)) {
        close(fd);
        free(out);
        return ERR_IO;
    }
    *ret_out = out;
    return 0;
}

void feed_out_free(struct feed_out **out)
{
    if (!*out)
        return;
    loop_unwatch((*out)->loop, &(*out)->io);
    if ((*out)->attached)
        feed_detach((*out)->feed);
    close((*out)->io.fd);
    free(*out);
    *out = NULL;
}

void feed_out_flush(struct feed_out *out, usec_t now)
{
    if (!out->attached || out->full)
        return;
    for (int i = 0; i < WRITES_MAX; i++) {
        struct slice slices[FEED_READ_SLICES];
        size_t count = feed_read(out->feed, now, slices);
        if (count == 0) {
            watch(out, 0);
            return;
        }
        struct iovec parts[FEED_READ_SLICES];
        for (size_t k = 0; k < count; k++)
            parts[k] = (struct iovec){(void *)(uintptr_t)slices[k].data, slices[k].len};
        ssize_t n = writev(out->io.fd, parts, (int)count);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            lose(out);
            return;
        }
        if (n > 0)
            feed_advance(out->feed, (size_t)n);
        else
            break;
    }
    out->full = true;
    watch(out, LOOP_WRITE);
}
