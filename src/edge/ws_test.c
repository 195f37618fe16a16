#include "edge/ws.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/units.h"

/* A client's frame; the mask is fixed. */
static void put(struct buf *out, uint8_t first, struct slice payload)
{
    static const uint8_t KEY[4] = {0x37, 0xfa, 0x21, 0x3d};
    buf_add_byte(out, first);
    if (payload.len < 126) {
        buf_add_byte(out, (uint8_t)(0x80 | payload.len));
    } else if (payload.len < 65536) {
        buf_add_byte(out, 0x80 | 126);
        buf_add_byte(out, (uint8_t)(payload.len >> 8));
        buf_add_byte(out, (uint8_t)payload.len);
    } else {
        uint8_t len[8];
        store_u64(len, payload.len);
        buf_add_byte(out, 0x80 | 127);
        buf_add(out, slice_of(len, 8));
    }
    buf_add(out, slice_of(KEY, 4));
    for (size_t i = 0; i < payload.len; i++)
        buf_add_byte(out, payload.data[i] ^ KEY[i & 3]);
}

struct fixture {
    struct ws_reader reader;
    struct deflate *engine;
    struct buf in;
    struct ws_result result;
    size_t used;
};

static void begin(struct fixture *f, bool packed)
{
    *f = (struct fixture){0};
    if (packed)
        assert_int_equal(deflate_new(&f->engine), 0);
    ws_reader_init(&f->reader, f->engine);
    buf_init(&f->in, 4 * WS_FRAME_MAX);
}

static void end(struct fixture *f)
{
    ws_reader_done(&f->reader);
    deflate_free(&f->engine);
    buf_done(&f->in);
}

static int next(struct fixture *f)
{
    buf_consume(&f->in, f->used);
    return ws_reader_next(&f->reader, f->in.data, f->in.len, &f->used, &f->result);
}

static void test_texts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, false);
    put(&f.in, 0x81, SLICE("Hello"));
    put(&f.in, 0x01, SLICE("frag"));
    put(&f.in, 0x89, SLICE("ping"));
    put(&f.in, 0x00, SLICE("ment"));
    put(&f.in, 0x80, SLICE("ed"));
    put(&f.in, 0x8a, SLICE(""));
    put(&f.in, 0x88,
        SLICE("\x03\xe8"
              "bye"));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.event, WS_EVENT_TEXT);
    assert_true(slice_eq_str(f.result.payload, "Hello"));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.event, WS_EVENT_PING);
    assert_true(slice_eq_str(f.result.payload, "ping"));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.event, WS_EVENT_TEXT);
    assert_true(slice_eq_str(f.result.payload, "fragmented"));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.event, WS_EVENT_PONG);
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.event, WS_EVENT_CLOSE);
    assert_int_equal(f.reader.code, 1000);
    assert_true(slice_eq_str(f.result.payload, "bye"));
    assert_int_equal(next(&f), ERR_AGAIN);
    end(&f);
}

/* Byte by byte nothing changes. */
static void test_torn(void **state)
{
    (void)state;
    struct fixture f;
    struct buf whole;
    char big[70000];
    memset(big, 'x', sizeof big);
    buf_init(&whole, 200000);
    put(&whole, 0x01, SLICE("ab"));
    put(&whole, 0x80, slice_of(big, 300));
    put(&whole, 0x81, slice_of(big, sizeof big));
    begin(&f, false);
    size_t texts = 0;
    for (size_t i = 0; i < whole.len; i++) {
        buf_add_byte(&f.in, whole.data[i]);
        int err = ws_reader_next(&f.reader, f.in.data, f.in.len, &f.used, &f.result);
        if (err == 0) {
            texts++;
            assert_int_equal(f.result.payload.len, texts == 1 ? 302 : sizeof big);
        } else {
            assert_int_equal(err, ERR_AGAIN);
        }
        buf_consume(&f.in, f.used);
    }
    assert_int_equal(texts, 2);
    end(&f);
    buf_done(&whole);
}

