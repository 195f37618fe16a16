/* The whole data directory as one file, and back. The file is a ustar archive: a consistent copy of
 * the database, everything else as it lies there, and at the end the CRC-32C of each file. It may
 * be made while the school is in use. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "base/err.h"
#include "base/slice.h"

struct backup_report {
    uint64_t files;
    uint64_t bytes;
    char where[320]; /* what an error is about, for people */
};

/* `data`: the data directory; `file` is made or replaced as one step, mode 0600. ERR_NOT_FOUND: no
 * database there; ERR_LIMIT: no room left; ERR_IO, ERR_DENIED. */
int backup_create(const char *data, const char *file, struct backup_report *report) MUST_USE;
/* `data` must not exist or be empty. Everything is checked before it appears there. ERR_EXISTS;
 * ERR_FORMAT: no backup of ours, or damaged; ERR_UNSUPPORTED: of a newer version.
 * With `aside`, a path that must not exist yet (ERR_EXISTS), a `data` that is not empty is moved
 * there when all is checked; ERR_STATE: a running house uses it. */
int backup_restore(const char *file, const char *data, const char *aside,
                   struct backup_report *report) MUST_USE;

#endif
