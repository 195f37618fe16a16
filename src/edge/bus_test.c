#include "edge/bus.h"

#include <jansson.h>

#include "base/check.h"

static void fill(struct request *request)
{
    request_init(request);
    slice_copy(SLICE("POST"), request->method, sizeof request->method);
    buf_add_str(&request->target, "/a/b?c=d");
    fields_put(&request->fields, "host", "school.test:8080");
    fields_put(&request->fields, "cookie", "a=1");
    fields_put(&request->fields, "cookie", "b=2");
    fields_put(&request->fields, "connection", "close");
    fields_put(&request->fields, "x-forwarded-for", "9.9.9.9");
    fields_put(&request->fields, "x-latin", "\xe9");
    fields_put(&request->fields, "sec-websocket-protocol", "xmpp, other, bad one");
    fields_put(&request->fields, "origin", "http://school.test");
    assert_int_equal(request_finish(request), 0);
}

static void test_request(void **state)
{
    (void)state;
    struct request request;
    struct buf out;
    unsigned left_out = 0;
    const struct bus_client client = {.address = "192.0.2.1", .https = true, .deflate = true};
    fill(&request);
    buf_init(&out, 10000);
    assert_int_equal(bus_put_request(&request, &client, &out, &left_out), 0);
    assert_int_equal(left_out, 1);
    assert_int_equal(out.data[0] + 256 * out.data[1], out.len - 4);
    assert_true(slice_eq_str(
        slice_sub(buf_slice(&out), 4, SIZE_MAX),
        "{\"method\":\"POST\",\"headers\":{\"host\":\"school.test:8080\",\"cookie\":\"a=1; b=2\","
        "\"sec-websocket-protocol\":\"xmpp, other, bad one\",\"origin\":\"http://school.test\"},"
        "\"path\":\"/a/"
        "b\",\"query\":\"c=d\",\"host\":\"school.test:8080\",\"address\":\"192.0.2.1\","
        "\"https\":true}"));
    buf_clear(&out);
    assert_int_equal(bus_put_open(&request, &client, &out), 0);
    assert_true(slice_eq_str(
        buf_slice(&out),
        "{\"address\":\"192.0.2.1\",\"deflate\":true,\"protocols\":[\"xmpp\",\"other\"],"
        "\"path\":\"/a/b\",\"query\":\"c=d\",\"host\":\"school.test:8080\","
        "\"origin\":\"http://school.test\"}"));
    buf_done(&out);
    request_done(&request);
}

static int read(const char *head, const char *body, struct response *response,
                struct bus_response *ret)
{
    struct buf payload;
    buf_init(&payload, 10000);
    size_t len = strlen(head);
    const uint8_t length[4] = {(uint8_t)len, (uint8_t)(len >> 8)};
    buf_add(&payload, slice_of(length, 4));
    buf_add_str(&payload, head);
    buf_add_str(&payload, body);
    response_init(response);
    int err = bus_read_response(buf_slice(&payload), response, ret);
    buf_done(&payload);
    return err;
}

static void test_response(void **state)
{
    (void)state;
    struct response response;
    struct bus_response head;
    assert_int_equal(read("{\"status\":201,\"headers\":{\"Set-Cookie\":[\"a\",\"b\"],\"X\":\"y\","
                          "\"Content-Length\":\"7\",\"Connection\":\"close\"}}",
                          "body", &response, &head),
                     0);
    assert_int_equal(response.status, 201);
    assert_true(slice_eq_str(buf_slice(&response.fields.text),
                             "set-cookie: a\r\nset-cookie: b\r\nx: y\r\n"));
    assert_true(slice_eq_str(buf_slice(&response.body.data), "body"));
    assert_string_equal(head.file, "");
    response_done(&response);
    assert_int_equal(read("{\"status\":200,\"file\":\"a/b\"}", "", &response, &head), 0);
    assert_string_equal(head.file, "a/b");
    response_done(&response);
    const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"status\":99}",
        "{\"status\":\"200\"}",
        "{\"status\":600}",
        "{\"status\":200,\"headers\":{\"a b\":\"c\"}}",
        "{\"status\":200,\"headers\":{\"a\":7}}",
        "{\"status\":200,\"headers\":{\"a\":\"b\\r\\nc: d\"}}",
        "{\"status\":200,\"file\":7}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read(bad[i], "", &response, &head), ERR_FORMAT);
        response_done(&response);
    }
    response_init(&response);
    assert_int_equal(bus_read_response(SLICE("\x09\0\0"), &response, &head), ERR_FORMAT);
    assert_int_equal(bus_read_response(slice_of("\x09\0\0\0{}", 6), &response, &head), ERR_FORMAT);
    response_done(&response);
}

static void test_socket_frames(void **state)
{
    (void)state;
    char protocol[BUS_WORD_SIZE] = "", reason[128];
    unsigned number = 0;
    struct slice ids, text;
    assert_int_equal(bus_read_accept(SLICE("{\"protocol\":\"xmpp\"}"), protocol), 0);
    assert_string_equal(protocol, "xmpp");
    assert_int_equal(bus_read_accept(SLICE("{\"protocol\":null}"), protocol), 0);
    assert_int_equal(bus_read_accept(SLICE("{\"protocol\":\"a b\"}"), protocol), ERR_FORMAT);
    assert_int_equal(bus_read_accept(SLICE("no"), protocol), ERR_FORMAT);
    assert_int_equal(bus_read_refuse(SLICE("{\"status\":403}"), &number), 0);
    assert_int_equal(number, 403);
    assert_int_equal(bus_read_refuse(SLICE("{\"status\":200}"), &number), ERR_FORMAT);
    assert_int_equal(bus_read_close(SLICE("{\"code\":4000,\"reason\":\"x\"}"), &number, reason), 0);
    assert_int_equal(number, 4000);
    assert_string_equal(reason, "x");
    assert_int_equal(bus_read_close(SLICE("{}"), &number, reason), 0);
    assert_int_equal(number, 1005);
    struct slice many = slice_of("\2\0\0\0"
                                 "\1\0\0\0\0\0\0\0"
                                 "\xff\0\0\0\0\0\0\1"
                                 "text",
                                 24);
    assert_int_equal(bus_read_many(many, &ids, &text), 0);
    assert_int_equal(bus_id(ids, 0), 1);
    assert_true(bus_id(ids, 1) == 0x01000000000000ff);
    assert_true(slice_eq_str(text, "text"));
    assert_int_equal(bus_read_many(slice_sub(many, 0, 19), &ids, &text), ERR_FORMAT);
    assert_int_equal(bus_read_many(SLICE("\xff\xff\xff"), &ids, &text), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_socket_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
