#include "xmpp/query.h"

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool decode(struct slice raw, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int c = raw.data[i] == '+' ? ' ' : raw.data[i];
        if (c == '%' && i + 2 < raw.len && hex(raw.data[i + 1]) >= 0 && hex(raw.data[i + 2]) >= 0) {
            c = hex(raw.data[i + 1]) * 16 + hex(raw.data[i + 2]);
            i += 2;
        }
        if (c == 0 || len + 1 >= size)
            return false;
        out[len++] = (char)c;
    }
    out[len] = 0;
    return true;
}

bool query_get(struct slice query, const char *name, char *out, size_t size)
{
    while (query.len > 0) {
        struct slice value = slice_cut(&query, '&');
        struct slice key = slice_cut(&value, '=');
        if (!slice_eq_str(key, name))
            continue;
        if (decode(value, out, size))
            return true;
        break;
    }
    out[0] = 0;
    return false;
}
