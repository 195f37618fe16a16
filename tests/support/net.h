/* A seeded network in virtual time: loses, delays, reorders and repeats datagrams between
 * addresses. A run is a function of its seed. */
#ifndef TESTS_NET_H
#define TESTS_NET_H

#include "base/address.h"
#include "base/units.h"

#define NET_DATAGRAM_MAX 1500
#define NET_IN_FLIGHT_MAX 4096

struct net_link {
    double loss;      /* 0..1 */
    double duplicate; /* 0..1 */
    usec_t delay;
    usec_t jitter; /* added at random, so that datagrams overtake each other */
};

struct net_datagram {
    struct address from;
    struct address to;
    usec_t at;
    uint64_t order;
    size_t len;
    uint8_t bytes[NET_DATAGRAM_MAX];
};

struct net {
    struct net_link link;
    uint64_t random;
    uint64_t sent;
    size_t count;
    struct net_datagram *in_flight;
};

void net_init(struct net *net, uint64_t seed, struct net_link link);
void net_done(struct net *net);
/* A number in [0, 1). */
double net_random(struct net *net);
void net_send(struct net *net, usec_t now, const struct address *from, const struct address *to,
              struct slice bytes);
/* When the next datagram arrives; USEC_NEVER: none is under way. */
usec_t net_next(const struct net *net);
/* Takes the next datagram that has arrived by now. */
bool net_receive(struct net *net, usec_t now, struct net_datagram *ret_datagram);

#endif
