#include "base/check.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/process.h"
#include "os/tcp.h"

static int wait_for(pid_t pid, int pidfd)
{
    int status = 0;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(process_reap(pid, &status), 0);
    close(pidfd);
    return status;
}

static void test_spawn(void **state)
{
    (void)state;
    int pair[2];
    pid_t pid;
    int pidfd;
    char got[8] = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    /* Nothing else is open there: 4 and up, and standard input is empty. */
    static const char script[] = "read x && exit 1; for f in /proc/self/fd/*; do case $f in "
                                 "*/0|*/1|*/2|*/3|*/255) ;; *) [ -e $f ] && exit 2 ;; esac; done; "
                                 "printf hi >&3; exit 7";
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_options options = {.control = pair[1]};
    int leaked = open("/dev/null", O_RDONLY); /* not close-on-exec */
    assert_true(leaked >= 0);
    assert_int_equal(process_spawn("/bin/sh", argv, &options, &pid, &pidfd), 0);
    close(pair[1]);
    assert_int_equal(read(pair[0], got, sizeof got), 2);
    assert_string_equal(got, "hi");
    int status = wait_for(pid, pidfd);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    close(pair[0]);
    close(leaked);
}

static void test_low_priority(void **state)
{
    (void)state;
    pid_t pid;
    int pidfd;
    const char *const argv[] = {"sh", "-c", "exit $(nice)", NULL};
    const struct process_options options = {.control = -1, .low_priority = true};
    assert_int_equal(process_spawn("/bin/sh", argv, &options, &pid, &pidfd), 0);
    assert_int_equal(WEXITSTATUS(wait_for(pid, pidfd)), 10);
}

/* As root only: nobody else may become somebody. */
static void test_another_user(void **state)
{
    (void)state;
    pid_t pid;
    int pidfd;
    static const char script[] = "echo heard; echo heard >&2; grep -q 'NoNewPrivs:.1' "
                                 "/proc/self/status && [ $(id -u).$(id -g).$(id -G) = 77.78.78 ]";
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_options options = {
        .control = -1, .silent = true, .change_user = true, .uid = 77, .gid = 78};
    if (geteuid() != 0) {
        assert_int_equal(process_spawn("/bin/sh", argv, &options, &pid, &pidfd), ERR_IO);
        return;
    }
    int pipes[2];
    char got[16];
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    assert_true(dup2(pipes[1], STDOUT_FILENO) >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
    int spawned = process_spawn("/bin/sh", argv, &options, &pid, &pidfd);
    assert_true(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    assert_int_equal(spawned, 0);
    assert_int_equal(WEXITSTATUS(wait_for(pid, pidfd)), 0);
    assert_int_equal(read(pipes[0], got, sizeof got), -1); /* nothing was said here */
    close(out);
    close(err);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_missing(void **state)
{
    (void)state;
    pid_t pid;
    int pidfd;
    const char *const argv[] = {"x", NULL};
    const struct process_options options = {.control = -1};
    assert_int_equal(process_spawn("/nonexistent/x", argv, &options, &pid, &pidfd), ERR_NOT_FOUND);
    assert_int_equal(process_spawn("/etc/passwd", argv, &options, &pid, &pidfd), ERR_DENIED);
}

static void test_signals(void **state)
{
    (void)state;
    int fd;
    int got = 0;
    assert_int_equal(signals_open((const int[]){SIGUSR1, SIGUSR2}, 2, &fd), 0);
    assert_int_equal(signals_next(fd, &got), ERR_AGAIN);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(signals_next(fd, &got), 0);
    assert_int_equal(got, SIGUSR2);
    close(fd);
}

static void test_listen(void **state)
{
    (void)state;
    int first;
    int second;
    struct address at = address_v4(127, 0, 0, 1, 0);
    assert_int_equal(tcp_listen(&at, false, &first), 0);
    assert_int_equal(socket_local(first, &at), 0);
    assert_true(at.port > 0);
    assert_int_equal(tcp_listen(&at, false, &second), ERR_EXISTS);
    struct address other = address_v4(192, 0, 2, 1, 0);
    assert_int_equal(tcp_listen(&other, false, &second), ERR_UNSUPPORTED);
    close(first);
    struct interface_address list[32];
    size_t count;
    bool loopback = false;
    assert_int_equal(interface_addresses(list, 32, &count), 0);
    for (size_t i = 0; i < count; i++)
        loopback |= list[i].loopback;
    assert_true(loopback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spawn),        cmocka_unit_test(test_low_priority),
        cmocka_unit_test(test_another_user), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_signals),      cmocka_unit_test(test_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
