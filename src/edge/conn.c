#include "edge/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "edge/conn_parts.h"

/* How long what a client still sends is read and thrown away after our last word. */
#define LINGER_TIME (2 * USEC_PER_SEC)
/* Rounds of filling and writing per turn of the loop: one fast reader must not starve the rest. */
#define ROUNDS 4
/* Memory above this is given back when a buffer runs empty. */
#define KEEP_SIZE 4096

bool conn_over(const struct conn *conn)
{
    return conn->state >= CONN_CLOSING;
}

size_t conn_queued(const struct conn *conn)
{
    return conn->out.len - conn->out_at;
}

void conn_touch(struct conn *conn)
{
    loop_defer(conn->all->loop, &conn->task);
}

void conn_set_spare(struct conn *conn, bool spare)
{
    list_remove(&conn->spare);
    if (spare)
        list_append(&conn->all->spare, &conn->spare);
}

void conn_set_state(struct conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since = loop_now(conn->all->loop);
    conn_set_spare(conn, state == CONN_HANDSHAKE || state == CONN_HTTP1 || state == CONN_HTTP2 ||
                             state == CONN_CLOSING || state == CONN_LINGER);
}

const char *conns_date(struct conns *conns)
{
    usec_t second = clock_wall() / USEC_PER_SEC;
    if (second != conns->date_at) {
        struct tm tm;
        time_t now = (time_t)second;
        conns->date_at = second;
        if (!gmtime_r(&now, &tm) ||
            strftime(conns->date, sizeof conns->date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
            conns->date[0] = '\0';
    }
    return conns->date;
}

static void give_back(struct buf *buf)
{
    if (buf->len == 0 && buf->cap > KEEP_SIZE)
        buf_done(buf);
}

static void compact(struct conn *conn)
{
    if (conn->out_at == conn->out.len) {
        buf_clear(&conn->out);
        conn->out_at = 0;
        give_back(&conn->out);
    } else if (conn->out_at > SCRATCH_SIZE && conn->out_at >= conn->out.len / 2) {
        buf_consume(&conn->out, conn->out_at);
        conn->out_at = 0;
    }
}

static void collect_tls(struct conn *conn)
{
    size_t before = conn_queued(conn);
    if (tls_output(conn->tls, &conn->out) < 0)
        conn_lose(conn, COUNT_REFUSED_SLOW);
    else if (conn_queued(conn) > before) {
        if (before == 0)
            conn->progress = loop_now(conn->all->loop);
        conn_touch(conn);
    }
}

void conn_write(struct conn *conn, struct slice plain)
{
    if (conn_over(conn))
        return;
    if (conn_queued(conn) + plain.len > conn->all->limits.queue) {
        conn_lose(conn, COUNT_REFUSED_SLOW);
        return;
    }
    compact(conn);
    if (conn_queued(conn) == 0)
        conn->progress = loop_now(conn->all->loop);
    if (!conn->tls) {
        buf_add(&conn->out, plain);
        if (conn->out.failed)
            conn_lose(conn, COUNT_REFUSED_SLOW);
        else
            conn_touch(conn);
    } else if (tls_write(conn->tls, plain) < 0) {
        conn_lose(conn, COUNT_REFUSED_TLS);
    } else {
        collect_tls(conn);
    }
}

static bool wants_read(const struct conn *conn)
{
    if (conn->eof || conn->is_paused)
        return false;
    if (conn->state == CONN_WEBSOCKET)
        return conn->in.len < WS_FRAME_MAX;
    return conn->state == CONN_LINGER || (!conn_over(conn) && conn->in.len < READ_MARK);
}

static void update(struct conn *conn, bool more)
{
    if (conn->state == CONN_DEAD)
        return;
    uint32_t wanted = (wants_read(conn) ? (uint32_t)LOOP_READ : 0) |
                      (conn_queued(conn) > 0 || more ? (uint32_t)LOOP_WRITE : 0);
    if (loop_watch(conn->all->loop, &conn->io, wanted) < 0)
        conn_lose(conn, COUNTERS);
}

void conn_drop(struct conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    conn->state = CONN_DEAD;
    conn->told = true;
    conn_end_http(conn);
    conn_end_socket(conn, WS_CODE_LOST, (struct slice){0});
    conn_end_relay(conn);
    list_remove(&conn->spare);
    list_remove(&conn->paused);
    loop_timer_clear(conn->all->loop, &conn->timer);
    loop_unwatch(conn->all->loop, &conn->io);
    close(conn->io.fd);
    conn->all->count--;
    count_sub(conn->all->counters, COUNT_CONNECTIONS, 1);
    conn_touch(conn);
}

void conn_lose(struct conn *conn, enum counter why)
{
    if (conn->state == CONN_DEAD)
        return;
    if (why < COUNTERS)
        count_add(conn->all->counters, why, 1);
    conn_end_socket(conn, WS_CODE_LOST, (struct slice){0});
    conn_drop(conn);
}

void conn_finish(struct conn *conn)
{
    if (conn_over(conn))
        return;
    conn_end_http(conn);
    conn_end_relay(conn);
    if (conn->tls) {
        tls_close(conn->tls);
        collect_tls(conn);
    }
    if (conn->state == CONN_DEAD)
        return;
    conn_set_state(conn, CONN_CLOSING);
    buf_done(&conn->in);
    conn_touch(conn);
}

static void destroy(struct conn *conn)
{
    list_remove(&conn->node);
    buf_done(&conn->in);
    buf_done(&conn->out);
    ws_reader_done(&conn->reader);
    tls_free(&conn->tls);
    http1_free(&conn->http1);
    http2_free(&conn->http2);
    exchange_free(&conn->exchange);
    free(conn);
}

/* true: all that waited is written. */
static bool write_some(struct conn *conn)
{
    while (conn_queued(conn) > 0) {
        ssize_t sent = write(conn->io.fd, conn->out.data + conn->out_at, conn_queued(conn));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0) {
            conn_lose(conn, COUNTERS);
            return false;
        }
        conn->out_at += (size_t)sent;
        conn->progress = loop_now(conn->all->loop);
        count_add(conn->all->counters, COUNT_BYTES_OUT, (uint64_t)sent);
    }
    compact(conn);
    return true;
}

static void shut(struct conn *conn)
{
    if (conn->eof || shutdown(conn->io.fd, SHUT_WR) < 0) {
        conn_drop(conn);
        return;
    }
    conn_set_state(conn, CONN_LINGER);
}

static void flush(struct conn *conn)
{
    bool more = true;
    for (int round = 0; round < ROUNDS && more && conn->state != CONN_DEAD; round++) {
        while (!conn_over(conn) && conn_queued(conn) < FILL_MARK && conn_fill(conn))
            ;
        if (conn->state == CONN_DEAD)
            return;
        /* What goes out at once may have kept more from being filled in: only a round that had
         * nothing to write is the last. */
        more = conn_queued(conn) > 0 && write_some(conn);
    }
    if (conn->state == CONN_CLOSING && conn_queued(conn) == 0)
        shut(conn);
    conn_watch_relay(conn);
    update(conn, more);
}

static void on_task(struct loop_task *task, usec_t now)
{
    struct conn *conn = CONTAINER_OF(task, struct conn, task);
    (void)now;
    if (conn->state != CONN_DEAD)
        flush(conn);
    if (conn->state == CONN_DEAD) {
        loop_task_cancel(task);
        destroy(conn);
    }
}

static void process(struct conn *conn)
{
    if (conn->state == CONN_HTTP1 && conn_speaks_turn(conn))
        conn_set_state(conn, CONN_RELAY);
    if (conn->state == CONN_HTTP1)
        conn_read_http1(conn);
    else if (conn->state == CONN_HTTP2)
        conn_read_http2(conn);
    /* A request may have become a WebSocket, whose first frames are here already. */
    if (conn->state == CONN_WEBSOCKET)
        conn_read_socket(conn);
    if (conn->state == CONN_RELAY)
        conn_read_relay(conn);
    give_back(&conn->in);
}

static void on_end(struct conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    conn->eof = true;
    if (conn->state == CONN_HTTP1 && conn->busy && conn->exchange->answered) {
        conn->keep = false; /* what is owed still goes out */
        conn_touch(conn);
    } else if (!conn_over(conn)) {
        conn_lose(conn, COUNTERS);
    } else {
        conn_touch(conn);
    }
}

/* What the handshake was for. */
static int begin(struct conn *conn)
{
    if (!conn_names_relay(conn))
        return conn_start_http(conn, slice_eq_str(tls_protocol(conn->tls), "h2"));
    conn_set_state(conn, CONN_RELAY);
    return 0;
}

/* false: nothing more to decrypt for now. */
static bool decrypt(struct conn *conn)
{
    size_t len = 0;
    int err = tls_read(conn->tls, conn->all->scratch, SCRATCH_SIZE, &len);
    collect_tls(conn);
    if (conn->state == CONN_DEAD)
        return false;
    if (conn->state == CONN_HANDSHAKE && tls_ready(conn->tls) && begin(conn) < 0) {
        conn_lose(conn, COUNTERS);
        return false;
    }
    if (err == 0) {
        buf_add(&conn->in, slice_of(conn->all->scratch, len));
        if (conn->in.failed)
            conn_lose(conn, COUNTERS);
        return !conn->in.failed;
    }
    if (err == ERR_CLOSED) {
        on_end(conn);
    } else if (err != ERR_AGAIN) {
        count_add(conn->all->counters, COUNT_REFUSED_TLS, 1);
        conn_end_socket(conn, WS_CODE_LOST, (struct slice){0});
        conn_finish(conn);
    }
    return false;
}

void conn_pump(struct conn *conn)
{
    do
        process(conn);
    while (conn->tls && !conn_over(conn) && wants_read(conn) && decrypt(conn));
    conn_touch(conn);
}

static void read_some(struct conn *conn)
{
    struct conns *all = conn->all;
    ssize_t got = read(conn->io.fd, all->scratch, SCRATCH_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        conn_lose(conn, COUNTERS);
        return;
    }
    count_add(all->counters, COUNT_BYTES_IN, (uint64_t)got);
    if (conn_over(conn)) {
        if (got == 0)
            conn_drop(conn);
        return;
    }
    if (got == 0) {
        on_end(conn);
        return;
    }
    struct slice bytes = slice_of(all->scratch, (size_t)got);
    if (!conn->tls)
        buf_add(&conn->in, bytes);
    if (conn->in.failed || (conn->tls && tls_input(conn->tls, bytes) < 0)) {
        conn_lose(conn, COUNTERS);
        return;
    }
    conn_pump(conn);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct conn *conn = CONTAINER_OF(io, struct conn, io);
    if (events & LOOP_WRITE)
        conn_touch(conn);
    if (events & LOOP_READ)
        read_some(conn);
    else if (events & LOOP_HANGUP)
        conn_lose(conn, COUNTERS);
}

static void on_timer(struct loop_timer *timer, usec_t now)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    const struct conn_limits *limits = &conn->all->limits;
    if (loop_timer_set(conn->all->loop, timer, now + limits->tick) < 0) {
        conn_lose(conn, COUNTERS);
        return;
    }
    if (conn_queued(conn) > 0 && now - conn->progress > limits->stall)
        conn_lose(conn, COUNT_REFUSED_SLOW);
    else if (conn->state == CONN_HANDSHAKE && now - conn->since > limits->handshake)
        conn_lose(conn, COUNT_REFUSED_TIMEOUT);
    else if (conn->state == CONN_LINGER && now - conn->since > LINGER_TIME)
        conn_drop(conn);
    else if (conn->state == CONN_HTTP1 || conn->state == CONN_HTTP2 || conn->state == CONN_OPENING)
        conn_tick_http(conn, now);
    else if (conn->state == CONN_WEBSOCKET)
        conn_tick_socket(conn, now);
    else if (conn->state == CONN_RELAY)
        conn_tick_relay(conn, now);
}

