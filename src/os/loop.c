#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* One epoll_wait brings at most this many: more only delay the hooks that flush. */
#define LOOP_BATCH 256

struct hook {
    void (*run)(void *arg, usec_t now);
    void *arg;
};

struct loop {
    int epoll;
    bool stopped;
    bool no_pwait2;
    usec_t now;
    usec_t woke;
    usec_t rest_until;
    struct loop_timer **heap;
    int32_t heap_len;
    int32_t heap_cap;
    struct hook hooks[LOOP_HOOKS];
    size_t hook_count;
    struct list tasks;
    struct list running; /* those of `tasks` whose turn it is */
    struct epoll_event batch[LOOP_BATCH];
    int batch_len;
};

static usec_t clock_read(clockid_t id)
{
    struct timespec ts;
    int err = clock_gettime(id, &ts);
    assert(err == 0);
    (void)err; /* these clocks exist on every Linux */
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

usec_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

usec_t clock_wall(void)
{
    return clock_read(CLOCK_REALTIME);
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    list_init(&loop->tasks);
    list_init(&loop->running);
    loop->now = loop->woke = clock_monotonic();
    return loop;
}

void loop_free(struct loop **loop)
{
    if (!*loop)
        return;
    LIST_EACH(node, &(*loop)->tasks)
    node->next = node->prev = NULL;
    for (int32_t i = 0; i < (*loop)->heap_len; i++)
        (*loop)->heap[i]->slot = -1;
    close((*loop)->epoll);
    free((*loop)->heap);
    free(*loop);
    *loop = NULL;
}

int loop_watch(struct loop *loop, struct loop_io *io, uint32_t wanted)
{
    if (io->added && io->wanted == wanted)
        return 0;
    struct epoll_event event = {.data.ptr = io};
    if (wanted & LOOP_READ)
        event.events |= EPOLLIN;
    if (wanted & LOOP_WRITE)
        event.events |= EPOLLOUT;
    if (wanted & LOOP_HANGUP)
        event.events |= EPOLLRDHUP;
    if (epoll_ctl(loop->epoll, io->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io->fd, &event) < 0)
        return ERR_IO;
    io->added = true;
    io->wanted = wanted;
    return 0;
}

void loop_unwatch(struct loop *loop, struct loop_io *io)
{
    if (!io->added)
        return;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, io->fd, NULL); /* gone already is as good */
    io->added = false;
    io->wanted = 0;
    for (int i = 0; i < loop->batch_len; i++)
        if (loop->batch[i].data.ptr == io)
            loop->batch[i].data.ptr = NULL;
}

