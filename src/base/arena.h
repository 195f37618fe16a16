/* Memory with one common end: everything of a stanza, a peer or a loop turn is freed at once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct arena;

/* An arena that never holds more than `max` bytes; NULL when memory is short. */
struct arena *arena_new(size_t max);
void arena_free(struct arena **arena);
/* Forgets everything allocated so far and keeps the first block for use again. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned to 16 bytes; NULL when the bound or memory is reached. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* A copy; data is NULL when the bound was reached (and s was not empty). */
struct slice arena_copy(struct arena *arena, struct slice s) MUST_USE;
/* A NUL-terminated copy, or NULL. */
char *arena_str(struct arena *arena, struct slice s) MUST_USE;
/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);

#endif
