#include "crypto/dtls.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* First wait before a flight is sent again, doubled each time (RFC 6347, section 4.2.4.1 allows
 * less than its 1 s where round trips are short; half of it is above any that can hold a class). */
#define FLIGHT_WAIT (400 * USEC_PER_MSEC)
#define FLIGHT_WAIT_MAX (3200 * USEC_PER_MSEC)
/* 0.4 + 0.8 + 1.6 + 7 x 3.2 s: the transport has been declared dead long before. */
#define FLIGHT_TRIES 10
/* A server's flight with an EC certificate takes one or two datagrams, with RSA 2048 three. */
#define FLIGHT_DATAGRAMS 8
/* OpenSSL's own timer, in microseconds: the longest it can count, 71 minutes. */
#define OPENSSL_TIMER_AWAY UINT32_MAX
#define RECORD_HEADER 13
#define RECORD_CHANGE_CIPHER_SPEC 20
#define RECORD_HANDSHAKE 22
#define DIGEST_MAX 64
#define EXPORT_LABEL "EXTRACTOR-dtls_srtp"
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"                                 \
    "ECDHE-ECDSA-AES256-GCM-SHA384"

struct dtls_context {
    SSL_CTX *ssl;
    BIO_METHOD *method;
    char fingerprint[DTLS_FINGERPRINT_TEXT];
};

struct datagram {
    size_t len;
    uint8_t bytes[];
};

struct dtls {
    SSL *ssl; /* NULL: settled */
    enum dtls_state state;
    struct slice input; /* the datagram under way, empty once OpenSSL has read it */

    /* The datagrams of our last flight; those from `sent` on wait to be polled. */
    struct datagram *flight[FLIGHT_DATAGRAMS];
    size_t flight_count;
    size_t sent;
    uint64_t record;  /* number of the next record in clear */
    bool flight_over; /* the peer answered: the next write begins a new one */
    bool started;
    usec_t resend_at;
    usec_t wait;
    usec_t repeat_at; /* not sooner */
    unsigned tries;

    const EVP_MD *hash; /* NULL: the fingerprint is not known yet */
    uint8_t digest[DIGEST_MAX];
    size_t digest_len;
};

static void drop_flight(struct dtls *dtls)
{
    while (dtls->flight_count > 0)
        free(dtls->flight[--dtls->flight_count]);
    dtls->sent = 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct dtls *dtls = BIO_get_data(bio);
    if (dtls->flight_over) {
        dtls->flight_over = false;
        drop_flight(dtls);
    }
    /* What does not fit is lost like any datagram. */
    if (len <= 0 || len > DTLS_MTU || dtls->flight_count == FLIGHT_DATAGRAMS)
        return len;
    struct datagram *out = malloc(sizeof *out + (size_t)len);
    if (!out)
        return len;
    memcpy(out->bytes, data, (size_t)len);
    out->len = (size_t)len;
    dtls->flight[dtls->flight_count++] = out;
    return len;
}

static int bio_read(BIO *bio, char *out, int size)
{
    struct dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (dtls->input.len == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = dtls->input.len < (size_t)size ? dtls->input.len : (size_t)size;
    memcpy(out, dtls->input.data, len);
    dtls->input = slice_of(NULL, 0);
    return (int)len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return DTLS_MTU;
    default:
        return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* Certificates are self-signed; what counts is the fingerprint, checked when both are known. */
static int accept_certificate(X509_STORE_CTX *store, void *arg)
{
    return 1;
}

static unsigned int timer_away(SSL *ssl, unsigned int previous)
{
    return OPENSSL_TIMER_AWAY;
}

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (!cert)
        return NULL;
    X509_NAME *name = X509_get_subject_name(cert);
    /* Random, so that two certificates of one name are never taken for each other. */
    bool done =
        X509_set_version(cert, 2) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), random_u64() & INT64_MAX) == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "20200101000000Z") == 1 &&
        ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), "99991231235959Z") == 1 &&
        X509_set_pubkey(cert, key) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"darasa", -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(cert, name) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
    if (!done) {
        X509_free(cert);
        cert = NULL;
    }
    return cert;
}

static bool write_fingerprint(const X509 *cert, char out[DTLS_FINGERPRINT_TEXT])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1 || len != HASH_SHA256_SIZE)
        return false;
    for (size_t i = 0; i < len; i++) {
        out[3 * i] = digits[digest[i] >> 4];
        out[3 * i + 1] = digits[digest[i] & 15];
        out[3 * i + 2] = ':';
    }
    out[3 * len - 1] = '\0';
    return true;
}

