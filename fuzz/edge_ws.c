/* WebSocket frames of a client: whole and torn they give the same events, within their bounds. The
 * first byte says how to tear and whether compression was agreed. */
#include <stdlib.h>

#include "edge/ws.h"

#define REQUIRE(what)                                                                              \
    if (!(what))                                                                                   \
    abort()

#define EVENTS_MAX 64

struct trace {
    uint64_t hash[EVENTS_MAX];
    size_t count;
    unsigned code;
};

static void feed(struct slice bytes, size_t step, struct deflate *engine, struct trace *trace)
{
    struct ws_reader reader;
    struct buf in;
    *trace = (struct trace){0};
    ws_reader_init(&reader, engine);
    buf_init(&in, bytes.len + 1);
    while (trace->code == 0) {
        buf_add(&in, slice_sub(bytes, 0, step));
        bool last = bytes.len == 0;
        bytes = slice_sub(bytes, step, SIZE_MAX);
        for (;;) {
            struct ws_result result = {0};
            size_t used = 0;
            int err = ws_reader_next(&reader, in.data, in.len, &used, &result);
            REQUIRE(used <= in.len);
            if (err == 0) {
                REQUIRE(result.payload.len <= WS_TEXT_MAX);
                REQUIRE(result.event == WS_EVENT_PING || result.event == WS_EVENT_PONG ||
                        ws_utf8_valid(result.payload));
                if (trace->count < EVENTS_MAX)
                    trace->hash[trace->count++] = slice_hash(result.payload, result.event);
            } else if (err == ERR_FORMAT) {
                REQUIRE(ws_code_valid(reader.code));
                trace->code = reader.code;
            }
            buf_consume(&in, used);
            if (err || in.len == 0)
                break;
        }
        if (last)
            break;
    }
    buf_done(&in);
    ws_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct deflate *engine;
    struct trace whole, torn;
    if (!engine)
        REQUIRE(deflate_new(&engine) == 0);
    if (size < 1)
        return 0;
    struct deflate *agreed = data[0] & 1 ? engine : NULL;
    struct slice bytes = slice_of(data + 1, size - 1);
    feed(bytes, SIZE_MAX, agreed, &whole);
    feed(bytes, (size_t)data[0] / 8 + 1, agreed, &torn);
    REQUIRE(whole.code == torn.code && whole.count == torn.count);
    REQUIRE(memcmp(whole.hash, torn.hash, sizeof whole.hash) == 0);
    (void)deflate_offered(bytes);
    return 0;
}
