/* Each program's own rules, entered in a child process that then tries what the house forbids. */
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/control.h"
#include "programs/rules.h"

/* What the attempt may use, opened before the walls went up. */
struct scene {
    char root[64]; /* a directory with all that follows */
    char allowed[80];
    char foreign[80];
    int listener;
    int unix_pair[2];
    int allowed_dir;
};

static struct scene scene;

/* An attempt returns 0 when it succeeded, else errno. */
struct attempt {
    const char *name;
    int (*run)(void);
    bool deadly; /* refused by death, not by an error */
};

static int result(long value)
{
    return value < 0 ? errno : 0;
}

static int do_exec(void)
{
    return result(execl("/bin/true", "true", (char *)NULL));
}

static int do_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int do_socket(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int do_unix_socket(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int do_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result(connect(scene.listener, (struct sockaddr *)&to, sizeof to));
}

static int do_bind(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    return result(bind(scene.listener, (struct sockaddr *)&at, sizeof at));
}

static int do_ptrace(void)
{
    return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int do_kill(void)
{
    return result(kill(getppid(), 0));
}

static int do_read_memory(void)
{
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {&scene, 1};
    return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int do_unshare(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int do_setuid(void)
{
    return result(setresuid(0, 0, 0));
}

static int do_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int do_io_uring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int do_memfd(void)
{
    return result(memfd_create("x", 0));
}

static int do_keyctl(void)
{
    return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int do_executable_memory(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 0;
    return result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int do_accept(void)
{
    int fd = accept4(scene.listener, NULL, NULL, SOCK_NONBLOCK);
    return fd < 0 && errno == EAGAIN ? 0 : result(fd);
}

static int do_open_foreign(void)
{
    return result(open(scene.foreign, O_RDONLY));
}

static int do_open_passwd(void)
{
    return result(open("/etc/passwd", O_RDONLY));
}

static int do_open_dotdot(void)
{
    return result(openat(scene.allowed_dir, "../foreign/secret", O_RDONLY));
}

static int do_open_allowed(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", scene.allowed);
    return result(open(path, O_RDONLY));
}

static int do_create(void)
{
    return result(openat(scene.allowed_dir, "new", O_WRONLY | O_CREAT, 0600));
}

static int do_write_foreign(void)
{
    return result(open(scene.foreign, O_WRONLY | O_TRUNC));
}

static int do_recv_fd(void)
{
    char text[8];
    size_t len;
    size_t count = 0;
    int fds[CONTROL_FDS];
    int err = control_receive(scene.unix_pair[0], 1000, text, sizeof text, &len, fds, &count);
    return err == 0 && count == 1 ? 0 : EACCES;
}

static int do_send_fd(void)
{
    int fd = 0;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fd)];
    } room = {0};
    struct iovec part = {(char[]){"x"}, 1};
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&head);
    *c = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return result(sendmsg(scene.unix_pair[0], &head, 0));
}

static int do_plain_send(void)
{
    return result(send(scene.unix_pair[0], "x", 1, 0));
}

static void *thread(void *arg)
{
    return arg;
}

static int do_thread(void)
{
    pthread_t t;
    int err = pthread_create(&t, NULL, thread, NULL);
    return err ? err : pthread_join(t, NULL);
}

static int do_no_new_privs(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : EINVAL;
}

static int do_not_dumpable(void)
{
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : EINVAL;
}

static const struct attempt everybody[] = {
    {"execve", do_exec, true},
    {"fork", do_fork, true},
    {"socket", do_socket, true},
    {"unix socket", do_unix_socket, true},
    {"connect", do_connect, true},
    {"bind", do_bind, true},
    {"ptrace", do_ptrace, true},
    {"kill", do_kill, true},
    {"process_vm_readv", do_read_memory, true},
    {"unshare", do_unshare, true},
    {"setuid", do_setuid, true},
    {"bpf", do_bpf, true},
    {"io_uring", do_io_uring, true},
    {"memfd", do_memfd, true},
    {"keyctl", do_keyctl, true},
    {"executable memory", do_executable_memory, false},
    {"open a foreign file", do_open_foreign, false},
    {"open /etc/passwd", do_open_passwd, false},
    {"open by ..", do_open_dotdot, false},
    {"write a foreign file", do_write_foreign, false},
};

/* coturn's walls: those of a program that is not ours. */
#define RELAY_PORT 34781

static int tcp_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        return errno;
    return result(listen(fd, 1));
}

static int do_relay_listen(void)
{
    return tcp_at(RELAY_PORT);
}

static int do_listen_elsewhere(void)
{
    return tcp_at(RELAY_PORT + 1);
}

/* Somebody listens there, so that only the walls can refuse. */
static int do_connect_out(void)
{
    struct sockaddr_in to;
    socklen_t len = sizeof to;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (getsockname(scene.listener, (struct sockaddr *)&to, &len) < 0)
        return 0;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int do_relay_datagram(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return result(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}

static int do_raw_socket(void)
{
    return result(socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
}

static int do_packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_DGRAM, 0));
}

/* The loader would run what it may read: nothing but libraries. */
static int do_exec_by_loader(void)
{
    const char *loader = access("/lib64/ld-linux-x86-64.so.2", F_OK) == 0
                             ? "/lib64/ld-linux-x86-64.so.2"
                             : "/lib/ld-linux-aarch64.so.1";
    close(STDERR_FILENO); /* it complains */
    (void)execl(loader, loader, "/bin/true", (char *)NULL);
    return errno;
}

static int do_exec_relay(void)
{
    close(STDOUT_FILENO); /* what is opened next takes its place */
    if (open("/dev/null", O_WRONLY) != STDOUT_FILENO)
        return EBADF;
    return result(execl(RULES_TURNSERVER, "turnserver", "--version", (char *)NULL));
}

static int do_write_own(void)
{
    return result(openat(scene.allowed_dir, "file", O_WRONLY));
}

static bool has_landlock_net(void)
{
    return syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) >= 4;
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int run_in_child(const char *program, int (*run)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
    }
    struct rules rules;
    const char *trouble = NULL;
    json_t *dirs = json_object();
    static const char *const names[] = {"client", "jitsi", "recordings", "school",
                                        "spool",  "out",   "turn"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)json_object_set_new(dirs, names[i], json_string(scene.allowed));
    json_t *settings = json_pack("{s:o,s:i}", "directories", dirs, "turn.port", RELAY_PORT);
    if (rules_get(program, settings, &rules) < 0 || sandbox_enter(&rules.sandbox, &trouble) < 0)
        _exit(200);
    _exit(run() & 127);
}

