/* Stream management of one session (XEP-0198): what was counted, and what the client has not
 * acknowledged. Counters are modulo 2^32 and start at <enable/>. */
#ifndef XMPP_SM_H
#define XMPP_SM_H

#include "base/err.h"
#include "xmpp/text.h"

/* A member of a class of 500 gets 500 presences at once before it can acknowledge the first. */
#define SM_QUEUE_MAX 4096
#define SM_BYTES_MAX ((size_t)(32 * 1024 * 1024))

struct sm {
    bool enabled;
    bool asked;       /* an <r/> is out */
    uint32_t handled; /* stanzas of the client that we dealt with */
    uint32_t acked;   /* of ours, the last count it confirmed */
    struct text **ring;
    size_t head;
    size_t count;
    size_t cap; /* a power of two */
    size_t bytes;
};

void sm_done(struct sm *sm, struct text_pool *pool);
/* Takes a reference. ERR_LIMIT: the client is too far behind. */
int sm_push(struct sm *sm, struct text_pool *pool, struct text *text) MUST_USE;
/* The client has handled h stanzas. ERR_FORMAT: more than were sent, or fewer than it said before.
 */
int sm_ack(struct sm *sm, struct text_pool *pool, uint32_t h) MUST_USE;
/* The i-th waiting text, i < count. */
struct text *sm_at(const struct sm *sm, size_t i);

#endif
