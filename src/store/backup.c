#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "os/file.h"
#include "store/archive.h"
#include "store/schema.h"

#define DATABASE "school/darasa.db"
#define HEAD_FILE "darasa-backup"
#define HEAD_TEXT "darasa backup 1\n"
#define SUMS_FILE "darasa-backup.sums"
#define SUMS_MAX ((size_t)(256 * 1024 * 1024))
#define PIECE ((size_t)(256 * 1024))
#define DEPTH_MAX 8
#define PATH_SIZE 4096

struct backup {
    struct backup_report *report;
    int archive;
    struct buf sums; /* a line "crc size path" for each file */
    uint8_t *piece;
    int data; /* the data directory */
    char path[ARCHIVE_PATH_SIZE];
    unsigned depth;
};

static int failed(struct backup_report *report, int err, const char *where)
{
    (void)snprintf(report->where, sizeof report->where, "%s", where); /* may be cut */
    return err;
}

static int from_errno(void)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return ERR_LIMIT;
    return errno == EACCES || errno == EPERM || errno == EROFS ? ERR_DENIED
           : errno == ENOENT                                   ? ERR_NOT_FOUND
                                                               : ERR_IO;
}

static int write_all(int fd, struct slice data)
{
    while (data.len > 0) {
        ssize_t done = write(fd, data.data, data.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return from_errno();
        data = slice_sub(data, (size_t)done, data.len);
    }
    return 0;
}

/* Fills as much of `size` as there is. */
static int read_some(int fd, uint8_t *out, size_t size, size_t *ret_len)
{
    size_t len = 0;
    while (len < size) {
        ssize_t done = read(fd, out + len, size - len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return ERR_IO;
        if (done == 0)
            break;
        len += (size_t)done;
    }
    *ret_len = len;
    return 0;
}

static int put_head(struct backup *b, const struct archive_entry *entry)
{
    uint8_t block[ARCHIVE_BLOCK];
    int err = archive_build(entry, block);
    return err ? err : write_all(b->archive, slice_of(block, sizeof block));
}

static int put_padding(struct backup *b, uint64_t size)
{
    static const uint8_t zeros[ARCHIVE_BLOCK];
    return write_all(b->archive, slice_of(zeros, archive_padding(size)));
}

static void add_sum(struct backup *b, uint32_t crc, uint64_t size, const char *path)
{
    buf_printf(&b->sums, "%08x %llu %s\n", crc, (unsigned long long)size, path);
    b->report->files++;
    b->report->bytes += size;
}

/* Exactly `size` bytes: a file that grows meanwhile is cut there, one that shrinks is an error. */
static int put_content(struct backup *b, int fd, uint64_t size, uint32_t *ret_crc)
{
    uint32_t crc = 0;
    for (uint64_t left = size; left > 0;) {
        size_t len = left < PIECE ? (size_t)left : PIECE;
        size_t got = 0;
        int err = read_some(fd, b->piece, len, &got);
        if (!err && got < len)
            err = ERR_IO;
        if (!err)
            err = write_all(b->archive, slice_of(b->piece, got));
        if (err)
            return err;
        crc = crc32c(crc, slice_of(b->piece, got));
        left -= got;
    }
    *ret_crc = crc;
    return put_padding(b, size);
}

static int put_open_file(struct backup *b, int fd, const char *path)
{
    struct stat st;
    struct archive_entry entry = {0};
    uint32_t crc = 0;
    if (fstat(fd, &st) < 0)
        return ERR_IO;
    if (!S_ISREG(st.st_mode))
        return 0; /* sockets and the like are made anew */
    entry.size = (uint64_t)st.st_size;
    entry.seconds = st.st_mtime > 0 ? (uint64_t)st.st_mtime : 0;
    if (!slice_copy(slice_str(path), entry.path, sizeof entry.path))
        return ERR_LIMIT;
    int err = put_head(b, &entry);
    if (!err)
        err = put_content(b, fd, entry.size, &crc);
    if (!err)
        add_sum(b, crc, entry.size, path);
    return err;
}

static int put_text(struct backup *b, const char *path, struct slice text)
{
    struct archive_entry entry = {.size = text.len};
    (void)slice_copy(slice_str(path), entry.path, sizeof entry.path); /* ours fit */
    int err = put_head(b, &entry);
    if (!err)
        err = write_all(b->archive, text);
    return err ? err : put_padding(b, text.len);
}

static int put_directory(struct backup *b, int fd);

static int put_entry(void *arg, int dir, const char *name)
{
    struct backup *b = arg;
    struct slice s = slice_str(name);
    size_t len = strlen(b->path);
    /* The database went before; the lock and half-written files mean nothing elsewhere. */
    bool top = b->depth == 1;
    if (slice_ends(s, SLICE(".tmp")) || (top && (!strcmp(name, "school") || !strcmp(name, "lock"))))
        return 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) /* gone since, a link or a socket */
        return errno == ENOENT || errno == ELOOP || errno == ENXIO
                   ? 0
                   : failed(b->report, from_errno(), name);
    struct stat st;
    int err = len + s.len + 2 < sizeof b->path ? 0 : ERR_LIMIT;
    if (!err)
        (void)snprintf(b->path + len, sizeof b->path - len, "%s%s", len ? "/" : "", name);
    if (!err && fstat(fd, &st) < 0)
        err = ERR_IO;
    if (!err && S_ISDIR(st.st_mode))
        err = put_directory(b, fd);
    else if (!err)
        err = put_open_file(b, fd, b->path);
    if (err && !b->report->where[0])
        (void)failed(b->report, err, b->path);
    b->path[len] = '\0';
    (void)close(fd); /* only read */
    return err;
}

static int put_directory(struct backup *b, int fd)
{
    struct archive_entry entry = {.directory = true};
    int err = 0;
    if (b->depth >= DEPTH_MAX)
        return ERR_LIMIT;
    if (b->path[0]) {
        memcpy(entry.path, b->path, sizeof entry.path);
        err = put_head(b, &entry);
    }
    b->depth++;
    if (!err)
        err = dir_each(fd, put_entry, b);
    b->depth--;
    return err;
}

static int put_database(struct backup *b, const char *data, const char *copy)
{
    char path[PATH_SIZE];
    struct archive_entry school = {.path = "school", .directory = true};
    (void)snprintf(path, sizeof path, "%s/" DATABASE, data);
    int err = sql_snapshot(path, copy);
    if (err)
        return failed(b->report, err, path);
    int fd = open(copy, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    err = put_head(b, &school);
    if (!err)
        err = put_open_file(b, fd, DATABASE);
    (void)close(fd); /* only read */
    return err;
}

static int put_everything(struct backup *b, const char *data, const char *copy)
{
    static const uint8_t end[2 * ARCHIVE_BLOCK];
    int err = put_text(b, HEAD_FILE, slice_str(HEAD_TEXT));
    if (!err)
        err = put_database(b, data, copy);
    if (!err)
        err = put_directory(b, b->data);
    if (!err && b->sums.failed)
        err = ERR_MEMORY;
    if (!err)
        err = put_text(b, SUMS_FILE, buf_slice(&b->sums));
    if (!err)
        err = write_all(b->archive, slice_of(end, sizeof end));
    if (!err && fsync(b->archive) < 0)
        err = from_errno();
    return err;
}

static int backup_init(struct backup *b, struct backup_report *report)
{
    *report = (struct backup_report){0};
    *b = (struct backup){.report = report, .archive = -1, .data = -1};
    buf_init(&b->sums, SUMS_MAX);
    b->piece = malloc(PIECE);
    return b->piece ? 0 : ERR_MEMORY;
}

static void backup_done(struct backup *b)
{
    buf_done(&b->sums);
    free(b->piece);
    if (b->archive >= 0)
        (void)close(b->archive); /* synced, or given up */
    if (b->data >= 0)
        (void)close(b->data);
}

int backup_create(const char *data, const char *file, struct backup_report *report)
{
    struct backup b;
    char copy[PATH_SIZE], part[PATH_SIZE];
    int err = backup_init(&b, report);
    if (snprintf(copy, sizeof copy, "%s.db.tmp", file) >= (int)sizeof copy ||
        strlen(data) + 64 > sizeof copy)
        err = ERR_LIMIT;
    (void)snprintf(part, sizeof part, "%s.tmp", file); /* shorter than the other */
    if (!err && (err = dir_open(AT_FDCWD, data, &b.data)))
        (void)failed(report, err, data);
    if (!err) {
        b.archive = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (b.archive < 0)
            err = failed(report, from_errno(), part);
    }
    if (!err) {
        err = put_everything(&b, data, copy);
        if (!err && rename(part, file) < 0)
            err = failed(report, from_errno(), file);
        (void)unlink(copy); /* may never have been made */
        if (err)
            (void)unlink(part);
    }
    backup_done(&b);
    return err;
}

/* Restoring */

static int get_content(struct backup *b, int fd, uint64_t size, uint32_t *ret_crc)
{
    uint32_t crc = 0;
    for (uint64_t left = size; left > 0;) {
        size_t len = left < PIECE ? (size_t)left : PIECE;
        size_t got = 0;
        int err = read_some(b->archive, b->piece, len, &got);
        if (!err && got < len)
            err = ERR_FORMAT;
        if (!err)
            err = write_all(fd, slice_of(b->piece, got));
        if (err)
            return err;
        crc = crc32c(crc, slice_of(b->piece, got));
        left -= got;
    }
    size_t pad = archive_padding(size), got = 0;
    int err = read_some(b->archive, b->piece, pad, &got);
    *ret_crc = crc;
    return err ? err : got < pad ? ERR_FORMAT : 0;
}

static int get_file(struct backup *b, const struct archive_entry *entry)
{
    uint32_t crc = 0;
    int fd =
        openat(b->data, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST || errno == ENOENT ? ERR_FORMAT : from_errno();
    int err = get_content(b, fd, entry->size, &crc);
    if (!err)
        add_sum(b, crc, entry->size, entry->path);
    if (!err && fsync(fd) < 0)
        err = from_errno();
    if (close(fd) < 0 && !err)
        err = ERR_IO;
    return err;
}

/* A small file of ours into memory. */
static int get_text(struct backup *b, const struct archive_entry *entry, struct buf *out)
{
    size_t got = 0;
    if (entry->size > out->max)
        return ERR_FORMAT;
    size_t len = (size_t)entry->size + archive_padding(entry->size);
    uint8_t *at = buf_reserve(out, len);
    if (!at)
        return ERR_MEMORY;
    int err = read_some(b->archive, at, len, &got);
    if (!err && got == len)
        buf_commit(out, (size_t)entry->size);
    return err ? err : got < len ? ERR_FORMAT : 0;
}

static int get_head(struct backup *b, struct archive_entry *ret_entry)
{
    uint8_t block[ARCHIVE_BLOCK];
    size_t got = 0;
    int err = read_some(b->archive, block, sizeof block, &got);
    if (!err && got < sizeof block)
        err = ERR_FORMAT;
    return err ? err : archive_parse(block, ret_entry);
}

static int check_first(struct backup *b)
{
    struct archive_entry entry;
    struct buf text;
    buf_init(&text, 4096);
    int err = get_head(b, &entry);
    if (!err && strcmp(entry.path, HEAD_FILE) != 0)
        err = ERR_FORMAT;
    if (!err)
        err = get_text(b, &entry, &text);
    if (!err && !slice_eq_str(buf_slice(&text), HEAD_TEXT))
        err =
            slice_starts(buf_slice(&text), SLICE("darasa backup ")) ? ERR_UNSUPPORTED : ERR_FORMAT;
    buf_done(&text);
    return err == ERR_CLOSED ? ERR_FORMAT : err;
}

static int get_entries(struct backup *b, struct buf *sums)
{
    struct archive_entry entry;
    bool summed = false;
    int err;
    while (!(err = get_head(b, &entry))) {
        if (strcmp(entry.path, SUMS_FILE) == 0) {
            summed = true;
            err = get_text(b, &entry, sums);
        } else if (entry.directory) {
            err = mkdirat(b->data, entry.path, 0700) < 0
                      ? (errno == EEXIST || errno == ENOENT ? ERR_FORMAT : from_errno())
                      : 0;
        } else {
            err = get_file(b, &entry);
        }
        if (err)
            return failed(b->report, err, entry.path);
    }
    return err != ERR_CLOSED ? err : summed ? 0 : ERR_FORMAT;
}

/* What was unpacked is what was packed, and a database that this version reads. */
static int check_all(struct backup *b, const char *directory, struct slice sums)
{
    char path[PATH_SIZE + 64];
    struct sql *sql = NULL;
    int64_t version = 0;
    if (b->sums.failed)
        return ERR_MEMORY;
    if (!slice_eq(buf_slice(&b->sums), sums))
        return failed(b->report, ERR_FORMAT, "checksums");
    (void)snprintf(path, sizeof path, "%s/" DATABASE, directory);
    int err = sql_open(path, &sql);
    if (!err)
        err = sql_check(sql);
    if (!err)
        err = schema_version(sql, &version);
    if (!err && version > schema_version_known())
        err = ERR_UNSUPPORTED;
    sql_close(&sql);
    return err ? failed(b->report, err, DATABASE) : 0;
}

/* rename() replaces an empty directory, and only an empty one. */
static int put_in_place(const char *from, const char *to, struct backup_report *report)
{
    if (chmod(from, 0711) < 0)
        return failed(report, from_errno(), from);
    if (rename(from, to) == 0)
        return 0;
    return failed(
        report,
        errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? ERR_EXISTS : from_errno(), to);
}

static int unpack(struct backup *b, const char *part)
{
    struct buf sums;
    buf_init(&sums, SUMS_MAX);
    int err = check_first(b);
    if (!err)
        err = get_entries(b, &sums);
    if (!err)
        err = check_all(b, part, buf_slice(&sums));
    buf_done(&sums);
    return err;
}

/* Keeps the supervisor of `data` out for as long as the descriptor is open; -1 where none ever ran.
 */
static int lock_data(const char *data, struct backup_report *report, int *ret_fd)
{
    char path[PATH_SIZE];
    *ret_fd = -1;
    (void)snprintf(path, sizeof path, "%s/lock", data); /* shorter than what was checked before */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : failed(report, from_errno(), path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)close(fd);
        return failed(report, ERR_STATE, data);
    }
    *ret_fd = fd;
    return 0;
}

/* An empty directory makes room by itself; a full one has to move aside, which is only looked at
 * here. */
static int check_room(const char *data, const char *aside, struct backup_report *report)
{
    if (rmdir(data) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return failed(report, errno == ENOTDIR ? ERR_EXISTS : from_errno(), data);
    if (!aside)
        return failed(report, ERR_EXISTS, data);
    return access(aside, F_OK) == 0 ? failed(report, ERR_EXISTS, aside) : 0;
}

static int move_aside(const char *part, const char *data, const char *aside,
                      struct backup_report *report)
{
    if (rename(data, aside) < 0 && errno != ENOENT)
        return failed(report, from_errno(), data);
    int err = put_in_place(part, data, report);
    if (err && rename(aside, data) < 0)
        (void)failed(report, err, aside); /* there it is now */
    return err;
}

static int unpack_beside(struct backup *b, const char *data, const char *aside)
{
    char part[PATH_SIZE];
    if (snprintf(part, sizeof part, "%s.restoring", data) >= (int)sizeof part)
        return ERR_LIMIT;
    if (mkdir(part, 0700) < 0)
        return failed(b->report, errno == EEXIST ? ERR_EXISTS : from_errno(), part);
    int err = dir_open(AT_FDCWD, part, &b->data);
    if (!err)
        err = unpack(b, part);
    if (!err)
        err =
            aside ? move_aside(part, data, aside, b->report) : put_in_place(part, data, b->report);
    if (err && dir_remove(AT_FDCWD, part))
        (void)failed(b->report, err, part);
    return err;
}

int backup_restore(const char *file, const char *data, const char *aside,
                   struct backup_report *report)
{
    struct backup b;
    int lock = -1;
    int err = backup_init(&b, report);
    if (!err && strlen(data) + 64 > PATH_SIZE)
        err = ERR_LIMIT;
    if (!err)
        err = lock_data(data, report, &lock);
    if (!err)
        err = check_room(data, aside, report);
    if (!err) {
        b.archive = open(file, O_RDONLY | O_CLOEXEC);
        if (b.archive < 0)
            err = failed(report, from_errno(), file);
    }
    if (!err)
        err = unpack_beside(&b, data, aside);
    backup_done(&b);
    if (lock >= 0)
        (void)close(lock); /* nothing was written to it */
    return err;
}
