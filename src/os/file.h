/* Files and directories, for programs that have any. Names are never taken from outside unchecked:
 * file_name_ok first. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* One component that is no way out: not empty, no '/', no NUL, not "." or "..", at most 255 bytes.
 */
bool file_name_ok(struct slice name);
/* Appends the whole file below directory `dir` (AT_FDCWD: the current one) to `out`.
 * ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT: larger than the room left in `out`; ERR_IO. */
int file_read(int dir, const char *path, struct buf *out) MUST_USE;
/* Replaces the file as one step: readers, and a machine that loses power, see the old or the new
 * bytes. Synced. ERR_DENIED, ERR_IO. */
int file_write(int dir, const char *path, struct slice data, mode_t mode) MUST_USE;
/* Makes the directory with its parents (those with mode 0755). Existing is fine. */
int dir_make(const char *path, mode_t mode) MUST_USE;
/* A descriptor fit for openat and for handing on. */
int dir_open(int dir, const char *path, int *ret_fd) MUST_USE;
/* Calls visit for every entry but "." and "..", in no order; stops at its first error. */
int dir_each(int dir, int (*visit)(void *arg, int dir, const char *name), void *arg) MUST_USE;
/* Removes a file or a whole tree, never following links, at most 16 levels deep. ERR_NOT_FOUND. */
int dir_remove(int dir, const char *name) MUST_USE;
/* Gives a directory with all below it to a user, never following links. ERR_DENIED, ERR_IO,
 * ERR_LIMIT: deeper than 16 levels. */
int dir_give(int dir, const char *name, uid_t uid, gid_t gid) MUST_USE;
/* Sum of the sizes of the plain files directly in `dir`. */
int dir_size(int dir, uint64_t *ret_bytes) MUST_USE;
/* Bytes free for everybody on the file system of `dir`. ERR_IO. */
int dir_free_bytes(int dir, uint64_t *ret_bytes) MUST_USE;

#endif
