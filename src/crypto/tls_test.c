#include "crypto/tls.h"

#include "crypto/openssl.h"

#include <malloc.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/units.h"

/* A self-signed certificate and its key, as PEM. */
struct identity {
    BIO *chain;
    BIO *key;
};

static struct slice bio_slice(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    return slice_of(data, (size_t)len);
}

static struct identity identity_new(void)
{
    struct identity id = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_int_equal(X509_set_version(cert, 2), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"school.test", -1,
                               -1, 0);
    X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    PEM_write_bio_X509(id.chain, cert);
    PEM_write_bio_PrivateKey(id.key, key, NULL, NULL, 0, NULL, NULL);
    X509_free(cert);
    EVP_PKEY_free(key);
    return id;
}

static void identity_free(struct identity *id)
{
    BIO_free(id->chain);
    BIO_free(id->key);
}

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
};

static struct client client_new(SSL_SESSION *session, int max_version, const char *alpn)
{
    struct client client = {.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_min_proto_version(client.ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client.ctx, max_version);
    SSL_CTX_set_security_level(client.ctx, 0);
    client.ssl = SSL_new(client.ctx);
    client.in = BIO_new(BIO_s_mem());
    client.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(client.in, -1);
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    if (alpn)
        SSL_set_alpn_protos(client.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (session)
        SSL_set_session(client.ssl, session);
    return client;
}

static void client_free(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
}

/* Carries bytes both ways, `step` at a time towards the server; returns the server's last word. */
static int carry(struct client *client, struct tls *tls, size_t step, struct buf *got)
{
    int err = ERR_AGAIN;
    for (int round = 0; round < 10; round++) {
        char scratch[4096];
        if (!SSL_is_init_finished(client->ssl))
            (void)SSL_do_handshake(client->ssl);
        struct slice bytes = bio_slice(client->out);
        for (size_t at = 0; at < bytes.len; at += step) {
            assert_int_equal(tls_input(tls, slice_sub(bytes, at, step)), 0);
            size_t len = 0;
            while ((err = tls_read(tls, scratch, sizeof scratch, &len)) == 0)
                buf_add(got, slice_of(scratch, len));
        }
        (void)BIO_reset(client->out);
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(tls_output(tls, &out), 0);
        if (out.len > 0)
            BIO_write(client->in, out.data, (int)out.len);
        buf_done(&out);
        if (err != ERR_AGAIN)
            break;
    }
    return err;
}

static void test_exchange(void **state)
{
    (void)state;
    struct identity id = identity_new();
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(id.key), NULL, &context), 0);
    const size_t steps[] = {1, 7, 16384};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct tls *tls = NULL;
        struct buf got;
        buf_init(&got, 1 << 20);
        assert_int_equal(tls_new(context, &tls), 0);
        assert_int_equal(tls_write(tls, SLICE("early")), ERR_STATE);
        struct client client = client_new(NULL, TLS1_3_VERSION, "\x08http/1.1\x02h2");
        assert_int_equal(carry(&client, tls, steps[i], &got), ERR_AGAIN);
        assert_true(tls_ready(tls));
        assert_true(slice_eq_str(tls_protocol(tls), "h2"));
        assert_int_equal(SSL_write(client.ssl, "hello", 5), 5);
        assert_int_equal(carry(&client, tls, steps[i], &got), ERR_AGAIN);
        assert_true(slice_eq_str(buf_slice(&got), "hello"));
        assert_int_equal(tls_write(tls, SLICE("welcome")), 0);
        assert_int_equal(carry(&client, tls, steps[i], &got), ERR_AGAIN);
        char answer[16];
        assert_int_equal(SSL_read(client.ssl, answer, sizeof answer), 7);
        SSL_shutdown(client.ssl);
        assert_int_equal(carry(&client, tls, steps[i], &got), ERR_CLOSED);
        client_free(&client);
        tls_free(&tls);
        buf_done(&got);
    }
    tls_context_free(&context);
    identity_free(&id);
}

static SSL_SESSION *visit(struct tls_context *context, SSL_SESSION *session, bool *ret_resumed)
{
    struct tls *tls = NULL;
    struct buf got;
    buf_init(&got, 1 << 20);
    assert_int_equal(tls_new(context, &tls), 0);
    struct client client = client_new(session, TLS1_3_VERSION, NULL);
    assert_int_equal(carry(&client, tls, 16384, &got), ERR_AGAIN);
    char scratch[16];
    (void)SSL_read(client.ssl, scratch, sizeof scratch); /* takes the ticket */
    assert_int_equal(tls_protocol(tls).len, 0);
    *ret_resumed = tls_resumed(tls);
    SSL_SESSION *fresh = SSL_get1_session(client.ssl);
    SSL_shutdown(client.ssl);
    client_free(&client);
    tls_free(&tls);
    buf_done(&got);
    return fresh;
}

