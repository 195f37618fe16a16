#include "xmpp/ids.h"

static void from_alphabet(const struct ids *ids, const char *alphabet, unsigned size, char *out,
                          size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t byte;
        ids->fill(ids->arg, &byte, 1);
        if (byte >= 256 / size * size)
            continue; /* keeps every character as likely as the others */
        out[i++] = alphabet[byte % size];
    }
    out[len] = 0;
}

void ids_hex(const struct ids *ids, char *out, size_t len)
{
    from_alphabet(ids, "0123456789abcdef", 16, out, len);
}

void ids_alnum(const struct ids *ids, char *out, size_t len)
{
    from_alphabet(ids, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 62, out,
                  len);
}

void ids_uuid(const struct ids *ids, char out[37])
{
    ids_hex(ids, out, 36);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[14] = '4';
    static const char variants[] = "89ab";
    out[19] = variants[(out[19] >= 'a' ? out[19] - 'a' + 10 : out[19] - '0') & 3];
}

uint32_t ids_u32(const struct ids *ids)
{
    uint32_t value;
    ids->fill(ids->arg, &value, sizeof value);
    return value;
}
