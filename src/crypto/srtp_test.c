#include "crypto/srtp.h"

#include <stdlib.h>

#include "base/check.h"
#include "crypto/hash.h"
#include "crypto/srtp_cipher.h"

static const enum srtp_profile PROFILES[] = {SRTP_PROFILE_GCM, SRTP_PROFILE_CM};

/* The master key and salt of RFC 3711, appendix B.3. */
static struct srtp_keys keys_of(enum srtp_profile profile)
{
    struct srtp_keys keys = {.profile = profile};
    memcpy(keys.key, "\xe1\xf9\x7a\x0d\x3e\x01\x8b\xe0\xd6\x4f\xa3\x2c\x06\xde\x41\x39", 16);
    memcpy(keys.salt, "\x0e\xc6\x75\xad\x49\x8a\xfe\xeb\xb6\x96\x0b\x3a\xab\xe6", 14);
    return keys;
}

struct pair {
    struct srtp_engine *engine;
    struct srtp *send;
    struct srtp *receive;
};

static struct pair pair_new(enum srtp_profile profile, enum srtp_backend backend)
{
    struct pair p = {0};
    struct srtp_keys keys = keys_of(profile);
    assert_int_equal(srtp_engine_new(backend, &p.engine), 0);
    assert_int_equal(srtp_new(p.engine, &keys, &p.send), 0);
    assert_int_equal(srtp_new(p.engine, &keys, &p.receive), 0);
    return p;
}

static void pair_free(struct pair *p)
{
    srtp_free(&p->send);
    srtp_free(&p->receive);
    srtp_engine_free(&p->engine);
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

static void expect(struct slice got, const char *hex)
{
    uint8_t want[512];
    size_t len = unhex(hex, want);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, want, len);
}

static int protect(struct srtp *srtp, bool rtcp, struct slice packet, size_t in_head, uint8_t *out,
                   size_t size, size_t *ret_len)
{
    struct srtp_job job = {.srtp = srtp, .rtcp = rtcp, .out = out, .out_size = size};
    size_t clear = rtcp ? 0 : srtp_rtp_header(packet);
    job.clear = slice_sub(packet, 0, clear);
    job.head = slice_sub(packet, clear, in_head);
    job.body = slice_sub(packet, clear + in_head, packet.len);
    srtp_protect(&job, 1);
    if (job.err == 0)
        *ret_len = job.out_len;
    return job.err;
}

/* An RTP packet with a one-byte-header extension and 50 bytes. */
static struct slice rtp_packet(uint8_t out[128], uint32_t ssrc, uint16_t seq)
{
    size_t len = unhex("906ffffe000000640badcafebede000110ff0000", out);
    store_u16(out + 2, seq);
    store_u32(out + 8, ssrc);
    for (size_t i = 0; i < 50; i++)
        out[len++] = (uint8_t)i;
    return slice_of(out, len);
}

/* RFC 7714, section 16.1.1. */
static void gcm_matches_rfc_7714(void **state)
{
    static const enum srtp_backend backends[] = {SRTP_OPENSSL, SRTP_BEST};
    for (size_t b = 0; b < 2; b++) {
        struct srtp_engine *engine = NULL;
        assert_int_equal(srtp_engine_new(backends[b], &engine), 0);
        uint8_t key[16], iv[12], aad[12], out[64];
        unhex("000102030405060708090a0b0c0d0e0f", key);
        unhex("51753c6580c2726f20718414", iv);
        unhex("8040f17b8041f8d35501a0b2", aad);
        struct gcm_key *gcm = gcm_key_new(engine, key);
        assert_non_null(gcm);
        const struct slice parts[TEXT_PARTS] = {SLICE("Gallia est"), SLICE(" omnis divisa"),
                                                SLICE(" in partes tres")};
        assert_true(gcm_seal(gcm, iv, slice_of(aad, 12), parts, out));
        expect(slice_of(out, 54), "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7"
                                  "d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce");
        assert_true(gcm_open(gcm, iv, slice_of(aad, 12), out, 38));
        assert_memory_equal(out, "Gallia est omnis divisa in partes tres", 38);
        gcm_key_free(&gcm);
        srtp_engine_free(&engine);
    }
}

/* RFC 3711, appendix B.2: the key stream of AES-CM. */
static void counter_mode_matches_rfc_3711(void **state)
{
    uint8_t key[16], iv[16], zero[48] = {0}, out[48];
    unhex("2b7e151628aed2a6abf7158809cf4f3c", key);
    unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", iv);
    struct ctr_key *ctr = ctr_key_new(NULL, key);
    assert_non_null(ctr);
    const struct slice parts[TEXT_PARTS] = {slice_of(zero, 5), slice_of(zero, 40),
                                            slice_of(zero, 3)};
    assert_true(ctr_xor(ctr, iv, parts, out));
    expect(slice_of(out, 48), "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab"
                              "41e95b3bb0a2e8dd477901e4fca894c0");
    ctr_key_free(&ctr);
}

