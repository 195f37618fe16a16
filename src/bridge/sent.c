#include "bridge/sent.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST 65536

static struct sent_packet *slot(const struct sent *s, int64_t number)
{
    return &s->packets[(uint64_t)number & (s->slots - 1)];
}

int sent_init(struct sent *s)
{
    *s = (struct sent){.slots = SENT_MIN, .next = FIRST, .oldest = FIRST};
    s->packets = calloc(s->slots, sizeof(*s->packets));
    return s->packets ? 0 : ERR_MEMORY;
}

void sent_done(struct sent *s)
{
    free(s->packets);
    s->packets = NULL;
}

struct sent_packet *sent_put(struct sent *s, usec_t now, uint16_t size)
{
    if (s->next - s->oldest == s->slots)
        s->oldest++;
    struct sent_packet *packet = slot(s, s->next++);
    *packet = (struct sent_packet){.at = now, .size = size};
    return packet;
}

struct sent_packet *sent_get(const struct sent *s, int64_t number)
{
    return number >= s->oldest && number < s->next ? slot(s, number) : NULL;
}

struct sent_packet *sent_newest(const struct sent *s)
{
    assert(s->next > s->oldest);
    return slot(s, s->next - 1);
}

int sent_tick(struct sent *s, usec_t now)
{
    /* An eighth is what may leave until the next tick. */
    const struct sent_packet *old = sent_get(s, s->next - s->slots / 8 * 7);
    if (!old || s->slots == SENT_MAX ||
        now - old->at >= (old->fate == SENT_UNKNOWN ? SENT_UNTOLD : SENT_KEPT))
        return 0;
    struct sent more = *s;
    more.slots *= 2;
    more.packets = calloc(more.slots, sizeof(*more.packets));
    if (!more.packets)
        return ERR_MEMORY;
    for (int64_t n = s->oldest; n < s->next; n++)
        *slot(&more, n) = *slot(s, n);
    sent_done(s);
    *s = more;
    return 0;
}
