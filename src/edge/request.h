/* One request and its answer, the same for HTTP/1.1 and HTTP/2. */
#ifndef EDGE_REQUEST_H
#define EDGE_REQUEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/units.h"
#include "edge/fields.h"

/* Request line and header together: a token in the query and a few cookies fit many times. */
#define REQUEST_HEAD_MAX ((size_t)(32 * 1024))
#define REQUEST_TARGET_MAX ((size_t)(16 * 1024))
#define REQUEST_BODY_MAX ((size_t)(1024 * 1024))
/* What an answer from another program holds at most: one frame of the bus. */
#define RESPONSE_BODY_MAX ((size_t)(4 * 1024 * 1024))
#define METHOD_SIZE 16

struct request {
    char method[METHOD_SIZE];
    struct buf target;    /* as it came; origin form after request_finish */
    struct fields fields; /* "host" is among them */
    struct buf body;
    struct slice path; /* views into target, after request_finish */
    struct slice query;
};

void request_init(struct request *request);
void request_done(struct request *request);
/* Ready for the next one; keeps its memory unless it is large. */
void request_clear(struct request *request);
/* Once method, target and header are in: judges them and sets path and query. 0, or the status to
 * answer with. */
unsigned request_finish(struct request *request);
bool request_is(const struct request *request, const char *method);
/* The Host field; empty when it holds anything but a name or address and a port. */
struct slice request_host(const struct request *request);

/* Where the bytes of an answer come from: memory, or a part of a file. */
struct body {
    struct buf data;
    size_t at;     /* bytes of `data` already taken */
    int fd;        /* -1: none; owned */
    uint64_t from; /* next byte of the file */
    uint64_t left; /* bytes of the file still to come */
};

struct response {
    unsigned status;
    struct fields fields; /* without content-length, date and what concerns the connection */
    struct body body;
    bool no_body; /* HEAD: the length is told, the bytes are not sent */
};

void response_init(struct response *response);
void response_done(struct response *response);
uint64_t body_left(const struct body *body);
/* Lets the system read the file `skip` bytes from here in advance, so that body_read need not wait
 * for the disk. body_read goes on doing so. */
void body_prefetch(const struct body *body, uint64_t skip);
/* Takes up to `size` bytes; ERR_IO when the file has become shorter or cannot be read. */
int body_read(struct body *body, void *out, size_t size, size_t *ret_len) MUST_USE;
/* Must an answer of that status tell its length (RFC 9110, section 8.6)? */
bool response_has_length(unsigned status);
/* English phrase of a status; "Unknown". */
const char *response_phrase(unsigned status);
/* A short text as the whole answer; headers set before stay. */
void response_text(struct response *response, unsigned status, const char *text);

#endif
