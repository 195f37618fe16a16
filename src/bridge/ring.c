#include "bridge/ring.h"

#include <assert.h>
#include <stdlib.h>

int ring_init(struct ring *ring, size_t size, uint32_t slots)
{
    assert(slots > 0 && (slots & (slots - 1)) == 0);
    *ring = (struct ring){.size = size, .slots = slots, .spared = USEC_NEVER};
    ring->bytes = malloc(size);
    ring->packets = calloc(slots, sizeof(*ring->packets));
    if (ring->bytes && ring->packets)
        return 0;
    ring_done(ring);
    return ERR_MEMORY;
}

void ring_done(struct ring *ring)
{
    free(ring->bytes);
    free(ring->packets);
    *ring = (struct ring){0};
}

static struct ring_packet *slot(const struct ring *ring, uint32_t number)
{
    return &ring->packets[number & (ring->slots - 1)];
}

static void give_way(struct ring *ring, usec_t now)
{
    ring->spared = usec_min(ring->spared, now - slot(ring, ring->tail)->arrival);
    ring->tail++;
}

static size_t begin_of(const struct ring_packet *packet)
{
    return packet->offset - packet->extension;
}

static size_t make_room(struct ring *ring, size_t len, usec_t now)
{
    if (ring->head - ring->tail == ring->slots)
        give_way(ring, now);
    size_t at = ring->at;
    if (at + len > ring->size) {
        while (ring->tail != ring->head && begin_of(slot(ring, ring->tail)) >= at)
            give_way(ring, now);
        at = 0;
    }
    while (ring->tail != ring->head) {
        const struct ring_packet *oldest = slot(ring, ring->tail);
        if (begin_of(oldest) >= at + len || oldest->offset + oldest->len <= at)
            break;
        give_way(ring, now);
    }
    return at;
}

uint32_t ring_put(struct ring *ring, const struct ring_packet *packet, struct slice extension,
                  struct slice payload)
{
    assert(extension.len <= UINT8_MAX && payload.len <= UINT16_MAX);
    assert(extension.len + payload.len <= ring->size / 4);
    size_t at = make_room(ring, extension.len + payload.len, packet->arrival);
    if (extension.len > 0)
        memcpy(ring->bytes + at, extension.data, extension.len);
    at += extension.len;
    if (payload.len > 0)
        memcpy(ring->bytes + at, payload.data, payload.len);
    struct ring_packet *entry = slot(ring, ring->head);
    *entry = *packet;
    entry->offset = (uint32_t)at;
    entry->len = (uint16_t)payload.len;
    entry->extension = (uint8_t)extension.len;
    ring->at = at + payload.len;
    return ring->head++;
}

const struct ring_packet *ring_get(const struct ring *ring, uint32_t number)
{
    if (number - ring->tail >= ring->head - ring->tail)
        return NULL;
    return slot(ring, number);
}

struct ring_packet *ring_edit(struct ring *ring, uint32_t number)
{
    return number - ring->tail < ring->head - ring->tail ? slot(ring, number) : NULL;
}

struct slice ring_extension(const struct ring *ring, const struct ring_packet *packet)
{
    return slice_of(ring->bytes + packet->offset - packet->extension, packet->extension);
}

struct slice ring_payload(const struct ring *ring, const struct ring_packet *packet)
{
    return slice_of(ring->bytes + packet->offset, packet->len);
}

int ring_grow(struct ring *ring, size_t size, uint32_t slots)
{
    struct ring bigger;
    int err = ring_init(&bigger, size, slots);
    if (err)
        return err;
    bigger.head = bigger.tail = ring->tail;
    for (uint32_t n = ring->tail; n != ring->head; n++) {
        const struct ring_packet *packet = slot(ring, n);
        (void)ring_put(&bigger, packet, ring_extension(ring, packet),
                       ring_payload(ring, packet)); /* the same number */
    }
    assert(bigger.head == ring->head);
    ring_done(ring);
    *ring = bigger;
    return 0;
}