static const char *describe(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(out, size, "died of signal %d", WTERMSIG(status));
    else
        (void)snprintf(out, size, "exit %d", WEXITSTATUS(status));
    return out;
}

static void must_fail(const char *program, const struct attempt *a)
{
    char text[40];
    int status = run_in_child(program, a->run);
    if (!sandbox_has_seccomp() && (a->deadly || a->run == do_executable_memory))
        return; /* nothing to prove in this build */
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    bool refused = WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 200;
    if (a->deadly ? killed : refused)
        return;
    fail_msg("%s: %s: %s", program, a->name, describe(status, text, sizeof text));
}

static void must_succeed(const char *program, const struct attempt *a)
{
    char text[40];
    int status = run_in_child(program, a->run);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: %s: %s", program, a->name, describe(status, text, sizeof text));
}

struct expectation {
    const char *program;
    bool accept, open, create, thread, send_fd;
};

static const struct expectation programs[] = {
    {"edge", .accept = true, .open = true},
    {"signal", .accept = false},
    {"web", .open = true, .create = true, .thread = true},
    {"bridge", .accept = true,
     .send_fd = true}, /* ICE over TCP: to the worker that it belongs to */
    {"recorder", .open = true, .create = true, .thread = true},
    {"render", .open = true, .create = true, .thread = true},
};

static void check(const char *program, bool may, struct attempt a)
{
    if (may)
        must_succeed(program, &a);
    else
        must_fail(program, &a);
}

