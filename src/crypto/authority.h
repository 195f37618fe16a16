/* A certificate authority of our own, for schools on a LAN without a public name: ECDSA P-256
 * certificates (RFC 5280) that devices trust once the authority's certificate was installed on
 * them. */
#ifndef CRYPTO_AUTHORITY_H
#define CRYPTO_AUTHORITY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* A fresh authority named `name`, good from `wall_s` (seconds since 1970) for ten years, for server
 * certificates only. PEM is appended. ERR_MEMORY. */
int authority_create(const char *name, int64_t wall_s, struct buf *certificate,
                     struct buf *key) MUST_USE;
/* Names in one certificate. */
#define AUTHORITY_HOSTS 2

/* A server certificate for DNS names or IP addresses (hosts[0], and more: NULL or "" for none),
 * good for 397 days (the longest that browsers accept is 398), signed by that authority; the chain
 * (leaf, authority) and the leaf's own key are appended. ERR_FORMAT: the authority's PEM or the
 * name does not parse; ERR_MEMORY. */
int authority_issue(struct slice authority_certificate, struct slice authority_key,
                    const char *const hosts[AUTHORITY_HOSTS], int64_t wall_s, struct buf *chain,
                    struct buf *key) MUST_USE;
/* When the first certificate of a PEM chain ends, seconds since 1970, and whether it covers `host`.
 * ERR_FORMAT. */
int certificate_inspect(struct slice chain, const char *host, int64_t *ret_ends_s,
                        bool *ret_covers) MUST_USE;

#endif
