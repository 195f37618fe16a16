/* The event loop of a program: descriptors, timers, and a hook before it sleeps. One thread. */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

struct loop;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* A descriptor's watcher; embed it in your own struct. `events` as in enum loop_events. */
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

struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Adds, or changes what is wanted of, a watcher. */
int loop_watch(struct loop *loop, struct loop_io *io, uint32_t wanted) MUST_USE;
/* Before closing the descriptor. Harmless when not added. */
void loop_unwatch(struct loop *loop, struct loop_io *io);
void loop_timer_init(struct loop_timer *timer, void (*fired)(struct loop_timer *, usec_t));
int loop_timer_set(struct loop *loop, struct loop_timer *timer, usec_t at) MUST_USE;
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
/* Called once per turn after all callbacks and before sleeping: flush here. */
void loop_before_sleep(struct loop *loop, void (*hook)(void *arg, usec_t now), void *arg);
/* Monotonic time of this turn (CLOCK_MONOTONIC). */
usec_t loop_now(const struct loop *loop);
/* Until loop_stop; 0 or ERR_IO. */
int loop_run(struct loop *loop) MUST_USE;
/* One turn that waits at most `wait`. */
int loop_turn(struct loop *loop, usec_t wait) MUST_USE;
void loop_stop(struct loop *loop);

/* Clocks: only programs and os read them. Wall time is for people and certificates, never for
 * timers. */
usec_t clock_monotonic(void);
usec_t clock_wall(void);

#endif
