#include "crypto/tls.h"

#include "crypto/openssl.h"

#include <limits.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "crypto/hash.h"

/* What OpenSSL takes for name, MAC key and cipher key of tickets. */
#define TICKET_KEYS_SIZE 80
/* A ticket older than this needs a full handshake. */
#define SESSION_SECONDS (2 * 3600)
/* RFC 5246 lets a chain be large; no honest one is. */
#define CHAIN_MAX 10
/* What a connection's memory for bytes on their way may keep when there are none: a message or two.
 * It never shrinks by itself, and who enters a large room is sent much at once. */
#define KEPT_MAX 4096
static const unsigned char PROTOCOLS[] = "\x02h2\x08http/1.1";
static const unsigned char SESSION_CONTEXT[] = "darasa-edge";

struct tls_context {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    BIO *in;  /* owned by ssl */
    BIO *out; /* owned by ssl */
};

/* Our order wins: HTTP/2 when the client knows it. A client without a protocol of ours is told
 * nothing and speaks HTTP/1.1, as RFC 7301 section 3.2 would have it refused: old tools send odd
 * lists. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, PROTOCOLS, sizeof PROTOCOLS - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static BIO *memory_view(struct slice bytes)
{
    if (bytes.len == 0 || bytes.len > INT_MAX)
        return NULL;
    return BIO_new_mem_buf(bytes.data, (int)bytes.len);
}

static int load_chain(SSL_CTX *ctx, struct slice pem)
{
    BIO *bio = memory_view(pem);
    if (!bio)
        return ERR_FORMAT;
    X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    int err = leaf && SSL_CTX_use_certificate(ctx, leaf) == 1 ? 0 : ERR_FORMAT;
    X509_free(leaf);
    for (int count = 1; !err; count++) {
        X509 *issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!issuer)
            break;
        if (count == CHAIN_MAX || SSL_CTX_add0_chain_cert(ctx, issuer) != 1) {
            X509_free(issuer);
            err = ERR_FORMAT;
        }
    }
    BIO_free(bio);
    return err;
}

/* No terminal may be asked for a passphrase: an encrypted key is an error. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int load_key(SSL_CTX *ctx, struct slice pem)
{
    BIO *bio = memory_view(pem);
    if (!bio)
        return ERR_FORMAT;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!key)
        return ERR_FORMAT;
    int ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return ok ? 0 : ERR_AUTH;
}

static int configure(SSL_CTX *ctx)
{
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set_session_id_context(ctx, SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1) != 1)
        return ERR_UNSUPPORTED;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Tickets only: a cache of ours would be state that a restart loses. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return 0;
}

static int share_tickets(SSL_CTX *ctx, SSL_CTX *previous)
{
    unsigned char keys[TICKET_KEYS_SIZE];
    int ok = SSL_CTX_get_tlsext_ticket_keys(previous, keys, sizeof keys) == 1 &&
             SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof keys) == 1;
    hash_wipe(keys, sizeof keys);
    return ok ? 0 : ERR_UNSUPPORTED;
}

int tls_context_new(struct slice chain_pem, struct slice key_pem,
                    const struct tls_context *previous, struct tls_context **ret_context)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return ERR_MEMORY;
    context->ctx = SSL_CTX_new(TLS_server_method());
    int err = context->ctx ? configure(context->ctx) : ERR_MEMORY;
    if (!err)
        err = load_chain(context->ctx, chain_pem);
    if (!err)
        err = load_key(context->ctx, key_pem);
    if (!err && previous)
        err = share_tickets(context->ctx, previous->ctx);
    ERR_clear_error();
    if (err) {
        tls_context_free(&context);
        return err;
    }
    *ret_context = context;
    return 0;
}

void tls_context_free(struct tls_context **context)
{
    if (!*context)
        return;
    SSL_CTX_free((*context)->ctx);
    free(*context);
    *context = NULL;
}

int tls_context_rotate(struct tls_context *context)
{
    unsigned char keys[TICKET_KEYS_SIZE];
    int ok = RAND_bytes(keys, sizeof keys) == 1 &&
             SSL_CTX_set_tlsext_ticket_keys(context->ctx, keys, sizeof keys) == 1;
    hash_wipe(keys, sizeof keys);
    return ok ? 0 : ERR_UNSUPPORTED;
}

int tls_new(const struct tls_context *context, struct tls **ret_tls)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return ERR_MEMORY;
    tls->ssl = SSL_new(context->ctx);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        SSL_free(tls->ssl);
        free(tls);
        return ERR_MEMORY;
    }
    /* Empty means "later", not "end of file". */
    BIO_set_mem_eof_return(tls->in, -1);
    BIO_set_mem_eof_return(tls->out, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_accept_state(tls->ssl);
    *ret_tls = tls;
    return 0;
}

