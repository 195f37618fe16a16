/* How often somebody may try. Kept in memory, in a table of fixed size: when it is full the entry
 * that is nearest to being forgotten gives way. */
#ifndef SCHOOL_LIMITS_H
#define SCHOOL_LIMITS_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

struct limits;

/* At most `count` tries at once, and `count` more in each `window` after. */
struct limit_rule {
    char kind; /* keeps keys of different rules apart */
    unsigned count;
    usec_t window;
};

struct limits *limits_new(uint64_t seed);
void limits_free(struct limits **limits);
/* 0, or how long to wait before the next try. */
usec_t limits_wait(const struct limits *limits, const struct limit_rule *rule, struct slice key,
                   usec_t now);
/* Counts a try. */
void limits_count(struct limits *limits, const struct limit_rule *rule, struct slice key,
                  usec_t now);
/* Takes one try back: it was a good one. */
void limits_return(struct limits *limits, const struct limit_rule *rule, struct slice key);
/* Forgets all tries. */
void limits_forget(struct limits *limits, const struct limit_rule *rule, struct slice key);

#endif
