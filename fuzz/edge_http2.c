/* HTTP/2 frames behind a proper preface: every stream that begins also ends, and answers go out. */
#include <stdlib.h>

#include "edge/http2.h"

#define REQUIRE(what)                                                                              \
    if (!(what))                                                                                   \
    abort()

struct side {
    struct http2 *http2;
    struct list open;
};

static struct exchange *on_begin(void *arg, int32_t stream)
{
    struct side *side = arg;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    REQUIRE(exchange);
    exchange->stream = stream;
    request_init(&exchange->request);
    response_init(&exchange->response);
    list_append(&side->open, &exchange->node);
    return exchange;
}

static void on_request(void *arg, struct exchange *exchange)
{
    struct side *side = arg;
    REQUIRE(!exchange->answered);
    response_text(&exchange->response, exchange->early ? exchange->early : 200, "answer");
    REQUIRE(http2_respond(side->http2, exchange, "now") == 0);
}

static void on_end(void *arg, struct exchange *exchange)
{
    (void)arg;
    list_remove(&exchange->node);
    request_done(&exchange->request);
    response_done(&exchange->response);
    free(exchange);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct side side = {0};
    const struct http2_handler handler = {on_begin, on_request, on_end, &side};
    struct buf out;
    buf_init(&out, 1 << 20);
    list_init(&side.open);
    REQUIRE(http2_new(&handler, &side.http2) == 0);
    int err = http2_input(side.http2, slice_of(PREFACE, sizeof PREFACE - 1));
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
    for (size_t at = 1; err == 0 && at < size; at += step) {
        err = http2_input(side.http2, slice_sub(slice_of(data, size), at, step));
        buf_clear(&out);
        if (http2_output(side.http2, &out, 65536) < 0)
            break;
    }
    http2_free(&side.http2);
    LIST_EACH(node, &side.open)
    on_end(&side, LIST_ITEM(node, struct exchange, node));
    buf_done(&out);
    return 0;
}
