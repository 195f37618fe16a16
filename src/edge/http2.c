#include "edge/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW (256 * 1024)

struct http2 {
    nghttp2_session *session;
    struct http2_handler handler;
    size_t held; /* bytes of request bodies */
};

static struct exchange *find(struct http2 *http2, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(http2->session, stream);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *http2 = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct exchange *exchange = http2->handler.begin(http2->handler.arg, frame->hd.stream_id);
    if (!exchange)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static void refuse(struct exchange *exchange, unsigned status)
{
    if (!exchange->early)
        exchange->early = status;
}

static void take_pseudo(struct exchange *exchange, struct slice name, struct slice value)
{
    struct request *request = &exchange->request;
    if (slice_eq_str(name, ":method")) {
        if (!slice_copy(value, request->method, sizeof request->method))
            refuse(exchange, 501);
    } else if (slice_eq_str(name, ":path")) {
        buf_add(&request->target, value);
        if (request->target.failed)
            refuse(exchange, 414);
    } else if (slice_eq_str(name, ":authority")) {
        if (fields_add(&request->fields, SLICE("host"), value) < 0)
            refuse(exchange, 400);
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)session;
    (void)flags;
    struct http2 *http2 = arg;
    struct exchange *exchange = find(http2, frame->hd.stream_id);
    if (!exchange || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct slice field = slice_of(name, name_len), text = slice_of(value, value_len);
    if (name_len > 0 && name[0] == ':') {
        take_pseudo(exchange, field, text);
        return 0;
    }
    /* :authority counts; a Host field beside it says the same or is a trick. */
    if (slice_eq_str(field, "host") && fields_count(&exchange->request.fields, "host") > 0) {
        if (!slice_eq(fields_get(&exchange->request.fields, "host"), text))
            refuse(exchange, 400);
        return 0;
    }
    int err = fields_add(&exchange->request.fields, field, text);
    if (err)
        refuse(exchange, err == ERR_LIMIT ? 431 : 400);
    return 0;
}

static void deliver(struct http2 *http2, struct exchange *exchange)
{
    http2->handler.request(http2->handler.arg, exchange);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *arg)
{
    (void)session;
    (void)flags;
    struct http2 *http2 = arg;
    struct exchange *exchange = find(http2, stream);
    if (!exchange || exchange->early || exchange->answered)
        return 0;
    size_t before = exchange->request.body.len;
    if (http2->held + len > HTTP2_BODIES_MAX)
        refuse(exchange, 503);
    else
        buf_add(&exchange->request.body, slice_of(data, len));
    http2->held += exchange->request.body.len - before;
    if (exchange->request.body.failed)
        refuse(exchange, 413);
    /* Said at once: the rest of the body need not come. */
    if (exchange->early)
        deliver(http2, exchange);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct http2 *http2 = arg;
    struct exchange *exchange = find(http2, frame->hd.stream_id);
    if (!exchange || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        unsigned status = request_finish(&exchange->request);
        if (status)
            refuse(exchange, status);
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        exchange->complete = true;
        if (!exchange->answered)
            deliver(http2, exchange);
    }
    return 0;
}

/* The whole answer is out while the request still comes in: the rest is not wanted (RFC 9113,
 * section 8.1). */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *http2 = arg;
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
                (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    struct exchange *exchange = last ? find(http2, frame->hd.stream_id) : NULL;
    if (exchange && !exchange->complete)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    (void)code;
    struct http2 *http2 = arg;
    struct exchange *exchange = find(http2, stream);
    if (!exchange)
        return 0;
    http2->held -= exchange->request.body.len;
    (void)nghttp2_session_set_stream_user_data(session, stream, NULL); /* the stream is there */
    http2->handler.end(http2->handler.arg, exchange);
    return 0;
}

static int make_session(struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return ERR_MEMORY;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int err = nghttp2_session_server_new(&http2->session, callbacks, http2);
    nghttp2_session_callbacks_del(callbacks);
    return err ? ERR_MEMORY : 0;
}

int http2_new(const struct http2_handler *handler, struct http2 **ret_http2)
{
    static const nghttp2_settings_entry SETTINGS[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, REQUEST_HEAD_MAX},
    };
    struct http2 *http2 = calloc(1, sizeof *http2);
    if (!http2)
        return ERR_MEMORY;
    http2->handler = *handler;
    int err = make_session(http2);
    if (!err && nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, SETTINGS,
                                        ARRAY_LEN(SETTINGS)) != 0)
        err = ERR_MEMORY;
    if (err) {
        http2_free(&http2);
        return err;
    }
    *ret_http2 = http2;
    return 0;
}

void http2_free(struct http2 **http2)
{
    if (!*http2)
        return;
    nghttp2_session_del((*http2)->session);
    free(*http2);
    *http2 = NULL;
}

int http2_input(struct http2 *http2, struct slice bytes)
{
    ssize_t used = nghttp2_session_mem_recv(http2->session, bytes.data, bytes.len);
    return used == (ssize_t)bytes.len ? 0 : ERR_FORMAT;
}

int http2_output(struct http2 *http2, struct buf *out, size_t limit)
{
    while (out->len < limit) {
        const uint8_t *data = NULL;
        ssize_t len = nghttp2_session_mem_send(http2->session, &data);
        if (len < 0)
            return ERR_FORMAT;
        if (len == 0)
            return 0;
        buf_add(out, slice_of(data, (size_t)len));
        if (out->failed)
            return ERR_LIMIT;
    }
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)stream;
    (void)arg;
    struct exchange *exchange = source->ptr;
    size_t len = 0;
    if (body_read(&exchange->response.body, out, size, &len) < 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (body_left(&exchange->response.body) == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static void put(nghttp2_nv *nv, struct slice name, struct slice value)
{
    /* Both are copied by nghttp2; its type lacks a const. */
    *nv = (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                       value.len, NGHTTP2_NV_FLAG_NONE};
}

int http2_respond(struct http2 *http2, struct exchange *exchange, const char *date)
{
    const struct response *response = &exchange->response;
    nghttp2_nv nv[FIELDS_COUNT_MAX + 3];
    char status[16], length[24];
    size_t count = 0;
    uint64_t left = body_left(&response->body);
    (void)snprintf(status, sizeof status, "%u", response->status); /* three digits fit */
    put(&nv[count++], SLICE(":status"), slice_str(status));
    put(&nv[count++], SLICE("date"), slice_str(date));
    struct slice name, value;
    for (size_t at = 0; fields_next(&response->fields, &at, &name, &value);)
        put(&nv[count++], name, value);
    if (response_has_length(response->status)) {
        (void)snprintf(length, sizeof length, "%llu", (unsigned long long)left); /* 20 digits fit */
        put(&nv[count++], SLICE("content-length"), slice_str(length));
    }
    nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = on_read};
    bool send = left > 0 && !response->no_body && response_has_length(response->status);
    exchange->answered = true;
    return nghttp2_submit_response(http2->session, exchange->stream, nv, count,
                                   send ? &provider : NULL) == 0
               ? 0
               : ERR_MEMORY;
}

void http2_reset(struct http2 *http2, struct exchange *exchange)
{
    /* Out of memory: the stream ends with its connection instead. */
    (void)nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, exchange->stream,
                                    NGHTTP2_INTERNAL_ERROR);
}

void http2_shutdown(struct http2 *http2)
{
    (void)nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR); /* as above */
}

bool http2_alive(const struct http2 *http2)
{
    return nghttp2_session_want_read(http2->session) || nghttp2_session_want_write(http2->session);
}

bool http2_has_output(const struct http2 *http2)
{
    return nghttp2_session_want_write(http2->session) != 0;
}
