/* The server side of TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over memory: ciphertext in, plaintext
 * out, and back. No socket, no clock. HTTP/2 and HTTP/1.1 by ALPN (RFC 7301). */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* A certificate with what all its connections share. Connections keep it alive: it may be freed
 * (replaced) while they last. */
struct tls_context;
/* One connection. */
struct tls;

/* From a PEM chain (leaf first) and a PEM private key. `previous`, may be NULL: session tickets of
 * that context stay good. ERR_FORMAT: not PEM, or not a certificate; ERR_AUTH: the key does not
 * belong to the certificate; ERR_MEMORY. */
int tls_context_new(struct slice chain_pem, struct slice key_pem,
                    const struct tls_context *previous, struct tls_context **ret_context) MUST_USE;
void tls_context_free(struct tls_context **context);
/* Fresh keys for session tickets; older tickets fall back to a full handshake. Call about twice a
 * day: it bounds what a stolen ticket key opens. */
int tls_context_rotate(struct tls_context *context) MUST_USE;

int tls_new(const struct tls_context *context, struct tls **ret_tls) MUST_USE;
void tls_free(struct tls **tls);
/* Ciphertext from the peer; all of it is taken. Then read until ERR_AGAIN. ERR_MEMORY. */
int tls_input(struct tls *tls, struct slice bytes) MUST_USE;
/* Drives the handshake, then yields plaintext: 0 with *ret_len > 0, ERR_AGAIN (more input needed),
 * ERR_CLOSED (close_notify), ERR_FORMAT (the peer broke the protocol; what waits to be sent is an
 * alert). */
int tls_read(struct tls *tls, void *out, size_t size, size_t *ret_len) MUST_USE;
/* Encrypts all of `plain`. ERR_STATE before the handshake is done; ERR_FORMAT. */
int tls_write(struct tls *tls, struct slice plain) MUST_USE;
/* Queues close_notify. */
void tls_close(struct tls *tls);
/* Moves the ciphertext that waits for the peer to the end of `out`; ERR_LIMIT when `out` is full.
 */
int tls_output(struct tls *tls, struct buf *out) MUST_USE;
bool tls_ready(const struct tls *tls);
/* "h2", "http/1.1" or empty; valid as long as `tls`. */
struct slice tls_protocol(const struct tls *tls);
/* The server name that the client asked for (SNI, RFC 6066); empty: none. Valid as long as `tls`.
 */
struct slice tls_name(const struct tls *tls);
/* The handshake used a session ticket. */
bool tls_resumed(const struct tls *tls);

#endif
