/* The block work of SRTP: AES-128-GCM, AES-128 counter mode and HMAC-SHA1 with keys set once. For
 * srtp.c and its tests only. */
#ifndef CRYPTO_SRTP_CIPHER_H
#define CRYPTO_SRTP_CIPHER_H

#include "crypto/srtp.h"

#define GCM_IV_SIZE 12
#define GCM_TAG_SIZE 16
#define CTR_IV_SIZE 16
#define HMAC_SHA1_SIZE 20

enum srtp_backend srtp_engine_backend(const struct srtp_engine *engine);

/* One AES-128-GCM key, usable for both directions. Aligned to 64 bytes. */
struct gcm_key;
struct gcm_key *gcm_key_new(struct srtp_engine *engine, const uint8_t key[SRTP_KEY_SIZE]);
void gcm_key_free(struct gcm_key **key);
/* Writes head and body encrypted, then the tag. */
bool gcm_seal(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad,
              struct slice head, struct slice body, uint8_t *out);
/* Decrypts `len` bytes in place; the tag stands behind them. False: wrong, the bytes are wiped. */
bool gcm_open(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad, uint8_t *data,
              size_t len);

struct ctr_key;
struct ctr_key *ctr_key_new(const uint8_t key[SRTP_KEY_SIZE]);
void ctr_key_free(struct ctr_key **key);
/* XORs the key stream over head and body into out; out may be body.data when head is empty. */
bool ctr_xor(struct ctr_key *key, const uint8_t iv[CTR_IV_SIZE], struct slice head,
             struct slice body, uint8_t *out);

/* HMAC-SHA1 with both padded key blocks hashed beforehand. */
struct hmac_key;
struct hmac_key *hmac_key_new(struct slice key);
void hmac_key_free(struct hmac_key **key);
void hmac_sign(const struct hmac_key *key, struct slice a, struct slice b,
               uint8_t out[HMAC_SHA1_SIZE]);

#endif
