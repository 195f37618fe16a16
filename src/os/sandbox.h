/* Walls around a process: own user, no_new_privs, seccomp allow-list, Landlock, rlimits. */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What a program may still do after sandbox_enter, beyond reading, writing and closing descriptors
 * it holds, memory, time, epoll, eventfd and signals of its own. */
enum sandbox_allow {
    SANDBOX_ACCEPT = 1 << 0,   /* accept4 on sockets it was given */
    SANDBOX_DATAGRAM = 1 << 1, /* recvmmsg, sendmmsg, sendmsg with an address */
    SANDBOX_RECV_FD = 1 << 2,  /* recvmsg with SCM_RIGHTS */
    SANDBOX_SEND_FD = 1 << 3,
    SANDBOX_FILES = 1 << 4,   /* openat and kin below the paths given, by Landlock */
    SANDBOX_CONNECT = 1 << 5, /* socket + connect to other hosts */
    SANDBOX_THREADS = 1 << 6, /* clone with CLONE_THREAD, futex */
};

struct sandbox_path {
    const char *path;
    bool write;
};

struct sandbox_rules {
    uint32_t allow; /* of enum sandbox_allow */
    const struct sandbox_path *paths;
    size_t path_count;
    uint64_t memory_max;    /* RLIMIT_AS in bytes; 0: no limit */
    uint64_t file_size_max; /* RLIMIT_FSIZE; 0: no limit */
    uint32_t files_max;     /* RLIMIT_NOFILE; 0: leave */
};

/* Irreversible. With root: becomes the user `darasa` first when that user exists. ERR_IO: a wall
 * could not be raised, *ret_trouble says which (never silently without it). A refused system call
 * kills the process (SIGSYS) in release builds; with sanitizers seccomp is left out and all else
 * stands.
 * A kernel without Landlock (before 5.13, or switched off): success, and *ret_trouble says so;
 * programs without SANDBOX_FILES have no openat and lose nothing, the others keep what their user
 * may open. *ret_trouble is a static string, untouched when there is nothing to say. */
int sandbox_enter(const struct sandbox_rules *rules, const char **ret_trouble) MUST_USE;

#endif
