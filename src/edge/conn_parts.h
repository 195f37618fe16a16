/* What the files conn.c, conn_http.c and conn_socket.c know of a connection; nobody else. */
#ifndef EDGE_CONN_PARTS_H
#define EDGE_CONN_PARTS_H

#include "edge/conn.h"
#include "edge/http1.h"
#include "edge/http2.h"
#include "edge/ws.h"

#define ADDRESS_SIZE 64
/* Produced ahead of what the socket takes. */
#define FILL_MARK ((size_t)(128 * 1024))
/* Read ahead while a request waits for its answer. */
#define READ_MARK ((size_t)(64 * 1024))
#define SCRATCH_SIZE ((size_t)(64 * 1024))

enum conn_state {
    CONN_HANDSHAKE,
    CONN_HTTP1,
    CONN_HTTP2,
    CONN_OPENING,   /* a WebSocket waits for signal's word */
    CONN_WEBSOCKET, /* open */
    CONN_RELAY,     /* TURN: bytes go to the relay and come from there */
    CONN_CLOSING,   /* what is queued goes out, then the socket is shut */
    CONN_LINGER,    /* shut; what still comes in is thrown away, so that no reset eats the end */
    CONN_DEAD,      /* freed at the end of the turn */
};

struct conn {
    struct conns *all;
    struct list node;   /* of all->list */
    struct list spare;  /* of all->spare: no request under way, may be dropped for another */
    struct list paused; /* of all->paused */
    struct loop_io io;
    struct loop_timer timer;
    struct loop_task task; /* flush, or free */
    enum conn_kind kind;
    enum conn_state state;
    char address[ADDRESS_SIZE];
    struct tls *tls; /* NULL: plain */
    struct buf in;   /* plaintext not yet read */
    struct buf out;  /* for the socket */
    size_t out_at;   /* bytes of `out` already written */
    usec_t since;    /* of this state, or of the last thing done in it */
    usec_t progress; /* the socket last took bytes, or began to be owed some */
    bool eof;
    bool keep;      /* HTTP/1.1: another request may follow */
    bool busy;      /* HTTP/1.1: the exchange is under way */
    bool is_paused; /* WebSocket */

    struct http1 *http1;
    struct exchange *exchange; /* HTTP/1.1: the one; made with the first request */
    struct http2 *http2;
    struct list exchanges; /* HTTP/2 */

    struct relay *relay; /* conn_relay.c */

    struct waiter socket;
    struct ws_reader reader;
    bool is_socket; /* counted as open */
    bool deflates;
    bool told;       /* `closed` was called, or must not be */
    bool close_sent; /* our close frame is out */
    usec_t heard;
    usec_t ping_at;
};

struct conns {
    struct loop *loop;
    struct conn_limits limits;
    const struct counters *counters;
    struct conn_handler handler;
    struct deflate *deflate;
    struct list list;
    struct list spare;
    struct list paused;
    struct list relays; /* that wait for a descriptor, the first longest */
    uint32_t relays_waiting;
    uint32_t relay_count;
    uint32_t count;
    struct buf frames; /* scratch: what HTTP/2 or a WebSocket is about to send */
    usec_t date_at;    /* second that `date` tells */
    char date[64];
    uint8_t scratch[SCRATCH_SIZE];
};

/* conn.c */
void conn_write(struct conn *conn, struct slice plain);
size_t conn_queued(const struct conn *conn);
void conn_set_state(struct conn *conn, enum conn_state state);
/* Flush before the loop sleeps. */
void conn_touch(struct conn *conn);
/* What is queued goes out, then the end. */
void conn_finish(struct conn *conn);
/* As conn_drop, after telling the handler. */
void conn_lose(struct conn *conn, enum counter why);
/* Reads on after a pause. */
void conn_pump(struct conn *conn);
const char *conns_date(struct conns *conns);
bool conn_over(const struct conn *conn);
void conn_set_spare(struct conn *conn, bool spare);
struct exchange *exchange_new(struct conn *conn, int32_t stream);
void exchange_free(struct exchange **exchange);

/* conn_http.c */
int conn_start_http(struct conn *conn, bool http2);
void conn_read_http1(struct conn *conn);
void conn_read_http2(struct conn *conn);
/* Puts more bytes of answers into `out`; false: nothing to put. */
bool conn_fill(struct conn *conn);
void conn_tick_http(struct conn *conn, usec_t now);
/* All exchanges end. */
void conn_end_http(struct conn *conn);

/* conn_relay.c */
/* Whether the handshake asked for the relay's name. */
bool conn_names_relay(const struct conn *conn);
/* Whether the first bytes are TURN's. */
bool conn_speaks_turn(const struct conn *conn);
/* Passes on what the client said. */
void conn_read_relay(struct conn *conn);
/* What waits for the client has changed. */
void conn_watch_relay(struct conn *conn);
void conn_tick_relay(struct conn *conn, usec_t now);
void conn_end_relay(struct conn *conn);

/* conn_socket.c */
void conn_read_socket(struct conn *conn);
void conn_tick_socket(struct conn *conn, usec_t now);
/* Tells the handler once that the WebSocket is over. */
void conn_end_socket(struct conn *conn, unsigned code, struct slice reason);

#endif
