/* The frames between edge and signal or web: docs/bus.md, "edge - signal and edge - web". */
#ifndef EDGE_BUS_H
#define EDGE_BUS_H

#include "edge/exchange.h"

enum bus_type {
    BUS_WS_OPEN = 1,
    BUS_WS_ACCEPT = 2,
    BUS_WS_REFUSE = 3,
    BUS_WS_TEXT = 4,
    BUS_WS_CLOSE = 5,
    BUS_WS_TEXT_MANY = 6,
    BUS_HTTP_REQUEST = 10,
    BUS_HTTP_RESPONSE = 11,
    BUS_HTTP_GONE = 12,
};

/* Who asks, as the other program is to see it. */
struct bus_client {
    const char *address;
    bool https;
    bool deflate; /* WS_OPEN: the client offered it */
};

/* Payload of WS_OPEN. ERR_FORMAT: something in it is not UTF-8. */
int bus_put_open(const struct request *request, const struct bus_client *client,
                 struct buf *out) MUST_USE;
/* Payload of HTTP_REQUEST but its body. Fields that are not UTF-8 are left out and counted in
 * *ret_left_out. ERR_FORMAT as above. */
int bus_put_request(const struct request *request, const struct bus_client *client, struct buf *out,
                    unsigned *ret_left_out) MUST_USE;
/* As bus_put_request for a GET of that path without fields and body. */
int bus_put_get(const char *path, const struct request *asked_by, const struct bus_client *client,
                struct buf *out) MUST_USE;
/* Payload of WS_CLOSE. */
int bus_put_close(unsigned code, struct slice reason, struct buf *out) MUST_USE;

/* Of protocols and of file paths, with their NUL. */
#define BUS_WORD_SIZE 64
#define BUS_FILE_SIZE 512

struct bus_response {
    char file[BUS_FILE_SIZE]; /* empty: the body is in `response` */
};

/* Payload of HTTP_RESPONSE into `response`. Fields that concern the connection are dropped.
 * ERR_FORMAT, ERR_LIMIT. */
int bus_read_response(struct slice payload, struct response *response,
                      struct bus_response *ret_response) MUST_USE;
/* Payload of WS_ACCEPT: the protocol, empty when null. */
int bus_read_accept(struct slice payload, char protocol[BUS_WORD_SIZE]) MUST_USE;
int bus_read_refuse(struct slice payload, unsigned *ret_status) MUST_USE;
int bus_read_close(struct slice payload, unsigned *ret_code, char reason[128]) MUST_USE;
/* Payload of WS_TEXT_MANY: `ids` holds 8 bytes each, see bus_id. */
int bus_read_many(struct slice payload, struct slice *ret_ids, struct slice *ret_text) MUST_USE;
uint64_t bus_id(struct slice ids, size_t index);

#endif
