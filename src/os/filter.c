#include "os/filter.h"

#include "os/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

bool sandbox_has_seccomp(void)
{
    return false;
}

int filter_enter(uint32_t allow)
{
    (void)allow;
    return 0;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"

/* clang-format off: one name per line would hide the lists in their length */
static const char *const always[] = {
    "read",
    "readv",
    "write",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "close",
    "lseek",
    "fstat",
    "fcntl",
    "dup",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "msync",
    "mincore",
    "futex",
    "membarrier",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "pipe2",
    "getrandom",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "sigaltstack",
    "exit",
    "exit_group",
    "restart_syscall",
    "sched_yield",
    "sched_getaffinity",
    "uname",
    "sysinfo",
    "getrusage",
    "getrlimit",
    "times",
    "getcpu",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "recvfrom",
    "sendfile",
    "rseq",
    "set_robust_list",
};

static const char *const when_accept[] = {
    "accept4",
    "accept",
};
static const char *const when_datagram[] = {
    "recvmmsg", "sendmmsg", "recvmsg", "sendmsg", "sendto",
};
static const char *const when_recv_fd[] = {
    "recvmsg",
};
static const char *const when_send_fd[] = {
    "sendmsg",
};
static const char *const when_files[] = {
    "open",     "openat",     "openat2",    "newfstatat", "stat",      "lstat",
    "statx",    "statfs",     "fstatfs",    "access",     "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd",     "unlink",    "unlinkat",
    "rename",   "renameat",   "renameat2",  "mkdir",      "mkdirat",   "rmdir",
    "flock",    "fchmod",     "fchown",     "utimensat",  "fadvise64", "copy_file_range",
    "chmod",    "umask",
};
static const char *const when_connect[] = {
    "socket", "connect", "bind", "sendmsg", "sendmmsg", "recvmsg", "recvmmsg", "sendto",
};
static const char *const when_foreign[] = {
    "execve",  "arch_prctl", "bind",   "listen",   "connect",
    "sendmsg", "sendmmsg",   "sendto", "recvmmsg", "recvmsg",
};
static const char *const when_threads[] = {
    "set_tid_address",        "sched_getparam",         "sched_getscheduler", "sched_setscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "sched_setaffinity",
};

/* Libraries probe for files and go on without them. */
static const char *const soft[] = {
    "open",   "openat",    "openat2",    "newfstatat", "stat",       "lstat",  "statx",
    "access", "faccessat", "faccessat2", "readlink",   "readlinkat", "getcwd", "statfs",
};

/* No library of ours makes these calls: whoever does has taken the process over. */
static const char *const deadly[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "kill",
    "tkill",
    "tgkill",
    "socket",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "reboot",
    "setuid",
    "setresuid",
    "setreuid",
    "setgid",
    "setresgid",
    "setregid",
    "setgroups",
    "capset",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "open_by_handle_at",
    "name_to_handle_at",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "memfd_create",
    "memfd_secret",
    "swapon",
    "swapoff",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "iopl",
    "ioperm",
    "quotactl",
    "acct",
    "personality",
    "seccomp",
    "landlock_restrict_self",
};

/* clang-format on */

/* A name unknown to this architecture or library is no call that could be made. */
static int rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned count,
                const struct scmp_arg_cmp *args)
{
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0)
        return 0;
    int err = seccomp_rule_add_array(ctx, action, call, count, args);
    return err == -EACCES ? 0 : err; /* the same as the default action */
}

static int add(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int err = rule(ctx, action, names[i], 0, NULL);
        if (err < 0)
            return err;
    }
    return 0;
}

static bool contains(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

#define GROUP(flag, names)                                                                         \
    {                                                                                              \
        flag, names, ARRAY_LEN(names)                                                              \
    }
static const struct group {
    uint32_t flag;
    const char *const *names;
    size_t count;
} groups[] = {GROUP(SANDBOX_ACCEPT, when_accept),   GROUP(SANDBOX_DATAGRAM, when_datagram),
              GROUP(SANDBOX_RECV_FD, when_recv_fd), GROUP(SANDBOX_SEND_FD, when_send_fd),
              GROUP(SANDBOX_FILES, when_files),     GROUP(SANDBOX_CONNECT, when_connect),
              GROUP(SANDBOX_THREADS, when_threads), GROUP(SANDBOX_FOREIGN, when_foreign)};

static bool allowed(uint32_t allow, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if ((allow & groups[i].flag) && contains(groups[i].names, groups[i].count, name))
            return true;
    return false;
}

struct narrow {
    const char *name;
    struct scmp_arg_cmp arg;
};

/* Allowed with certain arguments only. The kernel compares 64 bits, so signed 32-bit arguments are
 * compared under a mask. */
static int add_narrow(scmp_filter_ctx ctx, uint32_t allow)
{
    const uint64_t low = 0xffffffff;
    const struct narrow rules[] = {
        {"mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"mprotect", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {"newfstatat", SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)},
        {"sendto", SCMP_A4_64(SCMP_CMP_EQ, 0, 0)},
        {"prlimit64", SCMP_A2_64(SCMP_CMP_EQ, 0, 0)},
        {"tgkill", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, (uint64_t)getpid())},
        {"ioctl", SCMP_A1_64(SCMP_CMP_MASKED_EQ, low, FIONREAD)},
        {"ioctl", SCMP_A1_64(SCMP_CMP_MASKED_EQ, low, FIONBIO)},
        {"prctl", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, PR_SET_NAME)},
        {"prctl", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, PR_GET_NAME)},
        {"prctl", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, PR_GET_NO_NEW_PRIVS)},
        {"prctl", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, PR_GET_DUMPABLE)},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (allowed(allow, rules[i].name))
            continue;
        int err = rule(ctx, SCMP_ACT_ALLOW, rules[i].name, 1, &rules[i].arg);
        if (err < 0)
            return err;
    }
    return 0;
}

