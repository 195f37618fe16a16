/* The line between the supervisor and each child: a Unix SOCK_SEQPACKET socket, descriptor 3 in the
 * child. One message is one JSON object with a "type" and at most CONTROL_FDS descriptors. */
#ifndef OS_CONTROL_H
#define OS_CONTROL_H

#include "base/slice.h"
#include "os/loop.h"

#define CONTROL_FD 3
#define CONTROL_FDS 16
#define CONTROL_MESSAGE_MAX ((size_t)(64 * 1024))

struct control;

struct control_handler {
    /* The callee owns the descriptors (close-on-exec, non-blocking is not set). */
    void (*message)(void *arg, struct slice json, const int *fds, size_t fd_count);
    /* The other side is gone, or sent what no message is. */
    void (*closed)(void *arg);
    void *arg;
};

/* Takes ownership of `fd`. */
int control_new(struct loop *loop, int fd, const struct control_handler *handler,
                struct control **ret_control) MUST_USE;
/* Safe inside its own callbacks. What waits is lost. */
void control_free(struct control **control);
/* Handles now what has arrived: the last words of a peer that has just ended. */
void control_read(struct control *control);
/* Does not take ownership of the descriptors. While the socket is full, messages wait (with
 * duplicates of their descriptors). ERR_LIMIT: too large, too many descriptors or 256 messages
 * wait; ERR_CLOSED. */
int control_send(struct control *control, struct slice json, const int *fds,
                 size_t fd_count) MUST_USE;

/* One message without a loop, waiting at most `wait`: its length into ret_len, its descriptors into
 * ret_fds (room for CONTROL_FDS). ERR_TIMEOUT, ERR_CLOSED, ERR_FORMAT: larger than `size`. */
int control_receive(int fd, usec_t wait, void *message, size_t size, size_t *ret_len, int *ret_fds,
                    size_t *ret_fd_count) MUST_USE;

#endif
