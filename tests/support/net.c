#include "net.h"

#include <stdlib.h>

void net_init(struct net *net, uint64_t seed, struct net_link link)
{
    *net = (struct net){.link = link, .random = seed};
    net->in_flight = calloc(NET_IN_FLIGHT_MAX, sizeof *net->in_flight);
    if (!net->in_flight)
        abort();
}

void net_done(struct net *net)
{
    free(net->in_flight);
    net->in_flight = NULL;
}

double net_random(struct net *net)
{
    uint64_t x = net->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

static void put(struct net *net, usec_t now, const struct address *from, const struct address *to,
                struct slice bytes)
{
    if (net->count == NET_IN_FLIGHT_MAX || bytes.len > NET_DATAGRAM_MAX)
        abort();
    struct net_datagram *d = &net->in_flight[net->count++];
    d->from = *from;
    d->to = *to;
    d->at = now + net->link.delay + (usec_t)(net_random(net) * (double)net->link.jitter);
    d->order = net->sent++;
    d->len = bytes.len;
    memcpy(d->bytes, bytes.data, bytes.len);
}

void net_send(struct net *net, usec_t now, const struct address *from, const struct address *to,
              struct slice bytes)
{
    if (net_random(net) >= net->link.loss)
        put(net, now, from, to, bytes);
    if (net_random(net) < net->link.duplicate)
        put(net, now, from, to, bytes);
}

static size_t earliest(const struct net *net)
{
    size_t best = 0;
    for (size_t i = 1; i < net->count; i++) {
        const struct net_datagram *a = &net->in_flight[i], *b = &net->in_flight[best];
        if (a->at < b->at || (a->at == b->at && a->order < b->order))
            best = i;
    }
    return best;
}

usec_t net_next(const struct net *net)
{
    return net->count ? net->in_flight[earliest(net)].at : USEC_NEVER;
}

bool net_receive(struct net *net, usec_t now, struct net_datagram *ret_datagram)
{
    if (net_next(net) > now)
        return false;
    size_t at = earliest(net);
    *ret_datagram = net->in_flight[at];
    net->in_flight[at] = net->in_flight[--net->count];
    return true;
}
