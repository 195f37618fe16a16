/* The block work of SRTP: AES-128-GCM, AES-128 counter mode and HMAC-SHA1 with keys set once. For
 * srtp.c and its tests only. */
#ifndef CRYPTO_SRTP_CIPHER_H
#define CRYPTO_SRTP_CIPHER_H

#include "crypto/srtp.h"

#define GCM_IV_SIZE 12
#define GCM_TAG_SIZE 16
#define CTR_IV_SIZE 16
#define HMAC_SHA1_SIZE 20
#define CM_TAG_SIZE 10
/* ipsec-mb makes it longer; the rest is cut off. */
#define CM_TAG_MADE 12
/* A text comes in so many parts, some of which may be empty. */
#define TEXT_PARTS 3

enum srtp_backend srtp_engine_backend(const struct srtp_engine *engine);

/* One AES-128-GCM key, usable for both directions. Aligned to 64 bytes. */
struct gcm_key;
struct gcm_key *gcm_key_new(struct srtp_engine *engine, const uint8_t key[SRTP_KEY_SIZE]);
void gcm_key_free(struct gcm_key **key);
/* Writes the parts encrypted, then the tag. */
bool gcm_seal(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad,
              const struct slice parts[TEXT_PARTS], uint8_t *out);
/* Decrypts `len` bytes in place; the tag stands behind them. False: wrong, the bytes are wiped. */
bool gcm_open(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad, uint8_t *data,
              size_t len);

struct ctr_key;
/* Without an engine (NULL) it serves ctr_xor only. Aligned to 64 bytes. */
struct ctr_key *ctr_key_new(struct srtp_engine *engine, const uint8_t key[SRTP_KEY_SIZE]);
void ctr_key_free(struct ctr_key **key);
/* XORs the key stream over the parts into out; out may be where the only part lies. */
bool ctr_xor(struct ctr_key *key, const uint8_t iv[CTR_IV_SIZE],
             const struct slice parts[TEXT_PARTS], uint8_t *out);

/* HMAC-SHA1 with both padded key blocks hashed beforehand. */
struct hmac_key;
struct hmac_key *hmac_key_new(struct slice key);
void hmac_key_free(struct hmac_key **key);
void hmac_sign(const struct hmac_key *key, struct slice a, struct slice b,
               uint8_t out[HMAC_SHA1_SIZE]);

/* One packet of counter mode and HMAC-SHA1 among many: `len` bytes at `out` of which the first
 * `clear` stay as they are; four bytes of roll-over counter follow, in whose place the tag goes. */
struct cm_packet {
    const struct ctr_key *ctr;
    const struct hmac_key *hmac;
    uint8_t iv[CTR_IV_SIZE];
    uint8_t *out;
    size_t clear;
    size_t len; /* more than `clear` */
    uint8_t tag[CM_TAG_MADE];
    bool done; /* result */
};
/* Fewer are done faster one by one. */
#define CM_BATCH_MIN 8
/* Whether cm_protect works here, and is worth it. */
bool cm_batches(const struct srtp_engine *engine);
/* Encrypts and signs side by side. */
void cm_protect(struct srtp_engine *engine, struct cm_packet *packets, size_t count);

#endif
