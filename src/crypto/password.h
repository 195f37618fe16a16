/* Passwords at rest: argon2id (RFC 9106) in its usual encoded text form. Slow by design (tens of
 * milliseconds, 19 MiB each): never call it on a program's loop. Thread-safe. */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include "base/err.h"
#include "base/slice.h"

#define PASSWORD_HASH_MAX 128
/* Longer ones are refused: nobody types them, and they cost time. */
#define PASSWORD_BYTES_MAX ((size_t)256)

/* A fresh salt each time. ERR_LIMIT: longer than PASSWORD_BYTES_MAX; ERR_MEMORY. */
int password_hash(struct slice password, char ret_hash[PASSWORD_HASH_MAX]) MUST_USE;
/* 0, ERR_AUTH: another password; ERR_FORMAT: not such a text; ERR_MEMORY. An empty `hash` takes as
 * long as a real one and gives ERR_AUTH: for accounts that do not exist. */
int password_verify(const char *hash, struct slice password) MUST_USE;

#endif
