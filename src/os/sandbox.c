#include "os/sandbox.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SANDBOX_USER "darasa"

static bool change_user(void)
{
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam(SANDBOX_USER);
    if (!user)
        return true;
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

static bool limits(const struct sandbox_rules *rules)
{
#if defined(__SANITIZE_ADDRESS__)
    bool memory = true; /* its shadow is larger than any limit */
#else
    bool memory = limit(RLIMIT_AS, rules->memory_max);
#endif
    const struct rlimit none = {0, 0};
    return memory && limit(RLIMIT_FSIZE, rules->file_size_max) &&
           limit(RLIMIT_NOFILE, rules->files_max) && setrlimit(RLIMIT_CORE, &none) == 0;
}

int sandbox_enter(const struct sandbox_rules *rules, const char **ret_trouble)
{
    const char *wall = NULL;
    if (!limits(rules))
        wall = "resource limits";
    else if (!change_user())
        wall = "change of user";
    else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        wall = "no_new_privs";
    else if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        wall = "dumpable";
    if (!wall)
        return 0;
    *ret_trouble = wall;
    return ERR_IO;
}
