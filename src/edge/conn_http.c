/* Requests and answers of a connection, under HTTP/1.1 and HTTP/2. */
#include <stdlib.h>

#include "edge/conn_parts.h"

/* Body bytes moved at a time. */
#define CHUNK ((size_t)(32 * 1024))

struct exchange *exchange_new(struct conn *conn, int32_t stream)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->conn = conn;
    exchange->stream = stream;
    exchange->since = loop_now(conn->all->loop);
    exchange->waiter.kind = WAITER_EXCHANGE;
    list_init(&exchange->node);
    list_init(&exchange->waiter.node);
    request_init(&exchange->request);
    response_init(&exchange->response);
    return exchange;
}

void exchange_free(struct exchange **exchange)
{
    if (!*exchange)
        return;
    list_remove(&(*exchange)->node);
    request_done(&(*exchange)->request);
    response_done(&(*exchange)->response);
    free(*exchange);
    *exchange = NULL;
}

static void tell_request(struct conn *conn, struct exchange *exchange)
{
    exchange->since = loop_now(conn->all->loop);
    count_add(conn->all->counters, COUNT_REQUESTS, 1);
    if (exchange->early)
        count_add(conn->all->counters, COUNT_REFUSED_REQUEST, 1);
    conn->all->handler.request(conn->all->handler.arg, exchange);
}

static void tell_gone(struct conn *conn, struct exchange *exchange)
{
    conn->all->handler.gone(conn->all->handler.arg, exchange);
}

static struct exchange *on_begin(void *arg, int32_t stream)
{
    struct conn *conn = arg;
    struct exchange *exchange = conn_over(conn) ? NULL : exchange_new(conn, stream);
    if (!exchange)
        return NULL;
    list_append(&conn->exchanges, &exchange->node);
    conn_set_spare(conn, false);
    return exchange;
}

static void on_request(void *arg, struct exchange *exchange)
{
    struct conn *conn = arg;
    if (!conn_over(conn))
        tell_request(conn, exchange);
}

static void on_end(void *arg, struct exchange *exchange)
{
    struct conn *conn = arg;
    if (conn->state == CONN_DEAD)
        return; /* conn_end_http has its turn */
    tell_gone(conn, exchange);
    exchange_free(&exchange);
    if (list_empty(&conn->exchanges)) {
        conn->since = loop_now(conn->all->loop);
        conn_set_spare(conn, true);
    }
}

int conn_start_http(struct conn *conn, bool http2)
{
    const struct http2_handler handler = {on_begin, on_request, on_end, conn};
    conn_set_state(conn, http2 ? CONN_HTTP2 : CONN_HTTP1);
    if (http2) {
        conn_touch(conn);
        return http2_new(&handler, &conn->http2);
    }
    return http1_new(&conn->http1);
}

static void begin_http1(struct conn *conn)
{
    conn->busy = true;
    conn_set_spare(conn, false);
    tell_request(conn, conn->exchange);
}