int conns_new(struct loop *loop, const struct conn_limits *limits, const struct counters *counters,
              const struct conn_handler *handler, struct conns **ret_conns)
{
    struct conns *conns = calloc(1, sizeof *conns);
    if (!conns)
        return ERR_MEMORY;
    if (deflate_new(&conns->deflate) < 0) {
        free(conns);
        return ERR_MEMORY;
    }
    conns->loop = loop;
    conns->limits = *limits;
    conns->counters = counters;
    conns->handler = *handler;
    list_init(&conns->list);
    list_init(&conns->spare);
    list_init(&conns->paused);
    list_init(&conns->relays);
    buf_init(&conns->frames, 2 * WS_FRAME_MAX);
    *ret_conns = conns;
    return 0;
}

void conns_free(struct conns **conns)
{
    if (!*conns)
        return;
    LIST_EACH(node, &(*conns)->list)
    {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        conn_drop(conn);
        loop_task_cancel(&conn->task);
        destroy(conn);
    }
    buf_done(&(*conns)->frames);
    deflate_free(&(*conns)->deflate);
    free(*conns);
    *conns = NULL;
}

void conns_set_limits(struct conns *conns, const struct conn_limits *limits)
{
    conns->limits = *limits;
}

struct deflate *conns_deflate(struct conns *conns)
{
    return conns->deflate;
}

