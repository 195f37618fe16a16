/* What lets participants into classes: a line of a file for each, its room and, behind a space, its
 * token. */
#ifndef LOAD_ENTRIES_H
#define LOAD_ENTRIES_H

#include "base/err.h"
#include "base/slice.h"

#define ENTRIES_MAX 20000

struct entry {
    const char *room;
    const char *token;
};

struct entries {
    struct entry *of;
    size_t count;
    char *text; /* holds them */
};

/* ERR_FORMAT: a line that is not like that, or none; ERR_LIMIT; ERR_MEMORY. */
int entries_parse(struct slice text, struct entries *ret_entries) MUST_USE;
void entries_done(struct entries *entries);

#endif
