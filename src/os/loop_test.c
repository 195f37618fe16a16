#include "base/check.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/loop.h"

struct tick {
    struct loop_timer timer;
    usec_t due;
    struct loop *loop;
    int fired;
    usec_t *last;
};

static void on_tick(struct loop_timer *timer, usec_t now)
{
    struct tick *tick = CONTAINER_OF(timer, struct tick, timer);
    assert_true(now >= tick->due);
    assert_true(tick->due >= *tick->last);
    *tick->last = tick->due;
    tick->fired++;
}

static void test_timers_in_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct loop *loop = loop_new();
    struct tick *ticks = calloc(COUNT, sizeof *ticks);
    usec_t last = 0;
    usec_t start = clock_monotonic();
    uint32_t seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        loop_timer_init(&ticks[i].timer, on_tick);
        ticks[i].last = &last;
        for (int again = 0; again < 2; again++) {
            seed = seed * 1664525 + 1013904223;
            ticks[i].due = start + (seed >> 8) % 20000;
            assert_int_equal(loop_timer_set(loop, &ticks[i].timer, ticks[i].due), 0);
        }
        if (i % 3 == 0)
            loop_timer_clear(loop, &ticks[i].timer);
    }
    while (clock_monotonic() < start + 25000)
        assert_int_equal(loop_turn(loop, 5000), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(ticks[i].fired, i % 3 == 0 ? 0 : 1);
    loop_free(&loop);
    free(ticks);
}

static void on_counted(struct loop_io *io, uint32_t events)
{
    char bytes[8];
    assert_true(events & LOOP_READ);
    assert_true(read(io->fd, bytes, sizeof bytes) > 0);
}

static void test_rests_once(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct loop_io io = {.fd = pair[0], .ready = on_counted};
    assert_int_equal(loop_watch(loop, &io, LOOP_READ), 0);
    assert_int_equal(write(pair[1], "a", 1), 1);
    assert_int_equal(loop_turn(loop, USEC_NEVER), 0); /* wakes now */
    usec_t woke = loop_now(loop);
    assert_int_equal(write(pair[1], "b", 1), 1);
    loop_rest(loop, 5000);
    assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
    assert_true(loop_now(loop) >= woke + 5000);
    assert_true(read(pair[0], &(char){0}, 1) < 0); /* it was read in that turn */
    /* Not asked again, it does not rest. */
    assert_int_equal(write(pair[1], "c", 1), 1);
    usec_t before = clock_monotonic();
    assert_int_equal(loop_turn(loop, USEC_NEVER), 0);
    assert_in_range(loop_now(loop) - before, 0, 5 * USEC_PER_SEC);
    loop_unwatch(loop, &io);
    close(pair[0]);
    close(pair[1]);
    loop_free(&loop);
}

static void on_again(struct loop_timer *timer, usec_t now)
{
    struct tick *tick = CONTAINER_OF(timer, struct tick, timer);
    tick->fired++;
    assert_int_equal(loop_timer_set(tick->loop, timer, now - 1), 0);
}

static void test_timer_in_the_past_fires_once_a_turn(void **state)
{
    (void)state;
    struct tick tick = {.loop = loop_new()};
    loop_timer_init(&tick.timer, on_again);
    assert_int_equal(loop_timer_set(tick.loop, &tick.timer, 0), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(loop_turn(tick.loop, USEC_PER_SEC), 0);
        assert_int_equal(tick.fired, i);
    }
    loop_free(&tick.loop);
    assert_int_equal(tick.timer.slot, -1);
}

struct pair {
    struct loop_io io[2];
    struct loop *loop;
    int called;
};

/* Whoever is called first unwatches the other: the other must not be called. */
static void on_ready_a(struct loop_io *io, uint32_t events)
{
    struct pair *pair = CONTAINER_OF(io, struct pair, io[0]);
    assert_true(events & LOOP_READ);
    pair->called++;
    loop_unwatch(pair->loop, &pair->io[1]);
}

static void on_ready_b(struct loop_io *io, uint32_t events)
{
    struct pair *pair = CONTAINER_OF(io, struct pair, io[1]);
    assert_true(events & LOOP_READ);
    pair->called++;
    loop_unwatch(pair->loop, &pair->io[0]);
}

static void test_unwatch_in_the_same_batch(void **state)
{
    (void)state;
    int a[2];
    int b[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    struct pair pair = {.loop = loop_new()};
    pair.io[0] = (struct loop_io){.fd = a[0], .ready = on_ready_a};
    pair.io[1] = (struct loop_io){.fd = b[0], .ready = on_ready_b};
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    assert_int_equal(loop_watch(pair.loop, &pair.io[0], LOOP_READ), 0);
    assert_int_equal(loop_watch(pair.loop, &pair.io[1], LOOP_READ), 0);
    assert_int_equal(loop_turn(pair.loop, USEC_PER_SEC), 0);
    assert_int_equal(pair.called, 1);
    loop_unwatch(pair.loop, &pair.io[0]);
    loop_unwatch(pair.loop, &pair.io[1]);
    loop_free(&pair.loop);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

struct defer {
    struct loop_task task;
    struct loop *loop;
    int ran;
    int hooked;
};

static void on_task(struct loop_task *task, usec_t now)
{
    struct defer *d = CONTAINER_OF(task, struct defer, task);
    (void)now;
    assert_int_equal(d->hooked, d->ran + 1);
    d->ran++;
    if (d->ran < 3)
        loop_defer(d->loop, task);
    else
        loop_stop(d->loop);
}

static void on_hook(void *arg, usec_t now)
{
    struct defer *d = arg;
    (void)now;
    d->hooked++;
}

static void test_deferred_after_hooks(void **state)
{
    (void)state;
    struct defer d = {.loop = loop_new(), .task = {.run = on_task}};
    loop_before_sleep(d.loop, on_hook, &d);
    loop_defer(d.loop, &d.task);
    loop_defer(d.loop, &d.task);
    assert_int_equal(loop_run(d.loop), 0);
    assert_int_equal(d.ran, 3);
    loop_defer(d.loop, &d.task);
    loop_task_cancel(&d.task);
    loop_task_cancel(&d.task);
    loop_free(&d.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_in_order),
        cmocka_unit_test(test_timer_in_the_past_fires_once_a_turn),
        cmocka_unit_test(test_unwatch_in_the_same_batch),
        cmocka_unit_test(test_deferred_after_hooks),
        cmocka_unit_test(test_rests_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
