/* A file that is either there whole or not at all: written as NAME.tmp, synced, renamed. Also the
 * way libavformat reads and writes it, without ever opening a path itself. */
#ifndef RECORD_OUT_FILE_H
#define RECORD_OUT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/err.h"

#define OUT_NAME_SIZE 160

struct out_file {
    int dir; /* the caller's */
    int fd;
    char name[OUT_NAME_SIZE];
    int64_t pos;
    int64_t size;
    bool failed; /* the system refused a write: errno_seen tells why */
    int errno_seen;
};

/* ERR_IO; ERR_LIMIT for a name too long. */
int out_file_open(struct out_file *file, int dir, const char *name) MUST_USE;
/* Makes it appear under its name, on disk for good. ERR_IO (also for an earlier failed write): it
 * is gone. */
int out_file_commit(struct out_file *file) MUST_USE;
/* Harmless on a file that is closed already. */
void out_file_discard(struct out_file *file);
/* Appends. ERR_IO. */
int out_file_write(struct out_file *file, const void *data, size_t len) MUST_USE;
/* Gives `format` its input and output; undone by out_file_detach. ERR_MEMORY. */
int out_file_attach(struct out_file *file, AVFormatContext *format) MUST_USE;
void out_file_detach(AVFormatContext *format);

/* Writes all of it as a file. ERR_IO. */
int out_file_put(int dir, const char *name, const void *data, size_t len) MUST_USE;
/* Reads a whole file of at most `max` bytes; free() the result. ERR_NOT_FOUND, ERR_LIMIT, ERR_IO.
 */
int out_file_get(int dir, const char *name, size_t max, char **ret_data, size_t *ret_len) MUST_USE;
/* -1 when it is not there. */
int64_t out_file_size(int dir, const char *name);
/* Removes what earlier, interrupted jobs left: all `.tmp`, and with `all` everything. */
void out_file_sweep(int dir, bool all);

#endif
