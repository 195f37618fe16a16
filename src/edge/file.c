#include "edge/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "edge/range.h"

/* Smaller files come with the first read. */
#define PREFETCH_MIN (256 * 1024)
/* One answer to a media element that asks for "all from here". It stops reading when it has enough
 * for now, and what is under way then fills the window that all its siblings share (15 MiB of a
 * connection in Chromium, six connections without HTTP/2): with a few long files none goes on.
 * Forty answers of this size fit. Browsers ask for the next piece as they go. */
#define MEDIA_PIECE (256u * 1024)

int file_open(int root, const char *path, struct file *ret_file)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    struct stat st;
    if (root < 0)
        return ERR_NOT_FOUND;
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ENXIO)
            return ERR_NOT_FOUND;
        return errno == ELOOP || errno == EXDEV || errno == EACCES ? ERR_DENIED : ERR_IO;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ERR_NOT_FOUND;
    }
    *ret_file = (struct file){.fd = fd, .size = (uint64_t)st.st_size};
    unsigned long long changed =
        (unsigned long long)st.st_mtim.tv_sec * 1000000000ULL + (unsigned long)st.st_mtim.tv_nsec;
    /* 16 hexadecimal digits each and four marks fit. */
    (void)snprintf(ret_file->etag, sizeof ret_file->etag, "\"%llx-%llx-%x\"", changed,
                   (unsigned long long)st.st_size, (unsigned)st.st_ino & 0xfffffU);
    return 0;
}

void file_close(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

int file_read(const struct file *file, struct buf *out)
{
    uint64_t done = 0;
    if (file->size > out->max)
        return ERR_LIMIT;
    while (done < file->size) {
        uint8_t *at = buf_reserve(out, (size_t)(file->size - done));
        if (!at)
            return ERR_LIMIT;
        ssize_t got = pread(file->fd, at, (size_t)(file->size - done), (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ERR_IO;
        buf_commit(out, (size_t)got);
        done += (uint64_t)got;
    }
    return 0;
}

/* If-None-Match: a list of validators, weak ones compared by their text. */
static bool is_known(struct slice list, const char *etag)
{
    while (list.len > 0) {
        struct slice one = slice_trim(slice_cut(&list, ','));
        if (slice_starts(one, SLICE("W/")))
            one = slice_sub(one, 2, SIZE_MAX);
        if (slice_eq_str(one, "*") || slice_eq_str(one, etag))
            return true;
    }
    return false;
}

/* An <audio> or <video>, not a download (Fetch Metadata, section 2.1). */
static bool is_for_media(const struct request *request)
{
    struct slice destination = fields_get(&request->fields, "sec-fetch-dest");
    return slice_eq_str(destination, "audio") || slice_eq_str(destination, "video");
}

/* 0: one range; ERR_UNSUPPORTED: all of the file; ERR_NOT_FOUND: 416. */
static int wanted(const struct file *file, const struct request *request, struct range *ret_range)
{
    struct slice value = fields_get(&request->fields, "range");
    struct slice unless = fields_get(&request->fields, "if-range");
    if (!value.data || !request_is(request, "GET"))
        return ERR_UNSUPPORTED;
    /* Only our own validator proves that the parts belong together (section 13.1.5). */
    if (unless.data && !slice_eq_str(unless, file->etag))
        return ERR_UNSUPPORTED;
    int err = range_parse(value, file->size, ret_range);
    if (!err && ret_range->open && ret_range->len > MEDIA_PIECE && is_for_media(request))
        ret_range->len = MEDIA_PIECE;
    return err;
}

static void put_content_range(struct response *response, const struct file *file,
                              const struct range *range)
{
    char text[96];
    if (range)
        (void)snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)range->first,
                       (unsigned long long)(range->first + range->len - 1),
                       (unsigned long long)file->size); /* three numbers of 20 digits fit */
    else
        (void)snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)file->size);
    fields_put(&response->fields, "content-range", text);
}

static void send(struct file *file, struct response *response, const struct range *range)
{
    response->body.fd = file->fd;
    response->body.from = range ? range->first : 0;
    response->body.left = range ? range->len : file->size;
    file->fd = -1;
    if (response->body.left > PREFETCH_MIN)
        body_prefetch(&response->body, 0);
}

void file_answer(struct file *file, const struct request *request, const char *type, bool ranged,
                 struct response *response)
{
    struct range range;
    fields_put(&response->fields, "etag", file->etag);
    struct slice known = fields_get(&request->fields, "if-none-match");
    if (known.data && is_known(known, file->etag)) {
        response->status = 304;
        file_close(file);
        return;
    }
    if (ranged)
        fields_put(&response->fields, "accept-ranges", "bytes");
    int err = ranged ? wanted(file, request, &range) : ERR_UNSUPPORTED;
    if (err == ERR_NOT_FOUND) {
        put_content_range(response, file, NULL);
        file_close(file);
        response_text(response, 416, "No such bytes.\n");
        return;
    }
    if (!fields_get(&response->fields, "content-type").data)
        fields_put(&response->fields, "content-type", type);
    response->status = err ? 200 : 206;
    if (!err)
        put_content_range(response, file, &range);
    send(file, response, err ? NULL : &range);
}
