/* Secrets that people and programs carry as text. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "base/err.h"
#include "base/slice.h"

#define SECRET_HASH_TEXT 65

/* What a store keeps of a session id or a one-time code: its SHA-256 in lower-case hex with a NUL.
 * These hold 128 bits of randomness or more, so that a plain hash is safe at rest; passwords go
 * through crypto/password.h. */
void secret_hash_text(struct slice secret, char ret_text[SECRET_HASH_TEXT]);
/* Decodes hex of either case. ERR_FORMAT: odd length or another character; ERR_LIMIT: more than
 * `size` bytes. */
int secret_from_hex(struct slice hex, uint8_t *out, size_t size, size_t *ret_len) MUST_USE;

#endif
