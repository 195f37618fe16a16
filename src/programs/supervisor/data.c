#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "programs/supervisor/supervisor.h"

#define CHILD_USER "darasa"
#define SECRET_BYTES 32
#define SECRET_SIZE (2 * SECRET_BYTES + 1)
#define KEY_FILE_MAX ((size_t)(64 * 1024))

static int make_path(struct supervisor *super)
{
    const char *wish = config_text(super->config, "data");
    if (!wish[0])
        wish = geteuid() == 0 ? "/var/lib/darasa" : "data";
    /* Others may pass through, but not look: children that are another user have to. */
    int err = dir_make(wish, 0711);
    if (!err && !realpath(wish, super->data))
        err = ERR_IO;
    if (!err)
        err = dir_open(AT_FDCWD, super->data, &super->data_fd);
    if (err)
        complain("cannot make the data directory %s: %s.", wish, strerror(errno));
    return err;
}

/* Two of us on one data directory would tear it apart. The lock goes with the process. */
static int lock(struct supervisor *super)
{
    int fd = openat(super->data_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        complain("cannot write in the data directory %s: %s.", super->data, strerror(errno));
        return ERR_DENIED;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0; /* stays open for as long as we live */
    close(fd);
    complain("another darasa runs with the data directory %s.", super->data);
    return ERR_EXISTS;
}

/* A database below a directory that its user may not pass through cannot be opened. */
static int check_way(struct supervisor *super)
{
    bool passes = true;
    if (super->child_uid == (uid_t)-1)
        return 0;
    if (setegid(super->child_gid) < 0 || seteuid(super->child_uid) < 0)
        passes = false;
    passes = passes && faccessat(AT_FDCWD, super->data, X_OK, AT_EACCESS) == 0;
    if (seteuid(0) < 0 || setegid(0) < 0)
        return ERR_IO;
    if (passes)
        return 0;
    complain("the user %s cannot reach %s: choose --data below directories open to everybody, "
             "such as /var/lib/darasa.",
             CHILD_USER, super->data);
    return ERR_DENIED;
}

int data_make(struct supervisor *super, const char *name)
{
    if (mkdirat(super->data_fd, name, 0700) < 0 && errno != EEXIST)
        return errno == EACCES || errno == EROFS ? ERR_DENIED : ERR_IO;
    if (super->child_uid == (uid_t)-1)
        return 0;
    /* The database is small and must be theirs whoever ran us before; all recordings are many. */
    struct stat st;
    if (strcmp(name, "school") != 0 && fstatat(super->data_fd, name, &st, 0) == 0 &&
        st.st_uid == super->child_uid)
        return 0;
    return dir_give(super->data_fd, name, super->child_uid, super->child_gid);
}

static int name_run(struct supervisor *super)
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return ERR_IO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(super->run + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int data_open(struct supervisor *super)
{
    static const char *const children[] = {"recordings", "school", "acme"};
    static const char *const ours[] = {"secrets", "tls"};
    const struct passwd *user = geteuid() == 0 ? getpwnam(CHILD_USER) : NULL;
    super->child_uid = user ? user->pw_uid : (uid_t)-1;
    super->child_gid = user ? user->pw_gid : (gid_t)-1;
    int err = make_path(super);
    if (!err)
        err = lock(super);
    if (!err)
        err = check_way(super);
    if (!err)
        err = name_run(super);
    if (err)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(children) && !err; i++)
        err = data_make(super, children[i]);
    for (size_t i = 0; i < ARRAY_LEN(ours) && !err; i++)
        if (mkdirat(super->data_fd, ours[i], 0700) < 0 && errno != EEXIST)
            err = ERR_DENIED;
    if (err)
        complain("cannot make directories in %s: %s.", super->data, strerror(errno));
    return err;
}

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!memchr("0123456789abcdefABCDEF", s.data[i], 22))
            return false;
    return true;
}

static int read_secret(int dir, const char *path, char ret_secret[SECRET_SIZE])
{
    struct buf text;
    buf_init(&text, 4096);
    int err = file_read(dir, path, &text);
    struct slice secret = slice_trim(buf_slice(&text));
    if (!err && (secret.len != (size_t)2 * SECRET_BYTES || !is_hex(secret)))
        err = ERR_FORMAT;
    if (!err)
        (void)slice_copy(secret, ret_secret, SECRET_SIZE); /* fits */
    buf_done(&text);
    return err;
}

