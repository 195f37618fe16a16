/* Who did what, when: rows that nobody changes, each with a hash over itself and the one before, so
 * that a missing or altered row shows. Ids, never names. */
#ifndef SCHOOL_AUDIT_H
#define SCHOOL_AUDIT_H

#include "crypto/secret.h"
#include "school/school.h"

struct audit_entry {
    int64_t number;
    msec_t at;
    const char *actor;  /* a person's id, "guest-…", or "system" */
    const char *action; /* "sign-in", "join", "kick", "recording-view", ... */
    const char *subject;
    const char *detail; /* JSON, or "" */
};

typedef int (*audit_visit)(void *arg, const struct audit_entry *entry, const char *hash);

/* number is given by the log. */
int audit_add(struct sql *sql, const struct audit_entry *entry) MUST_USE;
/* Newest first, numbers below `before` (0: from the end), at most `count`. */
int audit_each(struct sql *sql, int64_t before, int64_t count, audit_visit visit,
               void *arg) MUST_USE;
/* Walks the whole chain; ERR_AUTH and the first number that does not fit. */
int audit_verify(struct sql *sql, int64_t *ret_number) MUST_USE;

#endif
