/* Which room of the house answers a path: docs/bus.md, "Routes of edge". Pure. */
#ifndef EDGE_ROUTE_H
#define EDGE_ROUTE_H

#include "base/err.h"
#include "base/slice.h"

enum route {
    ROUTE_STATIC, /* the client's own files and pages */
    ROUTE_JITSI,  /* a stock Jitsi Meet web build below /jitsi/ */
    ROUTE_WEB,
    ROUTE_SIGNAL,
    ROUTE_SOCKET, /* WebSocket; as plain GET the keep-alive request, which signal answers */
    ROUTE_BRIDGE, /* WebSocket of the bridge channel */
};

/* `path`: as it came, without query. */
enum route route_of(struct slice path);
/* A file name that changes with its content: may be cached for ever. */
bool route_is_hashed(struct slice path);
/* A page of the client (answered with index.html) rather than a file: no dot in the last part. */
bool route_is_page(struct slice path);

/* Decodes percent signs and refuses what could leave a directory: "..", ".", empty parts but the
 * last, NUL, control characters, backslashes, hidden files. Leaves no slash at the start: "" for
 * "/", "a/b" for "/a/b". ERR_FORMAT, ERR_LIMIT (does not fit). */
int route_file_path(struct slice path, char *out, size_t size) MUST_USE;

#endif