/* What libsrtp 2 makes of the same keys and packets; covers key derivation and roll-over. */
static void packets_match_another_implementation(void **state)
{
    static const char *const first[] = {
        "800f1234decafbadcafebabe0eca0cf95ee955b26cd3d288b49f6ca959171450975f4144da9cdd7ae989a277",
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"};
    static const char *const rolled[] = {
        "906f0001000000640badcafebede000110ff0000eb5c9363fc8422c6e8f889c2d435cdeca25325e2fb5b97514"
        "84b2d14bffcfcfc816eed004909c77d009cdd6e8c1c86a3911893cb70eb4b9c6719fbec3fc5816b0753",
        "906f0001000000640badcafebede000110ff0000539b8509fef8b998633f741afe6df01209b5be9fc63a6b1ee"
        "57b7276d83d9e79851306f4b53a4e1ae8f5c875b5ee3c0877c27b515947d13dbf31fb0d"};
    static const char *const control[] = {
        "81c8000bcafebabeea6e5eb3c75c462000f59ebf9e4ebd4e92ccf6f107a35cd2bb895994b50d7a15a1e736dbb"
        "2ef158101c940575e7bff19e69d24a59ba2abc280000001",
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a8d5efb8816abf868c340e5082be1e90ca6bdd31954"
        "a81a47d8000000163a50d16b51439563031"};
    for (size_t p = 0; p < 2; p++) {
        struct pair s = pair_new(PROFILES[p], SRTP_BEST);
        uint8_t in[128], out[256];
        size_t len = unhex("800f1234decafbadcafebabeabababababababababababababababab", in);
        size_t n = 0;
        assert_int_equal(protect(s.send, false, slice_of(in, len), 0, out, sizeof out, &n), 0);
        expect(slice_of(out, n), first[p]);

        static const uint16_t seqs[] = {0xfffe, 0xffff, 0x0001};
        for (size_t i = 0; i < 3; i++) {
            struct slice packet = rtp_packet(in, 0x0badcafe, seqs[i]);
            assert_int_equal(protect(s.send, false, packet, 7, out, sizeof out, &n), 0);
        }
        expect(slice_of(out, n), rolled[p]);

        len = unhex("81c8000bcafebabe", in);
        memset(in + len, 0xab, 40);
        struct slice report = slice_of(in, len + 40), back;
        assert_int_equal(protect(s.send, true, report, 0, out, sizeof out, &n), 0);
        assert_int_equal(protect(s.send, true, report, 0, out, sizeof out, &n), 0);
        expect(slice_of(out, n), control[p]);
        assert_int_equal(srtp_unprotect_rtcp(s.receive, out, n, &back), 0);
        assert_true(slice_eq(back, report));
        pair_free(&s);
    }
}

static void backends_agree_byte_for_byte(void **state)
{
    struct srtp_engine *probe = NULL;
    if (srtp_engine_new(SRTP_IPSEC_MB, &probe))
        skip();
    srtp_engine_free(&probe);
    struct pair slow = pair_new(SRTP_PROFILE_GCM, SRTP_OPENSSL);
    struct pair fast = pair_new(SRTP_PROFILE_GCM, SRTP_IPSEC_MB);
    uint8_t in[1400], a[1400], b[1400];
    for (size_t len = 12; len < 1300; len += len < 300 ? 1 : 37) {
        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)(i * 7 + len);
        memcpy(in, "\x80\x64", 2);
        store_u16(in + 2, (uint16_t)len);
        store_u32(in + 8, 4711);
        size_t in_head = len % 5 < len - 12 ? len % 5 : 0, n = 0, m = 0;
        struct slice packet = slice_of(in, len);
        assert_int_equal(protect(slow.send, false, packet, in_head, a, sizeof a, &n), 0);
        assert_int_equal(protect(fast.send, false, packet, in_head, b, sizeof b, &m), 0);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        struct slice plain;
        assert_int_equal(srtp_unprotect_rtp(slow.receive, b, n, &plain), 0);
        assert_true(slice_eq(plain, packet));
        assert_int_equal(srtp_unprotect_rtp(fast.receive, a, n, &plain), 0);
        assert_true(slice_eq(plain, packet));
    }
    pair_free(&slow);
    pair_free(&fast);
}

enum { BATCH = 100, BATCH_RECEIVERS = 7 };