void tls_free(struct tls **tls)
{
    if (!*tls)
        return;
    SSL_free((*tls)->ssl);
    free(*tls);
    *tls = NULL;
}

/* Once everything in it was read. */
static void give_back(BIO *bio)
{
    BUF_MEM *held = NULL;
    BIO_get_mem_ptr(bio, &held);
    if (!held || held->max <= KEPT_MAX || BIO_ctrl_pending(bio) > 0)
        return;
    BUF_MEM *fresh = BUF_MEM_new();
    if (fresh)
        BIO_set_mem_buf(bio, fresh, BIO_CLOSE);
}

int tls_input(struct tls *tls, struct slice bytes)
{
    if (bytes.len == 0)
        return 0;
    if (bytes.len > INT_MAX)
        return ERR_LIMIT;
    return BIO_write(tls->in, bytes.data, (int)bytes.len) == (int)bytes.len ? 0 : ERR_MEMORY;
}

int tls_read(struct tls *tls, void *out, size_t size, size_t *ret_len)
{
    size_t len = 0;
    ERR_clear_error();
    int ok = SSL_read_ex(tls->ssl, out, size, &len);
    if (ok == 1) {
        *ret_len = len;
        return 0;
    }
    int why = SSL_get_error(tls->ssl, ok);
    ERR_clear_error();
    give_back(tls->in);
    if (why == SSL_ERROR_WANT_READ)
        return ERR_AGAIN;
    return why == SSL_ERROR_ZERO_RETURN ? ERR_CLOSED : ERR_FORMAT;
}

int tls_write(struct tls *tls, struct slice plain)
{
    size_t done = 0;
    if (!tls_ready(tls))
        return ERR_STATE;
    if (plain.len == 0)
        return 0;
    ERR_clear_error();
    /* The memory BIO takes everything, so one call writes all. */
    if (SSL_write_ex(tls->ssl, plain.data, plain.len, &done) == 1 && done == plain.len)
        return 0;
    ERR_clear_error();
    return ERR_FORMAT;
}

void tls_close(struct tls *tls)
{
    if (tls_ready(tls))
        (void)SSL_shutdown(tls->ssl); /* the peer's own close_notify is not waited for */
    ERR_clear_error();
}

int tls_output(struct tls *tls, struct buf *out)
{
    size_t waiting = BIO_ctrl_pending(tls->out);
    if (waiting == 0)
        return 0;
    if (waiting > INT_MAX)
        return ERR_LIMIT;
    uint8_t *at = buf_reserve(out, waiting);
    if (!at)
        return ERR_LIMIT;
    int got = BIO_read(tls->out, at, (int)waiting);
    if (got > 0)
        buf_commit(out, (size_t)got);
    give_back(tls->out);
    return got > 0 ? 0 : ERR_MEMORY;
}

bool tls_ready(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

struct slice tls_protocol(const struct tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return slice_of(name, len);
}

struct slice tls_name(const struct tls *tls)
{
    return slice_str(SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name));
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}
