/* A framed, bounded, non-blocking connection between two of our programs over a Unix stream socket.
 * Frame on the wire, little-endian: u32 length of payload, u16 type, u16 zero, u64 id, payload.
 * The types and payloads of each pair of programs are in docs/bus.md. */
#ifndef OS_LINK_H
#define OS_LINK_H

#include "base/slice.h"
#include "os/loop.h"

/* Above this a frame is refused and the link is condemned. */
#define LINK_FRAME_MAX ((size_t)(4 * 1024 * 1024))

struct link;

struct link_frame {
    uint16_t type;
    uint64_t id;
    struct slice payload; /* valid during the callback */
};

struct link_handler {
    void (*frame)(void *arg, const struct link_frame *frame);
    /* The other side is gone (ERR_CLOSED), broke the framing (ERR_FORMAT) or does not read
     * (ERR_LIMIT). The link must be freed by its owner, here or later. */
    void (*closed)(void *arg, int err);
    void *arg;
};

/* Takes ownership of `fd`. `max_queued`: bytes that may wait to be written. */
int link_new(struct loop *loop, int fd, size_t max_queued, const struct link_handler *handler,
             struct link **ret_link) MUST_USE;
/* Safe inside the link's own callbacks. */
void link_free(struct link **link);
/* Queues a frame; written when the loop next sleeps, many frames per system call.
 * ERR_LIMIT: the queue is full, the frame was not taken. ERR_CLOSED. */
int link_send(struct link *link, uint16_t type, uint64_t id, struct slice payload) MUST_USE;
/* As link_send with the payload in parts, without joining them first. */
int link_send_parts(struct link *link, uint16_t type, uint64_t id, const struct slice *parts,
                    size_t count) MUST_USE;
/* Bytes waiting to be written. */
size_t link_queued(const struct link *link);

#endif
