#include "edge/request.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Memory above this is given back between requests. */
#define KEEP_SIZE 8192
/* The disk is asked for so much ahead of what is being sent. */
#define AHEAD ((uint64_t)(1024 * 1024))

void request_init(struct request *request)
{
    *request = (struct request){0};
    buf_init(&request->target, REQUEST_TARGET_MAX);
    buf_init(&request->body, REQUEST_BODY_MAX);
    fields_init(&request->fields, REQUEST_HEAD_MAX);
}

void request_done(struct request *request)
{
    buf_done(&request->target);
    buf_done(&request->body);
    fields_done(&request->fields);
}

static void empty(struct buf *buf)
{
    if (buf->cap > KEEP_SIZE)
        buf_done(buf);
    buf_clear(buf);
}

void request_clear(struct request *request)
{
    empty(&request->target);
    empty(&request->body);
    empty(&request->fields.text);
    request->fields.count = 0;
    request->method[0] = '\0';
    request->path = request->query = (struct slice){0};
}

bool request_is(const struct request *request, const char *method)
{
    return slice_eq_str(slice_str(request->method), method);
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= 0x20 || s.data[i] >= 0x7f)
            return false;
    return true;
}

/* "/a/../b" and its like: a browser never sends them. */
static bool has_dot_part(struct slice path)
{
    while (path.len > 0) {
        struct slice part = slice_cut(&path, '/');
        if (slice_eq_str(part, ".") || slice_eq_str(part, ".."))
            return true;
    }
    return false;
}

/* RFC 9112, section 3.2.2: "http://host/path", as a proxy is asked; the host in it is not ours to
 * judge, the Host field stays what counts. */
static void strip_authority(struct request *request)
{
    struct slice target = buf_slice(&request->target);
    size_t skip = slice_starts(target, SLICE("http://"))    ? 7
                  : slice_starts(target, SLICE("https://")) ? 8
                                                            : 0;
    if (skip == 0)
        return;
    struct slice rest = slice_sub(target, skip, SIZE_MAX);
    size_t slash = slice_index(rest, '/');
    if (slash < rest.len)
        buf_consume(&request->target, skip + slash);
}

unsigned request_finish(struct request *request)
{
    strip_authority(request);
    struct slice target = buf_slice(&request->target);
    if (request_is(request, "CONNECT") || request_is(request, "TRACE"))
        return 405;
    if (fields_count(&request->fields, "host") != 1)
        return 400;
    if (target.len == 0 || target.data[0] != '/' || !is_printable(target))
        return 400;
    request->query = target;
    request->path = slice_cut(&request->query, '?');
    struct slice fragment = request->query;
    if (slice_index(request->path, '#') < request->path.len ||
        slice_index(fragment, '#') < fragment.len || has_dot_part(request->path))
        return 400;
    return 0;
}

struct slice request_host(const struct request *request)
{
    struct slice host = fields_get(&request->fields, "host");
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
        if (!good)
            return (struct slice){0};
    }
    return host.len <= 255 ? host : (struct slice){0};
}

void response_init(struct response *response)
{
    *response = (struct response){.body.fd = -1};
    fields_init(&response->fields, REQUEST_HEAD_MAX);
    buf_init(&response->body.data, RESPONSE_BODY_MAX);
}

void response_done(struct response *response)
{
    fields_done(&response->fields);
    buf_done(&response->body.data);
    if (response->body.fd >= 0)
        close(response->body.fd);
    response->body.fd = -1;
}

uint64_t body_left(const struct body *body)
{
    return body->data.len - body->at + body->left;
}

void body_prefetch(const struct body *body, uint64_t skip)
{
    /* Only a hint: without it a read may wait for the disk. */
    (void)posix_fadvise(body->fd, (off_t)(body->from + skip), (off_t)(2 * AHEAD),
                        POSIX_FADV_WILLNEED);
}

int body_read(struct body *body, void *out, size_t size, size_t *ret_len)
{
    if (body->at < body->data.len) {
        struct slice part = slice_sub(buf_slice(&body->data), body->at, size);
        memcpy(out, part.data, part.len);
        body->at += part.len;
        *ret_len = part.len;
        return 0;
    }
    if (size > body->left)
        size = (size_t)body->left;
    if (size == 0) {
        *ret_len = 0;
        return 0;
    }
    ssize_t got = pread(body->fd, out, size, (off_t)body->from);
    if (got < 0 && errno == EINTR)
        return body_read(body, out, size, ret_len);
    if (got <= 0)
        return ERR_IO;
    if (body->from / AHEAD != (body->from + (uint64_t)got) / AHEAD)
        body_prefetch(body, (uint64_t)got);
    body->from += (uint64_t)got;
    body->left -= (uint64_t)got;
    *ret_len = (size_t)got;
    return 0;
}

bool response_has_length(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

static const struct {
    unsigned status;
    const char *phrase;
} PHRASES[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *response_phrase(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(PHRASES); i++)
        if (PHRASES[i].status == status)
            return PHRASES[i].phrase;
    return "Unknown";
}

void response_text(struct response *response, unsigned status, const char *text)
{
    response->status = status;
    if (!fields_get(&response->fields, "content-type").data)
        fields_put(&response->fields, "content-type", "text/plain; charset=utf-8");
    buf_clear(&response->body.data);
    buf_add_str(&response->body.data, text);
    response->body.at = 0;
}
