#include "edge/http1.h"

#include "base/check.h"

struct fixture {
    struct http1 *http1;
    struct request request;
    size_t used;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_int_equal(http1_new(&f->http1), 0);
    request_init(&f->request);
}

static void end(struct fixture *f)
{
    http1_free(&f->http1);
    request_done(&f->request);
}

/* The status that a head is answered with; 0: it is taken. */
static unsigned judge(const char *text)
{
    struct fixture f;
    begin(&f);
    int err = http1_input(f.http1, slice_str(text), &f.request, &f.used);
    unsigned status = err == ERR_FORMAT ? http1_status(f.http1) : err == ERR_AGAIN ? 1 : 0;
    end(&f);
    return status;
}

static void test_request(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct slice text = SLICE("POST /a/b?c=d HTTP/1.1\r\nHost: x.test\r\nX-Y: 1\r\nx-y: 2\r\n"
                              "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n");
    assert_false(http1_started(f.http1));
    assert_int_equal(http1_input(f.http1, text, &f.request, &f.used), 0);
    assert_int_equal(f.used, text.len - strlen("GET / HTTP/1.1\r\n"));
    assert_string_equal(f.request.method, "POST");
    assert_true(slice_eq_str(f.request.path, "/a/b"));
    assert_true(slice_eq_str(f.request.query, "c=d"));
    assert_true(slice_eq_str(request_host(&f.request), "x.test"));
    assert_int_equal(fields_count(&f.request.fields, "x-y"), 2);
    assert_true(slice_eq_str(buf_slice(&f.request.body), "hello"));
    assert_true(http1_keeps(f.http1));
    assert_false(http1_upgrades(f.http1));
    end(&f);
}

static void test_torn(void **state)
{
    (void)state;
    struct slice text = SLICE("PUT http://y.test/long/path?q HTTP/1.1\r\nHost: x.test\r\n"
                              "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                              "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: no\r\n\r\n");
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < text.len; i++) {
        int err = http1_input(f.http1, slice_sub(text, i, 1), &f.request, &f.used);
        assert_int_equal(err, i + 1 < text.len ? ERR_AGAIN : 0);
        assert_int_equal(f.used, 1);
    }
    assert_true(slice_eq_str(f.request.path, "/long/path"));
    assert_true(slice_eq_str(f.request.query, "q"));
    assert_true(slice_eq_str(buf_slice(&f.request.body), "abcde"));
    assert_null(fields_get(&f.request.fields, "trailer").data);
    assert_false(http1_keeps(f.http1));
    end(&f);
}

static void test_next(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct slice text = SLICE("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
    assert_int_equal(http1_input(f.http1, text, &f.request, &f.used), 0);
    assert_true(slice_eq_str(f.request.path, "/1"));
    assert_true(http1_keeps(f.http1));
    text = slice_sub(text, f.used, SIZE_MAX);
    http1_next(f.http1);
    request_clear(&f.request);
    assert_int_equal(http1_input(f.http1, text, &f.request, &f.used), 0);
    assert_true(slice_eq_str(f.request.path, "/2"));
    assert_false(http1_keeps(f.http1));
    end(&f);
}

static void test_continue_and_upgrade(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct slice text = SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                              "Expect: 100-continue\r\n\r\n");
    assert_int_equal(http1_input(f.http1, text, &f.request, &f.used), ERR_AGAIN);
    assert_true(http1_wants_continue(f.http1));
    assert_false(http1_wants_continue(f.http1));
    assert_int_equal(http1_input(f.http1, SLICE("a"), &f.request, &f.used), 0);
    end(&f);
    begin(&f);
    text =
        SLICE("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81");
    assert_int_equal(http1_input(f.http1, text, &f.request, &f.used), 0);
    assert_true(http1_upgrades(f.http1));
    assert_int_equal(f.used, text.len - 1);
    end(&f);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(judge("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    assert_int_equal(judge("GET / HTTP/1.1\r\nHost: x\r\n"), 1);
    assert_int_equal(judge("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(judge("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), 400);
    assert_int_equal(judge("GET /../etc HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_int_equal(judge("GET /a/./b HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_int_equal(judge("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
    assert_int_equal(judge("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(judge("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(judge("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
    assert_int_equal(judge("GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505);
    assert_int_equal(judge("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 501);
    assert_int_equal(judge("\x16\x03\x01\x02"), 501);
    assert_int_equal(judge("GET / HTTP/1.1\r\nHost: x\r\nbad name: y\r\n\r\n"), 400);
    assert_int_equal(judge("GET / HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
    assert_int_equal(judge("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                     400);
    assert_int_equal(judge("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                           "Content-Length: 2\r\n\r\nab"),
                     400);
    assert_int_equal(judge("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), 400);
    assert_int_equal(judge("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"), 413);
    assert_int_equal(judge("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "ffffffffffffffff\r\n"),
                     400);
}

static void test_bounds(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 22);
    buf_add_str(&text, "GET /");
    for (size_t i = 0; i < REQUEST_TARGET_MAX; i++)
        buf_add_byte(&text, 'a');
    buf_add_str(&text, " HTTP/1.1\r\nHost: x\r\n\r\n");
    buf_add_byte(&text, '\0');
    assert_int_equal(judge((const char *)text.data), 414);
    buf_clear(&text);
    buf_add_str(&text, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < FIELDS_COUNT_MAX; i++)
        buf_printf(&text, "a%d: b\r\n", i);
    buf_add_str(&text, "\r\n");
    buf_add_byte(&text, '\0');
    assert_int_equal(judge((const char *)text.data), 431);
    buf_clear(&text);
    buf_add_str(&text, "GET / HTTP/1.1\r\nHost: x\r\nbig: ");
    for (size_t i = 0; i < REQUEST_HEAD_MAX; i++)
        buf_add_byte(&text, 'a');
    buf_add_byte(&text, '\0');
    assert_int_equal(judge((const char *)text.data), 431);
    /* chunks whose sum is too much */
    buf_clear(&text);
    buf_add_str(&text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int chunk = 0; chunk < 17; chunk++) {
        buf_add_str(&text, "10000\r\n");
        for (int i = 0; i < 0x10000; i++)
            buf_add_byte(&text, 'a');
        buf_add_str(&text, "\r\n");
    }
    buf_add_byte(&text, '\0');
    assert_int_equal(judge((const char *)text.data), 413);
    /* trailers are counted too */
    buf_clear(&text);
    buf_add_str(&text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    for (int i = 0; i < 5000; i++)
        buf_add_str(&text, "abcdef: ghijkl\r\n");
    buf_add_byte(&text, '\0');
    assert_int_equal(judge((const char *)text.data), 431);
    buf_done(&text);
}

static void test_head_out(void **state)
{
    (void)state;
    struct response response;
    struct buf out;
    response_init(&response);
    buf_init(&out, 1000);
    fields_put(&response.fields, "x-y", "z");
    response_text(&response, 404, "no\n");
    http1_put_head(&out, &response, "now", true);
    assert_true(slice_eq_str(buf_slice(&out),
                             "HTTP/1.1 404 Not Found\r\ndate: now\r\nx-y: z\r\n"
                             "content-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n"
                             "connection: keep-alive\r\n\r\n"));
    buf_clear(&out);
    response.status = 304;
    http1_put_head(&out, &response, "now", false);
    assert_true(slice_ends(buf_slice(&out), SLICE("utf-8\r\nconnection: close\r\n\r\n")));
    buf_done(&out);
    response_done(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),  cmocka_unit_test(test_torn),
        cmocka_unit_test(test_next),     cmocka_unit_test(test_continue_and_upgrade),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_head_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
