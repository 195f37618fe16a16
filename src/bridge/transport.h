/* How one endpoint is reached: ICE, DTLS and SRTP on one path (RFC 8445, RFC 5764, RFC 3711), told
 * apart by the first byte (RFC 7983). No sockets, no clocks: datagrams and `now` come in,
 * datagrams and decrypted packets come out. The bridge is controlling and DTLS server; with
 * `client` it is the other side, for tests and load.
 *
 * After every input and tick: transport_poll until false, then look at transport_state. */
#ifndef BRIDGE_TRANSPORT_H
#define BRIDGE_TRANSPORT_H

#include "base/address.h"
#include "base/units.h"
#include "bridge/ice.h"
#include "crypto/dtls.h"
#include "crypto/srtp.h"

/* Of silence, as the bus promises to signal. */
#define TRANSPORT_QUIET_AFTER (3 * USEC_PER_SEC)
#define TRANSPORT_FAILED_AFTER (15 * USEC_PER_SEC)

struct transport;

struct transport_config {
    struct dtls_context *dtls; /* both outlive the transport */
    struct srtp_engine *srtp;
    struct slice ufrag; /* ours; copied */
    struct slice pwd;
    bool client;
    uint64_t tie_breaker;
    uint64_t seed;
};

enum transport_state {
    TRANSPORT_NEW,       /* nothing heard, peer unknown */
    TRANSPORT_CHECKING,  /* on the way: ICE, DTLS, or the fingerprint not known yet */
    TRANSPORT_CONNECTED, /* media flows */
    TRANSPORT_QUIET,     /* was connected, nothing heard for TRANSPORT_QUIET_AFTER */
    TRANSPORT_FAILED,    /* DTLS refused or ended, or nothing heard for TRANSPORT_FAILED_AFTER; from
                            the latter it comes back when it is heard again */
};

struct transport_counters {
    uint64_t unknown_path; /* DTLS from where no check came */
    uint64_t too_early;    /* media before the keys */
    uint64_t malformed;
    uint64_t unauthenticated;
    uint64_t replayed;
    uint64_t limited;
};

enum transport_kind { TRANSPORT_NOTHING, TRANSPORT_RTP, TRANSPORT_RTCP };

struct transport_media {
    enum transport_kind kind;
    struct slice packet; /* in the datagram */
};

/* ERR_FORMAT: bad credentials; ERR_MEMORY. */
int transport_new(const struct transport_config *config, struct transport **ret_transport) MUST_USE;
/* Without a farewell: see transport_close. */
void transport_free(struct transport **transport);
/* Once the peer's part is known (session-accept); may come before or after its first datagrams,
 * and again unchanged. ERR_FORMAT, ERR_UNSUPPORTED (hash). */
int transport_set_remote(struct transport *transport, usec_t now, struct slice ufrag,
                         struct slice pwd) MUST_USE;
int transport_set_fingerprint(struct transport *transport, struct slice hash,
                              struct slice value) MUST_USE;
/* Other credentials of ours for the same session: DTLS and keys stay (ice_restart). */
int transport_restart(struct transport *transport, struct slice ufrag, struct slice pwd) MUST_USE;
/* Whether checks that begin with this user fragment are for us. */
bool transport_answers_to(const struct transport *transport, struct slice ufrag);
/* A candidate of the peer (client side). */
int transport_add_remote(struct transport *transport, usec_t now, const struct path *path) MUST_USE;

/* A datagram; decrypted in place. 0 with *ret_media filled (kind may be TRANSPORT_NOTHING), or why
 * it was dropped: ERR_FORMAT, ERR_AUTH, ERR_EXISTS (replay), ERR_STATE (no keys yet), ERR_LIMIT,
 * ERR_NOT_FOUND, ERR_CLOSED. */
int transport_input(struct transport *transport, usec_t now, const struct path *path, uint8_t *data,
                    size_t len, struct transport_media *ret_media) MUST_USE;
/* Before transport_input: the RTP packet in a datagram as it came, encrypted but for its header,
 * without its tag. False: it has to be an input, because it is something else, came on another path
 * than the selected one, before the first genuine packet or too fast. */
bool transport_peek(const struct transport *transport, usec_t now, const struct path *path,
                    struct slice datagram, struct slice *ret_packet) MUST_USE;
/* Instead of transport_input: that was the last of it. */
void transport_pass(struct transport *transport, usec_t now, struct slice datagram);
/* The connection of this path (path_is_stream) is gone. */
void transport_path_gone(struct transport *transport, usec_t now, const struct path *path);
/* When it wants to be called next. */
usec_t transport_tick(struct transport *transport, usec_t now);
/* One STUN or DTLS datagram to send; valid until the next call of input or tick. */
bool transport_poll(struct transport *transport, struct path *ret_path, struct slice *ret_datagram);
/* Says good-bye by DTLS; poll once more before freeing. */
void transport_close(struct transport *transport);

enum transport_state transport_state(const struct transport *transport, usec_t now);
/* Whether DTLS refused or ended: no coming back. */
bool transport_over(const struct transport *transport);
/* Where media goes, and what encrypts it; false while there is no consent or no key. */
bool transport_ready(const struct transport *transport, struct path *ret_path,
                     struct srtp **ret_srtp);
/* Whether an authenticated check came on this path. */
bool transport_knows(const struct transport *transport, const struct path *path);
usec_t transport_rtt(const struct transport *transport);
void transport_get_counters(const struct transport *transport,
                            struct transport_counters *ret_counters, struct ice_counters *ret_ice);

#endif
