#include "xmpp/token.h"

#include "xmpp/jid.h"

const char *const token_feature_names[TOKEN_FEATURES] = {
    "recording",        "livestreaming",  "transcription",
    "outbound-call",    "inbound-call",   "sip-outbound-call",
    "sip-inbound-call", "flip",           "lobby",
    "moderation",       "room",           "screen-sharing",
    "create-polls",     "send-groupchat", "send-private-message",
    "file-upload",      "list-visitors",  "live-translation",
};

static int refuse(const char *reason, const char **ret_reason)
{
    *ret_reason = reason;
    return ERR_DENIED;
}

static bool alg_fits(const struct token_key *key, const char *alg)
{
    return strcmp(alg, key->jwt.alg == JWT_HS256 ? "HS256" : "RS256") == 0;
}

static bool listed(const char *const *names, const char *name, bool wildcard)
{
    for (size_t i = 0; i < TOKEN_NAMES_MAX && names[i]; i++)
        if (strcmp(names[i], name) == 0 || (wildcard && strcmp(names[i], "*") == 0))
            return true;
    return false;
}

static bool kid_known(const struct token_config *config, const char *kid)
{
    for (size_t i = 0; kid && i < config->key_count; i++)
        if (config->keys[i].kid && strcmp(config->keys[i].kid, kid) == 0)
            return true;
    return false;
}

/* Tries the keys that the header allows: those of its kid, else those that have none. */
static int find_key(const struct token_config *config, struct slice text, json_t *header,
                    const struct token_key **ret_key, json_t **ret_claims, const char **ret_reason)
{
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const char *kid = json_string_value(json_object_get(header, "kid"));
    bool by_kid = kid_known(config, kid);
    bool tried = false;
    if (!alg)
        return refuse("token header names no algorithm", ret_reason);
    for (size_t i = 0; i < config->key_count; i++) {
        const struct token_key *key = &config->keys[i];
        if (by_kid ? !key->kid || strcmp(key->kid, kid) != 0 : key->kid != NULL)
            continue;
        if (!alg_fits(key, alg))
            continue;
        tried = true;
        if (jwt_verify(text, &key->jwt, ret_claims) == 0) {
            *ret_key = key;
            return 0;
        }
    }
    return refuse(tried ? "token signature is wrong" : "token algorithm or key is not accepted",
                  ret_reason);
}

static int check_issuer(json_t *claims, const struct token_key *key, const char **ret_reason)
{
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    if (!iss || !listed(key->issuers, iss, false))
        return refuse("token issuer is not accepted", ret_reason);
    json_t *aud = json_object_get(claims, "aud");
    bool ok = json_is_string(aud) && listed(key->audiences, json_string_value(aud), true);
    for (size_t i = 0; !ok && i < json_array_size(aud) && i < TOKEN_NAMES_MAX; i++) {
        const char *one = json_string_value(json_array_get(aud, i));
        ok = one && listed(key->audiences, one, true);
    }
    return ok ? 0 : refuse("token audience is not accepted", ret_reason);
}

static int check_times(json_t *claims, int64_t wall, int64_t leeway, const char **ret_reason)
{
    json_t *exp = json_object_get(claims, "exp");
    json_t *nbf = json_object_get(claims, "nbf");
    if (!json_is_number(exp))
        return refuse("token has no expiry", ret_reason);
    if ((double)wall >= json_number_value(exp) + (double)leeway)
        return refuse("token expired", ret_reason);
    if (nbf && !json_is_number(nbf))
        return refuse("token nbf is no number", ret_reason);
    if (nbf && (double)wall + (double)leeway < json_number_value(nbf))
        return refuse("token is not valid yet", ret_reason);
    return 0;
}

