/* A connection that has become a WebSocket. */
#include "crypto/random.h"
#include "edge/conn_parts.h"

/* How long a client has to answer our close frame. */
#define CLOSE_TIME (3 * USEC_PER_SEC)

static usec_t next_ping(const struct conn *conn, usec_t now)
{
    usec_t mean = conn->all->limits.ping;
    /* Spread, so that a room that joined together does not ping together. */
    return now + mean * 3 / 4 + (usec_t)(random_u32() % (uint32_t)(mean / 2 + 1));
}

void conn_hold(struct conn *conn)
{
    conn_set_state(conn, CONN_OPENING);
    conn->socket.kind = WAITER_SOCKET;
    list_init(&conn->socket.node);
    conn->told = false;
}

void conn_accept(struct conn *conn, struct slice protocol, bool deflate)
{
    struct buf *out = &conn->all->frames;
    char accept[WS_ACCEPT_SIZE];
    if (conn->state != CONN_OPENING)
        return;
    ws_accept(fields_get(&conn->exchange->request.fields, "sec-websocket-key"), accept);
    buf_clear(out);
    buf_printf(out,
               "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
               "connection: Upgrade\r\nsec-websocket-accept: %s\r\n",
               accept);
    if (protocol.len > 0)
        buf_printf(out, "sec-websocket-protocol: %.*s\r\n", SLICE_ARG(protocol));
    if (deflate)
        buf_add_str(out, "sec-websocket-extensions: " DEFLATE_ANSWER "\r\n");
    buf_add_str(out, "\r\n");
    conn_end_http(conn);
    exchange_free(&conn->exchange);
    http1_free(&conn->http1);
    usec_t now = loop_now(conn->all->loop);
    ws_reader_init(&conn->reader, deflate ? conn->all->deflate : NULL);
    conn->is_socket = true;
    conn->deflates = deflate;
    conn->heard = now;
    conn->ping_at = next_ping(conn, now);
    conn_set_state(conn, CONN_WEBSOCKET);
    count_add(conn->all->counters, COUNT_SOCKETS, 1);
    count_add(conn->all->counters, COUNT_SOCKETS_TOTAL, 1);
    conn_write(conn, buf_slice(out));
    conn_pump(conn);
}

bool conn_deflates(const struct conn *conn)
{
    return conn->deflates;
}

void conn_send_frames(struct conn *conn, struct slice frames)
{
    if (conn->state != CONN_WEBSOCKET || conn->close_sent)
        return;
    count_add(conn->all->counters, COUNT_TEXTS_OUT, 1);
    conn_write(conn, frames);
}

void conn_send_text(struct conn *conn, struct slice text)
{
    struct buf packed, *out = &conn->all->frames;
    buf_clear(out);
    bool worth = conn->deflates && text.len >= CONN_PACK_MIN;
    buf_init(&packed, text.len + 65536);
    if (worth && deflate_compress(conn->all->deflate, text, &packed) == 0 && packed.len < text.len)
        ws_put_packed(out, buf_slice(&packed));
    else
        ws_put_text(out, text);
    buf_done(&packed);
    conn_send_frames(conn, buf_slice(out));
}

static void put_close(struct conn *conn, unsigned code, struct slice reason)
{
    if (conn->close_sent)
        return;
    buf_clear(&conn->all->frames);
    ws_put_close(&conn->all->frames, code, reason);
    conn_write(conn, buf_slice(&conn->all->frames));
    conn->close_sent = true;
}

void conn_close(struct conn *conn, unsigned code, struct slice reason)
{
    conn->told = true;
    if (conn->state != CONN_WEBSOCKET) {
        conn_drop(conn);
        return;
    }
    put_close(conn, code, reason);
    conn->heard = loop_now(conn->all->loop);
    conn->is_paused = false;
    list_remove(&conn->paused);
}

void conn_pause(struct conn *conn)
{
    if (conn->state != CONN_WEBSOCKET || conn->is_paused)
        return;
    conn->is_paused = true;
    list_append(&conn->all->paused, &conn->paused);
}

void conn_end_socket(struct conn *conn, unsigned code, struct slice reason)
{
    bool waits = conn->state == CONN_OPENING || conn->is_socket;
    if (conn->is_socket) {
        conn->is_socket = false;
        count_sub(conn->all->counters, COUNT_SOCKETS, 1);
    }
    list_remove(&conn->paused);
    conn->is_paused = false;
    if (!waits || conn->told)
        return;
    conn->told = true;
    conn->all->handler.closed(conn->all->handler.arg, conn, code, reason);
}

static void take(struct conn *conn, const struct ws_result *result)
{
    switch (result->event) {
    case WS_EVENT_TEXT:
        count_add(conn->all->counters, COUNT_TEXTS_IN, 1);
        if (!conn->told)
            conn->all->handler.text(conn->all->handler.arg, conn, result->payload);
        break;
    case WS_EVENT_PING:
        buf_clear(&conn->all->frames);
        ws_put_pong(&conn->all->frames, result->payload);
        if (!conn->close_sent)
            conn_write(conn, buf_slice(&conn->all->frames));
        break;
    case WS_EVENT_PONG:
        break;
    case WS_EVENT_CLOSE:
        put_close(conn, conn->reader.code, (struct slice){0});
        conn_end_socket(conn, conn->reader.code, result->payload);
        conn_finish(conn);
        break;
    }
}

void conn_read_socket(struct conn *conn)
{
    size_t at = 0;
    while (conn->state == CONN_WEBSOCKET && !conn->is_paused && at < conn->in.len) {
        struct ws_result result;
        size_t used = 0;
        int err =
            ws_reader_next(&conn->reader, conn->in.data + at, conn->in.len - at, &used, &result);
        at += used;
        if (used > 0 && !conn->close_sent)
            conn->heard = loop_now(conn->all->loop);
        if (err == ERR_AGAIN)
            break;
        if (err) {
            count_add(conn->all->counters, COUNT_REFUSED_SOCKET, 1);
            put_close(conn, conn->reader.code, (struct slice){0});
            conn_end_socket(conn, conn->reader.code, (struct slice){0});
            conn_finish(conn);
            return;
        }
        take(conn, &result);
    }
    buf_consume(&conn->in, at);
}

void conn_tick_socket(struct conn *conn, usec_t now)
{
    if (conn->close_sent) {
        if (now - conn->heard > CLOSE_TIME)
            conn_finish(conn);
        return;
    }
    if (now - conn->heard > conn->all->limits.silence) {
        conn_lose(conn, COUNT_REFUSED_SOCKET_IDLE);
        return;
    }
    if (now < conn->ping_at)
        return;
    /* Who says something by itself costs no ping and no answer. */
    bool spoke = now - conn->heard < conn->all->limits.ping * 3 / 4;
    conn->ping_at = next_ping(conn, spoke ? conn->heard : now);
    if (!spoke) {
        buf_clear(&conn->all->frames);
        ws_put_ping(&conn->all->frames);
        conn_write(conn, buf_slice(&conn->all->frames));
    }
}
