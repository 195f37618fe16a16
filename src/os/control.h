/* The line between the supervisor and each child: a Unix SOCK_SEQPACKET socket, descriptor 3 in the
 * child. One message is one JSON object with a "type" and at most CONTROL_FDS descriptors. */
#ifndef OS_CONTROL_H
#define OS_CONTROL_H

#include "base/slice.h"
#include "os/loop.h"

#define CONTROL_FD 3
#define CONTROL_FDS 8
#define CONTROL_MESSAGE_MAX ((size_t)(64 * 1024))

struct control;

struct control_handler {
    /* The callee owns the descriptors (close-on-exec, non-blocking is not set). */
    void (*message)(void *arg, struct slice json, const int *fds, size_t fd_count);
    void (*closed)(void *arg);
    void *arg;
};

int control_new(struct loop *loop, int fd, const struct control_handler *handler,
                struct control **ret_control) MUST_USE;
void control_free(struct control **control);
/* Does not take ownership of the descriptors. ERR_LIMIT: too large; ERR_CLOSED. */
int control_send(struct control *control, struct slice json, const int *fds,
                 size_t fd_count) MUST_USE;

#endif