static void test_refused(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        unsigned code;
    } cases[] = {
        {"\x81\x05Hello", 7, WS_CODE_PROTOCOL},                 /* not masked */
        {"\x82\x81", 2, WS_CODE_UNSUPPORTED},                   /* binary */
        {"\x80\x81", 2, WS_CODE_PROTOCOL},                      /* nothing to continue */
        {"\xc1\x81", 2, WS_CODE_PROTOCOL},                      /* RSV1 not agreed */
        {"\xa1\x81", 2, WS_CODE_PROTOCOL},                      /* RSV2 */
        {"\x83\x80", 2, WS_CODE_PROTOCOL},                      /* unknown opcode */
        {"\x8b\x80", 2, WS_CODE_PROTOCOL},                      /* unknown control */
        {"\x09\x80", 2, WS_CODE_PROTOCOL},                      /* fragmented control */
        {"\x89\xfe\x00\x7e", 4, WS_CODE_PROTOCOL},              /* long control */
        {"\x81\xfe\x00\x7d", 4, WS_CODE_PROTOCOL},              /* length not minimal */
        {"\x81\xff\0\0\0\0\0\0\xff\xff", 10, WS_CODE_PROTOCOL}, /* nor here */
        {"\x81\xff\0\0\0\0\0\x10\0\x01", 10, WS_CODE_TOO_BIG},  /* 1 MiB + 1 */
        {"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, WS_CODE_TOO_BIG},
        {"\x81\x81\0\0\0\0\xff", 7, WS_CODE_INVALID},      /* not UTF-8 */
        {"\x88\x81\0\0\0\0\x03", 7, WS_CODE_PROTOCOL},     /* half a code */
        {"\x88\x82\0\0\0\0\x03\xed", 8, WS_CODE_PROTOCOL}, /* 1005 */
        {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, WS_CODE_INVALID},
        {"\x01\x80\0\0\0\0\x81\x80", 8, WS_CODE_PROTOCOL}, /* text inside text */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        begin(&f, false);
        buf_add(&f.in, slice_of(cases[i].bytes, cases[i].len));
        assert_int_equal(next(&f), ERR_FORMAT);
        assert_int_equal(f.reader.code, cases[i].code);
        end(&f);
    }
}

static void test_message_bound(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, false);
    char *half = calloc(1, WS_TEXT_MAX / 2 + 1);
    assert_non_null(half);
    memset(half, 'a', WS_TEXT_MAX / 2 + 1);
    put(&f.in, 0x01, slice_of(half, WS_TEXT_MAX / 2));
    put(&f.in, 0x80, slice_of(half, WS_TEXT_MAX / 2));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.payload.len, WS_TEXT_MAX);
    put(&f.in, 0x01, slice_of(half, WS_TEXT_MAX / 2));
    put(&f.in, 0x80, slice_of(half, WS_TEXT_MAX / 2 + 1));
    assert_int_equal(next(&f), ERR_FORMAT);
    assert_int_equal(f.reader.code, WS_CODE_TOO_BIG);
    end(&f);
    begin(&f, false);
    put(&f.in, 0x01, SLICE(""));
    for (int i = 0; i < WS_FRAGMENTS_MAX; i++)
        put(&f.in, 0x00, SLICE(""));
    assert_int_equal(next(&f), ERR_FORMAT);
    assert_int_equal(f.reader.code, WS_CODE_TOO_BIG);
    end(&f);
    free(half);
}