static bool set_up(SSL_CTX *ssl, EVP_PKEY *key, X509 *cert)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, accept_certificate, NULL);
    SSL_CTX_set_read_ahead(ssl, 1);
    return SSL_CTX_set_min_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1 &&
           /* Zero is success here. The first that the peer knows too is taken. */
           SSL_CTX_set_tlsext_use_srtp(ssl, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") == 0 &&
           SSL_CTX_use_certificate(ssl, cert) == 1 && SSL_CTX_use_PrivateKey(ssl, key) == 1;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dtls");
    if (method &&
        (BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_read(method, bio_read) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1 ||
         BIO_meth_set_create(method, bio_create) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

int dtls_context_new(struct dtls_context **ret_context)
{
    struct dtls_context *context = calloc(1, sizeof *context);
    if (!context)
        return ERR_MEMORY;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? self_signed(key) : NULL;
    context->ssl = SSL_CTX_new(DTLS_method());
    context->method = make_method();
    bool done = cert && context->ssl && context->method && set_up(context->ssl, key, cert) &&
                write_fingerprint(cert, context->fingerprint);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!done) {
        dtls_context_free(&context);
        return ERR_MEMORY;
    }
    *ret_context = context;
    return 0;
}

void dtls_context_free(struct dtls_context **context)
{
    if (!*context)
        return;
    SSL_CTX_free((*context)->ssl);
    BIO_meth_free((*context)->method);
    free(*context);
    *context = NULL;
}

int dtls_context_only(struct dtls_context *context, enum srtp_profile profile)
{
    const char *name =
        profile == SRTP_PROFILE_GCM ? "SRTP_AEAD_AES_128_GCM" : "SRTP_AES128_CM_SHA1_80";
    /* It alone of its kind returns 0 when it succeeds. */
    return SSL_CTX_set_tlsext_use_srtp(context->ssl, name) == 0 ? 0 : ERR_MEMORY;
}

const char *dtls_context_fingerprint(const struct dtls_context *context)
{
    return context->fingerprint;
}

int dtls_new(struct dtls_context *context, bool client, struct dtls **ret_dtls)
{
    struct dtls *dtls = calloc(1, sizeof *dtls);
    if (!dtls)
        return ERR_MEMORY;
    dtls->resend_at = USEC_NEVER;
    dtls->ssl = SSL_new(context->ssl);
    BIO *bio = dtls->ssl ? BIO_new(context->method) : NULL;
    if (!bio) {
        dtls_free(&dtls);
        return ERR_MEMORY;
    }
    BIO_set_data(bio, dtls);
    SSL_set_bio(dtls->ssl, bio, bio);
    SSL_set_mtu(dtls->ssl, DTLS_MTU);
    DTLS_set_timer_cb(dtls->ssl, timer_away);
    if (client)
        SSL_set_connect_state(dtls->ssl);
    else
        SSL_set_accept_state(dtls->ssl);
    *ret_dtls = dtls;
    return 0;
}

void dtls_free(struct dtls **dtls)
{
    if (!*dtls)
        return;
    SSL_free((*dtls)->ssl);
    drop_flight(*dtls);
    hash_wipe(*dtls, sizeof **dtls);
    free(*dtls);
    *dtls = NULL;
}

/* A record sent again needs a new number, lest the peer take it for a replay: it may have dropped
 * the first (a ChangeCipherSpec that came too soon). Those of epoch 0 are in clear, so all of them
 * get their numbers here. What comes later is one Finished, which is kept or dropped unread until
 * its turn has come: it may be repeated as it is (RFC 6347, sections 4.1 and 4.1.2.6). */
static void number_records(struct dtls *dtls, struct datagram *out)
{
    for (size_t at = 0; at + RECORD_HEADER <= out->len;) {
        uint8_t *header = out->bytes + at;
        if (load_u16(header + 3) == 0) {
            store_u16(header + 5, (uint16_t)(dtls->record >> 32));
            store_u32(header + 7, (uint32_t)dtls->record);
            dtls->record++;
        }
        at += RECORD_HEADER + load_u16(header + 11);
    }
}

static struct slice digest_of(const struct dtls *dtls)
{
    return slice_of(dtls->digest, dtls->digest_len);
}

static bool peer_matches(const struct dtls *dtls)
{
    X509 *cert = SSL_get0_peer_certificate(dtls->ssl);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return cert && X509_digest(cert, dtls->hash, digest, &len) == 1 &&
           hash_equal(slice_of(digest, len), digest_of(dtls));
}

static bool has_ended(const struct dtls *dtls)
{
    return dtls->state == DTLS_CLOSED || dtls->state == DTLS_FAILED;
}

/* Two of 17 kB for each session, which after the handshake next to never uses them. What fails for
 * want of memory shows in the call that needs them. */
static void take_buffers(struct dtls *dtls)
{
    (void)SSL_alloc_buffers(dtls->ssl);
}

static void give_buffers(struct dtls *dtls)
{
    if (SSL_is_init_finished(dtls->ssl))
        (void)SSL_free_buffers(dtls->ssl); /* in use: they stay until next time */
}

/* Best effort: whether it arrives does not matter. */
static void say_goodbye(struct dtls *dtls)
{
    if (!dtls->ssl)
        return;
    take_buffers(dtls);
    (void)SSL_shutdown(dtls->ssl);
    give_buffers(dtls);
}

static void verify(struct dtls *dtls)
{
    if (!dtls->hash) {
        dtls->state = DTLS_UNVERIFIED;
    } else if (peer_matches(dtls)) {
        dtls->state = DTLS_CONNECTED;
    } else {
        say_goodbye(dtls);
        dtls->state = DTLS_FAILED;
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_digest(struct slice text, uint8_t *out, size_t len)
{
    if (text.len != 3 * len - 1)
        return ERR_FORMAT;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.data[3 * i]), low = hex_digit(text.data[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < len && text.data[3 * i + 2] != ':'))
            return ERR_FORMAT;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int dtls_set_fingerprint(struct dtls *dtls, struct slice hash, struct slice value)
{
    const EVP_MD *md = slice_eq_nocase(hash, SLICE("sha-256"))   ? EVP_sha256()
                       : slice_eq_nocase(hash, SLICE("sha-384")) ? EVP_sha384()
                       : slice_eq_nocase(hash, SLICE("sha-512")) ? EVP_sha512()
                                                                 : NULL;
    if (!md)
        return ERR_UNSUPPORTED;
    uint8_t digest[DIGEST_MAX];
    size_t len = (size_t)EVP_MD_get_size(md);
    int err = parse_digest(value, digest, len);
    if (err)
        return err;
    if (!dtls->ssl) {
        if (md != dtls->hash || !hash_equal(slice_of(digest, len), digest_of(dtls)))
            dtls->state = DTLS_FAILED;
        return 0;
    }
    memcpy(dtls->digest, digest, len);
    dtls->digest_len = len;
    dtls->hash = md;
    if (dtls->state == DTLS_UNVERIFIED || dtls->state == DTLS_CONNECTED)
        verify(dtls);
    return 0;
}

/* Lets OpenSSL go on with what it has; judges the outcome. */
static void proceed(struct dtls *dtls)
{
    ERR_clear_error();
    take_buffers(dtls);
    int done = 1;
    if (!SSL_is_init_finished(dtls->ssl)) {
        done = SSL_do_handshake(dtls->ssl);
        if (done == 1)
            verify(dtls);
    }
    if (SSL_is_init_finished(dtls->ssl)) {
        /* Nobody sends application data; reading answers repeated flights and takes alerts. */
        uint8_t ignored[64];
        while ((done = SSL_read(dtls->ssl, ignored, sizeof ignored)) > 0)
            ;
    }
    int why = SSL_get_error(dtls->ssl, done);
    if (why == SSL_ERROR_ZERO_RETURN) {
        say_goodbye(dtls); /* our close_notify in return */
        dtls->state = dtls->state == DTLS_FAILED ? DTLS_FAILED : DTLS_CLOSED;
    } else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_NONE) {
        dtls->state = DTLS_FAILED;
    }
    give_buffers(dtls);
    ERR_clear_error();
}

static void schedule(struct dtls *dtls, usec_t now)
{
    bool waiting = dtls->state == DTLS_HANDSHAKE && dtls->flight_count > 0;
    dtls->resend_at = waiting ? now + dtls->wait : USEC_NEVER;
}

/* A handshake record after the end: the peer has not got our last flight. OpenSSL answers only when
 * the peer's Finished is a new record; ours (as client) repeats it as it is. */
static void repeat_last(struct dtls *dtls, usec_t now, struct slice datagram, bool wrote)
{
    bool done = dtls->state == DTLS_CONNECTED || dtls->state == DTLS_UNVERIFIED;
    bool handshake = datagram.len > 0 && (datagram.data[0] == RECORD_HANDSHAKE ||
                                          datagram.data[0] == RECORD_CHANGE_CIPHER_SPEC);
    if (!done || wrote || !handshake || now < dtls->repeat_at || dtls->tries >= FLIGHT_TRIES)
        return;
    dtls->sent = 0;
    dtls->tries++;
    dtls->repeat_at = now + FLIGHT_WAIT / 2;
}

int dtls_input(struct dtls *dtls, usec_t now, struct slice datagram)
{
    if (has_ended(dtls))
        return ERR_CLOSED;
    if (!dtls->ssl)
        return 0;
    dtls->input = datagram;
    dtls->flight_over = true;
    dtls->started = true;
    proceed(dtls);
    bool wrote = !dtls->flight_over;
    repeat_last(dtls, now, datagram, wrote);
    dtls->flight_over = false;
    dtls->input = slice_of(NULL, 0);
    if (wrote) {
        dtls->wait = FLIGHT_WAIT;
        dtls->tries = 0;
        schedule(dtls, now);
    } else if (dtls->state != DTLS_HANDSHAKE) {
        dtls->resend_at = USEC_NEVER;
    }
    return dtls->state == DTLS_FAILED ? ERR_AUTH : 0;
}

usec_t dtls_tick(struct dtls *dtls, usec_t now)
{
    if (!dtls->started && !SSL_is_server(dtls->ssl)) {
        dtls->started = true;
        dtls->wait = FLIGHT_WAIT;
        proceed(dtls);
        schedule(dtls, now);
    }
    if (dtls->resend_at > now)
        return dtls->resend_at;
    if (++dtls->tries >= FLIGHT_TRIES) {
        dtls->state = DTLS_FAILED;
        dtls->resend_at = USEC_NEVER;
        return USEC_NEVER;
    }
    dtls->sent = 0;
    dtls->wait = usec_min(dtls->wait * 2, FLIGHT_WAIT_MAX);
    schedule(dtls, now);
    return dtls->resend_at;
}

bool dtls_poll(struct dtls *dtls, struct slice *ret_datagram)
{
    if (dtls->sent >= dtls->flight_count)
        return false;
    struct datagram *out = dtls->flight[dtls->sent++];
    number_records(dtls, out);
    *ret_datagram = slice_of(out->bytes, out->len);
    return true;
}

void dtls_close(struct dtls *dtls)
{
    if (has_ended(dtls))
        return;
    dtls->flight_over = true;
    ERR_clear_error();
    say_goodbye(dtls);
    ERR_clear_error();
    dtls->flight_over = false;
    dtls->state = DTLS_CLOSED;
    dtls->resend_at = USEC_NEVER;
}

void dtls_settle(struct dtls *dtls)
{
    if (dtls->state != DTLS_CONNECTED || !dtls->ssl)
        return;
    SSL_free(dtls->ssl);
    dtls->ssl = NULL;
    drop_flight(dtls);
    dtls->resend_at = USEC_NEVER;
}

enum dtls_state dtls_state(const struct dtls *dtls)
{
    return dtls->state;
}

int dtls_srtp_keys(const struct dtls *dtls, struct srtp_keys *ret_send,
                   struct srtp_keys *ret_receive)
{
    if (dtls->state != DTLS_CONNECTED || !dtls->ssl)
        return ERR_STATE;
    const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(dtls->ssl);
    if (!profile)
        return ERR_UNSUPPORTED;
    bool gcm = profile->id == SRTP_PROFILE_GCM;
    if (!gcm && profile->id != SRTP_PROFILE_CM)
        return ERR_UNSUPPORTED;
    const size_t salt_len = gcm ? 12 : SRTP_SALT_SIZE;
    uint8_t block[2 * (SRTP_KEY_SIZE + SRTP_SALT_SIZE)];
    if (SSL_export_keying_material(dtls->ssl, block, 2 * (SRTP_KEY_SIZE + salt_len), EXPORT_LABEL,
                                   sizeof EXPORT_LABEL - 1, NULL, 0, 0) != 1)
        return ERR_MEMORY;
    struct srtp_keys client = {.profile = (enum srtp_profile)profile->id}, server = client;
    memcpy(client.key, block, SRTP_KEY_SIZE);
    memcpy(server.key, block + SRTP_KEY_SIZE, SRTP_KEY_SIZE);
    memcpy(client.salt, block + 2 * SRTP_KEY_SIZE, salt_len);
    memcpy(server.salt, block + 2 * SRTP_KEY_SIZE + salt_len, salt_len);
    bool is_server = SSL_is_server(dtls->ssl);
    *ret_send = is_server ? server : client;
    *ret_receive = is_server ? client : server;
    hash_wipe(block, sizeof block);
    hash_wipe(&client, sizeof client);
    hash_wipe(&server, sizeof server);
    return 0;
}
