/* DTLS 1.2 for SRTP keys (RFC 6347, RFC 5764) over OpenSSL, without sockets or clocks: datagrams
 * and `now` come in, datagrams come out.
 *
 * Time: OpenSSL 3.0 keeps its retransmission timer on the wall clock and offers no other. That
 * timer is set so far away that it does not fire; dtls_tick sends the datagrams of our last flight
 * again, by the caller's clock, as new records. Nothing here depends on the wall clock, not even
 * the certificates: they are judged by fingerprint only (RFC 8122), as WebRTC does.
 *
 * Wants no cookie (HelloVerifyRequest): feed it only from addresses that passed an ICE check. */
#ifndef CRYPTO_DTLS_H
#define CRYPTO_DTLS_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"
#include "crypto/srtp.h"

/* Own datagrams are never longer. */
#define DTLS_MTU 1200
#define DTLS_FINGERPRINT_TEXT 96 /* "AA:BB:..." of SHA-256 with its NUL */

/* A self-signed ECDSA P-256 certificate, made now, and what all sessions of a process share. */
struct dtls_context;

int dtls_context_new(struct dtls_context **ret_context) MUST_USE;
void dtls_context_free(struct dtls_context **context);
/* SHA-256 of the certificate, upper-case hex with colons; lives as long as the context. */
const char *dtls_context_fingerprint(const struct dtls_context *context);

/* Offers and takes only this SRTP profile, as peers do that know no other; before any session. */
int dtls_context_only(struct dtls_context *context, enum srtp_profile profile) MUST_USE;

enum dtls_state {
    DTLS_HANDSHAKE,
    DTLS_UNVERIFIED, /* done but for the peer's fingerprint, which is not known yet */
    DTLS_CONNECTED,
    DTLS_CLOSED, /* close_notify came or was sent */
    DTLS_FAILED, /* a fatal alert either way, or the fingerprint did not match */
};

struct dtls;

/* The context must outlive the session. A client sends its first flight on the first tick. */
int dtls_new(struct dtls_context *context, bool client, struct dtls **ret_dtls) MUST_USE;
void dtls_free(struct dtls **dtls);
/* What the peer's certificate must hash to: `hash` is "sha-256", "sha-384" or "sha-512" in any
 * case, `value` hex with colons. May come at any time; the session is not connected before.
 * ERR_UNSUPPORTED: another hash; ERR_FORMAT. */
int dtls_set_fingerprint(struct dtls *dtls, struct slice hash, struct slice value) MUST_USE;

/* A datagram whose first byte is in 20..63. ERR_AUTH: the session failed by it; ERR_CLOSED: it
 * has ended. Nonsense is dropped by DTLS itself and returns 0. */
int dtls_input(struct dtls *dtls, usec_t now, struct slice datagram) MUST_USE;
/* Retransmits when due; returns when to come back. The session fails when a handshake makes no
 * progress through all retransmissions. */
usec_t dtls_tick(struct dtls *dtls, usec_t now);
/* The next datagram to send; valid until the next input or tick. */
bool dtls_poll(struct dtls *dtls, struct slice *ret_datagram);
/* Sends close_notify, if not settled. */
void dtls_close(struct dtls *dtls);
/* Once connected, the keys taken, and the peer has shown with a genuine packet that it has them,
 * too: gives back all that only the handshake and a farewell need. What still comes is ignored, a
 * farewell as well; dtls_set_fingerprint takes the same again, and the session fails with another.
 */
void dtls_settle(struct dtls *dtls);

enum dtls_state dtls_state(const struct dtls *dtls);
/* Keys for what we send and what we receive (RFC 5764, section 4.2); once connected, else
 * ERR_STATE. ERR_UNSUPPORTED: no SRTP profile was agreed. The caller wipes them. */
int dtls_srtp_keys(const struct dtls *dtls, struct srtp_keys *ret_send,
                   struct srtp_keys *ret_receive) MUST_USE;

#endif
