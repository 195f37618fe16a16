#include "base/check.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/link.h"

struct end {
    struct link *link;
    int frames;
    uint64_t last_id;
    size_t bytes;
    int closed;
    int free_at; /* frees its link at this many frames */
    struct end *echo;
};

struct ends {
    struct loop *loop;
    int fds[2];
    struct end a;
    struct end b;
};

static void on_frame(void *arg, const struct link_frame *frame)
{
    struct end *end = arg;
    end->frames++;
    end->last_id = frame->id;
    end->bytes += frame->payload.len;
    for (size_t i = 0; i < frame->payload.len; i += 997)
        assert_int_equal(frame->payload.data[i], (uint8_t)frame->id);
    if (end->frames == end->free_at)
        link_free(&end->link);
}

static void on_closed(void *arg, int err)
{
    struct end *end = arg;
    assert_int_equal(end->closed, 0);
    end->closed = err;
}

static struct link *open_end(struct ends *ends, struct end *end, int fd, size_t max)
{
    const struct link_handler handler = {on_frame, on_closed, end};
    assert_int_equal(link_new(ends->loop, fd, max, &handler, &end->link), 0);
    return end->link;
}

static void set_up(struct ends *ends)
{
    memset(ends, 0, sizeof *ends);
    ends->loop = loop_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends->fds), 0);
}

static void tear_down(struct ends *ends)
{
    link_free(&ends->a.link);
    link_free(&ends->b.link);
    loop_free(&ends->loop);
}

static void turn(struct ends *ends, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(loop_turn(ends->loop, 2000), 0);
}

static void test_many_sizes(void **state)
{
    (void)state;
    struct ends ends;
    set_up(&ends);
    open_end(&ends, &ends.a, ends.fds[0], 16 << 20);
    open_end(&ends, &ends.b, ends.fds[1], 16 << 20);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 65536, 1000000, LINK_FRAME_MAX};
    uint8_t *bytes = malloc(LINK_FRAME_MAX);
    size_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memset(bytes, (int)i, sizes[i]);
        const struct slice parts[2] = {slice_of(bytes, sizes[i] / 3),
                                       slice_of(bytes + sizes[i] / 3, sizes[i] - sizes[i] / 3)};
        assert_int_equal(link_send_parts(ends.a.link, 7, i, parts, 2), 0);
        sum += sizes[i];
    }
    for (int i = 0; i < 2000 && ends.b.bytes < sum; i++)
        turn(&ends, 1);
    assert_int_equal(ends.b.frames, ARRAY_LEN(sizes));
    assert_int_equal(ends.b.bytes, sum);
    assert_int_equal(ends.b.last_id, ARRAY_LEN(sizes) - 1);
    assert_int_equal(link_queued(ends.a.link), 0);
    assert_int_equal(link_send(ends.a.link, 1, 1, slice_of(bytes, LINK_FRAME_MAX + 1)), ERR_LIMIT);
    free(bytes);
    tear_down(&ends);
}

static void test_torn_frames(void **state)
{
    (void)state;
    struct ends ends;
    set_up(&ends);
    open_end(&ends, &ends.b, ends.fds[1], 1000);
    const uint8_t frame[19] = {3, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5};
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof frame; i++) {
            assert_int_equal(ends.b.frames, round);
            assert_int_equal(write(ends.fds[0], frame + i, 1), 1);
            turn(&ends, 1);
        }
    assert_int_equal(ends.b.frames, 2);
    assert_int_equal(ends.b.last_id, 5);
    assert_int_equal(ends.b.bytes, 6);
    assert_int_equal(write(ends.fds[0], frame, sizeof frame), sizeof frame);
    close(ends.fds[0]);
    turn(&ends, 4);
    assert_int_equal(ends.b.frames, 3);
    assert_int_equal(ends.b.closed, ERR_CLOSED);
    assert_int_equal(link_send(ends.b.link, 1, 1, SLICE("x")), ERR_CLOSED);
    tear_down(&ends);
}

static void test_bad_frames(void **state)
{
    (void)state;
    static const uint8_t bad[2][16] = {{1, 0, 64, 0}, {0, 0, 0, 0, 1, 0, 1}};
    for (size_t i = 0; i < 2; i++) {
        struct ends ends;
        set_up(&ends);
        open_end(&ends, &ends.b, ends.fds[1], 1000);
        assert_int_equal(write(ends.fds[0], bad[i], 16), 16);
        turn(&ends, 3);
        assert_int_equal(ends.b.closed, ERR_FORMAT);
        assert_int_equal(ends.b.frames, 0);
        char byte;
        assert_int_equal(read(ends.fds[0], &byte, 1), 0);
        close(ends.fds[0]);
        tear_down(&ends);
    }
}

static void test_full_queue(void **state)
{
    (void)state;
    struct ends ends;
    set_up(&ends);
    open_end(&ends, &ends.a, ends.fds[0], 100000);
    uint8_t bytes[5000];
    int sent = 0;
    int err = 0;
    for (uint64_t id = 0; !err && id < 10000; id++) {
        memset(bytes, (int)id, sizeof bytes);
        err = link_send(ends.a.link, 1, id, slice_of(bytes, sizeof bytes));
        sent += !err;
        if (id % 10 == 9)
            turn(&ends, 1);
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(link_queued(ends.a.link) <= 100000);
    assert_true(link_queued(ends.a.link) > 100000 - 6000);
    open_end(&ends, &ends.b, ends.fds[1], 1000);
    for (int i = 0; i < 1000 && ends.b.frames < sent; i++)
        turn(&ends, 1);
    assert_int_equal(ends.b.frames, sent);
    assert_int_equal(link_send(ends.a.link, 1, 1, slice_of(NULL, 0)), 0);
    tear_down(&ends);
}

static void test_free_inside(void **state)
{
    (void)state;
    struct ends ends;
    set_up(&ends);
    open_end(&ends, &ends.a, ends.fds[0], 10000);
    open_end(&ends, &ends.b, ends.fds[1], 10000);
    ends.b.free_at = 2;
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(link_send(ends.a.link, 1, i, slice_of(NULL, 0)), 0);
    turn(&ends, 5);
    assert_int_equal(ends.b.frames, 2);
    assert_null(ends.b.link);
    assert_int_equal(ends.a.closed, ERR_CLOSED);
    tear_down(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_sizes),  cmocka_unit_test(test_torn_frames),
        cmocka_unit_test(test_bad_frames),  cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_free_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
