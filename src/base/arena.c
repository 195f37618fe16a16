#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(16) uint8_t bytes[];
};

struct arena {
    struct block *head; /* the block being filled */
    size_t max;
    size_t used;
};

/* One page less the allocator's own header; a stanza or a request fits in one block. */
static const size_t BLOCK_SIZE = 4064;

struct arena *arena_new(size_t max)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->max = max;
    return arena;
}

static void free_blocks(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena **arena)
{
    if (!*arena)
        return;
    free_blocks((*arena)->head);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    arena->used = 0;
    if (!arena->head)
        return;
    free_blocks(arena->head->next);
    arena->head->next = NULL;
    arena->head->used = 0;
}

static struct block *add_block(struct arena *arena, size_t size)
{
    size_t bytes = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *block = malloc(sizeof *block + bytes);
    if (!block)
        return NULL;
    block->next = arena->head;
    block->size = bytes;
    block->used = 0;
    arena->head = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->max || arena->used > arena->max - size)
        return NULL;
    size_t rounded = (size + 15) & ~(size_t)15;
    struct block *block = arena->head;
    if (!block || block->size - block->used < rounded)
        block = add_block(arena, rounded);
    if (!block)
        return NULL;
    void *at = block->bytes + block->used;
    block->used += rounded;
    arena->used += size;
    memset(at, 0, size);
    return at;
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
    if (s.len == 0)
        return slice_of(NULL, 0);
    void *at = arena_alloc(arena, s.len);
    if (!at)
        return slice_of(NULL, 0);
    memcpy(at, s.data, s.len);
    return slice_of(at, s.len);
}

char *arena_str(struct arena *arena, struct slice s)
{
    char *at = arena_alloc(arena, s.len + 1);
    if (at && s.len > 0)
        memcpy(at, s.data, s.len);
    return at;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
