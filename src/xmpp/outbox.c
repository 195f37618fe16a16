#include "xmpp/outbox.h"

#include <stdlib.h>

struct entry {
    struct entry *next;
    struct outbox_frame frame;
    uint8_t bytes[];
};

struct outbox {
    struct entry *first;
    struct entry **tail;
    struct entry *taken;
    size_t bytes;
    size_t max;
    uint64_t dropped;
};

struct outbox *outbox_new(size_t max)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return NULL;
    outbox->tail = &outbox->first;
    outbox->max = max;
    return outbox;
}

void outbox_free(struct outbox **outbox)
{
    if (!*outbox)
        return;
    free((*outbox)->taken);
    for (struct entry *e = (*outbox)->first, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    free(*outbox);
    *outbox = NULL;
}

void outbox_add(struct outbox *outbox, enum outbox_peer peer, unsigned number, uint16_t type,
                uint64_t id, const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    struct entry *e = NULL;
    if (len <= outbox->max && outbox->bytes <= outbox->max - len)
        e = malloc(sizeof *e + len);
    if (!e) {
        outbox->dropped++;
        return;
    }
    e->next = NULL;
    e->frame = (struct outbox_frame){peer, number, type, id, slice_of(e->bytes, len)};
    uint8_t *at = e->bytes;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    *outbox->tail = e;
    outbox->tail = &e->next;
    outbox->bytes += len;
}

bool outbox_take(struct outbox *outbox, struct outbox_frame *ret_frame)
{
    free(outbox->taken);
    outbox->taken = outbox->first;
    if (!outbox->first)
        return false;
    outbox->first = outbox->first->next;
    if (!outbox->first)
        outbox->tail = &outbox->first;
    outbox->bytes -= outbox->taken->frame.payload.len;
    *ret_frame = outbox->taken->frame;
    return true;
}

uint64_t outbox_dropped(const struct outbox *outbox)
{
    return outbox->dropped;
}
