/* A transport address as a plain value: 16 bytes of IP (v4 as ::ffff:a.b.c.d) and a port in host
 * order. No padding: it may be compared and hashed as bytes. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/err.h"
#include "base/slice.h"

struct address {
    uint8_t ip[16];
    uint16_t port;
};
_Static_assert(sizeof(struct address) == 18, "addresses are compared as bytes");

/* Where a datagram travels: our end and theirs. */
struct path {
    struct address local;
    struct address remote;
};

/* "[" + 45 characters of IPv6 + "]:65535" + NUL */
#define ADDRESS_TEXT_MAX 56

struct address address_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
bool address_is_v4(const struct address *address);
/* 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);
/* What no stranger has a route to: loopback, link-local (RFC 3927, RFC 4291), private (RFC 1918),
 * shared (RFC 6598) and unique local (RFC 4193) addresses. */
bool address_is_private(const struct address *address);
/* The IP's own bytes: 4 or 16 of them, valid as long as `address`. */
struct slice address_ip(const struct address *address);
/* From 4 or 16 bytes in network order; ERR_FORMAT for any other length. */
int address_from_ip(struct slice ip, uint16_t port, struct address *ret_address) MUST_USE;
bool address_eq(const struct address *a, const struct address *b);
bool path_eq(const struct path *a, const struct path *b);
/* The path of one stream connection (ICE over TCP): `local` is its number below 100::/64, where no
 * packet ever comes from (RFC 6666). */
struct path path_of_stream(uint64_t number, const struct address *remote);
bool path_is_stream(const struct path *path);
/* Of a path for which path_is_stream. */
uint64_t path_stream_number(const struct path *path);
/* "192.0.2.1" or "2001:db8::1" (no brackets, no zone); ERR_FORMAT. */
int address_parse(const char *ip, uint16_t port, struct address *ret_address) MUST_USE;
/* "192.0.2.1:10000" or "[2001:db8::1]:10000". */
void address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]);

#endif
