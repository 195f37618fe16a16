/* Requests of HTTP/1.1: whole and torn at any place they mean the same, and stay within their
 * bounds. The first byte says how to tear. */
#include <stdlib.h>

#include "edge/bus.h"
#include "edge/http1.h"
#include "edge/route.h"
#include "edge/ws.h"

#define REQUIRE(what)                                                                              \
    if (!(what))                                                                                   \
    abort()

struct outcome {
    int err;
    unsigned status;
    struct request request;
};

static void feed(struct slice bytes, size_t step, struct outcome *outcome)
{
    struct http1 *http1 = NULL;
    request_init(&outcome->request);
    REQUIRE(http1_new(&http1) == 0);
    outcome->err = ERR_AGAIN;
    while (outcome->err == ERR_AGAIN && bytes.len > 0) {
        size_t used = 0;
        struct slice part = slice_sub(bytes, 0, step);
        outcome->err = http1_input(http1, part, &outcome->request, &used);
        REQUIRE(used <= part.len);
        if (outcome->err == ERR_AGAIN)
            REQUIRE(used == part.len);
        bytes = slice_sub(bytes, used, SIZE_MAX);
    }
    outcome->status = http1_status(http1);
    REQUIRE((outcome->err == ERR_FORMAT) == (outcome->status != 0));
    http1_free(&http1);
}

static void use(struct request *request)
{
    const struct bus_client client = {.address = "192.0.2.1"};
    struct buf out;
    char name[512];
    unsigned left_out = 0;
    buf_init(&out, 1 << 20);
    REQUIRE(request->path.len > 0 && request->path.data[0] == '/');
    (void)route_of(request->path);
    if (route_file_path(request->path, name, sizeof name) == 0)
        REQUIRE(name[0] != '/' && name[0] != '.' && !strstr(name, "/../") && !strstr(name, "//"));
    if (ws_check_handshake(&request->fields) == 0) {
        char accept[WS_ACCEPT_SIZE];
        ws_accept(fields_get(&request->fields, "sec-websocket-key"), accept);
        (void)deflate_offered(fields_get(&request->fields, "sec-websocket-extensions"));
        if (bus_put_open(request, &client, &out) < 0)
            buf_clear(&out);
    }
    buf_clear(&out);
    if (bus_put_request(request, &client, &out, &left_out) == 0)
        REQUIRE(out.len > 4);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, torn;
    if (size < 1)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    feed(bytes, SIZE_MAX, &whole);
    feed(bytes, (size_t)data[0] % 64 + 1, &torn);
    REQUIRE(whole.err == torn.err);
    if (whole.err == 0) {
        REQUIRE(slice_eq(buf_slice(&whole.request.target), buf_slice(&torn.request.target)));
        REQUIRE(slice_eq(buf_slice(&whole.request.body), buf_slice(&torn.request.body)));
        REQUIRE(
            slice_eq(buf_slice(&whole.request.fields.text), buf_slice(&torn.request.fields.text)));
        use(&whole.request);
    }
    request_done(&whole.request);
    request_done(&torn.request);
    return 0;
}
