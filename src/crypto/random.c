#include "crypto/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/slice.h"
#include "crypto/hash.h"

void random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        at += n;
        len -= (size_t)n;
    }
}

uint32_t random_u32(void)
{
    uint32_t v;
    random_bytes(&v, sizeof v);
    return v;
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v;
}

void random_hex(char *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    random_bytes(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[(uint8_t)out[i] & 15];
    out[len] = '\0';
}

void random_alnum(char *out, size_t len)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const unsigned count = sizeof letters - 1;
    uint8_t bytes[64];
    size_t have = 0;
    for (size_t i = 0; i < len;) {
        if (have == 0) {
            random_bytes(bytes, sizeof bytes);
            have = sizeof bytes;
        }
        unsigned v = bytes[--have];
        /* Values above the last whole multiple would favour the first letters. */
        if (v < 256 / count * count)
            out[i++] = letters[v % count];
    }
    out[len] = '\0';
    hash_wipe(bytes, sizeof bytes);
}

void random_uuid(char *out)
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char hex[33];
    hash_hex(slice_of(bytes, sizeof bytes), hex);
    size_t at = 0;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[at++] = '-';
        out[at++] = hex[i];
    }
    out[at] = '\0';
}
