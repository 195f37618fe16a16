/* dtls.h against itself, and against a client made of plain OpenSSL. Loss, reordering and time are
 * in tests/scenario/transport_test.c. */
#include "crypto/dtls.h"

#include <stdio.h>

#include "base/check.h"
#include "crypto/openssl.h"

#include <openssl/ssl.h>

static void carry(struct dtls *from, struct dtls *to)
{
    struct slice datagram;
    while (dtls_poll(from, &datagram))
        (void)!dtls_input(to, 1, datagram); /* the states tell how it went */
}

static void handshake(struct dtls *client, struct dtls *server)
{
    for (int i = 0; i < 5; i++) {
        (void)dtls_tick(client, 1);
        carry(client, server);
        carry(server, client);
    }
}

static void trust(struct dtls *dtls, const struct dtls_context *peer)
{
    const char *value = dtls_context_fingerprint(peer);
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("SHA-256"), slice_str(value)), 0);
}

static void both_ends_get_the_same_keys(void **state)
{
    struct dtls_context *a = NULL, *b = NULL;
    struct dtls *client = NULL, *server = NULL;
    assert_int_equal(dtls_context_new(&a), 0);
    assert_int_equal(dtls_context_new(&b), 0);
    assert_string_not_equal(dtls_context_fingerprint(a), dtls_context_fingerprint(b));
    assert_int_equal(strlen(dtls_context_fingerprint(a)), 95);
    assert_int_equal(dtls_new(a, true, &client), 0);
    assert_int_equal(dtls_new(b, false, &server), 0);
    trust(client, b);
    handshake(client, server);
    assert_int_equal(dtls_state(client), DTLS_CONNECTED);
    assert_int_equal(dtls_state(server), DTLS_UNVERIFIED);
    struct srtp_keys send, receive, their_send, their_receive;
    assert_int_equal(dtls_srtp_keys(server, &send, &receive), ERR_STATE);
    trust(server, a);
    assert_int_equal(dtls_srtp_keys(server, &send, &receive), 0);
    assert_int_equal(dtls_srtp_keys(client, &their_send, &their_receive), 0);
    assert_int_equal(send.profile, SRTP_PROFILE_GCM);
    assert_memory_equal(&send, &their_receive, sizeof send);
    assert_memory_equal(&receive, &their_send, sizeof send);
    assert_memory_not_equal(&send, &receive, sizeof send);
    dtls_close(client);
    carry(client, server);
    assert_int_equal(dtls_state(server), DTLS_CLOSED);
    assert_int_equal(dtls_input(server, 2, SLICE("x")), ERR_CLOSED);
    dtls_free(&client);
    dtls_free(&server);
    dtls_context_free(&a);
    dtls_context_free(&b);
}

/* Its keys are taken and its peer has them: what is left is a fingerprint to compare with. */
static void a_settled_session_keeps_only_its_fingerprint(void **state)
{
    struct dtls_context *a = NULL, *b = NULL;
    struct dtls *client = NULL, *server = NULL;
    assert_int_equal(dtls_context_new(&a), 0);
    assert_int_equal(dtls_context_new(&b), 0);
    assert_int_equal(dtls_new(a, true, &client), 0);
    assert_int_equal(dtls_new(b, false, &server), 0);
    trust(client, b);
    dtls_settle(server); /* not yet: the handshake goes on */
    handshake(client, server);
    dtls_settle(server); /* nor while its peer may be anybody */
    trust(server, a);
    struct srtp_keys send, receive;
    assert_int_equal(dtls_srtp_keys(server, &send, &receive), 0);
    dtls_settle(server);
    assert_int_equal(dtls_srtp_keys(server, &send, &receive), ERR_STATE);
    assert_int_equal(dtls_tick(server, USEC_PER_SEC), USEC_NEVER);
    dtls_close(client);
    carry(client, server);
    struct slice datagram;
    assert_false(dtls_poll(server, &datagram));
    assert_int_equal(dtls_state(server), DTLS_CONNECTED);
    trust(server, a);
    assert_int_equal(dtls_state(server), DTLS_CONNECTED);
    trust(server, b);
    assert_int_equal(dtls_state(server), DTLS_FAILED);
    dtls_close(server);
    dtls_free(&client);
    dtls_free(&server);
    dtls_context_free(&a);
    dtls_context_free(&b);
}