/* glibc tries clone3 first, whose arguments no filter can see, and then clone. */
static int add_threads(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp thread = SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    return rule(ctx, SCMP_ACT_ALLOW, "clone", 1, &thread);
}

/* Libraries are mapped, but nothing that can be written; sockets are of IP. */
static int add_foreign(scmp_filter_ctx ctx)
{
    const uint64_t low = 0xffffffff;
    const struct narrow rules[] = {
        {"mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC)},
        {"prlimit64", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, 0)},
        {"socket", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, AF_INET)},
        {"socket", SCMP_A0_64(SCMP_CMP_MASKED_EQ, low, AF_INET6)},
    };
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(rules) && err >= 0; i++)
        err = rule(ctx, SCMP_ACT_ALLOW, rules[i].name, 1, &rules[i].arg);
    return err;
}

static int add_refusals(scmp_filter_ctx ctx, uint32_t allow)
{
    const char *const with_arguments[] = {"newfstatat", "sendto", "tgkill", "clone",
                                          allow & SANDBOX_FOREIGN ? "socket" : "clone"};
    for (size_t i = 0; i < ARRAY_LEN(soft); i++) {
        if (allowed(allow, soft[i]) || contains(with_arguments, ARRAY_LEN(with_arguments), soft[i]))
            continue;
        int err = rule(ctx, SCMP_ACT_ERRNO(EACCES), soft[i], 0, NULL);
        if (err < 0)
            return err;
    }
    for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
        bool narrowed = contains(with_arguments, ARRAY_LEN(with_arguments), deadly[i]);
        if (allowed(allow, deadly[i]) || narrowed)
            continue;
        /* coturn gives up its groups in any case. */
        bool tried = (allow & SANDBOX_FOREIGN) && strcmp(deadly[i], "setgroups") == 0;
        uint32_t action = tried ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS;
        int err = rule(ctx, action, deadly[i], 0, NULL);
        if (err < 0)
            return err;
    }
    return 0;
}

/* The other half of calls that are allowed with certain arguments only. */
static int add_complements(scmp_filter_ctx ctx, uint32_t allow)
{
    int err = 0;
    const struct scmp_arg_cmp fork = SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    const struct scmp_arg_cmp named = SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0);
    const struct scmp_arg_cmp to = SCMP_A4_64(SCMP_CMP_NE, 0, 0);
    if (allow & SANDBOX_THREADS)
        err = rule(ctx, SCMP_ACT_KILL_PROCESS, "clone", 1, &fork);
    else
        err = rule(ctx, SCMP_ACT_KILL_PROCESS, "clone", 0, NULL);
    if (err == 0 && !allowed(allow, "newfstatat"))
        err = rule(ctx, SCMP_ACT_ERRNO(EACCES), "newfstatat", 1, &named);
    if (err == 0 && !allowed(allow, "sendto"))
        err = rule(ctx, SCMP_ACT_KILL_PROCESS, "sendto", 1, &to);
    return err;
}

static int fill(scmp_filter_ctx ctx, uint32_t allow)
{
    int err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (err == 0)
        err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree of calls */
    if (err == 0)
        err = add(ctx, SCMP_ACT_ALLOW, always, ARRAY_LEN(always));
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(groups); i++)
        if (allow & groups[i].flag)
            err = add(ctx, SCMP_ACT_ALLOW, groups[i].names, groups[i].count);
    if (err == 0)
        err = add_narrow(ctx, allow);
    if (err == 0 && (allow & SANDBOX_THREADS))
        err = add_threads(ctx);
    if (err == 0 && (allow & SANDBOX_FOREIGN))
        err = add_foreign(ctx);
    if (err == 0)
        err = add_refusals(ctx, allow);
    if (err == 0)
        err = add_complements(ctx, allow);
    return err;
}

bool sandbox_has_seccomp(void)
{
    return true;
}

int filter_enter(uint32_t allow)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!ctx)
        return ERR_MEMORY;
    int err = fill(ctx, allow);
    if (err == 0)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    return err == 0 ? 0 : ERR_IO;
}

#endif
