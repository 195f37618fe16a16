#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/units.h"
#include "os/filter.h"

#define SANDBOX_USER "darasa"

/* Landlock as the kernel knows it, newer than the system's header: Documentation/userspace-api. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

struct landlock_domain {
    uint64_t fs;
    uint64_t net;   /* ABI 4 */
    uint64_t scope; /* ABI 6 */
};

struct landlock_port {
    uint64_t access;
    uint64_t port;
};

struct landlock_beneath {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_ABI1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    NET_TCP = 3,            /* bind and connect */
    NET_BIND = 1,
    SCOPE_ALL = 3, /* abstract sockets and signals of others */
    FS_FILE = FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    FS_READ = FS_READ_FILE | FS_READ_DIR,
    FS_WRITE = FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
               FS_MAKE_REG | FS_REFER | FS_TRUNCATE,
};

static uint64_t known_fs(long abi)
{
    uint64_t fs = FS_ABI1;
    if (abi >= 2)
        fs |= FS_REFER;
    if (abi >= 3)
        fs |= FS_TRUNCATE;
    if (abi >= 5)
        fs |= FS_IOCTL_DEV;
    return fs;
}

static int add_path(int ruleset, const struct sandbox_path *path, uint64_t known)
{
    struct stat st;
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return ERR_NOT_FOUND;
    struct landlock_beneath rule = {.access = known & (path->write ? FS_WRITE : FS_READ), .fd = fd};
    int err = fstat(fd, &st) < 0 ? ERR_IO : 0;
    if (!err && !S_ISDIR(st.st_mode))
        rule.access = (rule.access & FS_FILE) | (path->run ? FS_EXECUTE : 0);
    if (!err && syscall(SYS_landlock_add_rule, ruleset, 1, &rule, 0) < 0)
        err = ERR_IO;
    close(fd);
    return err;
}

static int add_port(int ruleset, uint16_t port)
{
    struct landlock_port rule = {.access = NET_BIND, .port = port};
    return syscall(SYS_landlock_add_rule, ruleset, 2, &rule, 0) < 0 ? ERR_IO : 0;
}

/* The rules as a descriptor, made while all paths can still be opened; -1: no Landlock here. */
static int landlock_prepare(const struct sandbox_rules *rules, int *ret_fd)
{
    *ret_fd = -1;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (abi < 1)
        return 0;
    struct landlock_domain domain = {.fs = known_fs(abi)};
    size_t size = sizeof domain.fs;
    if (abi >= 4) {
        domain.net = rules->allow & SANDBOX_CONNECT ? 0 : NET_TCP;
        size += sizeof domain.net;
    }
    if (abi >= 6) {
        domain.scope = SCOPE_ALL;
        size += sizeof domain.scope;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &domain, size, 0);
    if (ruleset < 0)
        return ERR_IO;
    /* The leak checker of a build with sanitizers looks at its own process. */
    const struct sandbox_path proc = {.path = "/proc"};
    int err = sandbox_has_seccomp() ? 0 : add_path(ruleset, &proc, domain.fs);
    for (size_t i = 0; !err && i < rules->path_count; i++)
        err = add_path(ruleset, &rules->paths[i], domain.fs);
    if (!err && domain.net && rules->tcp_port > 0)
        err = add_port(ruleset, rules->tcp_port);
    if (err) {
        close(ruleset);
        return err;
    }
    *ret_fd = ruleset;
    return 0;
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {0};
    return syscall(SYS_capset, &head, none) == 0;
}

/* Started by root, whether or not we stepped down meanwhile. */
static bool has_root(void)
{
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) == 0 && (effective == 0 || saved == 0);
}

int sandbox_step_down(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(SANDBOX_USER) : NULL;
    if (!user)
        return 0;
    return setgroups(0, NULL) == 0 && setegid(user->pw_gid) == 0 && seteuid(user->pw_uid) == 0
               ? 0
               : ERR_IO;
}

/* For good. */
static bool change_user(void)
{
    const struct passwd *user = has_root() ? getpwnam(SANDBOX_USER) : NULL;
    if (!user) /* a service may have been given capabilities without being root */
        return drop_capabilities();
    return setgroups(0, NULL) == 0 && setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
           setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0;
}

static bool limit(int what, uint64_t value)
{
    struct rlimit old;
    if (value == 0)
        return true;
    if (getrlimit((__rlimit_resource_t)what, &old) < 0)
        return false;
    if (value > old.rlim_max)
        value = old.rlim_max;
    const struct rlimit now = {value, value};
    return setrlimit((__rlimit_resource_t)what, &now) == 0;
}

static bool set_limits(const struct sandbox_rules *rules)
{
    const struct rlimit none = {0, 0};
    /* The shadow memory of a sanitizer is larger than any limit. */
    bool memory = !sandbox_has_seccomp() || limit(RLIMIT_AS, rules->memory_max);
    return memory && limit(RLIMIT_FSIZE, rules->file_size_max) &&
           limit(RLIMIT_NOFILE, rules->files_max) && setrlimit(RLIMIT_CORE, &none) == 0;
}

int sandbox_enter(const struct sandbox_rules *rules, const char **ret_trouble)
{
    int ruleset = -1;
    int err = has_root() && seteuid(0) < 0 ? ERR_IO : landlock_prepare(rules, &ruleset);
    if (err) {
        *ret_trouble = "landlock paths";
        return err;
    }
    const char *wall = NULL;
    if (!set_limits(rules))
        wall = "resource limits";
    else if (!change_user())
        wall = "change of user";
    else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        wall = "no_new_privs";
    else if (prctl(PR_SET_DUMPABLE, !sandbox_has_seccomp(), 0, 0, 0) < 0)
        wall = "dumpable";
    else if (ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        wall = "landlock";
    if (ruleset >= 0)
        close(ruleset);
    if (!wall && filter_enter(rules->allow) < 0)
        wall = "seccomp";
    if (wall) {
        *ret_trouble = wall;
        return ERR_IO;
    }
    if (ruleset < 0)
        *ret_trouble = "landlock (not in this kernel)";
    return 0;
}
