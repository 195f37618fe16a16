#include "edge/edge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "edge/edge_parts.h"

/* Accepted per event, so that a flood of connections does not starve those that are there. */
#define ACCEPTS 64
/* After running out of descriptors or memory. */
#define ACCEPT_PAUSE (100 * USEC_PER_MSEC)
#define ROTATE_TIME (12 * 3600 * USEC_PER_SEC)
/* A certificate chain in PEM, with room. */
#define PEM_MAX ((size_t)(256 * 1024))
#define WAITERS_MAX 131072

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void address_text(const struct sockaddr_storage *from, char *out, size_t size)
{
    struct address address = {0};
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;
    struct slice ip =
        from->ss_family == AF_INET ? slice_of(&v4->sin_addr, 4) : slice_of(&v6->sin6_addr, 16);
    if ((from->ss_family != AF_INET && from->ss_family != AF_INET6) ||
        address_from_ip(ip, 0, &address) < 0 ||
        !inet_ntop(address_is_v4(&address) ? AF_INET : AF_INET6, address_ip(&address).data, out,
                   (socklen_t)size))
        slice_copy(SLICE("local"), out, size);
}

static bool may_accept(const struct listener *listener)
{
    return listener->kind != CONN_TLS || listener->edge->tls;
}

static void watch(struct listener *listener)
{
    struct loop *loop = listener->edge->loop;
    if (may_accept(listener) && loop_watch(loop, &listener->io, LOOP_READ) < 0 &&
        loop_timer_set(loop, &listener->again, loop_now(loop) + ACCEPT_PAUSE) < 0)
        count_add(&listener->edge->counters, COUNT_REFUSED_CONNECTIONS, 1);
}

static void on_again(struct loop_timer *timer, usec_t now)
{
    (void)now;
    watch(CONTAINER_OF(timer, struct listener, again));
}

static void on_accept(struct loop_io *io, uint32_t events)
{
    struct listener *listener = CONTAINER_OF(io, struct listener, io);
    struct edge *edge = listener->edge;
    const int on = 1;
    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        char address[64];
        int fd = accept4(io->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            conns_make_room(edge->conns);
            loop_unwatch(edge->loop, io);
            if (loop_timer_set(edge->loop, &listener->again, loop_now(edge->loop) + ACCEPT_PAUSE) <
                0)
                watch(listener);
            return;
        }
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0)
            continue; /* that client went away while it waited */
        /* Without it answers are only later, and other sockets than TCP do not know it. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        address_text(&from, address, sizeof address);
        /* A refusal was counted and closed the socket; the others still wait. */
        if (conns_adopt(edge->conns, fd, listener->kind, edge->tls, address) < 0)
            continue;
    }
}

static void on_rotate(struct loop_timer *timer, usec_t now)
{
    struct edge *edge = CONTAINER_OF(timer, struct edge, rotate);
    /* A failure leaves the old keys for another half day. */
    if ((edge->tls && tls_context_rotate(edge->tls) < 0) ||
        loop_timer_set(edge->loop, timer, now + ROTATE_TIME) < 0)
        count_add(&edge->counters, COUNT_TLS_RELOADS_FAILED, 1);
}

static void on_relay(void *arg)
{
    const struct edge *edge = arg;
    edge->handler.relay(edge->handler.arg);
}

void edge_relay(struct edge *edge, int fd)
{
    conns_relay(edge->conns, fd);
}

static int start(struct edge *edge)
{
    const struct conn_handler handler = {
        .request = edge_on_request,
        .late = upstream_on_late,
        .gone = upstream_on_gone,
        .text = upstream_on_text,
        .closed = upstream_on_closed,
        .relay = on_relay,
        .arg = edge,
    };
    edge->waiting = map_new(WAITERS_MAX, random_u64());
    if (!edge->waiting)
        return ERR_MEMORY;
    int err =
        conns_new(edge->loop, &edge->settings.limits, &edge->counters, &handler, &edge->conns);
    if (!err)
        err = loop_timer_set(edge->loop, &edge->rotate, loop_now(edge->loop) + ROTATE_TIME);
    return err;
}

int edge_new(struct loop *loop, struct metrics *metrics, const struct edge_roots *roots,
             const struct edge_handler *handler, struct edge **ret_edge)
{
    struct edge *edge = calloc(1, sizeof *edge);
    if (!edge)
        return ERR_MEMORY;
    edge->loop = loop;
    edge->metrics = metrics;
    edge->roots = *roots;
    edge->handler = *handler;
    counters_init(&edge->counters, metrics);
    loop_timer_init(&edge->rotate, on_rotate);
    buf_init(&edge->scratch, LINK_FRAME_MAX);
    buf_init(&edge->plain, LINK_FRAME_MAX);
    buf_init(&edge->packed, LINK_FRAME_MAX);
    upstream_init(edge);
    edge->settings.limits = (struct conn_limits)CONN_LIMITS_DEFAULT;
    int err = start(edge);
    if (err) {
        edge_free(&edge);
        return err;
    }
    *ret_edge = edge;
    return 0;
}

