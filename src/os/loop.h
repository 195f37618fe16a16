/* The event loop of a program: descriptors, timers, and a hook before it sleeps. One thread. */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/units.h"

struct loop;

/* LOOP_HANGUP as a wish: tell also when the peer only closed its writing side. An error or a full
 * hangup is always told, together with whatever of READ and WRITE is wanted. */
enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* A descriptor's watcher; embed it in your own struct, zeroed but for fd and ready. `events` as in
 * enum loop_events. Level-triggered. */
struct loop_io {
    int fd;
    uint32_t wanted;
    void (*ready)(struct loop_io *io, uint32_t events);
    bool added;
};

/* A one-shot timer; embed it. May be set again from its own callback. */
struct loop_timer {
    usec_t at; /* USEC_NEVER: not set */
    void (*fired)(struct loop_timer *timer, usec_t now);
    int32_t slot; /* place in the heap, -1: not in it */
};

/* Work put off to the end of the turn; embed it, zeroed but for run. */
struct loop_task {
    struct list node; /* next == NULL: not waiting */
    void (*run)(struct loop_task *task, usec_t now);
};

/* NULL: no memory or no descriptor left. */
struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Adds, or changes what is wanted of, a watcher. ERR_IO. */
int loop_watch(struct loop *loop, struct loop_io *io, uint32_t wanted) MUST_USE;
/* Before closing the descriptor. Harmless when not added. */
void loop_unwatch(struct loop *loop, struct loop_io *io);
void loop_timer_init(struct loop_timer *timer, void (*fired)(struct loop_timer *, usec_t));
/* (Re)sets; USEC_NEVER clears. ERR_MEMORY. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, usec_t at) MUST_USE;
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
/* Called once per turn after all callbacks and before sleeping: flush here. At most LOOP_HOOKS of
 * them, called in the order given, before the deferred tasks. */
#define LOOP_HOOKS 8
void loop_before_sleep(struct loop *loop, void (*hook)(void *arg, usec_t now), void *arg);
/* Runs the task once, before the loop next sleeps; harmless when it is waiting already. */
void loop_defer(struct loop *loop, struct loop_task *task);
/* Harmless when it is not waiting. */
void loop_task_cancel(struct loop_task *task);
/* Called before the loop sleeps: it looks at descriptors and timers no sooner than `span` after it
 * last woke up, so that what comes close together is dealt with in one turn. For this once. */
void loop_rest(struct loop *loop, usec_t span);
/* Monotonic time of this turn (CLOCK_MONOTONIC): read once, when the loop woke up. */
usec_t loop_now(const struct loop *loop);
/* Until loop_stop; 0 or ERR_IO. */
int loop_run(struct loop *loop) MUST_USE;
/* One turn: hooks and tasks, sleep of at most `wait`, callbacks, timers. */
int loop_turn(struct loop *loop, usec_t wait) MUST_USE;
void loop_stop(struct loop *loop);

/* Clocks: only programs and os read them. Wall time is for people and certificates, never for
 * timers. */
usec_t clock_monotonic(void);
usec_t clock_wall(void);

#endif
