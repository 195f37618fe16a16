#include "school/limits.h"

#include <stdlib.h>

/* 16,384 keys in 256 kB: a large school's failures of a quarter of an hour. */
#define SETS 4096
#define WAYS 4

struct entry {
    uint64_t key;
    usec_t full_at; /* when all tries are available again */
};

struct limits {
    uint64_t seed;
    struct entry entries[SETS][WAYS];
};

struct limits *limits_new(uint64_t seed)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits)
        limits->seed = seed;
    return limits;
}

void limits_free(struct limits **limits)
{
    free(*limits);
    *limits = NULL;
}

static uint64_t key_of(const struct limits *limits, const struct limit_rule *rule, struct slice key)
{
    uint64_t hash = slice_hash(key, limits->seed ^ ((uint64_t)(uint8_t)rule->kind << 56));
    return hash ? hash : 1;
}

static struct entry *find(struct limits *limits, uint64_t key)
{
    struct entry *set = limits->entries[key % SETS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static usec_t price(const struct limit_rule *rule)
{
    return rule->window / (usec_t)rule->count;
}

usec_t limits_wait(const struct limits *limits, const struct limit_rule *rule, struct slice key,
                   usec_t now)
{
    uint64_t hash = key_of(limits, rule, key);
    const struct entry *set = limits->entries[hash % SETS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].key == hash)
            return usec_max(0, set[i].full_at + price(rule) - rule->window - now);
    return 0;
}

void limits_count(struct limits *limits, const struct limit_rule *rule, struct slice key,
                  usec_t now)
{
    uint64_t hash = key_of(limits, rule, key);
    struct entry *entry = find(limits, hash);
    if (!entry) {
        struct entry *set = limits->entries[hash % SETS];
        entry = set;
        for (size_t i = 1; i < WAYS; i++)
            if (set[i].full_at < entry->full_at)
                entry = &set[i];
        *entry = (struct entry){.key = hash};
    }
    entry->full_at = usec_min(usec_max(entry->full_at, now) + price(rule), now + 2 * rule->window);
}

void limits_return(struct limits *limits, const struct limit_rule *rule, struct slice key)
{
    struct entry *entry = find(limits, key_of(limits, rule, key));
    if (entry)
        entry->full_at = usec_max(0, entry->full_at - price(rule));
}

void limits_forget(struct limits *limits, const struct limit_rule *rule, struct slice key)
{
    struct entry *entry = find(limits, key_of(limits, rule, key));
    if (entry)
        *entry = (struct entry){0};
}
