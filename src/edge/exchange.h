/* A request on its way through the edge: who asked, where it waits, what is answered. */
#ifndef EDGE_EXCHANGE_H
#define EDGE_EXCHANGE_H

#include "base/list.h"
#include "edge/request.h"

struct conn;
struct page;

enum edge_peer { EDGE_SIGNAL, EDGE_WEB, EDGE_PEERS };

enum waiter_kind { WAITER_EXCHANGE, WAITER_SOCKET, WAITER_PAGE };

/* Something that has a number on the bus; embedded in what waits. */
struct waiter {
    struct list node; /* among the waiters of its peer */
    uint64_t id;      /* 0: not on the bus */
    enum waiter_kind kind;
    enum edge_peer peer;
};

struct exchange {
    struct list node; /* among the exchanges of its connection (HTTP/2) */
    struct conn *conn;
    int32_t stream; /* of HTTP/2; 0: HTTP/1.1 */
    struct request request;
    struct response response;
    bool complete;  /* the request is all here */
    bool upgrade;   /* the request asks for another protocol */
    bool answered;  /* the response is whole and handed to the protocol */
    unsigned early; /* the request was refused on its way in: the status to answer with */
    usec_t since;   /* begun; from `complete` on: completed */
    struct waiter waiter;
    struct page *page; /* a page of the Jitsi build being put together */
};

#endif
