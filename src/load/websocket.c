#include "load/websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/tcp.h"

#define READ_SIZE ((size_t)65536)
/* A session-initiate or a list of all sources; the server sends nothing longer. */
#define IN_MAX ((size_t)4 * 1024 * 1024)
#define OUT_MAX ((size_t)1024 * 1024)

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

struct websocket {
    struct loop *loop;
    struct loop_io io;
    struct websocket_handler handler;
    struct buf in;
    struct buf out;
    struct buf waiting; /* frames until the handshake is done */
    bool open;
};

/* The mask protects proxies from scripts; nothing is gained by a random one here. */
static void put_frame(struct buf *out, uint8_t opcode, struct slice payload)
{
    static const uint8_t mask[4] = {0};
    uint8_t head[10];
    size_t len = 2;
    head[0] = (uint8_t)(0x80 | opcode);
    if (payload.len < 126) {
        head[1] = (uint8_t)(0x80 | payload.len);
    } else if (payload.len <= UINT16_MAX) {
        head[1] = 0x80 | 126;
        store_u16(head + 2, (uint16_t)payload.len);
        len = 4;
    } else {
        head[1] = 0x80 | 127;
        store_u64(head + 2, payload.len);
        len = 10;
    }
    buf_add(out, slice_of(head, len));
    buf_add(out, slice_of(mask, sizeof mask));
    buf_add(out, payload);
}

static void lost(struct websocket *s)
{
    loop_unwatch(s->loop, &s->io);
    s->handler.closed(s->handler.arg);
}

static void flush(struct websocket *s)
{
    while (s->out.len > 0) {
        ssize_t sent = send(s->io.fd, s->out.data, s->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            break; /* a dead connection shows on reading */
        buf_consume(&s->out, (size_t)sent);
    }
    uint32_t wanted = LOOP_READ | (s->out.len > 0 ? LOOP_WRITE : 0);
    if (s->io.wanted != wanted && loop_watch(s->loop, &s->io, wanted))
        buf_clear(&s->out);
}

/* The answer to the opening handshake; ERR_AGAIN: not whole yet. */
static int read_handshake(struct websocket *s)
{
    const char end[] = "\r\n\r\n";
    uint8_t *at = memmem(s->in.data, s->in.len, end, 4);
    if (!at)
        return ERR_AGAIN;
    if (!slice_starts(buf_slice(&s->in), SLICE("HTTP/1.1 101 ")))
        return ERR_FORMAT;
    buf_consume(&s->in, (size_t)(at - s->in.data) + 4);
    s->open = true;
    buf_add(&s->out, buf_slice(&s->waiting));
    buf_done(&s->waiting);
    s->handler.open(s->handler.arg);
    return 0;
}

/* Cuts one frame off the front; the server neither masks nor splits. */
static int next_frame(struct websocket *s, uint8_t *ret_opcode, struct slice *ret_payload,
                      size_t *ret_used)
{
    struct reader r = reader_of(buf_slice(&s->in));
    uint8_t first = reader_u8(&r);
    uint64_t len = reader_u8(&r);
    if (len == 126)
        len = reader_u16(&r);
    else if (len == 127)
        len = reader_u64(&r);
    if (r.failed || reader_left(&r) < len)
        return ERR_AGAIN;
    *ret_opcode = first & 15;
    *ret_payload = slice_of(r.pos, (size_t)len);
    *ret_used = (size_t)(r.pos - s->in.data) + (size_t)len;
    return 0;
}

static int read_frames(struct websocket *s)
{
    uint8_t opcode;
    struct slice payload;
    size_t used;
    while (next_frame(s, &opcode, &payload, &used) == 0) {
        if (opcode == OPCODE_CLOSE)
            return ERR_CLOSED;
        if (opcode == OPCODE_PING)
            put_frame(&s->out, OPCODE_PONG, payload);
        else if (opcode == OPCODE_TEXT)
            s->handler.text(s->handler.arg, payload);
        buf_consume(&s->in, used);
    }
    return 0;
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct websocket *s = CONTAINER_OF(io, struct websocket, io);
    uint8_t *room = buf_reserve(&s->in, READ_SIZE);
    ssize_t got = room ? recv(io->fd, room, READ_SIZE, MSG_DONTWAIT) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        flush(s);
        return;
    }
    if (got <= 0) {
        lost(s);
        return;
    }
    buf_commit(&s->in, (size_t)got);
    int err = s->open ? 0 : read_handshake(s);
    if (err == 0)
        err = read_frames(s);
    if (err && err != ERR_AGAIN)
        lost(s);
    else
        flush(s);
}

int websocket_new(struct loop *loop, const struct websocket_target *target,
                  const struct websocket_handler *handler, struct websocket **ret_socket)
{
    struct websocket *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_MEMORY;
    s->loop = loop;
    s->handler = *handler;
    s->io = (struct loop_io){.fd = -1, .ready = on_ready};
    buf_init(&s->in, IN_MAX);
    buf_init(&s->out, OUT_MAX);
    buf_init(&s->waiting, OUT_MAX);
    buf_printf(&s->out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IuLg==\r\nSec-WebSocket-Version: 13\r\n",
               target->path, target->host);
    if (target->protocol)
        buf_printf(&s->out, "Sec-WebSocket-Protocol: %s\r\n", target->protocol);
    buf_add_str(&s->out, "\r\n");
    int err = s->out.failed ? ERR_MEMORY : tcp_connect(&target->server, &s->io.fd);
    if (err == 0)
        err = loop_watch(loop, &s->io, LOOP_READ | LOOP_WRITE);
    if (err)
        websocket_free(&s);
    else
        *ret_socket = s;
    return err;
}

void websocket_free(struct websocket **socket)
{
    struct websocket *s = *socket;
    if (!s)
        return;
    if (s->io.fd >= 0) {
        loop_unwatch(s->loop, &s->io);
        close(s->io.fd);
    }
    buf_done(&s->in);
    buf_done(&s->out);
    buf_done(&s->waiting);
    free(s);
    *socket = NULL;
}

void websocket_send(struct websocket *s, struct slice text)
{
    put_frame(s->open ? &s->out : &s->waiting, OPCODE_TEXT, text);
    if (s->open)
        flush(s);
}
