/* Random bytes from the system's generator and their usual forms. Never fails: the process ends
 * when the system has no randomness. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t len);
uint32_t random_u32(void);
uint64_t random_u64(void);
/* len characters of [0-9a-f] / [0-9A-Za-z] and a NUL; out holds len + 1. */
void random_hex(char *out, size_t len);
void random_alnum(char *out, size_t len);
/* A version 4 UUID in lower case; out holds 37. */
void random_uuid(char *out);

#endif
