/* Files below a directory, found without following any link, and sent with validators and ranges.
 */
#ifndef EDGE_FILE_H
#define EDGE_FILE_H

#include "edge/request.h"

struct file {
    int fd;
    uint64_t size;
    char etag[48]; /* strong: changes with time of change, length and place on disk */
};

/* A regular file at a relative path below the directory `root`. The kernel refuses to leave the
 * directory and to follow symbolic links. ERR_NOT_FOUND (also: no regular file), ERR_DENIED,
 * ERR_IO. */
int file_open(int root, const char *path, struct file *ret_file) MUST_USE;
void file_close(struct file *file);
/* All of it; ERR_LIMIT when it does not fit, ERR_IO. */
int file_read(const struct file *file, struct buf *out) MUST_USE;
/* Answers a GET or HEAD with the file: 200, 206, 304 or 416 (RFC 9110, sections 13 and 14). The
 * response then owns the descriptor. Fields set before stay; Content-Type is added unless there is
 * one. `ranged`: ranges may be asked for; a media element gets an open one in pieces (section
 * 15.3.7). */
void file_answer(struct file *file, const struct request *request, const char *type, bool ranged,
                 struct response *response);

#endif