static void test_tickets_survive_reload(void **state)
{
    (void)state;
    struct identity id = identity_new(), renewed = identity_new();
    struct tls_context *old = NULL, *new = NULL;
    bool resumed = true;
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(id.key), NULL, &old), 0);
    SSL_SESSION *session = visit(old, NULL, &resumed);
    assert_false(resumed);
    assert_int_equal(tls_context_new(bio_slice(renewed.chain), bio_slice(renewed.key), old, &new),
                     0);
    tls_context_free(&old);
    SSL_SESSION *second = visit(new, session, &resumed);
    assert_true(resumed);
    assert_int_equal(tls_context_rotate(new), 0);
    SSL_SESSION *third = visit(new, second, &resumed);
    assert_false(resumed);
    SSL_SESSION_free(session);
    SSL_SESSION_free(second);
    SSL_SESSION_free(third);
    tls_context_free(&new);
    identity_free(&id);
    identity_free(&renewed);
}

static void test_context_outlived(void **state)
{
    (void)state;
    struct identity id = identity_new();
    struct tls_context *context = NULL;
    struct tls *tls = NULL;
    struct buf got;
    buf_init(&got, 1 << 20);
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(id.key), NULL, &context), 0);
    assert_int_equal(tls_new(context, &tls), 0);
    tls_context_free(&context);
    struct client client = client_new(NULL, TLS1_2_VERSION, "\x02h2");
    assert_int_equal(carry(&client, tls, 16384, &got), ERR_AGAIN);
    assert_true(tls_ready(tls));
    client_free(&client);
    tls_free(&tls);
    buf_done(&got);
    identity_free(&id);
}

static void test_refused(void **state)
{
    (void)state;
    struct identity id = identity_new(), other = identity_new();
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new(SLICE("no"), bio_slice(id.key), NULL, &context), ERR_FORMAT);
    assert_int_equal(tls_context_new(bio_slice(id.chain), SLICE(""), NULL, &context), ERR_FORMAT);
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(other.key), NULL, &context),
                     ERR_AUTH);
    assert_null(context);
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(id.key), NULL, &context), 0);
    struct tls *tls = NULL;
    struct buf got;
    buf_init(&got, 1 << 20);
    assert_int_equal(tls_new(context, &tls), 0);
    struct client old = client_new(NULL, TLS1_1_VERSION, NULL);
    assert_int_equal(carry(&old, tls, 16384, &got), ERR_FORMAT);
    client_free(&old);
    tls_free(&tls);
    assert_int_equal(tls_new(context, &tls), 0);
    assert_int_equal(tls_input(tls, SLICE("GET / HTTP/1.1\r\n\r\n")), 0);
    char scratch[16];
    size_t len = 0;
    assert_int_equal(tls_read(tls, scratch, sizeof scratch, &len), ERR_FORMAT);
    tls_free(&tls);
    buf_done(&got);
    tls_context_free(&context);
    identity_free(&id);
    identity_free(&other);
}

/* What OpenSSL holds, in bytes. */
static size_t held;

static void *counted_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    held -= malloc_usable_size(old);
    void *memory = realloc(old, size);
    held += malloc_usable_size(memory);
    return memory;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    return counted_realloc(NULL, size, file, line);
}

static void counted_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    held -= malloc_usable_size(memory);
    free(memory);
}

static void test_bursts_are_not_kept(void **state)
{
    (void)state;
    static uint8_t burst[500000];
    struct identity id = identity_new();
    struct tls_context *context = NULL;
    struct tls *tls = NULL;
    struct buf got, out;
    buf_init(&got, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_int_equal(tls_context_new(bio_slice(id.chain), bio_slice(id.key), NULL, &context), 0);
    assert_int_equal(tls_new(context, &tls), 0);
    struct client client = client_new(NULL, TLS1_3_VERSION, NULL);
    assert_int_equal(carry(&client, tls, 16384, &got), ERR_AGAIN);
    size_t before = held;
    assert_int_equal(tls_write(tls, slice_of(burst, sizeof burst)), 0);
    assert_true(held > before + sizeof burst);
    assert_int_equal(tls_output(tls, &out), 0);
    assert_in_range(held, before / 2, before + 8192);
    assert_int_equal(SSL_write(client.ssl, burst, sizeof burst), sizeof burst);
    assert_int_equal(carry(&client, tls, sizeof burst * 2, &got), ERR_AGAIN);
    assert_int_equal(got.len, sizeof burst);
    client_free(&client);
    assert_true(held < before + 8192);
    tls_free(&tls);
    buf_done(&got);
    buf_done(&out);
    tls_context_free(&context);
    identity_free(&id);
}

int main(void)
{
    assert_int_equal(CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free), 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_tickets_survive_reload),
        cmocka_unit_test(test_context_outlived),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bursts_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