static int check_place(json_t *claims, const char *domain, struct slice tenant,
                       const char **ret_reason)
{
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    const char *room = json_string_value(json_object_get(claims, "room"));
    json_t *regex =
        json_object_get(json_object_get(json_object_get(claims, "context"), "room"), "regex");
    if (!sub)
        return refuse("token has no subject", ret_reason);
    struct slice where = tenant.len > 0 ? tenant : slice_str(domain);
    if (strcmp(sub, "*") != 0 && !slice_eq_nocase(slice_str(sub), where))
        return refuse("token subject is not accepted", ret_reason);
    if (!room || !*room || strlen(room) >= TOKEN_FIELD_MAX)
        return refuse("token names no room", ret_reason);
    if (json_is_true(regex))
        return refuse("room patterns in tokens are not supported", ret_reason);
    return 0;
}

int token_check(const struct token_config *config, struct slice text, struct slice tenant,
                int64_t wall, json_t **ret_claims, const char **ret_reason)
{
    json_t *header = NULL;
    json_t *claims = NULL;
    const struct token_key *key = NULL;
    if (text.len == 0)
        return refuse("token missing", ret_reason);
    if (text.len > TOKEN_SIZE_MAX || jwt_header(text, &header) != 0)
        return refuse("token is malformed", ret_reason);
    int err = find_key(config, text, header, &key, &claims, ret_reason);
    json_decref(header);
    if (err)
        return err;
    if (!json_is_object(claims))
        err = refuse("token is malformed", ret_reason);
    if (!err)
        err = check_issuer(claims, key, ret_reason);
    if (!err && wall != TOKEN_ANY_TIME)
        err = check_times(claims, wall, config->leeway, ret_reason);
    if (!err)
        err = check_place(claims, config->domain, tenant, ret_reason);
    if (err) {
        json_decref(claims);
        return err;
    }
    *ret_claims = claims;
    return 0;
}

/* Jitsi's tokens write booleans as such or as strings. */
static bool truth(json_t *value)
{
    const char *text = json_string_value(value);
    return json_is_true(value) || (text && strcmp(text, "true") == 0);
}

static void read_field(json_t *from, const char *key, char *out, size_t size)
{
    (void)slice_copy(slice_str(json_string_value(json_object_get(from, key))), out,
                     size); /* an overlong name is cut */
}

void token_read(json_t *claims, struct token *ret_token)
{
    *ret_token = (struct token){.present = true};
    json_t *context = json_object_get(claims, "context");
    json_t *user = json_object_get(context, "user");
    json_t *features = json_object_get(context, "features");
    const char *room = json_string_value(json_object_get(claims, "room"));
    if (!jid_lower(slice_str(room), ret_token->room, sizeof ret_token->room))
        ret_token->room[0] = 0;
    read_field(user, "id", ret_token->id, sizeof ret_token->id);
    read_field(user, "name", ret_token->name, sizeof ret_token->name);
    read_field(user, "email", ret_token->email, sizeof ret_token->email);
    read_field(user, json_object_get(user, "avatar") ? "avatar" : "avatarUrl", ret_token->avatar,
               sizeof ret_token->avatar);
    read_field(context, "group", ret_token->group, sizeof ret_token->group);
    read_field(user, "role", ret_token->role, sizeof ret_token->role);
    ret_token->issued_at = (int64_t)json_integer_value(json_object_get(claims, "iat"));
    const char *affiliation = json_string_value(json_object_get(user, "affiliation"));
    ret_token->moderator = truth(json_object_get(user, "moderator")) ||
                           (affiliation && strcmp(affiliation, "owner") == 0);
    ret_token->has_features = json_is_object(features);
    for (size_t i = 0; i < TOKEN_FEATURES; i++)
        ret_token->features[i] = truth(json_object_get(features, token_feature_names[i]));
}

bool token_checks(const struct token *token)
{
    return token->present && strcmp(token->role, "check") == 0;
}

bool token_opens(const struct token *token, const char *room)
{
    return !token->present || strcmp(token->room, "*") == 0 || strcmp(token->room, room) == 0;
}
