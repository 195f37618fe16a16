/* Heads of a POSIX ustar archive (IEEE Std 1003.1-2017, pax utility, "ustar Interchange Format"):
 * plain files and directories only. Sizes from 8 GiB on are written in base 256, as GNU tar and
 * bsdtar read them. Pure. */
#ifndef STORE_ARCHIVE_H
#define STORE_ARCHIVE_H

#include "base/err.h"
#include "base/slice.h"

#define ARCHIVE_BLOCK ((size_t)512)
/* 155 bytes of prefix, '/', 100 bytes of name, NUL. */
#define ARCHIVE_PATH_SIZE 257

struct archive_entry {
    char path[ARCHIVE_PATH_SIZE]; /* relative, without slash at its end */
    bool directory;
    uint64_t size;    /* of a file */
    uint64_t seconds; /* when it was changed, since 1970 */
};

/* ERR_LIMIT: the path does not fit. */
int archive_build(const struct archive_entry *entry, uint8_t ret_block[ARCHIVE_BLOCK]) MUST_USE;
/* ERR_CLOSED: a block of zeros, the archive's end. ERR_FORMAT: the checksum is wrong, or the path
 * could leave the directory (absolute, "..", empty parts). ERR_UNSUPPORTED: neither file nor
 * directory. */
int archive_parse(const uint8_t block[ARCHIVE_BLOCK], struct archive_entry *ret_entry) MUST_USE;
/* Bytes after a file's content up to the next block. */
size_t archive_padding(uint64_t size);

#endif
