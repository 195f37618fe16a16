#include "base/map.h"

#include <stdlib.h>

struct entry {
    uint64_t hash;
    uint8_t *key; /* NULL: free, or a grave when hash == GRAVE */
    size_t key_len;
    void *value;
};

static const uint64_t GRAVE = 1;

struct map {
    struct entry *entries;
    size_t cap; /* a power of two */
    size_t count;
    size_t graves;
    size_t max;
    uint64_t seed;
};

struct map *map_new(size_t max, uint64_t seed)
{
    struct map *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->max = max;
    map->seed = seed;
    return map;
}

void map_free(struct map **map)
{
    if (!*map)
        return;
    for (size_t i = 0; i < (*map)->cap; i++)
        free((*map)->entries[i].key);
    free((*map)->entries);
    free(*map);
    *map = NULL;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

static struct entry *find(const struct map *map, struct slice key, uint64_t hash)
{
    if (map->cap == 0)
        return NULL;
    for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
        struct entry *e = &map->entries[i];
        if (!e->key && e->hash != GRAVE)
            return NULL;
        if (e->key && e->hash == hash && slice_eq(slice_of(e->key, e->key_len), key))
            return e;
    }
}

static struct entry *find_free(struct entry *entries, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);
    while (entries[i].key)
        i = (i + 1) & (cap - 1);
    return &entries[i];
}

static int rehash(struct map *map, size_t cap)
{
    struct entry *entries = calloc(cap, sizeof *entries);
    if (!entries)
        return ERR_MEMORY;
    for (size_t i = 0; i < map->cap; i++)
        if (map->entries[i].key)
            *find_free(entries, cap, map->entries[i].hash) = map->entries[i];
    free(map->entries);
    map->entries = entries;
    map->cap = cap;
    map->graves = 0;
    return 0;
}

/* Keeps at least a quarter of the slots free, so that a search always ends. */
static int make_room(struct map *map)
{
    if (map->count >= map->max)
        return ERR_LIMIT;
    if ((map->count + map->graves + 1) * 4 <= map->cap * 3)
        return 0;
    size_t cap = map->cap ? map->cap : 16;
    while ((map->count + 1) * 2 > cap)
        cap *= 2;
    return rehash(map, cap);
}

void *map_get(const struct map *map, struct slice key)
{
    struct entry *e = find(map, key, slice_hash(key, map->seed));
    return e ? e->value : NULL;
}

int map_put(struct map *map, struct slice key, void *value)
{
    uint64_t hash = slice_hash(key, map->seed);
    struct entry *e = find(map, key, hash);
    if (e) {
        e->value = value;
        return 0;
    }
    int err = make_room(map);
    if (err)
        return err;
    uint8_t *copy = malloc(key.len + 1); /* one more, so that an empty key has an address */
    if (!copy)
        return ERR_MEMORY;
    if (key.len > 0)
        memcpy(copy, key.data, key.len);
    e = find_free(map->entries, map->cap, hash);
    if (e->hash == GRAVE && map->graves > 0)
        map->graves--;
    *e = (struct entry){hash, copy, key.len, value};
    map->count++;
    return 0;
}

void *map_del(struct map *map, struct slice key)
{
    struct entry *e = find(map, key, slice_hash(key, map->seed));
    if (!e)
        return NULL;
    void *value = e->value;
    free(e->key);
    *e = (struct entry){.hash = GRAVE};
    map->count--;
    map->graves++;
    return value;
}

bool map_next(const struct map *map, struct map_iter *iter)
{
    for (; iter->at < map->cap; iter->at++) {
        struct entry *e = &map->entries[iter->at];
        if (!e->key)
            continue;
        iter->key = slice_of(e->key, e->key_len);
        iter->value = e->value;
        iter->at++;
        return true;
    }
    return false;
}