static void heap_place(struct loop *loop, int32_t slot, struct loop_timer *timer)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void heap_up(struct loop *loop, int32_t slot)
{
    struct loop_timer *timer = loop->heap[slot];
    while (slot > 0 && timer->at < loop->heap[(slot - 1) / 2]->at) {
        heap_place(loop, slot, loop->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_place(loop, slot, timer);
}

static void heap_down(struct loop *loop, int32_t slot)
{
    struct loop_timer *timer = loop->heap[slot];
    for (;;) {
        int32_t child = slot * 2 + 1;
        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && loop->heap[child + 1]->at < loop->heap[child]->at)
            child++;
        if (timer->at <= loop->heap[child]->at)
            break;
        heap_place(loop, slot, loop->heap[child]);
        slot = child;
    }
    heap_place(loop, slot, timer);
}

void loop_timer_init(struct loop_timer *timer, void (*fired)(struct loop_timer *, usec_t))
{
    *timer = (struct loop_timer){.at = USEC_NEVER, .fired = fired, .slot = -1};
}

static int heap_grow(struct loop *loop)
{
    if (loop->heap_len < loop->heap_cap)
        return 0;
    int32_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
    struct loop_timer **heap = realloc(loop->heap, (size_t)cap * sizeof(struct loop_timer *));
    if (!heap)
        return ERR_MEMORY;
    loop->heap = heap;
    loop->heap_cap = cap;
    return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, usec_t at)
{
    if (at == USEC_NEVER) {
        loop_timer_clear(loop, timer);
        return 0;
    }
    if (timer->slot < 0) {
        int err = heap_grow(loop);
        if (err)
            return err;
        timer->at = at;
        heap_place(loop, loop->heap_len++, timer);
        heap_up(loop, timer->slot);
        return 0;
    }
    assert(loop->heap[timer->slot] == timer);
    timer->at = at;
    heap_up(loop, timer->slot);
    heap_down(loop, timer->slot);
    return 0;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    timer->at = USEC_NEVER;
    if (timer->slot < 0)
        return;
    assert(loop->heap[timer->slot] == timer);
    int32_t slot = timer->slot;
    struct loop_timer *last = loop->heap[--loop->heap_len];
    timer->slot = -1;
    if (last == timer)
        return;
    heap_place(loop, slot, last);
    heap_up(loop, slot);
    heap_down(loop, last->slot);
}

void loop_before_sleep(struct loop *loop, void (*hook)(void *arg, usec_t now), void *arg)
{
    assert(loop->hook_count < LOOP_HOOKS);
    loop->hooks[loop->hook_count++] = (struct hook){hook, arg};
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (!task->node.next)
        list_append(&loop->tasks, &task->node);
}

void loop_task_cancel(struct loop_task *task)
{
    if (!task->node.next)
        return;
    list_remove(&task->node);
    task->node.next = task->node.prev = NULL;
}

void loop_rest(struct loop *loop, usec_t span)
{
    loop->rest_until = loop->woke + span;
}

usec_t loop_now(const struct loop *loop)
{
    return loop->now;
}

/* What a task defers in its turn waits for the next turn, so that this ends. */
static void finish_turn(struct loop *loop)
{
    for (size_t i = 0; i < loop->hook_count; i++)
        loop->hooks[i].run(loop->hooks[i].arg, loop->now);
    LIST_EACH(node, &loop->tasks)
    {
        list_remove(node);
        list_append(&loop->running, node);
    }
    while (!list_empty(&loop->running)) {
        struct loop_task *task = LIST_ITEM(loop->running.next, struct loop_task, node);
        loop_task_cancel(task);
        task->run(task, loop->now);
    }
}

static int sleep_until(struct loop *loop, usec_t wait)
{
    int count = -1;
    if (!loop->no_pwait2) {
        struct timespec ts = {wait / USEC_PER_SEC, (wait % USEC_PER_SEC) * 1000};
        count = epoll_pwait2(loop->epoll, loop->batch, LOOP_BATCH, wait == USEC_NEVER ? NULL : &ts,
                             NULL);
        loop->no_pwait2 = count < 0 && errno == ENOSYS; /* before Linux 5.11 */
    }
    if (loop->no_pwait2) {
        int ms = -1;
        if (wait != USEC_NEVER)
            ms = (int)usec_min((wait + 999) / USEC_PER_MSEC, 3600 * 1000);
        count = epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, ms);
    }
    loop->now = loop->woke = clock_monotonic();
    if (count < 0 && errno != EINTR)
        return ERR_IO;
    loop->batch_len = count < 0 ? 0 : count;
    return 0;
}

static void dispatch(struct loop *loop)
{
    for (int i = 0; i < loop->batch_len; i++) {
        struct loop_io *io = loop->batch[i].data.ptr;
        uint32_t raw = loop->batch[i].events;
        if (!io)
            continue; /* unwatched by a callback before it in this batch */
        uint32_t events = 0;
        if (raw & EPOLLIN)
            events |= LOOP_READ;
        if (raw & EPOLLOUT)
            events |= LOOP_WRITE;
        if (raw & EPOLLRDHUP)
            events |= LOOP_HANGUP;
        if (raw & (EPOLLHUP | EPOLLERR))
            events |= LOOP_HANGUP | (io->wanted & (LOOP_READ | LOOP_WRITE));
        io->ready(io, events);
    }
    loop->batch_len = 0;
}

/* A timer that sets itself to the past is due again next turn, not in this one. */
static void fire(struct loop *loop)
{
    for (int32_t left = loop->heap_len; left > 0 && loop->heap_len > 0; left--) {
        struct loop_timer *timer = loop->heap[0];
        if (timer->at > loop->now)
            return;
        loop_timer_clear(loop, timer);
        timer->fired(timer, loop->now);
    }
}

/* Ends early at a signal. */
static void rest(struct loop *loop)
{
    const struct timespec end = {.tv_sec = loop->rest_until / USEC_PER_SEC,
                                 .tv_nsec = loop->rest_until % USEC_PER_SEC * 1000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
    loop->now = clock_monotonic();
}

int loop_turn(struct loop *loop, usec_t wait)
{
    loop->now = clock_monotonic();
    finish_turn(loop);
    if (!list_empty(&loop->tasks) || loop->stopped)
        wait = 0;
    else if (loop->rest_until > loop->now)
        rest(loop);
    if (loop->heap_len > 0)
        wait = usec_min(wait, usec_max(0, loop->heap[0]->at - loop->now));
    int err = sleep_until(loop, wait);
    if (err)
        return err;
    dispatch(loop);
    fire(loop);
    return 0;
}

int loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        int err = loop_turn(loop, USEC_NEVER);
        if (err)
            return err;
    }
    finish_turn(loop); /* the last words of whoever said stop */
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
