#include "xmpp/text.h"

#include <stdlib.h>

/* Ids waiting to be deleted from the journal in one turn of the loop. */
static const size_t DEAD_MAX = (size_t)8 * 1024 * 1024;

void text_pool_init(struct text_pool *pool)
{
    list_init(&pool->fresh);
    buf_init(&pool->dead, DEAD_MAX);
    pool->next_id = 1;
}

void text_pool_done(struct text_pool *pool)
{
    buf_done(&pool->dead);
}

struct text *text_restore(struct text_pool *pool, uint64_t id, struct slice bytes)
{
    struct text *text = malloc(sizeof *text + bytes.len);
    if (!text)
        return NULL;
    *text = (struct text){.id = id, .refs = 1, .len = bytes.len};
    list_init(&text->fresh);
    if (bytes.len > 0)
        memcpy(text->bytes, bytes.data, bytes.len);
    if (id >= pool->next_id)
        pool->next_id = id + 1;
    return text;
}

struct text *text_new(struct text_pool *pool, struct slice bytes)
{
    return text_restore(pool, pool->next_id, bytes);
}

struct text *text_ref(struct text *text)
{
    text->refs++;
    return text;
}

void text_unref(struct text_pool *pool, struct text **text)
{
    struct text *t = *text;
    *text = NULL;
    if (!t || --t->refs > 0)
        return;
    list_remove(&t->fresh);
    if (t->saved)
        buf_add(&pool->dead, slice_of(&t->id, sizeof t->id));
    free(t);
}

void text_keep(struct text_pool *pool, struct text *text)
{
    if (text->kept)
        return;
    text->kept = true;
    if (!text->saved)
        list_append(&pool->fresh, &text->fresh);
}

struct slice text_slice(const struct text *text)
{
    return slice_of(text->bytes, text->len);
}
