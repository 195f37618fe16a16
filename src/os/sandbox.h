/* Walls around a process: own user, no_new_privs, seccomp allow-list, Landlock, rlimits. */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What a program may still do after sandbox_enter, beyond reading, writing and closing descriptors
 * it holds, memory (never executable), time, epoll, eventfd and signals of its own. */
enum sandbox_allow {
    SANDBOX_ACCEPT = 1 << 0,   /* accept4 on sockets it was given */
    SANDBOX_DATAGRAM = 1 << 1, /* recvmmsg, sendmmsg, sendmsg with an address */
    SANDBOX_RECV_FD = 1 << 2,  /* recvmsg with SCM_RIGHTS */
    SANDBOX_SEND_FD = 1 << 3,  /* sendmsg with SCM_RIGHTS */
    SANDBOX_FILES = 1 << 4,    /* openat and kin below the paths given, by Landlock */
    SANDBOX_CONNECT = 1 << 5,  /* socket + connect to other hosts */
    SANDBOX_THREADS = 1 << 6,  /* clone with CLONE_THREAD, futex */
    SANDBOX_FOREIGN = 1 << 7,  /* goes on as a program that is not ours, whose loader maps libraries
                                  and which opens its own sockets: of IP only, UDP at will, TCP by
                                  Landlock at tcp_port only and never outwards */
};

/* A directory with all below it, or a file. `write`: also create, rename and remove. */
struct sandbox_path {
    const char *path;
    bool write;
    bool run; /* a file that may be executed */
};

struct sandbox_rules {
    uint32_t allow; /* of enum sandbox_allow */
    const struct sandbox_path *paths;
    size_t path_count;
    uint64_t memory_max;    /* RLIMIT_AS in bytes; 0: no limit */
    uint64_t file_size_max; /* RLIMIT_FSIZE; 0: no limit */
    uint32_t files_max;     /* RLIMIT_NOFILE; 0: leave */
    uint16_t tcp_port;      /* SANDBOX_FOREIGN: where it listens */
};

/* First thing in a process started by root: what it makes from here to sandbox_enter belongs to the
 * user `darasa` when that user exists; root comes back only there, to open the paths. ERR_IO. */
int sandbox_step_down(void) MUST_USE;
/* Irreversible. Opens the paths, then with root: becomes the user `darasa` when that user exists,
 * drops every capability when it does not. ERR_IO: a wall could not be raised, *ret_trouble says
 * which (never silently without it); ERR_NOT_FOUND: a path is not there.
 *
 * In release builds a refused system call that only an intruder makes (execve, socket, connect,
 * ptrace, fork, accept without SANDBOX_ACCEPT, ...) kills the process with SIGSYS; opening files
 * without SANDBOX_FILES fails with EACCES and anything unknown with ENOSYS, because libraries try
 * such things and a class should not end for it. With sanitizers seccomp is left out, the
 * process stays dumpable and may read /proc, for their leak checker; all else stands.
 *
 * A kernel without Landlock (before 5.13, or switched off): success, and *ret_trouble says so;
 * programs without SANDBOX_FILES have no openat and lose nothing, the others keep what their user
 * may open. *ret_trouble is a static string, untouched when there is nothing to say. */
int sandbox_enter(const struct sandbox_rules *rules, const char **ret_trouble) MUST_USE;
/* Whether this build has seccomp: not with sanitizers. */
bool sandbox_has_seccomp(void);

#endif
