#include "pipe.h"

#include <stdlib.h>

void pipe_init(struct pipe *p, uint64_t seed, struct pipe_shape shape)
{
    *p = (struct pipe){.shape = shape, .random = seed, .overhead = PIPE_OVERHEAD};
    p->heap = calloc(PIPE_PACKETS, sizeof(struct pipe_packet *));
    if (!p->heap)
        abort();
}

void pipe_done(struct pipe *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->heap[i]);
    free(p->heap);
    p->heap = NULL;
    p->count = 0;
}

double pipe_random(struct pipe *p)
{
    uint64_t x = p->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

static bool before(const struct pipe_packet *a, const struct pipe_packet *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct pipe *p, size_t a, size_t b)
{
    struct pipe_packet *kept = p->heap[a];
    p->heap[a] = p->heap[b];
    p->heap[b] = kept;
}

static void push(struct pipe *p, usec_t at, struct slice bytes, bool rtcp)
{
    struct pipe_packet *packet = malloc(sizeof(*packet));
    if (!packet || p->count == PIPE_PACKETS || bytes.len > PIPE_PACKET_MAX)
        abort();
    packet->at = at + p->shape.delay + (usec_t)(pipe_random(p) * (double)p->shape.jitter);
    packet->order = p->sent++;
    packet->len = bytes.len;
    packet->rtcp = rtcp;
    memcpy(packet->bytes, bytes.data, bytes.len);
    size_t i = p->count++;
    p->heap[i] = packet;
    for (; i > 0 && before(p->heap[i], p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(p, i, (i - 1) / 2);
}

usec_t bottleneck_wait(const struct bottleneck *line, usec_t now)
{
    return usec_max(line->free_at - now, 0);
}

bool bottleneck_pass(struct bottleneck *line, usec_t now, size_t bytes, usec_t *ret_at)
{
    if (bottleneck_wait(line, now) > line->queue) {
        line->dropped++;
        return false;
    }
    uint64_t bits = (uint64_t)bytes * 8;
    line->bits += bits;
    line->free_at =
        usec_max(line->free_at, now) + (usec_t)(bits * (uint64_t)USEC_PER_SEC / line->rate_bps);
    *ret_at = line->free_at;
    return true;
}

/* Gilbert's model: a burst goes on with 1 - 1/burst; as many begin as make up the share lost. */
static bool lost(struct pipe *p)
{
    double dice = pipe_random(p);
    if (p->shape.burst <= 1 || p->shape.loss >= 1)
        return dice < p->shape.loss;
    double begin = p->shape.loss / (p->shape.burst * (1 - p->shape.loss));
    p->losing = dice < (p->losing ? 1 - 1 / p->shape.burst : begin);
    return p->losing;
}

void pipe_send(struct pipe *p, usec_t now, struct slice bytes, bool rtcp)
{
    usec_t at = now;
    struct bottleneck *line = p->shared ? p->shared : &p->own;
    p->own.rate_bps = p->shape.rate_bps;
    p->own.queue = p->shape.queue;
    size_t wire = (size_t)((long)bytes.len + p->overhead);
    p->wire_bytes += wire;
    if (line->rate_bps > 0 && !bottleneck_pass(line, now, wire, &at)) {
        p->dropped++;
        return;
    }
    if (lost(p))
        p->dropped++;
    else
        push(p, at, bytes, rtcp);
    if (pipe_random(p) < p->shape.duplicate)
        push(p, at, bytes, rtcp);
}

struct pipe_packet *pipe_receive(struct pipe *p, usec_t now)
{
    if (p->count == 0 || p->heap[0]->at > now)
        return NULL;
    struct pipe_packet *first = p->heap[0];
    p->heap[0] = p->heap[--p->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < p->count; child++)
            if (before(p->heap[child], p->heap[least]))
                least = child;
        if (least == i)
            return first;
        swap(p, i, least);
        i = least;
    }
}
