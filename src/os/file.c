#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEPTH_MAX 16

static int from_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

bool file_name_ok(struct slice name)
{
    if (name.len == 0 || name.len > 255 || slice_eq_str(name, ".") || slice_eq_str(name, ".."))
        return false;
    return slice_index(name, '/') == name.len && slice_index(name, 0) == name.len;
}

int file_read(int dir, const char *path, struct buf *out)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    int err = 0;
    for (;;) {
        size_t room = out->max - out->len < 65536 ? out->max - out->len : 65536;
        uint8_t last;
        uint8_t *at = room > 0 ? buf_reserve(out, room) : &last;
        ssize_t got = at ? read(fd, at, room > 0 ? room : 1) : -1;
        if (got < 0 && at && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got < 0)
                err = at ? ERR_IO : ERR_MEMORY;
            break;
        }
        if (room == 0) {
            err = ERR_LIMIT;
            break;
        }
        buf_commit(out, (size_t)got);
    }
    close(fd);
    return err;
}

static int write_all(int fd, struct slice data)
{
    while (data.len > 0) {
        ssize_t done = write(fd, data.data, data.len);
        if (done < 0 && errno != EINTR)
            return ERR_IO;
        if (done > 0)
            data = slice_sub(data, (size_t)done, data.len);
    }
    return 0;
}

int file_write(int dir, const char *path, struct slice data, mode_t mode)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return ERR_LIMIT;
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return from_errno();
    int err = fchmod(fd, mode) < 0 ? ERR_IO : write_all(fd, data);
    if (!err && fsync(fd) < 0)
        err = ERR_IO;
    if (close(fd) < 0 && !err)
        err = ERR_IO;
    if (!err && renameat(dir, temporary, dir, path) < 0)
        err = from_errno();
    if (err)
        (void)unlinkat(dir, temporary, 0); /* the first error is the one to tell */
    return err;
}

int dir_make(const char *path, mode_t mode)
{
    char part[4096];
    if (!slice_copy(slice_str(path), part, sizeof part))
        return ERR_LIMIT;
    for (char *p = part + 1; part[0] && *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return from_errno();
        *p = '/';
    }
    if (mkdir(part, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return from_errno();
    struct stat st;
    return stat(part, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : ERR_EXISTS;
}

int dir_open(int dir, const char *path, int *ret_fd)
{
    int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    *ret_fd = fd;
    return 0;
}

int dir_each(int dir, int (*visit)(void *arg, int dir, const char *name), void *arg)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* its own position */
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    int err = 0;
    while (!err) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            err = errno ? ERR_IO : 0;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = visit(arg, dir, entry->d_name);
    }
    (void)closedir(stream); /* opened for reading */
    return err;
}

static int remove_entry(void *arg, int dir, const char *name)
{
    int left = *(int *)arg;
    if (unlinkat(dir, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return from_errno();
    if (left == 0)
        return ERR_LIMIT;
    left--;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    int err = dir_each(fd, remove_entry, &left);
    close(fd);
    if (!err && unlinkat(dir, name, AT_REMOVEDIR) < 0)
        err = from_errno();
    return err;
}

int dir_remove(int dir, const char *name)
{
    int left = DEPTH_MAX;
    return remove_entry(&left, dir, name);
}

struct give {
    uid_t uid;
    gid_t gid;
    int left;
};

static int give_entry(void *arg, int dir, const char *name)
{
    struct give give = *(const struct give *)arg;
    struct stat st;
    int err = 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return from_errno();
    if ((st.st_uid != give.uid || st.st_gid != give.gid) &&
        fchownat(dir, name, give.uid, give.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return from_errno();
    if (!S_ISDIR(st.st_mode))
        return 0;
    if (give.left-- == 0)
        return ERR_LIMIT;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    err = dir_each(fd, give_entry, &give);
    close(fd);
    return err;
}

int dir_give(int dir, const char *name, uid_t uid, gid_t gid)
{
    struct give give = {uid, gid, DEPTH_MAX};
    return give_entry(&give, dir, name);
}

static int add_size(void *arg, int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return from_errno();
    if (S_ISREG(st.st_mode))
        *(uint64_t *)arg += (uint64_t)st.st_size;
    return 0;
}

int dir_size(int dir, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    int err = dir_each(dir, add_size, &bytes);
    if (!err)
        *ret_bytes = bytes;
    return err;
}

int dir_free_bytes(int dir, uint64_t *ret_bytes)
{
    struct statvfs st;
    if (fstatvfs(dir, &st) < 0)
        return ERR_IO;
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}
