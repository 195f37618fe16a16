/* STUN messages as ICE uses them (RFC 8489 sections 5 and 14, RFC 8445 section 16). Pure: integrity
 * is a hash handed in, so that this room needs no cryptography. */
#ifndef PROTO_STUN_H
#define PROTO_STUN_H

#include "base/address.h"
#include "base/err.h"
#include "base/slice.h"

#define STUN_ID_SIZE 12
#define STUN_HEADER_SIZE 20
#define STUN_INTEGRITY_SIZE 20
#define STUN_USERNAME_MAX 513 /* RFC 8489, section 14.3: less than 509 bytes; ICE: 256:256 */
/* The longest message that stun_build makes. */
#define STUN_MESSAGE_MAX 640

enum stun_class { STUN_REQUEST = 0, STUN_INDICATION = 1, STUN_SUCCESS = 2, STUN_ERROR = 3 };
enum { STUN_BINDING = 1 };
enum { STUN_ROLE_CONFLICT = 487 };

enum stun_role { STUN_ROLE_NONE, STUN_CONTROLLING, STUN_CONTROLLED };

struct stun_message {
    enum stun_class class;
    uint16_t method;
    uint8_t id[STUN_ID_SIZE];
    struct slice username; /* empty: absent */
    bool has_priority;
    uint32_t priority;
    bool use_candidate;
    enum stun_role role;
    uint64_t tie_breaker;
    bool has_mapped;
    struct address mapped; /* XOR-MAPPED-ADDRESS, already un-XORed */
    uint16_t error;        /* ERROR-CODE, 0: absent */
    bool has_unknown;      /* an attribute that had to be understood (below 0x8000) was not */

    /* Filled by stun_parse: the bytes the MESSAGE-INTEGRITY covers are `header` (with its length as
     * for the integrity) followed by `covered`. integrity is empty when absent. */
    uint8_t header[STUN_HEADER_SIZE];
    struct slice covered;
    struct slice integrity;
};

/* Whether a datagram is STUN by its first bytes (RFC 7983 and the magic cookie). */
bool stun_looks_like(struct slice datagram);
/* A whole datagram. The FINGERPRINT must be there, last and right, as RFC 8445 section 7 requires
 * of connectivity checks. Attributes behind MESSAGE-INTEGRITY other than FINGERPRINT are ignored.
 * Slices point into the datagram. ERR_FORMAT. */
int stun_parse(struct slice datagram, struct stun_message *ret_message) MUST_USE;

/* Computes HMAC-SHA1 over the parts; hash_hmac_sha1_parts of crypto/hash.h fits. */
typedef void stun_hmac(struct slice key, const struct slice *parts, size_t count,
                       uint8_t out[STUN_INTEGRITY_SIZE]);
/* The part before the colon of a check's USERNAME: the receiver's user fragment; the sender's. */
struct slice stun_local_ufrag(const struct stun_message *message);
struct slice stun_remote_ufrag(const struct stun_message *message);
/* Whether MESSAGE-INTEGRITY is there and right; compared without regard to where it differs. */
bool stun_check_integrity(const struct stun_message *message, struct slice key, stun_hmac *hmac);

/* Writes the message with those of its fields that are set, MESSAGE-INTEGRITY under `key` (none
 * when key is empty) and FINGERPRINT. ERR_LIMIT: `size` is too small. */
int stun_build(const struct stun_message *message, struct slice key, stun_hmac *hmac, uint8_t *out,
               size_t size, size_t *ret_len) MUST_USE;

#endif
