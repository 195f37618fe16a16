#include "record/out_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AVIO_BUFFER (256 * 1024)
#define SWEEP_MAX 100000u

static void temporary_name(const char *name, char out[OUT_NAME_SIZE + 8])
{
    (void)snprintf(out, OUT_NAME_SIZE + 8, "%s.tmp", name);
}

int out_file_open(struct out_file *file, int dir, const char *name)
{
    *file = (struct out_file){.dir = dir, .fd = -1};
    if (strlen(name) >= sizeof(file->name))
        return ERR_LIMIT;
    memcpy(file->name, name, strlen(name) + 1);
    char temporary[OUT_NAME_SIZE + 8];
    temporary_name(name, temporary);
    file->fd = openat(dir, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    return file->fd < 0 ? ERR_IO : 0;
}

int out_file_commit(struct out_file *file)
{
    char temporary[OUT_NAME_SIZE + 8];
    temporary_name(file->name, temporary);
    if (file->fd < 0)
        return ERR_IO;
    bool good = !file->failed && fsync(file->fd) == 0;
    if (close(file->fd) < 0)
        good = false;
    file->fd = -1;
    if (good)
        good = renameat(file->dir, temporary, file->dir, file->name) == 0;
    int dir = good ? openat(file->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir >= 0) {
        good = fsync(dir) == 0;
        close(dir);
    }
    if (!good)
        (void)unlinkat(file->dir, temporary, 0); /* may be gone already */
    return good ? 0 : ERR_IO;
}

void out_file_discard(struct out_file *file)
{
    if (file->fd < 0)
        return;
    char temporary[OUT_NAME_SIZE + 8];
    temporary_name(file->name, temporary);
    close(file->fd);
    file->fd = -1;
    (void)unlinkat(file->dir, temporary, 0); /* a leftover is swept by the next job */
}

static void note_failure(struct out_file *file)
{
    if (!file->failed)
        file->errno_seen = errno;
    file->failed = true;
}

int out_file_write(struct out_file *file, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0 && !file->failed) {
        ssize_t done = pwrite(file->fd, from, len, (off_t)file->pos);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            note_failure(file);
            break;
        }
        file->pos += done;
        from += done;
        len -= (size_t)done;
    }
    if (file->pos > file->size)
        file->size = file->pos;
    return file->failed ? ERR_IO : 0;
}

static int avio_write_cb(void *opaque, uint8_t *data, int len)
{
    return out_file_write(opaque, data, (size_t)len) ? AVERROR(EIO) : len;
}

static int64_t seek_to(int64_t pos, int64_t size, int64_t *at, int whence, int64_t offset)
{
    if (whence & AVSEEK_SIZE)
        return size;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? pos : size;
    if (base + offset < 0)
        return AVERROR(EINVAL);
    *at = base + offset;
    return *at;
}

static int64_t avio_seek_cb(void *opaque, int64_t offset, int whence)
{
    struct out_file *file = opaque;
    return seek_to(file->pos, file->size, &file->pos, whence & ~AVSEEK_FORCE, offset);
}

/* A second look at the file while it is written: to move what is there and put an index before it.
 */
struct reading {
    const struct out_file *file;
    int64_t pos;
};

static int avio_read_cb(void *opaque, uint8_t *data, int len)
{
    struct reading *reading = opaque;
    ssize_t got = pread(reading->file->fd, data, (size_t)len, (off_t)reading->pos);
    if (got > 0)
        reading->pos += got;
    return got > 0 ? (int)got : got == 0 ? AVERROR_EOF : AVERROR(EIO);
}

static int64_t avio_read_seek_cb(void *opaque, int64_t offset, int whence)
{
    struct reading *reading = opaque;
    return seek_to(reading->pos, reading->file->size, &reading->pos, whence & ~AVSEEK_FORCE,
                   offset);
}

static int io_open(AVFormatContext *format, AVIOContext **ret_io, const char *url, int flags,
                   AVDictionary **options)
{
    if (flags & AVIO_FLAG_WRITE)
        return AVERROR(EPERM);
    struct reading *reading = calloc(1, sizeof(*reading));
    uint8_t *buffer = av_malloc(AVIO_BUFFER);
    if (reading)
        reading->file = format->opaque;
    AVIOContext *io = reading && buffer ? avio_alloc_context(buffer, AVIO_BUFFER, 0, reading,
                                                             avio_read_cb, NULL, avio_read_seek_cb)
                                        : NULL;
    if (!io) {
        free(reading);
        av_free(buffer);
        return AVERROR(ENOMEM);
    }
    *ret_io = io;
    return 0;
}

static int io_close(AVFormatContext *format, AVIOContext *io)
{
    free(io->opaque);
    av_freep(&io->buffer);
    avio_context_free(&io);
    return 0;
}

int out_file_attach(struct out_file *file, AVFormatContext *format)
{
    uint8_t *buffer = av_malloc(AVIO_BUFFER);
    if (!buffer)
        return ERR_MEMORY;
    format->pb =
        avio_alloc_context(buffer, AVIO_BUFFER, 1, file, NULL, avio_write_cb, avio_seek_cb);
    if (!format->pb) {
        av_free(buffer);
        return ERR_MEMORY;
    }
    format->flags |= AVFMT_FLAG_CUSTOM_IO;
    format->flush_packets = 0;
    format->opaque = file;
    format->io_open = io_open;
    format->io_close2 = io_close;
    return 0;
}

void out_file_detach(AVFormatContext *format)
{
    if (!format->pb)
        return;
    av_freep(&format->pb->buffer);
    avio_context_free(&format->pb);
}

int out_file_put(int dir, const char *name, const void *data, size_t len)
{
    struct out_file file;
    int err = out_file_open(&file, dir, name);
    if (!err)
        err = out_file_write(&file, data, len);
    if (!err)
        err = out_file_commit(&file);
    else
        out_file_discard(&file);
    return err;
}

int out_file_get(int dir, const char *name, size_t max, char **ret_data, size_t *ret_len)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    int err = fstat(fd, &st) < 0 ? ERR_IO : (uint64_t)st.st_size > max ? ERR_LIMIT : 0;
    size_t size = err ? 0 : (size_t)st.st_size, len = 0;
    char *data = err ? NULL : malloc(size + 1);
    while (data && len < size) {
        ssize_t got = pread(fd, data + len, size - len, (off_t)len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    if (!data)
        return err ? err : ERR_MEMORY;
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int64_t out_file_size(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? st.st_size
                                                                                    : -1;
}

static bool is_temporary(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

void out_file_sweep(int dir, bool all)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *entry;
    for (unsigned i = 0; i < SWEEP_MAX && (entry = readdir(list)); i++) {
        if (out_file_size(dir, entry->d_name) >= 0 && (all || is_temporary(entry->d_name)))
            (void)unlinkat(dir, entry->d_name, 0); /* what stays is overwritten */
    }
    closedir(list);
}
