/* A hash map from bytes to pointers with a bound. Keys are copied, values belong to the caller.
 * The seed keeps outsiders from choosing keys that collide. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/err.h"
#include "base/slice.h"

struct map;

struct map_iter {
    size_t at;
    struct slice key; /* valid until the map changes */
    void *value;
};

struct map *map_new(size_t max, uint64_t seed);
/* Frees the map and its keys, not the values. */
void map_free(struct map **map);
size_t map_count(const struct map *map);
/* NULL when absent. */
void *map_get(const struct map *map, struct slice key);
/* Adds or replaces. ERR_LIMIT when `max` entries are in, ERR_MEMORY. */
int map_put(struct map *map, struct slice key, void *value) MUST_USE;
/* Removes and returns the value; NULL when absent. */
void *map_del(struct map *map, struct slice key);
/* Starts with a zeroed iter; false at the end. The entry just visited may be deleted; nothing may
 * be added while iterating. */
bool map_next(const struct map *map, struct map_iter *iter);

#endif
