#include "crypto/secret.h"

#include "crypto/hash.h"

void secret_hash_text(struct slice secret, char ret_text[SECRET_HASH_TEXT])
{
    uint8_t hash[HASH_SHA256_SIZE];
    hash_sha256(secret, hash);
    hash_hex(slice_of(hash, sizeof hash), ret_text);
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int secret_from_hex(struct slice hex, uint8_t *out, size_t size, size_t *ret_len)
{
    if (hex.len % 2)
        return ERR_FORMAT;
    if (hex.len / 2 > size)
        return ERR_LIMIT;
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = nibble(hex.data[i]);
        int low = nibble(hex.data[i + 1]);
        if (high < 0 || low < 0)
            return ERR_FORMAT;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret_len = hex.len / 2;
    return 0;
}
