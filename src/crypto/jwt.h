/* JSON Web Tokens (RFC 7519, JWS compact form RFC 7515): HS256 and RS256, nothing else. */
#ifndef CRYPTO_JWT_H
#define CRYPTO_JWT_H

#include <jansson.h>

#include "base/err.h"
#include "base/slice.h"

enum jwt_alg { JWT_HS256, JWT_RS256 };

struct jwt_key {
    enum jwt_alg alg; /* the only algorithm this key is used with, whatever the token says */
    struct slice
        secret; /* HS256: the bytes; RS256: a PEM public key (PEM private key for jwt_sign) */
};

/* The header alone, unverified, to choose a key by `kid` and `alg`. New reference in *ret_header.
 */
int jwt_header(struct slice token, json_t **ret_header) MUST_USE;
/* Verifies the signature in constant time; new reference to the claims. ERR_FORMAT, ERR_AUTH,
 * ERR_UNSUPPORTED (alg is not the key's). Claims are not judged here. */
int jwt_verify(struct slice token, const struct jwt_key *key, json_t **ret_claims) MUST_USE;
/* A NUL-terminated token in malloc memory. */
int jwt_sign(json_t *claims, const struct jwt_key *key, const char *kid, char **ret_token) MUST_USE;

#endif