static int make_secret(struct supervisor *super, const char *path, char ret_secret[SECRET_SIZE])
{
    uint8_t bytes[SECRET_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return ERR_IO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(ret_secret + 2 * i, 3, "%02x", bytes[i]);
    return file_write(super->data_fd, path, slice_str(ret_secret), 0600);
}

/* From the file that `key` names, else from `path` below the data directory, where it is made. */
static int load_secret(struct supervisor *super, const char *key, const char *path,
                       char ret_secret[SECRET_SIZE])
{
    const char *file = config_text(super->config, key);
    int err = read_secret(file[0] ? AT_FDCWD : super->data_fd, file[0] ? file : path, ret_secret);
    if (err == ERR_NOT_FOUND && !file[0])
        err = make_secret(super, path, ret_secret);
    if (err)
        complain("the secret %s%s%s (%s) must hold 32 bytes in hex.", file[0] ? file : super->data,
                 file[0] ? "" : "/", file[0] ? "" : path, key);
    return err;
}

static json_t *json_slice(struct slice text)
{
    return json_stringn((const char *)text.data, text.len);
}

static int load_issuer(struct supervisor *super, const char *line)
{
    char path[PATH_SIZE];
    struct buf key;
    struct config_issuer from;
    int err = config_issuer_parse(slice_str(line), &from);
    if (err)
        return err;
    (void)slice_copy(from.file, path, sizeof path); /* a path cut short is not found */
    buf_init(&key, KEY_FILE_MAX);
    err = file_read(AT_FDCWD, path, &key);
    struct slice text = slice_trim(buf_slice(&key));
    json_t *issuer = NULL;
    if (!err && text.len > 0)
        issuer = json_pack("{s:o,s:o,s:o,s:o,s:o*}", "id", json_slice(from.name), "algorithm",
                           json_slice(from.algorithm), "key", json_slice(text), "audience",
                           json_slice(from.audience), "kid",
                           from.kid.len > 0 ? json_slice(from.kid) : NULL);
    buf_done(&key);
    if (issuer)
        return json_array_append_new(super->issuers, issuer) < 0 ? ERR_MEMORY : 0;
    complain("the key of the token issuer %.*s cannot be read from %s.", SLICE_ARG(from.name),
             path);
    return ERR_NOT_FOUND;
}

int data_load_secrets(struct supervisor *super)
{
    json_t *line;
    size_t i;
    int err = load_secret(super, "token.secret_file", "secrets/token", super->token_secret);
    if (!err && config_switch(super->config, "turn"))
        err = load_secret(super, "turn.secret_file", "secrets/turn", super->turn_secret);
    if (err)
        return err;
    json_decref(super->issuers);
    super->issuers = json_array();
    json_array_foreach(config_list(super->config, "token.issuer"), i, line)
    {
        err = load_issuer(super, json_string_value(line));
        if (err)
            return err;
    }
    return super->issuers ? 0 : ERR_MEMORY;
}

static bool has_program(const char *directory, const char *name)
{
    char path[PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/darasa-%s", directory, name);
    return access(path, X_OK) == 0;
}

static bool try_directory(char *out, const char *from, const char *below)
{
    char path[PATH_SIZE];
    int len = snprintf(path, sizeof path, "%s%s", from, below);
    return len > 0 && (size_t)len < sizeof path && realpath(path, out) != NULL;
}

/* The client of an installed house, or of one that runs from its build directory. */
static int find_client(struct supervisor *super, const char *here)
{
    const char *wish = config_text(super->config, "client");
    if (wish[0]) {
        if (try_directory(super->client, wish, ""))
            return 0;
        complain("the web client's directory %s is not there.", wish);
        return ERR_NOT_FOUND;
    }
    if (!try_directory(super->client, here, "/../share/darasa/client") &&
        !try_directory(super->client, here, "/../../share/darasa/client") &&
        !try_directory(super->client, here, "/../../../../client/dist"))
        super->client[0] = 0;
    return 0;
}

/* Where this program lies. */
static void find_here(char here[PATH_SIZE])
{
    ssize_t len = readlink("/proc/self/exe", here, PATH_SIZE - 1);
    here[len > 0 ? len : 0] = 0;
    char *slash = strrchr(here, '/');
    if (slash)
        *slash = 0;
}

void data_become(const char *name, char **argv)
{
    char here[PATH_SIZE], path[PATH_SIZE + 64];
    find_here(here);
    if (!has_program(here, name) && !try_directory(here, here, "/../libexec/darasa"))
        find_here(here); /* there is nothing better to name in the complaint */
    (void)snprintf(path, sizeof path, "%s/darasa-%s", here, name); /* fits */
    (void)execv(path, argv);                                       /* returns on failure only */
    complain("cannot start %s: %s.", path, strerror(errno));
}

int data_find_programs(struct supervisor *super)
{
    static const char *const names[] = {"edge", "signal", "web", "bridge", "recorder", "render"};
    const char *wish = config_text(super->config, "programs");
    const char *jitsi = config_text(super->config, "jitsi_web");
    char here[PATH_SIZE];
    find_here(here);
    bool found = wish[0] ? try_directory(super->programs, wish, "")
                         : try_directory(super->programs, here, "");
    if (!wish[0] && found && !has_program(super->programs, names[0]) &&
        !try_directory(super->programs, here, "/../libexec/darasa"))
        (void)try_directory(super->programs, here, "");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!found || !has_program(super->programs, names[i])) {
            complain("the program darasa-%s is missing in %s: build or install all of Darasa.",
                     names[i], found ? super->programs : wish);
            return ERR_NOT_FOUND;
        }
    if (jitsi[0] && !try_directory(super->jitsi, jitsi, "")) {
        complain("the directory %s (jitsi_web) is not there.", jitsi);
        return ERR_NOT_FOUND;
    }
    return find_client(super, here);
}
