/* What workers of one host say to each other over their link (docs/bus.md, "bridge - bridge"):
 * datagrams that reached the wrong socket, many per frame, and whose they are. Integers are
 * big-endian; a path is 16 bytes local IP, u16 port, 16 bytes remote IP, u16 port. */
#ifndef BRIDGE_HANDOVER_H
#define BRIDGE_HANDOVER_H

#include "base/address.h"
#include "base/buf.h"

enum handover_type {
    HANDOVER_DATAGRAMS = 1, /* n x (path, u16 length, bytes) */
    HANDOVER_CLAIM = 2,     /* n x path: what comes on these is mine, pass it on */
    HANDOVER_RELEASE = 3,   /* n x path: no longer */
};

/* Bytes of one record before the datagram. */
#define HANDOVER_HEADER 38

void handover_add_datagram(struct buf *buf, const struct path *path, struct slice datagram);
void handover_add_path(struct buf *buf, const struct path *path);
/* False at the end and when the rest makes no sense: then reader->failed. */
bool handover_next_datagram(struct reader *reader, struct path *ret_path,
                            struct slice *ret_datagram);
bool handover_next_path(struct reader *reader, struct path *ret_path);

#endif
