/* A WebSocket client (RFC 6455) over plain TCP: whole texts in and out, no extensions. What the
 * load generator needs to speak as a browser does. */
#ifndef LOAD_WEBSOCKET_H
#define LOAD_WEBSOCKET_H

#include "base/address.h"
#include "base/buf.h"
#include "os/loop.h"

struct websocket;

struct websocket_handler {
    void (*open)(void *arg);
    void (*text)(void *arg, struct slice text);
    void (*closed)(void *arg); /* refused, lost or ended; may free the socket */
    void *arg;
};

struct websocket_target {
    struct address server;
    const char *host;     /* of the Host header */
    const char *path;     /* with the query */
    const char *protocol; /* NULL: none */
};

/* Strings are copied. ERR_IO, ERR_MEMORY. */
int websocket_new(struct loop *loop, const struct websocket_target *target,
                  const struct websocket_handler *handler, struct websocket **ret_socket) MUST_USE;
/* Not from within `text`. */
void websocket_free(struct websocket **socket);
/* Kept until the handshake is done. */
void websocket_send(struct websocket *socket, struct slice text);

#endif