/* A batch as the worker makes it: packets of several receivers and sizes, in parts, some RTCP, some
 * that cannot be; sequence numbers run over their end. */
static size_t make_batch(struct srtp *const receivers[BATCH_RECEIVERS], uint32_t round,
                         uint8_t headers[BATCH][12], const uint8_t *bytes, struct srtp_job *jobs)
{
    uint32_t random = round * 2654435761u + 1;
    size_t count = 1 + round % BATCH;
    for (size_t i = 0; i < count; i++) {
        random = random * 1664525 + 1013904223;
        size_t r = i * BATCH_RECEIVERS / count;
        uint8_t *h = headers[i];
        memcpy(h, "\x80\x64", 2);
        store_u16(h + 2, (uint16_t)(65000 + round * 97 + i));
        store_u32(h + 4, random);
        store_u32(h + 8, (uint32_t)r);
        jobs[i] = (struct srtp_job){.srtp = receivers[r],
                                    .clear = slice_of(h, 12),
                                    .head = slice_of(bytes, random >> 8 & 7),
                                    .body = slice_of(bytes + 8, random >> 12 & 1023),
                                    .tail = slice_of(bytes + 40, random >> 24 & 15)};
        if (random >> 28 == 0)
            jobs[i] = (struct srtp_job){
                .srtp = receivers[r], .rtcp = true, .body = slice_of("\x81\xc8\0\1abcdefgh", 12)};
        else if (random >> 28 == 1)
            jobs[i].clear.len = 11;
    }
    return count;
}

static void batches_agree_with_single_packets(void **state)
{
    static uint8_t one[BATCH][1200], many[BATCH][1200], bytes[1200];
    struct srtp_engine *probe = NULL;
    if (srtp_engine_new(SRTP_IPSEC_MB, &probe))
        skip();
    srtp_engine_free(&probe);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31);
    for (size_t p = 0; p < 2; p++) {
        struct srtp_engine *slow, *fast;
        struct srtp *a[BATCH_RECEIVERS], *b[BATCH_RECEIVERS];
        assert_int_equal(srtp_engine_new(SRTP_OPENSSL, &slow), 0);
        assert_int_equal(srtp_engine_new(SRTP_IPSEC_MB, &fast), 0);
        for (size_t r = 0; r < BATCH_RECEIVERS; r++) {
            struct srtp_keys keys = keys_of(PROFILES[p]);
            keys.key[3] ^= (uint8_t)r;
            assert_int_equal(srtp_new(slow, &keys, &a[r]), 0);
            assert_int_equal(srtp_new(fast, &keys, &b[r]), 0);
        }
        for (uint32_t round = 0; round < 700; round++) {
            uint8_t headers[BATCH][12];
            struct srtp_job x[BATCH], y[BATCH];
            size_t count = make_batch(a, round, headers, bytes, x);
            (void)make_batch(b, round, headers, bytes, y);
            for (size_t i = 0; i < count; i++) {
                x[i].out = one[i];
                y[i].out = many[i];
                x[i].out_size = y[i].out_size = sizeof one[i];
                srtp_protect(&x[i], 1);
            }
            srtp_protect(y, count);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(x[i].err, y[i].err);
                if (x[i].err)
                    continue;
                assert_int_equal(x[i].out_len, y[i].out_len);
                assert_memory_equal(one[i], many[i], x[i].out_len);
            }
        }
        for (size_t r = 0; r < BATCH_RECEIVERS; r++) {
            srtp_free(&a[r]);
            srtp_free(&b[r]);
        }
        srtp_engine_free(&slow);
        srtp_engine_free(&fast);
    }
}

static void replayed_and_old_packets_are_refused(void **state)
{
    for (size_t p = 0; p < 2; p++) {
        struct pair s = pair_new(PROFILES[p], SRTP_BEST);
        uint8_t in[128], kept[200][160], copy[160];
        size_t len[200];
        struct slice plain;
        for (uint16_t i = 0; i < 200; i++) {
            struct slice packet = rtp_packet(in, 1, (uint16_t)(65500 + i));
            assert_int_equal(protect(s.send, false, packet, 0, kept[i], sizeof kept[i], &len[i]),
                             0);
        }
        for (size_t i = 0; i < 200; i += 2) { /* every second, across the roll-over */
            memcpy(copy, kept[i], len[i]);
            assert_int_equal(srtp_unprotect_rtp(s.receive, copy, len[i], &plain), 0);
            memcpy(copy, kept[i], len[i]);
            assert_int_equal(srtp_unprotect_rtp(s.receive, copy, len[i], &plain), ERR_EXISTS);
        }
        for (size_t i = 1; i < 200; i += 2) { /* late, those within the last 128 still count */
            memcpy(copy, kept[i], len[i]);
            int want = i > 198 - 128 ? 0 : ERR_EXISTS;
            assert_int_equal(srtp_unprotect_rtp(s.receive, copy, len[i], &plain), want);
        }
        pair_free(&s);
    }
}

