/* Writes a feed to its recorder: reads the eight bytes of the handshake, then writes what the feed
 * holds without ever waiting (docs/feed.md). */
#ifndef BRIDGE_FEED_OUT_H
#define BRIDGE_FEED_OUT_H

#include "bridge/feed.h"
#include "os/loop.h"

struct feed_out;

struct feed_out_handler {
    /* The recorder said where it stands; bytes flow from here. */
    void (*attached)(void *arg);
    /* It is gone or broke the handshake; free the feed_out, here or later. */
    void (*lost)(void *arg);
    void *arg;
};

/* Takes ownership of `fd`; `feed` must outlive it. ERR_MEMORY, ERR_IO. */
int feed_out_new(struct loop *loop, int fd, struct feed *feed,
                 const struct feed_out_handler *handler, struct feed_out **ret_out) MUST_USE;
/* Detaches the feed. */
void feed_out_free(struct feed_out **out);
/* Writes what there is; call before sleeping. */
void feed_out_flush(struct feed_out *out, usec_t now);

#endif
