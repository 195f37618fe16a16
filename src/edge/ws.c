#include "edge/ws.h"

#include "crypto/hash.h"

#define CONTROL_MAX 125

enum opcode {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

struct frame {
    bool fin;
    bool packed;
    uint8_t opcode;
    struct slice payload;
    size_t used;
};

void ws_reader_init(struct ws_reader *reader, struct deflate *engine)
{
    *reader = (struct ws_reader){.engine = engine};
    buf_init(&reader->message, WS_TEXT_MAX);
    buf_init(&reader->text, WS_TEXT_MAX);
}

void ws_reader_done(struct ws_reader *reader)
{
    buf_done(&reader->message);
    buf_done(&reader->text);
}

static int fail(struct ws_reader *reader, enum ws_code code)
{
    reader->code = code;
    return ERR_FORMAT;
}

static int check_head(struct ws_reader *reader, const struct frame *frame, uint8_t first)
{
    bool control = frame->opcode >= OPCODE_CLOSE;
    if (first & 0x30)
        return fail(reader, WS_CODE_PROTOCOL);
    /* RSV1 stands on the first frame of a message, and only when it was agreed upon. */
    if (frame->packed && (!reader->engine || control || frame->opcode == OPCODE_CONTINUATION))
        return fail(reader, WS_CODE_PROTOCOL);
    switch (frame->opcode) {
    case OPCODE_CONTINUATION:
        return reader->open ? 0 : fail(reader, WS_CODE_PROTOCOL);
    case OPCODE_TEXT:
        return reader->open ? fail(reader, WS_CODE_PROTOCOL) : 0;
    case OPCODE_BINARY:
        return fail(reader, WS_CODE_UNSUPPORTED);
    case OPCODE_CLOSE:
    case OPCODE_PING:
    case OPCODE_PONG:
        return frame->fin ? 0 : fail(reader, WS_CODE_PROTOCOL);
    default:
        return fail(reader, WS_CODE_PROTOCOL);
    }
}

static int read_length(struct ws_reader *reader, struct reader *r, uint8_t second, uint64_t *ret)
{
    uint64_t len = second & 0x7f;
    if (len == 126) {
        len = reader_u16(r);
        if (!r->failed && len < 126)
            return fail(reader, WS_CODE_PROTOCOL);
    } else if (len == 127) {
        len = reader_u64(r);
        if (!r->failed && len < 65536)
            return fail(reader, WS_CODE_PROTOCOL);
    }
    *ret = len;
    return 0;
}

static void unmask(uint8_t *data, size_t len, const uint8_t key[4])
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= key[i & 3];
}

/* Errors are found in the head, before its payload has arrived. */
static int read_frame(struct ws_reader *reader, uint8_t *data, size_t size, struct frame *ret)
{
    struct reader r = reader_of(slice_of(data, size));
    uint8_t first = reader_u8(&r), second = reader_u8(&r);
    if (r.failed)
        return ERR_AGAIN;
    struct frame frame = {.fin = first & 0x80, .packed = first & 0x40, .opcode = first & 0x0f};
    int err = check_head(reader, &frame, first);
    if (err)
        return err;
    if (!(second & 0x80))
        return fail(reader, WS_CODE_PROTOCOL);
    uint64_t len = 0;
    err = read_length(reader, &r, second, &len);
    if (err)
        return err;
    if (frame.opcode >= OPCODE_CLOSE && len > CONTROL_MAX)
        return fail(reader, WS_CODE_PROTOCOL);
    if (!r.failed && len > WS_TEXT_MAX)
        return fail(reader, WS_CODE_TOO_BIG);
    struct slice key = reader_bytes(&r, 4);
    struct slice payload = reader_bytes(&r, (size_t)len);
    if (r.failed)
        return ERR_AGAIN;
    frame.used = size - reader_left(&r);
    unmask(data + frame.used - len, (size_t)len, key.data);
    frame.payload = payload;
    *ret = frame;
    return 0;
}

