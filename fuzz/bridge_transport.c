/* Datagrams to a bridge's transport from a few addresses: u16 length and bytes, again and again.
 * The top bits of the length say where from, and whether the bytes are wrapped into a genuine
 * check. */
#include <stdlib.h>

#include "bridge/transport.h"
#include "crypto/hash.h"
#include "proto/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char PWD[] = "server-password-of-24-ch";

static size_t genuine(struct slice bytes, uint8_t *out)
{
    struct reader r = reader_of(bytes);
    struct stun_message m = {
        .class = (enum stun_class)(reader_u8(&r) & 3),
        .method = STUN_BINDING,
        .username = SLICE("0srv:clnt"),
        .role = (enum stun_role)(reader_u8(&r) % 3),
        .tie_breaker = reader_u64(&r),
        .use_candidate = reader_u8(&r) & 1,
        .error = reader_u8(&r) & 1 ? STUN_ROLE_CONFLICT : 0,
    };
    struct slice id = reader_bytes(&r, STUN_ID_SIZE);
    if (id.len > 0)
        memcpy(m.id, id.data, id.len);
    size_t len = 0;
    if (stun_build(&m, slice_str(PWD), hash_hmac_sha1_parts, out, STUN_MESSAGE_MAX, &len))
        abort();
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dtls_context *dtls;
    static struct srtp_engine *engine;
    if (!dtls && (dtls_context_new(&dtls) || srtp_engine_new(SRTP_BEST, &engine)))
        abort();
    struct transport *t = NULL;
    const struct transport_config config = {
        .dtls = dtls, .srtp = engine, .ufrag = SLICE("0srv"), .pwd = slice_str(PWD), .seed = 1};
    if (transport_new(&config, &t))
        abort();
    usec_t now = USEC_PER_SEC;
    if (size & 1 && transport_set_remote(t, now, SLICE("clnt"), slice_str(PWD)))
        abort();
    struct reader r = reader_of(slice_of(data, size));
    while (reader_left(&r) > 2) {
        unsigned head = reader_u16(&r);
        size_t len = head & 0x7ff;
        struct slice bytes = reader_bytes(&r, len < reader_left(&r) ? len : reader_left(&r));
        uint8_t buffer[2048];
        if (bytes.len > 0)
            memcpy(buffer, bytes.data, bytes.len);
        len = head & 0x8000 ? genuine(bytes, buffer) : bytes.len;
        struct path path = {address_v4(192, 0, 2, 1, 10000),
                            address_v4(198, 51, 100, (uint8_t)(head >> 11 & 7), 4000)};
        struct transport_media media;
        if (transport_input(t, now, &path, buffer, len, &media) == 0 &&
            media.kind != TRANSPORT_NOTHING)
            abort(); /* without keys nothing is media */
        usec_t next = transport_tick(t, now);
        if (next <= now)
            abort();
        struct slice out;
        while (transport_poll(t, &path, &out))
            if (out.len == 0 || out.len > DTLS_MTU)
                abort();
        now += head & 0x4000 ? USEC_PER_SEC : USEC_PER_MSEC;
        (void)transport_state(t, now); /* must not crash */
    }
    transport_free(&t);
    return 0;
}
