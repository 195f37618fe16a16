/* Frames on their way out of the state machines, in order, until the program takes them. The kinds
 * and payloads are those of docs/bus.md. */
#ifndef XMPP_OUTBOX_H
#define XMPP_OUTBOX_H

#include "base/err.h"
#include "base/slice.h"

enum outbox_peer { OUTBOX_EDGE, OUTBOX_WEB, OUTBOX_BRIDGE, OUTBOX_SUPERVISOR };

struct outbox_frame {
    enum outbox_peer peer;
    unsigned number; /* of the bridge */
    uint16_t type;   /* 0 towards the supervisor, where the payload says it */
    uint64_t id;
    struct slice payload;
};

struct outbox;

/* Holds at most `max` bytes; more are dropped and counted. */
struct outbox *outbox_new(size_t max);
void outbox_free(struct outbox **outbox);
/* The payload in parts is copied. */
void outbox_add(struct outbox *outbox, enum outbox_peer peer, unsigned number, uint16_t type,
                uint64_t id, const struct slice *parts, size_t count);
/* Takes the oldest frame; valid until the next call of any of these. False: none left. */
bool outbox_take(struct outbox *outbox, struct outbox_frame *ret_frame);
uint64_t outbox_dropped(const struct outbox *outbox);

#endif