static void a_sequence_number_is_encrypted_once(void **state)
{
    struct pair s = pair_new(SRTP_PROFILE_GCM, SRTP_BEST);
    uint8_t in[128], out[160];
    size_t n = 0;
    struct slice packet = rtp_packet(in, 1, 10);
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), 0);
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), ERR_EXISTS);
    packet = rtp_packet(in, 1, 9);
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), 0);
    packet = rtp_packet(in, 1, 65000); /* from before the beginning */
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), ERR_EXISTS);
    assert_int_equal(protect(s.send, false, packet, 0, out, 20, &n), ERR_LIMIT);
    assert_int_equal(protect(s.send, false, slice_of(in, 11), 0, out, sizeof out, &n), ERR_FORMAT);
    pair_free(&s);
}

static void any_flipped_bit_is_refused(void **state)
{
    for (size_t p = 0; p < 2; p++) {
        struct pair s = pair_new(PROFILES[p], SRTP_BEST);
        uint8_t in[128], out[160], copy[160], rtcp[160];
        size_t n = 0, m = 0;
        struct slice plain, packet = rtp_packet(in, 1, 10);
        assert_int_equal(protect(s.send, false, packet, 3, out, sizeof out, &n), 0);
        assert_int_equal(
            protect(s.send, true, SLICE("\x81\xc8\0\x0b____12345678"), 0, rtcp, sizeof rtcp, &m),
            0);
        for (size_t bit = 0; bit < n * 8; bit++) {
            memcpy(copy, out, n);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(srtp_unprotect_rtp(s.receive, copy, n, &plain), 0);
        }
        for (size_t bit = 0; bit < m * 8; bit++) {
            memcpy(copy, rtcp, m);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(srtp_unprotect_rtcp(s.receive, copy, m, &plain), 0);
        }
        for (size_t len = 0; len < n; len++) {
            memcpy(copy, out, len);
            assert_int_not_equal(srtp_unprotect_rtp(s.receive, copy, len, &plain), 0);
        }
        /* None of it disturbed the state. */
        assert_int_equal(srtp_unprotect_rtp(s.receive, out, n, &plain), 0);
        assert_true(slice_eq(plain, packet));
        assert_int_equal(srtp_unprotect_rtcp(s.receive, rtcp, m, &plain), 0);
        pair_free(&s);
    }
}

static void many_streams_are_kept_apart_up_to_the_bound(void **state)
{
    struct pair s = pair_new(SRTP_PROFILE_GCM, SRTP_BEST);
    uint8_t in[128], out[160];
    size_t n = 0;
    struct slice plain;
    for (uint32_t ssrc = 0; ssrc < SRTP_STREAMS_MAX; ssrc++) {
        struct slice packet = rtp_packet(in, ssrc * 65536, (uint16_t)(ssrc % 30000));
        assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), 0);
        assert_int_equal(srtp_unprotect_rtp(s.receive, out, n, &plain), 0);
    }
    struct slice packet = rtp_packet(in, 77, 1);
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), ERR_LIMIT);
    packet = rtp_packet(in, 65536, 2);
    assert_int_equal(protect(s.send, false, packet, 0, out, sizeof out, &n), 0);
    assert_int_equal(srtp_unprotect_rtp(s.receive, out, n, &plain), 0);
    pair_free(&s);
}

static void other_profiles_are_refused(void **state)
{
    struct srtp_engine *engine = NULL;
    struct srtp *srtp = NULL;
    struct srtp_keys keys = keys_of((enum srtp_profile)2);
    assert_int_equal(srtp_engine_new(SRTP_BEST, &engine), 0);
    assert_int_equal(srtp_new(engine, &keys, &srtp), ERR_UNSUPPORTED);
    assert_null(srtp);
    srtp_engine_free(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_matches_rfc_7714),
        cmocka_unit_test(counter_mode_matches_rfc_3711),
        cmocka_unit_test(packets_match_another_implementation),
        cmocka_unit_test(backends_agree_byte_for_byte),
        cmocka_unit_test(batches_agree_with_single_packets),
        cmocka_unit_test(replayed_and_old_packets_are_refused),
        cmocka_unit_test(a_sequence_number_is_encrypted_once),
        cmocka_unit_test(any_flipped_bit_is_refused),
        cmocka_unit_test(many_streams_are_kept_apart_up_to_the_bound),
        cmocka_unit_test(other_profiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
