/* Rules for the claims of a Jitsi token (JWT): who may come in, as whom, with which rights.
 * Claims: docs/bus.md, "Tokens". */
#ifndef XMPP_TOKEN_H
#define XMPP_TOKEN_H

#include "crypto/jwt.h"

#define TOKEN_KEYS_MAX 16
#define TOKEN_NAMES_MAX 8
#define TOKEN_SIZE_MAX ((size_t)(8 * 1024))
#define TOKEN_FIELD_MAX 256

/* One issuer's key. The strings belong to the configuration's owner. */
struct token_key {
    struct jwt_key jwt; /* its algorithm is the only one that this key is good for */
    const char *kid;    /* NULL: for tokens without a kid that another key claims */
    const char *issuers[TOKEN_NAMES_MAX];
    const char *audiences[TOKEN_NAMES_MAX]; /* "*" accepts any */
};

struct token_config {
    struct token_key keys[TOKEN_KEYS_MAX];
    size_t key_count;
    const char *domain;
    int64_t leeway; /* seconds by which the issuer's clock may be off */
};

enum token_feature {
    TOKEN_RECORDING,
    TOKEN_LIVESTREAMING,
    TOKEN_TRANSCRIPTION,
    TOKEN_OUTBOUND_CALL,
    TOKEN_INBOUND_CALL,
    TOKEN_SIP_OUTBOUND_CALL,
    TOKEN_SIP_INBOUND_CALL,
    TOKEN_FLIP,
    TOKEN_LOBBY,
    TOKEN_MODERATION,
    TOKEN_ROOM,
    TOKEN_SCREEN_SHARING,
    TOKEN_CREATE_POLLS,
    TOKEN_SEND_GROUPCHAT,
    TOKEN_SEND_PRIVATE_MESSAGE,
    TOKEN_FILE_UPLOAD,
    TOKEN_LIST_VISITORS,
    TOKEN_LIVE_TRANSLATION,
    TOKEN_FEATURES /* how many */
};

extern const char *const token_feature_names[TOKEN_FEATURES];

/* What a checked token says. */
struct token {
    bool present;               /* false: an anonymous user without token */
    char room[TOKEN_FIELD_MAX]; /* lower case, or "*" */
    char id[TOKEN_FIELD_MAX];
    char name[TOKEN_FIELD_MAX];
    char email[TOKEN_FIELD_MAX];
    char avatar[TOKEN_FIELD_MAX];
    char group[TOKEN_FIELD_MAX];
    char role[32];
    int64_t issued_at; /* seconds, 0: the token does not say */
    bool moderator;
    bool has_features;
    bool features[TOKEN_FEATURES];
};

/* Instead of a wall time: the token is or was good at some time. */
#define TOKEN_ANY_TIME INT64_MIN

/* Judges signature and claims; new reference to the claims. `tenant` may be empty, `wall` is
 * seconds since the epoch or TOKEN_ANY_TIME. ERR_DENIED with a reason (static English words)
 * otherwise. */
int token_check(const struct token_config *config, struct slice text, struct slice tenant,
                int64_t wall, json_t **ret_claims, const char **ret_reason) MUST_USE;
/* Reads accepted claims. */
void token_read(json_t *claims, struct token *ret_token);
/* Whether it is for measuring the bearer's line only: it opens a room of its own, and no other. */
bool token_checks(const struct token *token);
/* Whether the token is good for that room (lower case). */
bool token_opens(const struct token *token, const char *room);

#endif
