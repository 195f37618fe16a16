#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "os/control.h"

/* Above every descriptor that has a meaning in the child. */
#define REPORT_FD 10
#define LOW_NICE 10
/* linux/ioprio.h: class idle for a process. */
#define IOPRIO_IDLE (3 << 13)

#define ENVIRONMENT 5

static int from_errno(int error)
{
    if (error == ENOENT)
        return ERR_NOT_FOUND;
    return error == EACCES ? ERR_DENIED : ERR_IO;
}

/* Time zone UTC saves a look at a file that most children may not open. */
static void fill_environment(const char **ret_environment)
{
    static char passed[ENVIRONMENT - 3][512];
    static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS"};
    size_t count = 0;
    ret_environment[count++] = "LANG=C.UTF-8";
    ret_environment[count++] = "TZ=UTC";
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        int len = value ? snprintf(passed[i], sizeof passed[i], "%s=%s", names[i], value) : -1;
        if (len > 0 && (size_t)len < sizeof passed[i])
            ret_environment[count++] = passed[i];
    }
    ret_environment[count] = NULL;
}

__attribute__((noreturn)) static void become(const char *path, const char *const *argv,
                                             const struct process_options *options, int report)
{
    const char *environment[ENVIRONMENT];
    sigset_t none;
    sigemptyset(&none);
    fill_environment(environment);
    (void)setsid(); /* fails only for a leader, which a fresh child is not */
    (void)signal(SIGPIPE, SIG_IGN);
    int error = 0;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int nowhere = options->silent ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (options->silent &&
        (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0))
        error = errno;
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        error = errno;
    if (options->control == CONTROL_FD && fcntl(CONTROL_FD, F_SETFD, 0) < 0)
        error = errno;
    if (options->control >= 0 && dup2(options->control, CONTROL_FD) < 0)
        error = errno;
    /* Ours are close-on-exec; this is for what we inherited ourselves. Kernels before 5.11 do not
     * know the call. */
    (void)syscall(SYS_close_range, options->control >= 0 ? CONTROL_FD + 1 : CONTROL_FD, ~0U,
                  CLOSE_RANGE_CLOEXEC);
    if (options->low_priority) {
        (void)setpriority(PRIO_PROCESS, 0, LOW_NICE); /* a wish */
        (void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
    }
    if (!error && options->change_user &&
        (setgroups(0, NULL) < 0 || setresgid(options->gid, options->gid, options->gid) < 0 ||
         setresuid(options->uid, options->uid, options->uid) < 0 ||
         prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
        error = errno;
    const char *trouble = NULL;
    if (!error && options->walls && sandbox_enter(options->walls, &trouble))
        error = EPERM;
    if (!error) {
        execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
        error = errno;
    }
    if (write(report, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

int process_spawn(const char *path, const char *const *argv, const struct process_options *options,
                  pid_t *ret_pid, int *ret_pidfd)
{
    int pipes[2];
    int error = 0;
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return ERR_IO;
    int report = fcntl(pipes[1], F_DUPFD_CLOEXEC, REPORT_FD);
    close(pipes[1]);
    if (report < 0) {
        close(pipes[0]);
        return ERR_IO;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(path, argv, options, report);
    close(report);
    ssize_t got = pid < 0 ? -1 : read(pipes[0], &error, sizeof error);
    close(pipes[0]);
    int pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (pid > 0 && (got != 0 || pidfd < 0)) {
        (void)kill(pid, SIGKILL); /* may be gone already */
        (void)waitpid(pid, NULL, 0);
        if (pidfd >= 0)
            close(pidfd);
        return got > 0 ? from_errno(error) : ERR_IO;
    }
    if (pid < 0)
        return ERR_IO;
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

int process_reap(pid_t pid, int *ret_status)
{
    pid_t got = waitpid(pid, ret_status, WNOHANG);
    if (got == pid)
        return 0;
    return got == 0 ? ERR_AGAIN : ERR_IO;
}

int signals_open(const int *signals, size_t count, int *ret_fd)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return ERR_IO;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return ERR_IO;
    *ret_fd = fd;
    return 0;
}

int signals_next(int fd, int *ret_signal)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != sizeof info)
        return ERR_AGAIN;
    *ret_signal = (int)info.ssi_signo;
    return 0;
}
