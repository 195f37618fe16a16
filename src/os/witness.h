/* Whose bytes a process is working on, in a page that outlives it: whoever holds the page reads
 * there what the process died of. Noting is a copy of fixed size, without lock or system call. */
#ifndef OS_WITNESS_H
#define OS_WITNESS_H

#include <stdbool.h>

#include "base/err.h"

#define WITNESS_NAME_MAX 64 /* with its NUL */

struct witness;

struct witness_entry {
    char where[WITNESS_NAME_MAX];
    char who[WITNESS_NAME_MAX]; /* empty: nobody's */
};

/* A fresh page as a memfd; ERR_IO. */
int witness_create(int *ret_fd) MUST_USE;
/* For the process that notes. ERR_FORMAT: not such a page; ERR_MEMORY, ERR_IO. */
int witness_map(int fd, struct witness **ret_witness) MUST_USE;
void witness_unmap(struct witness **witness);
/* From now on it works on bytes of `entry`, or on nobody's. Nothing with NULL for a witness. */
void witness_note(struct witness *witness, const struct witness_entry *entry);
void witness_clear(struct witness *witness);
/* What a dead process left, which may be anything; false: nobody. Both names end within. */
bool witness_read(int fd, struct witness_entry *ret_entry) MUST_USE;

#endif
