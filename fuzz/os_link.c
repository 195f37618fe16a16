#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
    struct link *link;
    size_t bytes;
    bool closed;
};

static void on_frame(void *arg, const struct link_frame *frame)
{
    struct end *end = arg;
    if (end->closed)
        __builtin_trap();
    for (size_t i = 0; i < frame->payload.len; i++)
        end->bytes += frame->payload.data[i];
    if (frame->type == 77)
        link_free(&end->link);
}

static void on_closed(void *arg, int err)
{
    struct end *end = arg;
    if (end->closed || (err != ERR_FORMAT && err != ERR_CLOSED))
        __builtin_trap();
    end->closed = true;
}

/* The first byte says how the rest is torn. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct end end = {0};
    const struct link_handler handler = {on_frame, on_closed, &end};
    struct loop *loop = loop_new();
    if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        link_new(loop, pair[0], 1000, &handler, &end.link) < 0)
        goto out;
    size_t step = (size_t)data[0] + 1;
    for (size_t at = 1; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        if (send(pair[1], data + at, len, MSG_NOSIGNAL) < 0)
            break;
        if (loop_turn(loop, 0) < 0)
            __builtin_trap();
    }
    close(pair[1]);
    for (int i = 0; i < 4; i++)
        if (loop_turn(loop, 0) < 0)
            __builtin_trap();
    if (end.link && !end.closed)
        __builtin_trap();
    link_free(&end.link);
out:
    loop_free(&loop);
    return 0;
}
