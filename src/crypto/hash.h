/* Hashes and message authentication codes. Stateless; inputs of any length. The keyed
 * and hashing functions never fail: the process ends when the library refuses (it cannot, short of
 * exhausted memory). */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/slice.h"

#define HASH_SHA1_SIZE ((size_t)20)
#define HASH_SHA256_SIZE ((size_t)32)
/* With its NUL. */
#define HASH_SHA1_BASE64_SIZE ((size_t)29)

/* FIPS 180-4. */
void hash_sha1(struct slice data, uint8_t out[HASH_SHA1_SIZE]);
void hash_sha256(struct slice data, uint8_t out[HASH_SHA256_SIZE]);
/* RFC 2104. An empty key is allowed. */
void hash_hmac_sha1(struct slice key, struct slice data, uint8_t out[HASH_SHA1_SIZE]);
void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[HASH_SHA256_SIZE]);
/* As above over the concatenation of several pieces. */
void hash_hmac_sha1_parts(struct slice key, const struct slice *parts, size_t count,
                          uint8_t out[HASH_SHA1_SIZE]);
/* Time depends on the lengths only. */
bool hash_equal(struct slice a, struct slice b);
/* Overwrites a secret in a way that the compiler keeps. */
void hash_wipe(void *secret, size_t len);
/* RFC 4648, section 4. */
void hash_sha1_base64(const uint8_t hash[HASH_SHA1_SIZE], char out[HASH_SHA1_BASE64_SIZE]);
/* 2 * len lower-case digits and a NUL. */
void hash_hex(struct slice data, char *out);

#endif
