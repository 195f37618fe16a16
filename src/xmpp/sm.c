#include "xmpp/sm.h"

#include <stdlib.h>

struct text *sm_at(const struct sm *sm, size_t i)
{
    return sm->ring[(sm->head + i) & (sm->cap - 1)];
}

static int grow(struct sm *sm)
{
    size_t cap = sm->cap ? sm->cap * 2 : 16;
    struct text **ring = malloc(cap * sizeof(struct text *));
    if (!ring)
        return ERR_MEMORY;
    for (size_t i = 0; i < sm->count; i++)
        ring[i] = sm_at(sm, i);
    free(sm->ring);
    sm->ring = ring;
    sm->head = 0;
    sm->cap = cap;
    return 0;
}

int sm_push(struct sm *sm, struct text_pool *pool, struct text *text)
{
    if (sm->count >= SM_QUEUE_MAX || sm->bytes + text->len > SM_BYTES_MAX)
        return ERR_LIMIT;
    int err = sm->count == sm->cap ? grow(sm) : 0;
    if (err)
        return err;
    text_keep(pool, text);
    sm->ring[(sm->head + sm->count) & (sm->cap - 1)] = text_ref(text);
    sm->count++;
    sm->bytes += text->len;
    return 0;
}

int sm_ack(struct sm *sm, struct text_pool *pool, uint32_t h)
{
    uint32_t news = h - sm->acked;
    if (news > sm->count)
        return ERR_FORMAT;
    for (uint32_t i = 0; i < news; i++) {
        struct text *text = sm_at(sm, 0);
        sm->bytes -= text->len;
        text_unref(pool, &text);
        sm->head = (sm->head + 1) & (sm->cap - 1);
        sm->count--;
    }
    sm->acked = h;
    sm->asked = false;
    return 0;
}

void sm_done(struct sm *sm, struct text_pool *pool)
{
    for (size_t i = 0; i < sm->count; i++) {
        struct text *text = sm_at(sm, i);
        text_unref(pool, &text);
    }
    free(sm->ring);
    *sm = (struct sm){0};
}
