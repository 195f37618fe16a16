#include "xmpp/jid.h"

struct slice jid_bare(struct slice text)
{
    return slice_sub(text, 0, slice_index(text, '/'));
}

struct jid jid_split(struct slice text)
{
    struct jid jid = {.domain = jid_bare(text)};
    jid.resource = slice_sub(text, jid.domain.len + 1, text.len);
    size_t at = slice_index(jid.domain, '@');
    if (at < jid.domain.len) {
        jid.node = slice_sub(jid.domain, 0, at);
        jid.domain = slice_sub(jid.domain, at + 1, jid.domain.len);
    }
    return jid;
}

bool jid_lower(struct slice text, char *out, size_t size)
{
    if (!slice_copy(text, out, size))
        return false;
    for (; *out; out++)
        if (*out >= 'A' && *out <= 'Z')
            *out = (char)(*out - 'A' + 'a');
    return true;
}