static void test_relay(void **state)
{
    static const char *const other[] = {"execve", "socket", "unix socket", "connect", "bind"};
    static const struct attempt refused[] = {
        {"execve", do_exec, false},
        {"execve by the loader", do_exec_by_loader, false},
        {"unix socket", do_unix_socket, false},
        {"raw socket", do_raw_socket, false},
        {"packet socket", do_packet_socket, false},
        {"create a file", do_create, false},
        {"write its file", do_write_own, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(everybody); i++)
        if (!is_among(other, ARRAY_LEN(other), everybody[i].name))
            must_fail("turnserver", &everybody[i]);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (sandbox_has_seccomp() || refused[i].run == do_create || refused[i].run == do_write_own)
            must_fail("turnserver", &refused[i]);
    bool net = has_landlock_net();
    check("turnserver", !net, (struct attempt){"connect", do_connect_out, false});
    check("turnserver", !net, (struct attempt){"listen elsewhere", do_listen_elsewhere, false});
    check("turnserver", true, (struct attempt){"listen", do_relay_listen, false});
    check("turnserver", true, (struct attempt){"datagram", do_relay_datagram, false});
    check("turnserver", true, (struct attempt){"thread", do_thread, true});
    check("turnserver", true, (struct attempt){"open its file", do_open_allowed, false});
    check("turnserver", true, (struct attempt){"no_new_privs", do_no_new_privs, false});
    if (access(RULES_TURNSERVER, X_OK) == 0)
        check("turnserver", true, (struct attempt){"execve of coturn", do_exec_relay, false});
}

static void test_house_table(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(programs); p++) {
        const struct expectation *e = &programs[p];
        for (size_t i = 0; i < ARRAY_LEN(everybody); i++)
            must_fail(e->program, &everybody[i]);
        check(e->program, e->accept, (struct attempt){"accept", do_accept, true});
        check(e->program, e->open, (struct attempt){"open its file", do_open_allowed, false});
        check(e->program, e->create, (struct attempt){"create a file", do_create, false});
        check(e->program, e->thread, (struct attempt){"thread", do_thread, true});
        check(e->program, e->send_fd, (struct attempt){"send a descriptor", do_send_fd, true});
        check(e->program, true, (struct attempt){"send", do_plain_send, false});
        check(e->program, true, (struct attempt){"no_new_privs", do_no_new_privs, false});
        if (sandbox_has_seccomp())
            check(e->program, true, (struct attempt){"not dumpable", do_not_dumpable, false});
    }
}

static void test_receives_descriptors(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(programs); p++) {
        struct loop *loop = loop_new();
        struct control *control = NULL;
        const struct control_handler none = {0};
        int fd = 1;
        assert_int_equal(control_new(loop, dup(scene.unix_pair[1]), &none, &control), 0);
        assert_int_equal(control_send(control, SLICE("{}"), &fd, 1), 0);
        check(programs[p].program, true, (struct attempt){"recvmsg", do_recv_fd, false});
        control_free(&control);
        loop_free(&loop);
    }
}

static int user_changed(void)
{
    return geteuid() == 0 ? EPERM : 0;
}

static void test_user(void **state)
{
    (void)state;
    if (geteuid() != 0 || !getpwnam("darasa"))
        return; /* nobody to become */
    check("signal", true, (struct attempt){"other user", user_changed, false});
}

static int set_up(void **state)
{
    (void)state;
    char foreign_dir[72];
    char file[128];
    (void)snprintf(scene.root, sizeof scene.root, P_tmpdir "/darasa-sandbox-XXXXXX");
    assert_non_null(mkdtemp(scene.root));
    (void)snprintf(scene.allowed, sizeof scene.allowed, "%s/allowed", scene.root);
    (void)snprintf(foreign_dir, sizeof foreign_dir, "%s/foreign", scene.root);
    (void)snprintf(scene.foreign, sizeof scene.foreign, "%s/foreign/secret", scene.root);
    (void)snprintf(file, sizeof file, "%s/file", scene.allowed);
    assert_int_equal(mkdir(scene.allowed, 0777), 0);
    assert_int_equal(mkdir(foreign_dir, 0777), 0);
    /* Open to everybody: what is refused is refused by the walls, not by the owner's bits. */
    assert_int_equal(chmod(scene.root, 0755), 0);
    assert_int_equal(chmod(scene.allowed, 0777), 0);
    assert_int_equal(chmod(foreign_dir, 0777), 0);
    int fd = open(scene.foreign, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    scene.allowed_dir = open(scene.allowed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    scene.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(scene.allowed_dir >= 0 && scene.listener >= 0);
    assert_int_equal(listen(scene.listener, 1), 0);
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scene.unix_pair);
}

static int tear_down(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", scene.allowed);
    unlink(path);
    (void)snprintf(path, sizeof path, "%s/new", scene.allowed);
    unlink(path);
    unlink(scene.foreign);
    rmdir(scene.allowed);
    (void)snprintf(path, sizeof path, "%s/foreign", scene.root);
    rmdir(path);
    return rmdir(scene.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_receives_descriptors),
                                       cmocka_unit_test(test_house_table),
                                       cmocka_unit_test(test_relay), cmocka_unit_test(test_user)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
