/* Other programs of ours, and signals, for the supervisor. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "os/sandbox.h"

struct process_options {
    int control;       /* becomes CONTROL_FD there, -1: none; stays the caller's */
    bool low_priority; /* nice 10, idle input and output: never in the way of a live class */
    bool silent;       /* what it writes to standard output and error goes nowhere */
    bool change_user;  /* for good, before it starts; it may never get more rights again */
    uid_t uid;
    gid_t gid;
    const struct sandbox_rules *walls; /* SANDBOX_FOREIGN; NULL: none */
};

/* Starts a program in a session of its own (a terminal's Ctrl-C does not reach it), with nothing on
 * standard input, our output and error, `control`, a fixed environment and no other descriptor.
 * The pidfd becomes readable when it ended; then process_reap. ERR_NOT_FOUND, ERR_DENIED, ERR_IO.
 */
int process_spawn(const char *path, const char *const *argv, const struct process_options *options,
                  pid_t *ret_pid, int *ret_pidfd) MUST_USE;
/* The status of waitpid(2) of a child that ended; ERR_AGAIN: it has not. Waits for nothing. */
int process_reap(pid_t pid, int *ret_status) MUST_USE;
/* Blocks these signals and returns a non-blocking descriptor that tells of them. ERR_IO. */
int signals_open(const int *signals, size_t count, int *ret_fd) MUST_USE;
/* The next signal; ERR_AGAIN. */
int signals_next(int fd, int *ret_signal) MUST_USE;

#endif
