#include "crypto/hash.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define BLOCK_SIZE ((size_t)64) /* of SHA-1 and SHA-256 alike */

void hash_sha1(struct slice data, uint8_t out[HASH_SHA1_SIZE])
{
    if (EVP_Digest(data.data, data.len, out, NULL, EVP_sha1(), NULL) != 1)
        abort();
}

void hash_sha256(struct slice data, uint8_t out[HASH_SHA256_SIZE])
{
    if (EVP_Digest(data.data, data.len, out, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

/* One pass of the inner or outer hash: the padded key, then the pieces. */
static void pass(const EVP_MD *md, const uint8_t *pad, const struct slice *parts, size_t count,
                 uint8_t *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, md, NULL) != 1 ||
        EVP_DigestUpdate(ctx, pad, BLOCK_SIZE) != 1)
        abort();
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) != 1)
            abort();
    if (EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
}

/* HMAC by its definition: OpenSSL 3 fetches and allocates several times for its own HMAC, which
 * costs more than the two hashes of a STUN message. */
static void hmac(const EVP_MD *md, size_t digest_len, struct slice key, const struct slice *parts,
                 size_t count, uint8_t *out)
{
    uint8_t block[BLOCK_SIZE] = {0};
    if (key.len > BLOCK_SIZE) {
        if (EVP_Digest(key.data, key.len, block, NULL, md, NULL) != 1)
            abort();
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    uint8_t inner[EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] ^= 0x36;
    pass(md, block, parts, count, inner);
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] ^= 0x36 ^ 0x5c;
    struct slice once = slice_of(inner, digest_len);
    pass(md, block, &once, 1, out);
    hash_wipe(block, sizeof block);
    hash_wipe(inner, sizeof inner);
}

void hash_hmac_sha1(struct slice key, struct slice data, uint8_t out[HASH_SHA1_SIZE])
{
    hmac(EVP_sha1(), HASH_SHA1_SIZE, key, &data, 1, out);
}

void hash_hmac_sha1_parts(struct slice key, const struct slice *parts, size_t count,
                          uint8_t out[HASH_SHA1_SIZE])
{
    hmac(EVP_sha1(), HASH_SHA1_SIZE, key, parts, count, out);
}

void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[HASH_SHA256_SIZE])
{
    hmac(EVP_sha256(), HASH_SHA256_SIZE, key, &data, 1, out);
}

bool hash_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

void hash_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

void hash_sha1_base64(const uint8_t hash[HASH_SHA1_SIZE], char out[HASH_SHA1_BASE64_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t padded[HASH_SHA1_SIZE + 1] = {0};
    memcpy(padded, hash, HASH_SHA1_SIZE);
    for (size_t i = 0; i < sizeof padded / 3; i++) {
        const uint8_t *p = padded + i * 3;
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (size_t j = 0; j < 4; j++)
            out[i * 4 + j] = digits[v >> (18 - 6 * j) & 63];
    }
    out[HASH_SHA1_BASE64_SIZE - 2] = '='; /* twenty bytes are a digit less than seven groups */
    out[HASH_SHA1_BASE64_SIZE - 1] = 0;
}

void hash_hex(struct slice data, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.len; i++) {
        out[2 * i] = digits[data.data[i] >> 4];
        out[2 * i + 1] = digits[data.data[i] & 15];
    }
    out[2 * data.len] = '\0';
}
