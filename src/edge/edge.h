/* The edge: listeners, TLS, HTTP and WebSocket towards the clients, links towards signal and web.
 * docs/bus.md says what goes over the links, docs/edge.md what the outside sees. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include <jansson.h>

#include "edge/conn.h"
#include "os/metrics.h"

struct edge;

/* Directories, opened by the owner; -1: there is none. The edge owns them. */
struct edge_roots {
    int client;
    int jitsi; /* an unpacked Jitsi Meet web build */
    int recordings;
    int acme; /* answers to challenges of RFC 8555 */
};

struct edge_handler {
    /* The link to that program is lost: ERR_CLOSED, ERR_FORMAT (what it said made no sense),
     * ERR_LIMIT (it does not read). A new one is given with edge_link. */
    void (*lost)(void *arg, enum edge_peer peer, int err);
    /* A connection to the relay is wanted: edge_relay. */
    void (*relay)(void *arg);
    void *arg;
};

/* With default settings. `metrics` may be NULL. ERR_MEMORY. Takes the roots in any case. */
int edge_new(struct loop *loop, struct metrics *metrics, const struct edge_roots *roots,
             const struct edge_handler *handler, struct edge **ret_edge) MUST_USE;
/* Drops every connection. */
void edge_free(struct edge **edge);
/* Settings (docs/edge.md) for what comes from now on; ERR_FORMAT: *ret_key names the wrong one, the
 * old ones stay. */
int edge_set_settings(struct edge *edge, json_t *settings, const char **ret_key) MUST_USE;
/* Takes a listening, non-blocking socket. One of CONN_TLS turns redirection of plain requests on
 * and accepts once there is a certificate. ERR_LIMIT: too many; ERR_IO. */
int edge_listen(struct edge *edge, enum conn_kind kind, int fd) MUST_USE;
/* New connections use this certificate; both descriptors are closed. ERR_IO, ERR_LIMIT (a file is
 * too long), and as tls_context_new; on failure the old one stays. */
int edge_set_tls(struct edge *edge, int chain_fd, int key_fd) MUST_USE;
/* What handler.relay asked for; takes the descriptor. -1: there is none. */
void edge_relay(struct edge *edge, int fd);
/* There is a certificate, or none is needed. */
bool edge_is_ready(const struct edge *edge);
/* A link to that program, new or again; takes the socket. ERR_MEMORY. */
int edge_link(struct edge *edge, enum edge_peer peer, int fd) MUST_USE;
/* Counters of another program, for /metrics; takes the page. ERR_LIMIT, ERR_IO. */
int edge_put_metrics(struct edge *edge, const char *program, unsigned number, int fd) MUST_USE;
void edge_drop_metrics(struct edge *edge, const char *program, unsigned number);

#endif
