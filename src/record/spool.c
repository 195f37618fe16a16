#include "record/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A piece is at least 10 s or 64 MiB, so this is a week of recording. */
#define PIECES_MAX ((size_t)65536)
#define WINDOW_SIZE ((size_t)1024 * 1024)
#define NAME_DIGITS ((size_t)16)

struct piece {
    uint64_t offset;
    uint64_t size;
};

struct spool {
    int dir;
    struct piece *pieces;
    size_t count;
    size_t cap;
    uint64_t total;

    size_t piece;    /* being read; == count: all read */
    int fd;          /* of that piece, -1: not opened yet */
    uint64_t offset; /* in the stream, of the next byte to read */
    uint64_t read;
    uint8_t *window; /* bytes of the stream not yet given out: [from, to) */
    size_t from;
    size_t to;
    bool cut; /* what follows the window does not belong to it */
    struct spool_damage damage;
};

static bool parse_name(const char *name, uint64_t *ret_offset)
{
    if (strlen(name) != NAME_DIGITS + 5 || strcmp(name + NAME_DIGITS, ".feed") != 0)
        return false;
    uint64_t offset = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = strchr(digits, name[i]);
        if (!at)
            return false;
        offset = offset << 4 | (uint64_t)(at - digits);
    }
    *ret_offset = offset;
    return true;
}

static int add_piece(struct spool *spool, uint64_t offset, uint64_t size)
{
    if (spool->count == PIECES_MAX)
        return ERR_LIMIT;
    if (spool->count == spool->cap) {
        size_t cap = spool->cap ? spool->cap * 2 : 64;
        struct piece *grown = reallocarray(spool->pieces, cap, sizeof(*grown));
        if (!grown)
            return ERR_MEMORY;
        spool->pieces = grown;
        spool->cap = cap;
    }
    spool->pieces[spool->count++] = (struct piece){offset, size};
    spool->total += size;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int list_pieces(struct spool *spool)
{
    int fd = openat(spool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    int err = 0;
    for (struct dirent *entry; !err && (entry = readdir(dir));) {
        uint64_t offset;
        struct stat st;
        if (parse_name(entry->d_name, &offset) && fstatat(spool->dir, entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode))
            err = add_piece(spool, offset, (uint64_t)st.st_size);
    }
    closedir(dir);
    if (spool->count)
        qsort(spool->pieces, spool->count, sizeof(*spool->pieces), by_offset);
    return err;
}

int spool_open(int dir, struct spool **ret_spool)
{
    struct spool *spool = calloc(1, sizeof(*spool));
    if (!spool)
        return ERR_MEMORY;
    spool->dir = dir;
    spool->fd = -1;
    spool->window = malloc(WINDOW_SIZE + FEED_RECORD_MAX);
    int err = spool->window ? list_pieces(spool) : ERR_MEMORY;
    if (err) {
        spool_close(&spool);
        return err;
    }
    spool_rewind(spool);
    *ret_spool = spool;
    return 0;
}

void spool_close(struct spool **spool)
{
    if (!*spool)
        return;
    if ((*spool)->fd >= 0)
        close((*spool)->fd);
    free((*spool)->pieces);
    free((*spool)->window);
    free(*spool);
    *spool = NULL;
}

void spool_rewind(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    spool->piece = 0;
    spool->offset = spool->count ? spool->pieces[0].offset : 0;
    spool->read = 0;
    spool->from = spool->to = 0;
    spool->cut = false;
    spool->damage = (struct spool_damage){0};
    if (spool->offset > 0)
        spool->damage.missing = spool->offset;
}

static void next_piece(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    spool->piece++;
}

/* Opens the current piece where the stream goes on in it. False: what the window holds ends here,
 * since bytes are missing between it and this piece. */
static bool open_piece(struct spool *spool)
{
    const struct piece *piece = &spool->pieces[spool->piece];
    if (piece->offset > spool->offset) {
        spool->damage.missing += piece->offset - spool->offset;
        spool->offset = piece->offset;
        if (spool->to > spool->from) {
            spool->cut = true;
            return false;
        }
    }
    char name[32];
    (void)snprintf(name, sizeof(name), "%016llx.feed", (unsigned long long)piece->offset);
    spool->fd = openat(spool->dir, name, O_RDONLY | O_CLOEXEC);
    if (spool->fd < 0) {
        spool->damage.unreadable++;
        spool->piece++;
        return true;
    }
    (void)posix_fadvise(spool->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only a hint */
    return true;
}

/* Reads more of the stream behind the window; false when nothing more belongs to it. */
static bool fill(struct spool *spool)
{
    memmove(spool->window, spool->window + spool->from, spool->to - spool->from);
    spool->to -= spool->from;
    spool->from = 0;
    while (!spool->cut && spool->piece < spool->count) {
        if (spool->fd < 0) {
            (void)open_piece(spool); /* tells by `cut` and `fd` how it went */
            continue;
        }
        uint64_t at = spool->offset - spool->pieces[spool->piece].offset;
        ssize_t got = pread(spool->fd, spool->window + spool->to,
                            WINDOW_SIZE + FEED_RECORD_MAX - spool->to, (off_t)at);
        if (got > 0) {
            spool->to += (size_t)got;
            spool->offset += (uint64_t)got;
            spool->read += (uint64_t)got;
            return true;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            spool->damage.unreadable++;
        next_piece(spool);
    }
    return false;
}

int spool_next(struct spool *spool, struct feed_record *ret_record)
{
    for (bool last = false;;) {
        struct slice in = slice_of(spool->window + spool->from, spool->to - spool->from);
        size_t skipped = 0, used = 0;
        int err = feed_find(in, last, ret_record, &skipped, &used);
        spool->damage.skipped += skipped;
        spool->from += skipped;
        if (err == 0) {
            spool->from += used;
            return 0;
        }
        if (!last) {
            last = !fill(spool);
        } else if (spool->cut) {
            spool->cut = last = false;
        } else {
            return ERR_NOT_FOUND;
        }
    }
}

uint64_t spool_size(const struct spool *spool)
{
    return spool->total;
}

uint64_t spool_position(const struct spool *spool)
{
    return spool->read;
}

const struct spool_damage *spool_damage(const struct spool *spool)
{
    return &spool->damage;
}
