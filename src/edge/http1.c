#include "edge/http1.h"

#include <http_parser.h>
#include <stdlib.h>

struct http1 {
    http_parser parser;
    struct request *request; /* only while input runs */
    struct buf name;         /* the field being read */
    struct buf value;
    bool in_value;
    bool head_done;
    bool started;
    bool complete;
    bool keeps;
    bool upgrades;
    bool wants_continue;
    unsigned status;
    size_t head_len;
};

/* Not 1: from on_head that would mean "there is no body". */
static int fail(struct http1 *http1, unsigned status)
{
    http1->status = status;
    return -1;
}

static int err_status(int err)
{
    return err == ERR_LIMIT ? 431 : 400;
}

static int flush_field(struct http1 *http1)
{
    if (!http1->in_value)
        return 0;
    int err =
        fields_add(&http1->request->fields, buf_slice(&http1->name), buf_slice(&http1->value));
    http1->in_value = false;
    buf_clear(&http1->name);
    buf_clear(&http1->value);
    return err ? fail(http1, (unsigned)err_status(err)) : 0;
}

static int count_head(struct http1 *http1, size_t len, unsigned status)
{
    http1->head_len += len;
    return http1->head_len > REQUEST_HEAD_MAX ? fail(http1, status) : 0;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct http1 *http1 = parser->data;
    buf_add(&http1->request->target, slice_of(at, len));
    if (http1->request->target.failed)
        return fail(http1, 414);
    return count_head(http1, len, 414);
}

/* Behind the body come trailers: read, bounded, and dropped; nothing here asks for them. */
static int on_name(http_parser *parser, const char *at, size_t len)
{
    struct http1 *http1 = parser->data;
    if (http1->head_done)
        return count_head(http1, len, 431);
    if (flush_field(http1))
        return -1;
    buf_add(&http1->name, slice_of(at, len));
    return count_head(http1, len, 431);
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct http1 *http1 = parser->data;
    if (http1->head_done)
        return count_head(http1, len, 431);
    http1->in_value = true;
    buf_add(&http1->value, slice_of(at, len));
    return count_head(http1, len, 431);
}

static int on_head(http_parser *parser)
{
    struct http1 *http1 = parser->data;
    struct request *request = http1->request;
    if (flush_field(http1))
        return -1;
    http1->head_done = true;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return fail(http1, 505);
    slice_copy(slice_str(http_method_str((enum http_method)parser->method)), request->method,
               sizeof request->method);
    http1->keeps = http_should_keep_alive(parser) != 0;
    if (parser->http_minor == 0 && fields_count(&request->fields, "host") == 0)
        fields_put(&request->fields, "host", "");
    unsigned status = request_finish(request);
    if (status)
        return fail(http1, status);
    if ((parser->flags & F_CONTENTLENGTH) && parser->content_length > REQUEST_BODY_MAX)
        return fail(http1, 413);
    struct slice expect = fields_get(&request->fields, "expect");
    http1->wants_continue =
        parser->http_minor > 0 && slice_eq_nocase(expect, SLICE("100-continue"));
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct http1 *http1 = parser->data;
    buf_add(&http1->request->body, slice_of(at, len));
    http1->wants_continue = false;
    return http1->request->body.failed ? fail(http1, 413) : 0;
}

static int on_complete(http_parser *parser)
{
    struct http1 *http1 = parser->data;
    http1->complete = true;
    http1->wants_continue = false;
    http1->upgrades = parser->upgrade;
    /* Stops right behind this request: what follows waits for its answer. */
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings SETTINGS = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

int http1_new(struct http1 **ret_http1)
{
    struct http1 *http1 = calloc(1, sizeof *http1);
    if (!http1)
        return ERR_MEMORY;
    buf_init(&http1->name, REQUEST_HEAD_MAX);
    buf_init(&http1->value, REQUEST_HEAD_MAX);
    http1_next(http1);
    *ret_http1 = http1;
    return 0;
}

void http1_free(struct http1 **http1)
{
    if (!*http1)
        return;
    buf_done(&(*http1)->name);
    buf_done(&(*http1)->value);
    free(*http1);
    *http1 = NULL;
}

void http1_next(struct http1 *http1)
{
    http_parser_init(&http1->parser, HTTP_REQUEST);
    http1->parser.data = http1;
    buf_clear(&http1->name);
    buf_clear(&http1->value);
    http1->in_value = http1->head_done = http1->started = http1->complete = http1->keeps =
        http1->upgrades = http1->wants_continue = false;
    http1->status = 0;
    http1->head_len = 0;
}

static unsigned parser_status(enum http_errno err)
{
    switch (err) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_INVALID_METHOD:
        return 501;
    default:
        return 400;
    }
}

int http1_input(struct http1 *http1, struct slice bytes, struct request *request, size_t *ret_used)
{
    *ret_used = 0;
    if (http1->status)
        return ERR_FORMAT;
    if (bytes.len == 0)
        return ERR_AGAIN;
    http1->started = true;
    http1->request = request;
    *ret_used = http_parser_execute(&http1->parser, &SETTINGS, (const char *)bytes.data, bytes.len);
    http1->request = NULL;
    enum http_errno err = HTTP_PARSER_ERRNO(&http1->parser);
    if (http1->complete)
        return 0;
    if (err == HPE_OK)
        return ERR_AGAIN;
    if (!http1->status)
        http1->status = parser_status(err);
    return ERR_FORMAT;
}

unsigned http1_status(const struct http1 *http1)
{
    return http1->status;
}

bool http1_started(const struct http1 *http1)
{
    return http1->started;
}

bool http1_wants_continue(struct http1 *http1)
{
    bool wants = http1->wants_continue;
    http1->wants_continue = false;
    return wants;
}

bool http1_keeps(const struct http1 *http1)
{
    return http1->complete && http1->keeps;
}

bool http1_upgrades(const struct http1 *http1)
{
    return http1->upgrades;
}

void http1_put_head(struct buf *out, const struct response *response, const char *date, bool keep)
{
    buf_printf(out, "HTTP/1.1 %u %s\r\ndate: %s\r\n", response->status,
               response_phrase(response->status), date);
    buf_add(out, buf_slice(&response->fields.text));
    if (response_has_length(response->status))
        buf_printf(out, "content-length: %llu\r\n", (unsigned long long)body_left(&response->body));
    buf_add_str(out, keep ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n");
}
