#include "os/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A child that does not read its orders for this many messages is as good as dead. */
#define WAITING_MAX 256

struct waiting {
    struct list node;
    int fds[CONTROL_FDS];
    size_t fd_count;
    size_t len;
    uint8_t json[];
};

struct control {
    struct loop *loop;
    struct loop_io io;
    struct control_handler handler;
    struct list waiting;
    size_t waiting_count;
    bool lost;
    bool busy;
    bool freed;
    uint8_t message[CONTROL_MESSAGE_MAX];
};

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static size_t take_fds(struct msghdr *head, int *ret_fds)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < CONTROL_FDS)
                ret_fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

static int receive(int fd, void *message, size_t size, size_t *ret_len, int *ret_fds,
                   size_t *ret_fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
    } room;
    struct iovec part = {message, size};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = sizeof room.bytes};
    ssize_t got = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    size_t count = take_fds(&head, ret_fds);
    if (got == 0 || (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        close_all(ret_fds, count);
        return got == 0 ? ERR_CLOSED : ERR_FORMAT;
    }
    *ret_len = (size_t)got;
    *ret_fd_count = count;
    return 0;
}

int control_receive(int fd, usec_t wait, void *message, size_t size, size_t *ret_len, int *ret_fds,
                    size_t *ret_fd_count)
{
    usec_t until = clock_monotonic() + wait;
    for (;;) {
        int err = receive(fd, message, size, ret_len, ret_fds, ret_fd_count);
        if (err != ERR_AGAIN)
            return err;
        usec_t left = until - clock_monotonic();
        if (left <= 0)
            return ERR_TIMEOUT;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)((left + 999) / USEC_PER_MSEC)) < 0 && errno != EINTR)
            return ERR_IO;
    }
}

static int transmit(int fd, struct slice json, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
    } room = {0};
    struct iovec part = {(void *)(uintptr_t)json.data, json.len};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        head.msg_control = room.bytes;
        head.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do /* send, because only those who may send descriptors have sendmsg */
        sent = fd_count > 0 ? sendmsg(fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL)
                            : send(fd, json.data, json.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    /* ETOOMANYREFS: too many descriptors are under way to others who have not read yet */
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? ERR_AGAIN : ERR_CLOSED;
}

static void drop(struct control *control, struct waiting *w)
{
    list_remove(&w->node);
    control->waiting_count--;
    close_all(w->fds, w->fd_count);
    free(w);
}

static void shut(struct control *control)
{
    if (control->io.fd < 0)
        return;
    loop_unwatch(control->loop, &control->io);
    close(control->io.fd);
    control->io.fd = -1;
    LIST_EACH(node, &control->waiting)
    drop(control, LIST_ITEM(node, struct waiting, node));
}

static void lose(struct control *control)
{
    if (control->lost)
        return;
    control->lost = true;
    shut(control);
    control->handler.closed(control->handler.arg);
}

static void send_waiting(struct control *control)
{
    LIST_EACH(node, &control->waiting)
    {
        struct waiting *w = LIST_ITEM(node, struct waiting, node);
        int err = transmit(control->io.fd, slice_of(w->json, w->len), w->fds, w->fd_count);
        if (err == ERR_AGAIN)
            return;
        drop(control, w); /* a dead peer shows by its end of file */
    }
    if (loop_watch(control->loop, &control->io, LOOP_READ) < 0)
        lose(control);
}

static void receive_some(struct control *control)
{
    for (int i = 0; i < 16 && !control->lost && !control->freed; i++) {
        int fds[CONTROL_FDS];
        size_t len = 0;
        size_t fd_count = 0;
        int err = receive(control->io.fd, control->message, sizeof control->message, &len, fds,
                          &fd_count);
        if (err == ERR_AGAIN)
            return;
        if (err) {
            lose(control);
            return;
        }
        control->handler.message(control->handler.arg, slice_of(control->message, len), fds,
                                 fd_count);
    }
}

static void handle(struct control *control, uint32_t events)
{
    control->busy = true;
    if (events & LOOP_WRITE)
        send_waiting(control);
    if (!control->lost && !control->freed && (events & (LOOP_READ | LOOP_HANGUP)))
        receive_some(control);
    control->busy = false;
    if (control->freed)
        free(control);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    handle(CONTAINER_OF(io, struct control, io), events);
}

void control_read(struct control *control)
{
    if (!control->busy)
        handle(control, LOOP_READ);
}

int control_new(struct loop *loop, int fd, const struct control_handler *handler,
                struct control **ret_control)
{
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return ERR_MEMORY;
    control->loop = loop;
    control->io = (struct loop_io){.fd = fd, .ready = on_ready};
    control->handler = *handler;
    list_init(&control->waiting);
    if (loop_watch(loop, &control->io, LOOP_READ) < 0) {
        free(control);
        return ERR_IO;
    }
    *ret_control = control;
    return 0;
}

void control_free(struct control **control)
{
    struct control *dead = *control;
    if (!dead)
        return;
    *control = NULL;
    shut(dead);
    dead->lost = true;
    dead->freed = true;
    if (!dead->busy)
        free(dead);
}

static int put_off(struct control *control, struct slice json, const int *fds, size_t fd_count)
{
    if (control->waiting_count >= WAITING_MAX)
        return ERR_LIMIT;
    struct waiting *w = malloc(sizeof *w + json.len);
    if (!w)
        return ERR_MEMORY;
    w->len = json.len;
    w->fd_count = 0;
    memcpy(w->json, json.data, json.len);
    for (size_t i = 0; i < fd_count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            close_all(w->fds, w->fd_count);
            free(w);
            return ERR_IO;
        }
        w->fds[w->fd_count++] = fd;
    }
    list_append(&control->waiting, &w->node);
    control->waiting_count++;
    if (loop_watch(control->loop, &control->io, LOOP_READ | LOOP_WRITE) < 0)
        return ERR_IO;
    return 0;
}

int control_send(struct control *control, struct slice json, const int *fds, size_t fd_count)
{
    if (control->lost)
        return ERR_CLOSED;
    if (json.len == 0 || json.len > CONTROL_MESSAGE_MAX || fd_count > CONTROL_FDS)
        return ERR_LIMIT;
    if (control->waiting_count == 0) {
        int err = transmit(control->io.fd, json, fds, fd_count);
        if (err != ERR_AGAIN)
            return err;
    }
    return put_off(control, json, fds, fd_count);
}