void edge_free(struct edge **edge)
{
    struct edge *dead = *edge;
    if (!dead)
        return;
    *edge = NULL;
    conns_free(&dead->conns);
    upstream_done(dead);
    for (size_t i = 0; i < dead->listener_count; i++) {
        loop_unwatch(dead->loop, &dead->listeners[i].io);
        loop_timer_clear(dead->loop, &dead->listeners[i].again);
        close(dead->listeners[i].io.fd);
    }
    for (size_t i = 0; i < dead->page_count; i++)
        metrics_unmap(&dead->pages[i].metrics);
    loop_timer_clear(dead->loop, &dead->rotate);
    tls_context_free(&dead->tls);
    map_free(&dead->waiting);
    buf_done(&dead->scratch);
    buf_done(&dead->plain);
    buf_done(&dead->packed);
    close_fd(dead->roots.client);
    close_fd(dead->roots.jitsi);
    close_fd(dead->roots.recordings);
    close_fd(dead->roots.acme);
    free(dead);
}

int edge_set_settings(struct edge *edge, json_t *settings, const char **ret_key)
{
    int err = settings_read(settings, &edge->settings, ret_key);
    if (!err)
        conns_set_limits(edge->conns, &edge->settings.limits);
    return err;
}

int edge_listen(struct edge *edge, enum conn_kind kind, int fd)
{
    if (edge->listener_count == LISTENERS_MAX) {
        close(fd);
        return ERR_LIMIT;
    }
    struct listener *listener = &edge->listeners[edge->listener_count++];
    listener->edge = edge;
    listener->kind = kind;
    listener->io = (struct loop_io){.fd = fd, .ready = on_accept};
    loop_timer_init(&listener->again, on_again);
    edge->tls_wanted = edge->tls_wanted || kind == CONN_TLS;
    watch(listener);
    return 0;
}

static int read_pem(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *at = buf_reserve(out, 16384);
        if (!at)
            return ERR_LIMIT;
        ssize_t got = pread(fd, at, 16384, (off_t)out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            return 0;
        buf_commit(out, (size_t)got);
    }
}

int edge_set_tls(struct edge *edge, int chain_fd, int key_fd)
{
    struct buf chain, key;
    struct tls_context *context = NULL;
    buf_init(&chain, PEM_MAX);
    buf_init(&key, PEM_MAX);
    int err = read_pem(chain_fd, &chain);
    if (!err)
        err = read_pem(key_fd, &key);
    if (!err)
        err = tls_context_new(buf_slice(&chain), buf_slice(&key), edge->tls, &context);
    if (key.data)
        hash_wipe(key.data, key.cap);
    buf_done(&chain);
    buf_done(&key);
    close(chain_fd);
    close(key_fd);
    count_add(&edge->counters, err ? COUNT_TLS_RELOADS_FAILED : COUNT_TLS_RELOADS, 1);
    if (err)
        return err;
    tls_context_free(&edge->tls);
    edge->tls = context;
    for (size_t i = 0; i < edge->listener_count; i++)
        watch(&edge->listeners[i]);
    return 0;
}

bool edge_is_ready(const struct edge *edge)
{
    return !edge->tls_wanted || edge->tls;
}

static struct metrics_page *find_page(struct edge *edge, const char *program, unsigned number)
{
    for (size_t i = 0; i < edge->page_count; i++)
        if (edge->pages[i].number == number &&
            slice_eq_str(slice_str(program), edge->pages[i].program))
            return &edge->pages[i];
    return NULL;
}

int edge_put_metrics(struct edge *edge, const char *program, unsigned number, int fd)
{
    struct metrics *metrics = NULL;
    int err = metrics_map(fd, false, &metrics);
    close(fd);
    if (err)
        return err;
    edge_drop_metrics(edge, program, number);
    if (edge->page_count == PAGES_MAX) {
        metrics_unmap(&metrics);
        return ERR_LIMIT;
    }
    struct metrics_page *page = &edge->pages[edge->page_count++];
    *page = (struct metrics_page){.number = number, .metrics = metrics};
    slice_copy(slice_str(program), page->program, sizeof page->program);
    return 0;
}

void edge_drop_metrics(struct edge *edge, const char *program, unsigned number)
{
    struct metrics_page *page = find_page(edge, program, number);
    if (!page)
        return;
    metrics_unmap(&page->metrics);
    *page = edge->pages[--edge->page_count];
}