bool ws_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int take_close(struct ws_reader *reader, struct slice payload, struct ws_result *ret)
{
    if (payload.len == 0) {
        reader->code = WS_CODE_NONE;
        *ret = (struct ws_result){.event = WS_EVENT_CLOSE};
        return 0;
    }
    struct slice reason = slice_sub(payload, 2, SIZE_MAX);
    if (payload.len < 2 || !ws_code_valid(load_u16(payload.data)))
        return fail(reader, WS_CODE_PROTOCOL);
    if (!ws_utf8_valid(reason))
        return fail(reader, WS_CODE_INVALID);
    reader->code = load_u16(payload.data);
    *ret = (struct ws_result){WS_EVENT_CLOSE, reason};
    return 0;
}

/* A whole message is there: expands it when it is packed. */
static int take_text(struct ws_reader *reader, bool packed, struct slice payload,
                     struct ws_result *ret)
{
    if (packed) {
        buf_clear(&reader->text);
        int err = deflate_expand(reader->engine, payload, &reader->text);
        if (err)
            return fail(reader, err == ERR_LIMIT ? WS_CODE_TOO_BIG : WS_CODE_INVALID);
        payload = buf_slice(&reader->text);
    }
    if (!ws_utf8_valid(payload))
        return fail(reader, WS_CODE_INVALID);
    *ret = (struct ws_result){WS_EVENT_TEXT, payload};
    return 0;
}

/* 0: the message is whole; ERR_AGAIN: more fragments follow. */
static int take_fragment(struct ws_reader *reader, const struct frame *frame, struct ws_result *ret)
{
    if (frame->opcode == OPCODE_TEXT) {
        buf_clear(&reader->message);
        reader->packed = frame->packed;
        reader->fragments = 0;
    }
    if (++reader->fragments > WS_FRAGMENTS_MAX)
        return fail(reader, WS_CODE_TOO_BIG);
    buf_add(&reader->message, frame->payload);
    if (reader->message.failed)
        return fail(reader, WS_CODE_TOO_BIG);
    reader->open = !frame->fin;
    if (reader->open)
        return ERR_AGAIN;
    return take_text(reader, reader->packed, buf_slice(&reader->message), ret);
}

/* Most memory goes back when a big message is over. */
static void shrink(struct buf *buf)
{
    if (buf->cap > 65536)
        buf_done(buf);
}

int ws_reader_next(struct ws_reader *reader, uint8_t *data, size_t len, size_t *ret_used,
                   struct ws_result *ret_result)
{
    *ret_used = 0;
    shrink(&reader->text);
    if (!reader->open)
        shrink(&reader->message);
    for (;;) {
        struct frame frame;
        if (*ret_used == len)
            return ERR_AGAIN;
        int err = read_frame(reader, data + *ret_used, len - *ret_used, &frame);
        if (err)
            return err;
        *ret_used += frame.used;
        switch (frame.opcode) {
        case OPCODE_CLOSE:
            return take_close(reader, frame.payload, ret_result);
        case OPCODE_PING:
            *ret_result = (struct ws_result){WS_EVENT_PING, frame.payload};
            return 0;
        case OPCODE_PONG:
            *ret_result = (struct ws_result){WS_EVENT_PONG, frame.payload};
            return 0;
        default:
            break;
        }
        if (frame.fin && !reader->open)
            return take_text(reader, frame.packed, frame.payload, ret_result);
        err = take_fragment(reader, &frame, ret_result);
        if (err != ERR_AGAIN)
            return err;
    }
}

static void put_frame(struct buf *out, uint8_t first, struct slice payload)
{
    uint8_t head[10];
    struct writer w = writer_of(head, sizeof head);
    writer_u8(&w, first);
    if (payload.len < 126) {
        writer_u8(&w, (uint8_t)payload.len);
    } else if (payload.len < 65536) {
        writer_u8(&w, 126);
        writer_u16(&w, (uint16_t)payload.len);
    } else {
        writer_u8(&w, 127);
        writer_u64(&w, payload.len);
    }
    buf_add(out, slice_of(head, writer_len(&w)));
    buf_add(out, payload);
}

