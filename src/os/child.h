/* What every child program does at its start: read its settings and descriptors from the
 * supervisor, name itself, map its counters, close the sandbox behind it. See docs/bus.md,
 * "control". */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include <jansson.h>

#include "os/control.h"
#include "os/journal.h"
#include "os/metrics.h"
#include "os/sandbox.h"

struct child;

struct child_handler {
    /* A link to a program of that kind ("edge", "signal", "web", "bridge", "courier") and number
     * is there, for the first time or again after either side died. Takes the descriptor. */
    void (*link)(void *arg, const char *peer, unsigned number, int fd);
    /* Any other message ("record", "feed", "config", ...); `message` is borrowed. The callee owns
     * the descriptors. */
    void (*message)(void *arg, const char *type, json_t *message, const int *fds, size_t fd_count);
    /* The supervisor asks for a clean stop, or is gone. */
    void (*stop)(void *arg);
    void *arg;
};

/* First call of main(): steps down from root, takes descriptor CONTROL_FD, waits (blocking, at most
 * 10 s) for the "start" message, initialises logging. Exits the process with a message when that
 * fails. */
struct child *child_start(const char *program);
/* The settings that the supervisor gave ("settings" of the start message); lives as long as child.
 */
json_t *child_settings(struct child *child);
unsigned child_number(const struct child *child);
/* A named descriptor of the start message ("http", "https", "admin", "udp", "data", "journal",
 * ...): the first not yet taken of that name at or after `index`; -1: none. The caller owns it. */
int child_fd(struct child *child, const char *name, unsigned index);
struct metrics *child_metrics(struct child *child);
/* After the program opened what it needs: enters the sandbox and begins to receive on the loop.
 * Exits the process when a wall cannot be raised. "ping" of the supervisor's watchdog is answered
 * here: a loop that does not turn for half a minute is killed. */
void child_enter(struct child *child, struct loop *loop, const struct sandbox_rules *rules,
                 const struct child_handler *handler);
/* Tells the supervisor: {"type":"ready"} once the program serves, or anything else. Borrows both.
 * ERR_LIMIT, ERR_CLOSED, ERR_STATE: before child_enter. */
int child_send(struct child *child, json_t *message, const int *fds, size_t fd_count) MUST_USE;
void child_ready(struct child *child);
/* A link's `closed` said `err`: a peer that broke the framing or its contract (ERR_FORMAT) or does
 * not read (ERR_LIMIT) is killed and replaced by the supervisor. Nothing for ERR_CLOSED. */
void child_condemn(struct child *child, const char *peer, unsigned number, int err);
void child_free(struct child **child);

#endif
