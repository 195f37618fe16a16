#include "base/check.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/control.h"

struct end {
    struct control *control;
    int messages;
    size_t fds;
    bool closed;
    bool free_at_once;
};

static void on_message(void *arg, struct slice json, const int *fds, size_t fd_count)
{
    struct end *end = arg;
    end->messages++;
    end->fds += fd_count;
    for (size_t i = 0; i < fd_count; i++) {
        assert_int_equal(write(fds[i], "k", 1), 1);
        close(fds[i]);
    }
    assert_true(slice_starts(json, SLICE("{")));
    if (end->free_at_once)
        control_free(&end->control);
}

static void on_closed(void *arg)
{
    struct end *end = arg;
    end->closed = true;
}

static struct loop *open_pair(int *pair, struct end *end)
{
    struct loop *loop = loop_new();
    const struct control_handler handler = {on_message, on_closed, end};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(control_new(loop, pair[0], &handler, &end->control), 0);
    return loop;
}

static void test_descriptors(void **state)
{
    (void)state;
    int pair[2];
    int pipes[2];
    struct end a = {0};
    struct end b = {0};
    struct loop *loop = open_pair(pair, &a);
    const struct control_handler handler = {on_message, on_closed, &b};
    assert_int_equal(control_new(loop, pair[1], &handler, &b.control), 0);
    assert_int_equal(pipe(pipes), 0);
    int fds[CONTROL_FDS + 1];
    for (size_t i = 0; i <= CONTROL_FDS; i++)
        fds[i] = pipes[1];
    for (size_t i = 0; i <= CONTROL_FDS; i++)
        assert_int_equal(control_send(a.control, SLICE("{}"), fds, i), 0);
    assert_int_equal(control_send(a.control, SLICE("{}"), fds, CONTROL_FDS + 1), ERR_LIMIT);
    for (int i = 0; i < 20; i++)
        assert_int_equal(loop_turn(loop, 1000), 0);
    assert_int_equal(b.messages, CONTROL_FDS + 1);
    assert_int_equal(b.fds, CONTROL_FDS * (CONTROL_FDS + 1) / 2);
    char got[CONTROL_FDS * CONTROL_FDS];
    assert_int_equal(read(pipes[0], got, sizeof got), (ssize_t)b.fds);
    control_free(&a.control);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(loop, 1000), 0);
    assert_true(b.closed);
    control_free(&b.control);
    loop_free(&loop);
    close(pipes[0]);
    close(pipes[1]);
}

/* A reader that sleeps: messages wait, in order, and then the sender is told. */
static void test_full(void **state)
{
    (void)state;
    int pair[2];
    int pipes[2];
    struct end a = {0};
    struct loop *loop = open_pair(pair, &a);
    assert_int_equal(pipe(pipes), 0);
    char json[2000];
    int sent = 0;
    for (int err = 0; !err; sent += !err) {
        int len = snprintf(json, sizeof json, "{\"n\":%d,\"pad\":\"%01000d\"}", sent, 0);
        err = control_send(a.control, slice_of(json, (size_t)len), &pipes[1], 1);
        assert_true(err == 0 || err == ERR_LIMIT);
    }
    assert_true(sent > 256);
    for (int i = 0; i < sent; i++) {
        int fds[CONTROL_FDS];
        size_t len = 0;
        size_t count = 0;
        char want[32];
        assert_int_equal(loop_turn(loop, 0), 0);
        int err = control_receive(pair[1], USEC_PER_SEC, json, sizeof json, &len, fds, &count);
        assert_int_equal(err, 0);
        assert_int_equal(count, 1);
        close(fds[0]);
        (void)snprintf(want, sizeof want, "{\"n\":%d,", i);
        assert_true(slice_starts(slice_of(json, len), slice_str(want)));
    }
    int fds[CONTROL_FDS];
    size_t len = 0;
    size_t count = 0;
    assert_int_equal(control_receive(pair[1], 1000, json, sizeof json, &len, fds, &count),
                     ERR_TIMEOUT);
    assert_int_equal(control_send(a.control, slice_of(json, 2000), NULL, 0), 0);
    assert_int_equal(control_receive(pair[1], 1000, json, 100, &len, fds, &count), ERR_FORMAT);
    control_free(&a.control);
    assert_int_equal(control_receive(pair[1], 1000, json, 100, &len, fds, &count), ERR_CLOSED);
    loop_free(&loop);
    close(pair[1]);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_free_inside(void **state)
{
    (void)state;
    int pair[2];
    struct end a = {.free_at_once = true};
    struct loop *loop = open_pair(pair, &a);
    assert_int_equal(write(pair[1], "{1}", 3), 3);
    assert_int_equal(write(pair[1], "{2}", 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(loop, 1000), 0);
    assert_int_equal(a.messages, 1);
    assert_null(a.control);
    loop_free(&loop);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_descriptors),
                                       cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_free_inside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