static void odd_fingerprints_are_refused(void **state)
{
    struct dtls_context *a = NULL;
    struct dtls *dtls = NULL;
    assert_int_equal(dtls_context_new(&a), 0);
    assert_int_equal(dtls_new(a, false, &dtls), 0);
    struct slice value = slice_str(dtls_context_fingerprint(a));
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("sha-1"), value), ERR_UNSUPPORTED);
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("sha-512"), value), ERR_FORMAT);
    value.len--;
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("sha-256"), value), ERR_FORMAT);
    char bad[96];
    memcpy(bad, dtls_context_fingerprint(a), 96);
    bad[2] = '-';
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("sha-256"), slice_str(bad)), ERR_FORMAT);
    bad[2] = ':';
    bad[3] = 'G';
    assert_int_equal(dtls_set_fingerprint(dtls, SLICE("sha-256"), slice_str(bad)), ERR_FORMAT);
    dtls_free(&dtls);
    dtls_context_free(&a);
}

struct plain {
    SSL_CTX *ctx;
    SSL *ssl;
    EVP_PKEY *key;
    X509 *cert;
};

static struct plain plain_client(const char *profiles, bool with_certificate)
{
    struct plain p = {.ctx = SSL_CTX_new(DTLS_client_method()), .key = EVP_RSA_gen(2048)};
    p.cert = X509_new();
    assert_true(X509_gmtime_adj(X509_getm_notBefore(p.cert), 0) &&
                X509_gmtime_adj(X509_getm_notAfter(p.cert), 3600) &&
                X509_set_pubkey(p.cert, p.key) && X509_sign(p.cert, p.key, EVP_sha256()));
    if (with_certificate)
        assert_true(SSL_CTX_use_certificate(p.ctx, p.cert) == 1 &&
                    SSL_CTX_use_PrivateKey(p.ctx, p.key) == 1);
    if (profiles)
        assert_int_equal(SSL_CTX_set_tlsext_use_srtp(p.ctx, profiles), 0);
    p.ssl = SSL_new(p.ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(p.ssl, in, out);
    SSL_set_options(p.ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(p.ssl, 1200);
    SSL_set_connect_state(p.ssl);
    return p;
}

static void plain_free(struct plain *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

static void plain_handshake(struct plain *p, struct dtls *server)
{
    for (int i = 0; i < 5; i++) {
        (void)SSL_do_handshake(p->ssl); /* wants to read, until it is done */
        char *flight;
        long len = BIO_get_mem_data(SSL_get_wbio(p->ssl), &flight);
        if (len > 0)
            (void)!dtls_input(server, 1, slice_of(flight, (size_t)len));
        (void)BIO_reset(SSL_get_wbio(p->ssl));
        struct slice datagram;
        while (dtls_poll(server, &datagram)) {
            assert_in_range(datagram.len, 1, DTLS_MTU);
            BIO_write(SSL_get_rbio(p->ssl), datagram.data, (int)datagram.len);
            (void)SSL_do_handshake(p->ssl);
        }
    }
}

static void another_stack_connects(const char *profiles, bool with_certificate,
                                   enum dtls_state want, int keys)
{
    struct dtls_context *context = NULL;
    struct dtls *server = NULL;
    assert_int_equal(dtls_context_new(&context), 0);
    assert_int_equal(dtls_new(context, false, &server), 0);
    struct plain client = plain_client(profiles, with_certificate);
    uint8_t digest[32];
    char text[97];
    unsigned len = 0;
    assert_int_equal(X509_digest(client.cert, EVP_sha256(), digest, &len), 1);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(text + 3 * i, 4, "%02x:", digest[i]);
    assert_int_equal(dtls_set_fingerprint(server, SLICE("sha-256"), slice_of(text, 95)), 0);
    plain_handshake(&client, server);
    assert_int_equal(dtls_state(server), want);
    struct srtp_keys send, receive;
    assert_int_equal(dtls_srtp_keys(server, &send, &receive), keys);
    if (keys == 0) {
        assert_int_equal(send.profile, SRTP_PROFILE_CM);
        uint8_t block[60];
        assert_int_equal(SSL_export_keying_material(client.ssl, block, sizeof block,
                                                    "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
                         1);
        assert_memory_equal(receive.key, block, 16);
        assert_memory_equal(send.key, block + 16, 16);
        assert_memory_equal(receive.salt, block + 32, 14);
        assert_memory_equal(send.salt, block + 46, 14);
    }
    plain_free(&client);
    dtls_free(&server);
    dtls_context_free(&context);
}

static void what_others_offer_is_judged(void **state)
{
    another_stack_connects("SRTP_AES128_CM_SHA1_80", true, DTLS_CONNECTED, 0);
    another_stack_connects("SRTP_AES128_CM_SHA1_32", true, DTLS_CONNECTED, ERR_UNSUPPORTED);
    another_stack_connects(NULL, true, DTLS_CONNECTED, ERR_UNSUPPORTED);
    another_stack_connects("SRTP_AES128_CM_SHA1_80", false, DTLS_FAILED, ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_get_the_same_keys),
        cmocka_unit_test(a_settled_session_keeps_only_its_fingerprint),
        cmocka_unit_test(odd_fingerprints_are_refused),
        cmocka_unit_test(what_others_offer_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
