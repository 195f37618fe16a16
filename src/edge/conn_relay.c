/* A connection that has become a way to the relay: TURN inside TLS (RFC 8656, section 3.1). */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge/conn_parts.h"
#include "proto/stun.h"

/* Connections to the relay that were asked for and have not come. */
#define WAITING_MAX 64
#define RELAYS_MAX 2000
/* Read ahead of a client that does not take it: the relay drops what is late, we cannot. */
#define QUEUE_MARK ((size_t)(64 * 1024))
/* A client refreshes its permissions every five minutes (RFC 8656, section 9). */
#define IDLE_TIME (10 * 60 * USEC_PER_SEC)
/* Before it no STUN message can be told. */
#define HEAD_SIZE 20

struct relay {
    struct conn *conn;
    struct list waiting; /* of all->relays, until there is a descriptor */
    struct loop_io io;
    usec_t moved;
};

bool conn_speaks_turn(const struct conn *conn)
{
    /* No method of HTTP begins with these bytes, every STUN message does. */
    return conn->all->limits.relay && conn->tls && !conn->exchange && conn->in.len > 0 &&
           conn->in.data[0] < 2;
}

bool conn_names_relay(const struct conn *conn)
{
    const struct conn_limits *limits = &conn->all->limits;
    return limits->relay && limits->relay_name[0] &&
           slice_eq_nocase(tls_name(conn->tls), slice_str(limits->relay_name));
}

static void ask(struct conn *conn)
{
    struct conns *all = conn->all;
    if (conn->in.len < HEAD_SIZE)
        return;
    if (!stun_looks_like(buf_slice(&conn->in))) {
        conn_lose(conn, COUNT_REFUSED_REQUEST);
        return;
    }
    bool room = all->relays_waiting < WAITING_MAX && all->relay_count < RELAYS_MAX;
    struct relay *relay = room ? calloc(1, sizeof *relay) : NULL;
    if (!relay) {
        conn_lose(conn, COUNT_REFUSED_UPSTREAM);
        return;
    }
    *relay = (struct relay){.conn = conn, .io.fd = -1, .moved = loop_now(all->loop)};
    list_append(&all->relays, &relay->waiting);
    all->relays_waiting++;
    all->relay_count++;
    conn->relay = relay;
    all->handler.relay(all->handler.arg);
}

void conn_watch_relay(struct conn *conn)
{
    struct relay *relay = conn->relay;
    if (!relay || relay->io.fd < 0)
        return;
    uint32_t wanted = (conn_queued(conn) < QUEUE_MARK ? (uint32_t)LOOP_READ : 0) |
                      (conn->in.len > 0 ? (uint32_t)LOOP_WRITE : 0);
    if (loop_watch(conn->all->loop, &relay->io, wanted) < 0)
        conn_lose(conn, COUNTERS);
}

void conn_read_relay(struct conn *conn)
{
    if (!conn->relay)
        ask(conn);
    struct relay *relay = conn->relay;
    if (!relay || relay->io.fd < 0)
        return;
    while (conn->in.len > 0) {
        ssize_t sent = write(relay->io.fd, conn->in.data, conn->in.len);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            conn_finish(conn);
            return;
        }
        buf_consume(&conn->in, (size_t)sent);
        relay->moved = loop_now(conn->all->loop);
    }
    conn_watch_relay(conn);
}

static void on_relay(struct loop_io *io, uint32_t events)
{
    struct relay *relay = CONTAINER_OF(io, struct relay, io);
    struct conn *conn = relay->conn;
    if (events & LOOP_WRITE) {
        conn_pump(conn);
        if (conn->relay != relay)
            return;
    }
    if (!(events & (LOOP_READ | LOOP_HANGUP)))
        return;
    uint8_t *scratch = conn->all->scratch;
    ssize_t got = read(io->fd, scratch, SCRATCH_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        conn_finish(conn);
        return;
    }
    relay->moved = loop_now(conn->all->loop);
    conn_write(conn, slice_of(scratch, (size_t)got));
    if (conn->relay == relay)
        conn_watch_relay(conn);
}

void conns_relay(struct conns *conns, int fd)
{
    if (list_empty(&conns->relays)) {
        if (fd >= 0)
            close(fd); /* whom it was for has gone */
        return;
    }
    struct relay *relay = LIST_ITEM(conns->relays.next, struct relay, waiting);
    if (fd < 0) {
        conn_lose(relay->conn, COUNT_REFUSED_UPSTREAM);
        return;
    }
    list_remove(&relay->waiting);
    conns->relays_waiting--;
    relay->io = (struct loop_io){.fd = fd, .ready = on_relay};
    conn_pump(relay->conn);
}

void conn_tick_relay(struct conn *conn, usec_t now)
{
    const struct relay *relay = conn->relay;
    if ((!relay || relay->io.fd < 0) && now - conn->since > conn->all->limits.handshake)
        conn_lose(conn, COUNT_REFUSED_UPSTREAM);
    else if (relay && now - relay->moved > IDLE_TIME)
        conn_lose(conn, COUNT_REFUSED_TIMEOUT);
}

void conn_end_relay(struct conn *conn)
{
    struct relay *relay = conn->relay;
    if (!relay)
        return;
    conn->relay = NULL;
    conn->all->relay_count--;
    if (relay->io.fd < 0) {
        list_remove(&relay->waiting);
        conn->all->relays_waiting--;
    } else {
        loop_unwatch(conn->all->loop, &relay->io);
        close(relay->io.fd);
    }
    free(relay);
}