void conn_read_http1(struct conn *conn)
{
    size_t used = 0;
    while (conn->state == CONN_HTTP1 && !conn->busy && conn->in.len > 0) {
        if (!conn->exchange)
            conn->exchange = exchange_new(conn, 0);
        struct exchange *exchange = conn->exchange;
        if (!exchange) {
            conn_lose(conn, COUNTERS);
            return;
        }
        if (!http1_started(conn->http1))
            exchange->since = loop_now(conn->all->loop);
        int err = http1_input(conn->http1, buf_slice(&conn->in), &exchange->request, &used);
        if (err == ERR_FORMAT) {
            exchange->early = http1_status(conn->http1);
            conn->keep = false;
            buf_clear(&conn->in);
            begin_http1(conn);
            return;
        }
        buf_consume(&conn->in, used);
        if (err == ERR_AGAIN) {
            if (http1_wants_continue(conn->http1))
                conn_write(conn, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
            continue;
        }
        exchange->complete = true;
        exchange->upgrade = http1_upgrades(conn->http1);
        conn->keep = http1_keeps(conn->http1) && !conn->eof;
        begin_http1(conn);
    }
}

void conn_read_http2(struct conn *conn)
{
    if (conn->in.len == 0)
        return;
    int err = http2_input(conn->http2, buf_slice(&conn->in));
    buf_clear(&conn->in);
    if (conn_over(conn))
        return;
    if (err) {
        count_add(conn->all->counters, COUNT_REFUSED_REQUEST, 1);
        while (conn_fill(conn)) /* the GOAWAY that says why */
            ;
        conn_finish(conn);
    }
    conn_touch(conn);
}

void conn_respond(struct exchange *exchange)
{
    struct conn *conn = exchange->conn;
    struct response *response = &exchange->response;
    if (conn_over(conn) || exchange->answered)
        return;
    response->no_body = request_is(&exchange->request, "HEAD");
    if (response->fields.text.failed || response->body.data.failed) {
        response_done(response);
        response_init(response);
        response_text(response, 500, "The answer is too large.\n");
    }
    exchange->answered = true;
    if (conn->http2) {
        if (http2_respond(conn->http2, exchange, conns_date(conn->all)) < 0)
            http2_reset(conn->http2, exchange);
        conn_touch(conn);
        return;
    }
    if (conn->state == CONN_OPENING)
        conn_set_state(conn, CONN_HTTP1);
    conn_set_spare(conn, false);
    buf_clear(&conn->all->frames);
    http1_put_head(&conn->all->frames, response, conns_date(conn->all), conn->keep);
    conn_write(conn, buf_slice(&conn->all->frames));
    conn_touch(conn);
}

/* The answer is out: on to the next request, or the end. */
static void next_http1(struct conn *conn)
{
    struct exchange *exchange = conn->exchange;
    tell_gone(conn, exchange);
    request_clear(&exchange->request);
    response_done(&exchange->response);
    response_init(&exchange->response);
    exchange->complete = exchange->answered = exchange->upgrade = false;
    exchange->early = 0;
    conn->busy = false;
    if (!conn->keep) {
        conn_finish(conn);
        return;
    }
    http1_next(conn->http1);
    conn_set_state(conn, CONN_HTTP1);
    conn_pump(conn);
}

static bool fill_http1(struct conn *conn)
{
    if (!conn->busy || !conn->exchange->answered)
        return false;
    struct response *response = &conn->exchange->response;
    size_t len = 0;
    bool send = !response->no_body && response_has_length(response->status);
    if (!send || body_left(&response->body) == 0) {
        next_http1(conn);
        return true;
    }
    /* Shorter than promised: only the end of the connection can tell. */
    if (body_read(&response->body, conn->all->scratch, CHUNK, &len) < 0) {
        conn_lose(conn, COUNTERS);
        return false;
    }
    conn_write(conn, slice_of(conn->all->scratch, len));
    return true;
}

bool conn_fill(struct conn *conn)
{
    if (conn->state == CONN_HTTP1)
        return fill_http1(conn);
    if (conn->state != CONN_HTTP2)
        return false;
    struct buf *frames = &conn->all->frames;
    buf_clear(frames);
    if (http2_output(conn->http2, frames, CHUNK) < 0) {
        conn_lose(conn, COUNTERS);
        return false;
    }
    conn_write(conn, buf_slice(frames));
    if (conn->state == CONN_HTTP2 && !http2_alive(conn->http2))
        conn_finish(conn);
    return frames->len > 0;
}

static void tick_http1(struct conn *conn, usec_t now)
{
    const struct conn_limits *limits = &conn->all->limits;
    if (conn->busy) {
        struct exchange *exchange = conn->exchange;
        if (!exchange->answered && now - exchange->since > limits->answer)
            conn->all->handler.late(conn->all->handler.arg, exchange);
        return;
    }
    if (!http1_started(conn->http1)) {
        if (now - conn->since > limits->idle)
            conn_finish(conn);
        return;
    }
    bool head_done = conn->exchange->request.path.len > 0;
    if (now - conn->exchange->since <= (head_done ? limits->body : limits->head))
        return;
    count_add(conn->all->counters, COUNT_REFUSED_TIMEOUT, 1);
    conn->exchange->early = 408;
    conn->keep = false;
    begin_http1(conn);
}

static void tick_http2(struct conn *conn, usec_t now)
{
    const struct conn_limits *limits = &conn->all->limits;
    if (list_empty(&conn->exchanges) && now - conn->since > limits->idle) {
        http2_shutdown(conn->http2);
        conn_touch(conn);
        return;
    }
    LIST_EACH(node, &conn->exchanges)
    {
        struct exchange *exchange = LIST_ITEM(node, struct exchange, node);
        if (exchange->answered)
            continue;
        if (!exchange->complete && now - exchange->since > limits->body) {
            count_add(conn->all->counters, COUNT_REFUSED_TIMEOUT, 1);
            http2_reset(conn->http2, exchange);
            conn_touch(conn);
        } else if (exchange->complete && now - exchange->since > limits->answer) {
            conn->all->handler.late(conn->all->handler.arg, exchange);
        }
    }
}

void conn_tick_http(struct conn *conn, usec_t now)
{
    if (conn->http2)
        tick_http2(conn, now);
    else
        tick_http1(conn, now);
}

void conn_end_http(struct conn *conn)
{
    if (conn->busy) {
        conn->busy = false;
        tell_gone(conn, conn->exchange);
    }
    while (!list_empty(&conn->exchanges)) {
        struct exchange *exchange = LIST_ITEM(conn->exchanges.next, struct exchange, node);
        tell_gone(conn, exchange);
        exchange_free(&exchange);
    }
}
