/* The connections of clients: sockets, TLS, deadlines and bounds around HTTP/1.1, HTTP/2 and
 * WebSocket. What a request or a text means is the handler's business. */
#ifndef EDGE_CONN_H
#define EDGE_CONN_H

#include "crypto/tls.h"
#include "edge/counters.h"
#include "edge/exchange.h"
#include "os/loop.h"

struct conn;
struct conns;

enum conn_kind { CONN_PLAIN, CONN_TLS, CONN_ADMIN };

struct conn_limits {
    uint32_t connections; /* together; above it an idle one makes room, or the new one is refused */
    size_t queue;         /* bytes waiting for one client; above it the client is dropped */
    usec_t handshake;     /* TLS, from accept */
    usec_t head;          /* of a request, from its first byte */
    usec_t body;          /* of a request with its head, from its first byte */
    usec_t answer;        /* from another program */
    usec_t idle;          /* between requests */
    usec_t stall;         /* a client that takes no byte of what waits for it */
    usec_t ping;          /* WebSocket: a silent one is asked so often, each 3/4 to 5/4 of it */
    usec_t silence;       /* WebSocket: nothing heard */
    usec_t tick;          /* how often the above is looked at */
    bool relay;           /* TURN is let in by TLS */
    char relay_name[254]; /* who asks for this server name speaks nothing else; "": none */
};

/* For schools: long enough for bad mobile links, short enough to outlast a flood. */
#define CONN_LIMITS_DEFAULT                                                                        \
    {                                                                                              \
        .connections = 20000, .queue = 4 * 1024 * 1024, .handshake = 10 * USEC_PER_SEC,            \
        .head = 10 * USEC_PER_SEC, .body = 60 * USEC_PER_SEC, .answer = 60 * USEC_PER_SEC,         \
        .idle = 60 * USEC_PER_SEC, .stall = 30 * USEC_PER_SEC, .ping = 20 * USEC_PER_SEC,          \
        .silence = 55 * USEC_PER_SEC, .tick = 2 * USEC_PER_SEC,                                    \
    }

struct conn_handler {
    /* A request is in, or refused on its way (exchange->early). Answer now or later with
     * conn_respond, or with conn_accept when it asks for a WebSocket. */
    void (*request)(void *arg, struct exchange *exchange);
    /* No answer came within limits.answer: give up waiting and answer. */
    void (*late)(void *arg, struct exchange *exchange);
    /* The exchange ends, answered or not: forget it. */
    void (*gone)(void *arg, struct exchange *exchange);
    /* One text of a WebSocket; the view is valid during the call. */
    void (*text)(void *arg, struct conn *conn, struct slice text);
    /* A WebSocket ended by its client, by the network or by us; once. */
    void (*closed)(void *arg, struct conn *conn, unsigned code, struct slice reason);
    /* A client speaks TURN: a connection to the relay is wanted, see conns_relay. */
    void (*relay)(void *arg);
    void *arg;
};

int conns_new(struct loop *loop, const struct conn_limits *limits, const struct counters *counters,
              const struct conn_handler *handler, struct conns **ret_conns) MUST_USE;
/* Drops all. */
void conns_free(struct conns **conns);
void conns_set_limits(struct conns *conns, const struct conn_limits *limits);
/* Takes an accepted, non-blocking socket; it is closed on failure. `context` for CONN_TLS.
 * `address`: the peer's, as text. ERR_LIMIT: too many. */
int conns_adopt(struct conns *conns, int fd, enum conn_kind kind, struct tls_context *context,
                const char *address) MUST_USE;
/* Drops one connection that has no request under way; false, and counted, when there is none. */
bool conns_make_room(struct conns *conns);
/* A connection to the relay for who has waited longest; takes the descriptor. -1: there is none. */
void conns_relay(struct conns *conns, int fd);
/* Those paused with conn_pause read again. */
void conns_resume(struct conns *conns);
/* The shared compression engine. */
struct deflate *conns_deflate(struct conns *conns);

enum conn_kind conn_kind(const struct conn *conn);
const char *conn_address(const struct conn *conn);
/* The WebSocket's place among those who wait on the bus. */
struct waiter *conn_waiter(struct conn *conn);
struct conn *conn_of_waiter(struct waiter *waiter);
/* The request that became, or asks to become, a WebSocket. */
struct exchange *conn_exchange(struct conn *conn);

/* exchange->response is complete: sends it. */
void conn_respond(struct exchange *exchange);
/* The request is waiting for a decision on a WebSocket: its connection reads no further. */
void conn_hold(struct conn *conn);
/* Answers 101; `protocol` may be empty. `deflate`: offered by the client and wanted. */
void conn_accept(struct conn *conn, struct slice protocol, bool deflate);
bool conn_deflates(const struct conn *conn);
/* One text, compressed when that was agreed and worth it. */
void conn_send_text(struct conn *conn, struct slice text);
/* Frames made before, to be shared by many. */
void conn_send_frames(struct conn *conn, struct slice frames);
/* Closing handshake from our side; `closed` is not called. */
void conn_close(struct conn *conn, unsigned code, struct slice reason);
/* Ends at once, without a word; `closed` is not called. */
void conn_drop(struct conn *conn);
/* Reads nothing more of a WebSocket until conns_resume. */
void conn_pause(struct conn *conn);

/* A text shorter than this is not worth compressing. */
#define CONN_PACK_MIN 256

#endif
