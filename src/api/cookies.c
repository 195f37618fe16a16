#include "api/cookies.h"

struct slice cookie_find(struct slice header, const char *name)
{
    while (header.len > 0) {
        struct slice value = slice_cut(&header, ';');
        bool pair = slice_index(value, '=') < value.len;
        struct slice key = slice_cut(&value, '=');
        if (!pair || !slice_eq_str(slice_trim(key), name))
            continue;
        value = slice_trim(value);
        if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = slice_sub(value, 1, value.len - 2);
        return value;
    }
    return slice_of(NULL, 0);
}

void cookie_build(struct buf *out, const char *name, const char *value, long max_age, bool secure)
{
    buf_printf(out, "%s=%s; Path=/; Max-Age=%ld; HttpOnly; SameSite=Lax%s", name, value, max_age,
               secure ? "; Secure" : "");
}
