/* One ICE agent for one component (RFC 8445, consent by RFC 7675), without sockets or clocks. The
 * bridge is full and controlling; tests and the load generator use the same as controlled client.
 * Remote addresses are learned from authenticated checks; ice_add_remote adds signalled ones.
 *
 * Media goes to the selected path. The first path that answers is selected and nominated; later
 * the choice follows the peer: to where its authenticated packets come from now, once a check of
 * ours was answered there. Datagrams are preferred to a stream (path_is_stream), and that to what
 * comes by a relay on this machine, which is selected first only when nothing better has answered
 * for half a second. Drain ice_poll after every input and tick. */
#ifndef BRIDGE_ICE_H
#define BRIDGE_ICE_H

#include "base/address.h"
#include "base/units.h"

#define ICE_PATHS_MAX 16
#define ICE_CREDENTIAL_MAX 256 /* RFC 8839, section 5.4 */

struct ice;

struct ice_config {
    struct slice ufrag; /* ours; copied */
    struct slice pwd;
    bool controlling;
    uint64_t tie_breaker;
    uint64_t seed; /* of the jitter of consent checks */
};

struct ice_counters {
    uint64_t malformed;
    uint64_t unauthenticated; /* wrong or missing integrity, or not for us */
    uint64_t limited;         /* not even looked at: too many of those before */
    uint64_t conflicts;
    uint64_t output_full;
    uint64_t switches; /* of the selected path after the first */
};

/* ERR_FORMAT: credentials shorter or longer than RFC 8839 allows; ERR_MEMORY. */
int ice_new(const struct ice_config *config, struct ice **ret_ice) MUST_USE;
void ice_free(struct ice **ice);
/* The peer's credentials; own checks begin with them. ERR_FORMAT. Harmless when unchanged. */
int ice_set_remote(struct ice *ice, usec_t now, struct slice ufrag, struct slice pwd) MUST_USE;
/* Begins anew with other credentials of ours (RFC 8445, section 9), the peer's come by
 * ice_set_remote. What runs goes on with the old ones until a path with the new ones has answered,
 * and for 5 s after. ERR_FORMAT, ERR_MEMORY. */
int ice_restart(struct ice *ice, struct slice ufrag, struct slice pwd) MUST_USE;
/* Whether checks that begin with this user fragment are for us. */
bool ice_answers_to(const struct ice *ice, struct slice ufrag);
/* A path to try: a candidate of the peer, or one its authenticated media was seen on.
 * ERR_LIMIT: no room, all others are alive. */
int ice_add_remote(struct ice *ice, usec_t now, const struct path *path) MUST_USE;

/* A STUN datagram. 0; ERR_FORMAT, ERR_AUTH (not for us, or not from the peer), ERR_LIMIT (dropped
 * by rate), ERR_NOT_FOUND (an answer that nothing waits for). */
int ice_input(struct ice *ice, usec_t now, const struct path *path, struct slice datagram) MUST_USE;
/* The connection of this path (path_is_stream) is gone, and so is the path. */
void ice_path_gone(struct ice *ice, usec_t now, const struct path *path);
/* Authenticated media or DTLS came on this path. */
void ice_heard(struct ice *ice, usec_t now, const struct path *path);
/* When it wants to be called next. */
usec_t ice_tick(struct ice *ice, usec_t now);
/* One datagram to send from path->local to path->remote; valid until the next input or tick. */
bool ice_poll(struct ice *ice, struct path *ret_path, struct slice *ret_datagram);

/* Whether an authenticated check of the peer came on this path, or ours was answered there. */
bool ice_knows(const struct ice *ice, const struct path *path);
/* Where to send: false when no path has consent. */
bool ice_selected(const struct ice *ice, struct path *ret_path);
/* Whether the peer's credentials are known or an authenticated check came. */
bool ice_checking(const struct ice *ice);
bool ice_is_controlling(const struct ice *ice);
/* Smoothed; 0: not measured yet. */
usec_t ice_rtt(const struct ice *ice);
/* When anything authenticated was last received; 0: never. */
usec_t ice_heard_at(const struct ice *ice);
void ice_get_counters(const struct ice *ice, struct ice_counters *ret_counters);

#endif
