#include "edge/route.h"

static size_t count_parts(struct slice path)
{
    size_t parts = 0;
    while (path.len > 0)
        parts += slice_cut(&path, '/').len > 0;
    return parts;
}

/* "/tenant/rest" as "/rest"; other paths stay as they are. */
static struct slice without_tenant(struct slice path)
{
    struct slice rest = slice_sub(path, 1, SIZE_MAX);
    struct slice tenant = slice_cut(&rest, '/');
    if (tenant.len == 0 || rest.len == 0)
        return path;
    return slice_of(rest.data - 1, rest.len + 1);
}

enum route route_of(struct slice path)
{
    struct slice inner = without_tenant(path);
    if (slice_starts(path, SLICE("/api/")))
        return ROUTE_WEB;
    /* /recordings and /recordings/ID are pages of the client; what lies deeper are files. */
    if (slice_starts(path, SLICE("/recordings/")))
        return count_parts(path) > 2 ? ROUTE_WEB : ROUTE_STATIC;
    if (slice_starts(path, SLICE("/colibri-ws/")))
        return ROUTE_BRIDGE;
    if (slice_eq_str(path, "/xmpp-websocket") || slice_eq_str(inner, "/xmpp-websocket"))
        return ROUTE_SOCKET;
    if (slice_eq_str(path, "/conference-request/v1") ||
        slice_eq_str(inner, "/conference-request/v1"))
        return ROUTE_SIGNAL;
    const char *const generated[] = {"/config.js", "/interface_config.js"};
    for (size_t i = 0; i < 2; i++)
        if (slice_eq_str(path, generated[i]) || slice_eq_str(inner, generated[i]))
            return ROUTE_WEB;
    if (slice_eq_str(path, "/jitsi") || slice_starts(path, SLICE("/jitsi/")))
        return ROUTE_JITSI;
    return ROUTE_STATIC;
}

bool route_is_hashed(struct slice path)
{
    return slice_starts(path, SLICE("/assets/"));
}

bool route_is_page(struct slice path)
{
    struct slice last = path;
    while (slice_index(path, '/') < path.len) {
        (void)slice_cut(&path, '/');
        last = path;
    }
    return slice_index(last, '.') == last.len;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (uint8_t)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(struct slice path, char *out, size_t size, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        int c = path.data[i];
        if (c == '%') {
            int high = i + 2 < path.len ? hex_digit(path.data[i + 1]) : -1;
            int low = i + 2 < path.len ? hex_digit(path.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_FORMAT;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || c == '\\')
            return ERR_FORMAT;
        if (len + 1 >= size)
            return ERR_LIMIT;
        out[len++] = (char)c;
    }
    out[len] = '\0';
    *ret_len = len;
    return 0;
}

int route_file_path(struct slice path, char *out, size_t size)
{
    size_t len = 0;
    if (path.len == 0 || path.data[0] != '/' || size == 0)
        return ERR_FORMAT;
    int err = decode(slice_sub(path, 1, SIZE_MAX), out, size, &len);
    if (err)
        return err;
    struct slice rest = slice_of(out, len);
    while (rest.len > 0) {
        struct slice part = slice_cut(&rest, '/');
        /* A dot in front hides: "." and "..", and files nobody meant to publish. */
        if (part.len == 0 || part.data[0] == '.')
            return ERR_FORMAT;
    }
    return 0;
}
