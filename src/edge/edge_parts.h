/* What the files behind edge.h share; nobody else includes this. */
#ifndef EDGE_EDGE_PARTS_H
#define EDGE_EDGE_PARTS_H

#include "base/address.h"
#include "base/map.h"
#include "edge/bus.h"
#include "edge/edge.h"
#include "edge/file.h"
#include "os/link.h"

#define LISTENERS_MAX 16
#define PROXIES_MAX 16
#define PAGES_MAX 256
#define URL_SIZE 300
/* A signal or web that leaves more than this unread is hung. */
#define LINK_QUEUE ((size_t)(32 * 1024 * 1024))
/* Above the first, WebSockets are not read from; below the second, they are again. */
#define LINK_HIGH ((size_t)(4 * 1024 * 1024))
#define LINK_LOW ((size_t)(1024 * 1024))

struct proxy {
    struct address address;
    unsigned bits; /* of the 128 that must agree */
};

struct settings {
    struct conn_limits limits;
    struct proxy proxies[PROXIES_MAX];
    size_t proxy_count;
    char url[URL_SIZE]; /* public, "" when unknown */
};

struct listener {
    struct edge *edge;
    struct loop_io io;
    struct loop_timer again; /* accepting is off until then */
    enum conn_kind kind;
};

struct upstream {
    struct edge *edge;
    enum edge_peer peer;
    struct link *link; /* NULL: missing */
    struct list waiters;
};

struct metrics_page {
    char program[32];
    unsigned number;
    struct metrics *metrics;
};

struct edge {
    struct loop *loop;
    struct metrics *metrics;
    struct counters counters;
    struct settings settings;
    struct edge_roots roots;
    struct edge_handler handler;
    struct conns *conns;
    struct tls_context *tls;
    bool tls_wanted;
    struct loop_timer rotate; /* of the keys of session tickets */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct upstream upstream[EDGE_PEERS];
    struct map *waiting; /* id, 8 bytes -> struct waiter */
    uint64_t next_id;
    struct loop_timer resume;
    struct buf scratch; /* payloads for the bus */
    struct buf plain;   /* one text for many, framed */
    struct buf packed;  /* and compressed */
    struct metrics_page pages[PAGES_MAX];
    size_t page_count;
};

/* Who asks, as far as we believe it. */
struct client {
    char address[64];
    bool https;
};

/* settings.c */
/* ERR_FORMAT: *ret_key names what is wrong, ret_settings is untouched. */
int settings_read(json_t *json, struct settings *ret_settings, const char **ret_key) MUST_USE;
bool settings_trusts(const struct settings *settings, const char *address);

/* dispatch.c */
void edge_on_request(void *arg, struct exchange *exchange);
struct client edge_client(const struct edge *edge, const struct exchange *exchange);
/* A plain text answer with that status. */
void edge_refuse(struct edge *edge, struct exchange *exchange, unsigned status);
/* 503 with Retry-After. */
void edge_refuse_upstream(struct edge *edge, struct exchange *exchange);
/* A response from signal or web: fills in what it left out, resolves `file`, sends it. */
void edge_answer(struct edge *edge, struct exchange *exchange, const char *file);
/* Headers of pages below /jitsi/. */
void edge_put_jitsi_policy(const struct edge *edge, struct exchange *exchange);

/* upstream.c */
void upstream_init(struct edge *edge);
void upstream_done(struct edge *edge);
void upstream_forward(struct edge *edge, struct exchange *exchange, enum edge_peer peer);
void upstream_open(struct edge *edge, struct exchange *exchange);
/* Asks web for a path on behalf of a page; ERR_CLOSED, ERR_LIMIT, ERR_MEMORY. */
int upstream_get(struct edge *edge, struct exchange *exchange, const char *path,
                 struct waiter *waiter) MUST_USE;
/* The answer is not wanted any more; harmless when nothing is awaited. */
void upstream_forget(struct edge *edge, struct waiter *waiter);
void upstream_on_late(void *arg, struct exchange *exchange);
void upstream_on_gone(void *arg, struct exchange *exchange);
void upstream_on_text(void *arg, struct conn *conn, struct slice text);
void upstream_on_closed(void *arg, struct conn *conn, unsigned code, struct slice reason);

/* page.c */
/* Answers with an HTML file of the Jitsi build, its includes resolved. */
void page_start(struct edge *edge, struct exchange *exchange, struct file *file);
/* One include has come from web, or will not come (response == NULL). */
void page_part(struct edge *edge, struct waiter *waiter, const struct response *response);
void page_free(struct edge *edge, struct page **page);

/* admin.c */
void admin_answer(struct edge *edge, struct exchange *exchange);

#endif