void ws_put_text(struct buf *out, struct slice text)
{
    put_frame(out, 0x80 | OPCODE_TEXT, text);
}

void ws_put_packed(struct buf *out, struct slice packed)
{
    put_frame(out, 0x80 | 0x40 | OPCODE_TEXT, packed);
}

void ws_put_ping(struct buf *out)
{
    put_frame(out, 0x80 | OPCODE_PING, (struct slice){0});
}

void ws_put_pong(struct buf *out, struct slice payload)
{
    put_frame(out, 0x80 | OPCODE_PONG, slice_sub(payload, 0, CONTROL_MAX));
}

void ws_put_close(struct buf *out, unsigned code, struct slice reason)
{
    uint8_t payload[CONTROL_MAX];
    struct writer w = writer_of(payload, sizeof payload);
    if (ws_code_valid(code)) {
        writer_u16(&w, (uint16_t)code);
        reason = slice_sub(reason, 0, sizeof payload - 2);
        while (reason.len > 0 && !ws_utf8_valid(reason))
            reason.len--;
        writer_bytes(&w, reason);
    }
    put_frame(out, 0x80 | OPCODE_CLOSE, slice_of(payload, writer_len(&w)));
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ws_accept(struct slice key, char out[WS_ACCEPT_SIZE])
{
    uint8_t joined[24 + 36], hash[HASH_SHA1_SIZE + 1] = {0};
    struct writer w = writer_of(joined, sizeof joined);
    writer_bytes(&w, slice_sub(key, 0, 24));
    writer_bytes(&w, SLICE("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    hash_sha1(slice_of(joined, writer_len(&w)), hash);
    for (size_t i = 0; i < 7; i++) {
        uint32_t bits = (uint32_t)hash[i * 3] << 16 | (uint32_t)hash[i * 3 + 1] << 8 |
                        (i * 3 + 2 < sizeof hash ? hash[i * 3 + 2] : 0U);
        for (size_t j = 0; j < 4; j++)
            out[i * 4 + j] = BASE64[bits >> (18 - 6 * j) & 63];
    }
    out[27] = '=';
    out[28] = '\0';
}

/* 16 bytes in base64: 22 digits and two equals signs. */
static bool is_key(struct slice key)
{
    if (key.len != 24 || !slice_ends(key, SLICE("==")))
        return false;
    for (size_t i = 0; i < 22; i++)
        if (key.data[i] == '\0' || !strchr(BASE64, key.data[i]))
            return false;
    return true;
}

int ws_check_handshake(const struct fields *fields)
{
    if (!fields_has_token(fields, "upgrade", "websocket") ||
        !fields_has_token(fields, "connection", "upgrade"))
        return ERR_FORMAT;
    if (!slice_eq_str(fields_get(fields, "sec-websocket-version"), "13"))
        return ERR_UNSUPPORTED;
    if (fields_count(fields, "sec-websocket-key") != 1 ||
        !is_key(fields_get(fields, "sec-websocket-key")))
        return ERR_FORMAT;
    return 0;
}

/* Length of the sequence at the front, 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above 10FFFF). */
static size_t sequence(struct slice s)
{
    uint8_t first = s.data[0];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len == 0 || first > 0xf4 || s.len < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && s.data[1] < 0xa0) || (first == 0xed && s.data[1] > 0x9f) ||
        (first == 0xf0 && s.data[1] < 0x90) || (first == 0xf4 && s.data[1] > 0x8f))
        return 0;
    return len;
}

bool ws_utf8_valid(struct slice text)
{
    while (text.len > 0) {
        size_t len = sequence(text);
        if (len == 0)
            return false;
        text = slice_of(text.data + len, text.len - len);
    }
    return true;
}