bool conns_make_room(struct conns *conns)
{
    if (list_empty(&conns->spare)) {
        count_add(conns->counters, COUNT_REFUSED_CONNECTIONS, 1);
        return false;
    }
    conn_lose(LIST_ITEM(conns->spare.next, struct conn, spare), COUNT_REFUSED_EVICTED);
    return true;
}

static int start(struct conn *conn, struct tls_context *context)
{
    if (conn->kind != CONN_TLS)
        return conn_start_http(conn, false);
    conn_set_state(conn, CONN_HANDSHAKE);
    return tls_new(context, &conn->tls);
}

/* Best effort: a full house tells whoever can be told in one write to come back. */
static void turn_away(int fd, enum conn_kind kind)
{
    static const char ANSWER[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\n"
                                 "content-length: 0\r\nconnection: close\r\n\r\n";
    if (kind == CONN_TLS || write(fd, ANSWER, sizeof ANSWER - 1) < 0)
        (void)shutdown(fd, SHUT_RDWR); /* it is closed next */
    close(fd);
}

int conns_adopt(struct conns *conns, int fd, enum conn_kind kind, struct tls_context *context,
                const char *address)
{
    bool room = conns->count < conns->limits.connections || conns_make_room(conns);
    struct conn *conn = room ? calloc(1, sizeof *conn) : NULL;
    if (!conn) {
        turn_away(fd, kind);
        return ERR_LIMIT;
    }
    conn->all = conns;
    conn->kind = kind;
    conn->io = (struct loop_io){.fd = fd, .ready = on_ready};
    conn->task.run = on_task;
    loop_timer_init(&conn->timer, on_timer);
    list_init(&conn->spare);
    list_init(&conn->paused);
    list_init(&conn->exchanges);
    list_append(&conns->list, &conn->node);
    slice_copy(slice_str(address), conn->address, sizeof conn->address);
    buf_init(&conn->in, WS_FRAME_MAX + READ_MARK + SCRATCH_SIZE);
    buf_init(&conn->out, 2 * conns->limits.queue + 4 * SCRATCH_SIZE);
    conns->count++;
    count_add(conns->counters, COUNT_CONNECTIONS, 1);
    count_add(conns->counters, COUNT_CONNECTIONS_TOTAL, 1);
    usec_t tick = loop_now(conns->loop) + conns->limits.tick;
    if (start(conn, context) < 0 || loop_timer_set(conns->loop, &conn->timer, tick) < 0 ||
        loop_watch(conns->loop, &conn->io, LOOP_READ) < 0) {
        conn_drop(conn);
        return ERR_MEMORY;
    }
    return 0;
}

void conns_resume(struct conns *conns)
{
    struct list batch;
    list_init(&batch);
    while (!list_empty(&conns->paused)) {
        struct list *node = conns->paused.next;
        list_remove(node);
        list_append(&batch, node);
    }
    while (!list_empty(&batch)) {
        struct conn *conn = LIST_ITEM(batch.next, struct conn, paused);
        list_remove(&conn->paused);
        conn->is_paused = false;
        conn_pump(conn);
    }
}

enum conn_kind conn_kind(const struct conn *conn)
{
    return conn->kind;
}

const char *conn_address(const struct conn *conn)
{
    return conn->address;
}

struct waiter *conn_waiter(struct conn *conn)
{
    return &conn->socket;
}

struct conn *conn_of_waiter(struct waiter *waiter)
{
    return CONTAINER_OF(waiter, struct conn, socket);
}

struct exchange *conn_exchange(struct conn *conn)
{
    return conn->exchange;
}