static void test_packed(void **state)
{
    (void)state;
    struct fixture f;
    struct buf packed;
    begin(&f, true);
    buf_init(&packed, 1 << 20);
    for (int i = 0; i < 3; i++) { /* each message stands alone */
        buf_clear(&packed);
        struct slice text = SLICE("<message>hello hello hello hello hello</message>");
        assert_int_equal(deflate_compress(f.engine, text, &packed), 0);
        struct slice all = buf_slice(&packed);
        put(&f.in, 0x41, slice_sub(all, 0, 3));
        put(&f.in, 0x80, slice_sub(all, 3, SIZE_MAX));
        assert_int_equal(next(&f), 0);
        assert_true(slice_eq(f.result.payload, text));
    }
    put(&f.in, 0x81, SLICE("plain"));
    assert_int_equal(next(&f), 0);
    assert_true(slice_eq_str(f.result.payload, "plain"));
    /* RFC 7692, section 7.2.3.1: "Hello" */
    put(&f.in, 0xc1, SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_int_equal(next(&f), 0);
    assert_true(slice_eq_str(f.result.payload, "Hello"));
    /* section 7.2.3.4: a final block, then an empty one */
    put(&f.in, 0xc1, slice_of("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8));
    assert_int_equal(next(&f), 0);
    assert_true(slice_eq_str(f.result.payload, "Hello"));
    put(&f.in, 0xc1, SLICE("\xff\xff\xff\xff"));
    assert_int_equal(next(&f), ERR_FORMAT);
    assert_int_equal(f.reader.code, WS_CODE_INVALID);
    buf_done(&packed);
    end(&f);
}

static void test_bomb(void **state)
{
    (void)state;
    struct fixture f;
    struct buf packed;
    begin(&f, true);
    buf_init(&packed, 1 << 20);
    char *zeros = calloc(1, WS_TEXT_MAX + 1);
    assert_non_null(zeros);
    memset(zeros, ' ', WS_TEXT_MAX + 1);
    assert_int_equal(deflate_compress(f.engine, slice_of(zeros, WS_TEXT_MAX), &packed), 0);
    put(&f.in, 0xc1, buf_slice(&packed));
    assert_int_equal(next(&f), 0);
    assert_int_equal(f.result.payload.len, WS_TEXT_MAX);
    buf_clear(&packed);
    assert_int_equal(deflate_compress(f.engine, slice_of(zeros, WS_TEXT_MAX + 1), &packed), 0);
    assert_true(packed.len < 8000);
    put(&f.in, 0xc1, buf_slice(&packed));
    assert_int_equal(next(&f), ERR_FORMAT);
    assert_int_equal(f.reader.code, WS_CODE_TOO_BIG);
    free(zeros);
    buf_done(&packed);
    end(&f);
}

static void test_offers(void **state)
{
    (void)state;
    const struct {
        const char *offer;
        bool taken;
    } cases[] = {
        {"permessage-deflate", true},
        {"permessage-deflate; client_max_window_bits", true},
        {"permessage-deflate; client_max_window_bits=\"15\"", true},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
        {"permessage-deflate; server_max_window_bits=10", false},
        {"permessage-deflate; server_max_window_bits=10, permessage-deflate", true},
        {"permessage-deflate; client_max_window_bits=7", false},
        {"permessage-deflate; client_max_window_bits=16", false},
        {"permessage-deflate; unknown", false},
        {"permessage-deflate; server_no_context_takeover=1", false},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", false},
        {"x-webkit-deflate-frame", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(deflate_offered(slice_str(cases[i].offer)), cases[i].taken);
}

static void test_frames_out(void **state)
{
    (void)state;
    struct buf out;
    char big[70000] = {0};
    buf_init(&out, 200000);
    ws_put_text(&out, SLICE("hi"));
    assert_memory_equal(out.data, "\x81\x02hi", 4);
    buf_clear(&out);
    ws_put_text(&out, slice_of(big, 126));
    assert_memory_equal(out.data, "\x81\x7e\x00\x7e", 4);
    buf_clear(&out);
    ws_put_packed(&out, slice_of(big, sizeof big));
    assert_memory_equal(out.data, "\xc1\x7f\0\0\0\0\0\x01\x11\x70", 10);
    buf_clear(&out);
    ws_put_close(&out, WS_CODE_AWAY, SLICE("bye"));
    assert_memory_equal(out.data,
                        "\x88\x05\x03\xe9"
                        "bye",
                        7);
    buf_clear(&out);
    ws_put_close(&out, WS_CODE_NONE, SLICE("lost"));
    assert_memory_equal(out.data, "\x88\x00", 2);
    assert_int_equal(out.len, 2);
    /* cut between characters */
    buf_clear(&out);
    memset(big, 'a', 122);
    memcpy(big + 122, "\xc3\xa9", 2);
    ws_put_close(&out, 1000, slice_of(big, 124));
    assert_int_equal(out.len, 2 + 2 + 122);
    buf_done(&out);
}

static void test_handshake(void **state)
{
    (void)state;
    char accept[WS_ACCEPT_SIZE];
    /* RFC 6455, section 1.3 */
    ws_accept(SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    struct fields fields;
    fields_init(&fields, 1000);
    fields_put(&fields, "upgrade", "WebSocket");
    fields_put(&fields, "connection", "keep-alive, Upgrade");
    fields_put(&fields, "sec-websocket-version", "13");
    assert_int_equal(ws_check_handshake(&fields), ERR_FORMAT);
    fields_put(&fields, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_int_equal(ws_check_handshake(&fields), 0);
    fields_put(&fields, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_int_equal(ws_check_handshake(&fields), ERR_FORMAT);
    fields_clear(&fields);
    fields_put(&fields, "upgrade", "websocket");
    fields_put(&fields, "connection", "upgrade");
    fields_put(&fields, "sec-websocket-version", "8");
    assert_int_equal(ws_check_handshake(&fields), ERR_UNSUPPORTED);
    fields_done(&fields);
}

static void test_utf8(void **state)
{
    (void)state;
    const char *const good[] = {"",
                                "a",
                                "\xc3\xa9",
                                "\xe2\x82\xac",
                                "\xf0\x9f\x98\x80",
                                "\xed\x9f\xbf",
                                "\xf4\x8f\xbf\xbf"};
    const char *const bad[] = {"\x80",
                               "\xc0\x80",
                               "\xc1\xbf",
                               "\xe0\x9f\xbf",
                               "\xed\xa0\x80",
                               "\xf0\x8f\xbf\xbf",
                               "\xf4\x90\x80\x80",
                               "\xf5\x80\x80\x80",
                               "\xc3",
                               "\xe2\x82",
                               "a\xff"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(ws_utf8_valid(slice_str(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ws_utf8_valid(slice_str(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),     cmocka_unit_test(test_torn),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_message_bound),
        cmocka_unit_test(test_packed),    cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_offers),    cmocka_unit_test(test_frames_out),
        cmocka_unit_test(test_handshake), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
