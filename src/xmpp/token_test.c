#include "xmpp/token.h"

#include <stdlib.h>

#include "base/check.h"

#define NOW 1800000000
#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffff"

static struct token_config config;

static struct token_key key(const char *secret, const char *kid, const char *issuer,
                            const char *audience)
{
    return (struct token_key){.jwt = {JWT_HS256, slice_str(secret)},
                              .kid = kid,
                              .issuers = {issuer},
                              .audiences = {audience}};
}

static int setup(void **state)
{
    config = (struct token_config){.domain = "meet.example", .leeway = 5, .key_count = 1};
    config.keys[0] = key(SECRET, NULL, "darasa", "darasa");
    return 0;
}

static json_t *good(void)
{
    return json_pack("{ss ss ss ss si si s{s{ss ss ss ss}s{sb ss ss}}}", "iss", "darasa", "aud",
                     "darasa", "sub", "*", "room", "Maths", "exp", NOW + 60, "nbf", NOW - 60,
                     "context", "user", "id", "u1", "name", "Amina K.", "moderator", "true", "role",
                     "teacher", "features", "recording", 1, "send-groupchat", "true",
                     "screen-sharing", "false");
}

/* Takes the claims; the reason of the refusal, NULL when accepted. */
static const char *verdict_with(json_t *claims, const char *secret, const char *kid,
                                const char *tenant)
{
    const struct jwt_key jwt = {JWT_HS256, slice_str(secret)};
    const char *reason = NULL;
    char *text = NULL;
    json_t *out = NULL;
    assert_int_equal(jwt_sign(claims, &jwt, kid, &text), 0);
    json_decref(claims);
    int err = token_check(&config, slice_str(text), slice_str(tenant), NOW, &out, &reason);
    free(text);
    assert_int_equal(err == 0, out != NULL);
    if (err)
        assert_int_equal(err, ERR_DENIED);
    json_decref(out);
    return err ? reason : NULL;
}

static const char *verdict(json_t *claims)
{
    return verdict_with(claims, SECRET, NULL, "");
}

/* The good token with one claim changed; a NULL value takes it away. */
static const char *with(const char *claim, json_t *value)
{
    json_t *claims = good();
    if (value)
        json_object_set_new(claims, claim, value);
    else
        json_object_del(claims, claim);
    return verdict(claims);
}

static void good_token_is_accepted(void **state)
{
    assert_null(verdict(good()));
}

static void issuer_must_be_listed(void **state)
{
    assert_string_equal(with("iss", json_string("other")), "token issuer is not accepted");
    assert_string_equal(with("iss", NULL), "token issuer is not accepted");
    assert_string_equal(with("iss", json_integer(1)), "token issuer is not accepted");
}

static void audience_must_be_listed(void **state)
{
    assert_string_equal(with("aud", json_string("other")), "token audience is not accepted");
    assert_string_equal(with("aud", NULL), "token audience is not accepted");
    assert_null(with("aud", json_pack("[ss]", "x", "darasa")));
    assert_string_equal(with("aud", json_pack("[ss]", "x", "y")), "token audience is not accepted");
    config.keys[0].audiences[0] = "*";
    assert_null(with("aud", json_string("other")));
    assert_string_equal(with("aud", NULL), "token audience is not accepted");
}

static void expiry_is_required_and_kept(void **state)
{
    assert_string_equal(with("exp", NULL), "token has no expiry");
    assert_string_equal(with("exp", json_string("tomorrow")), "token has no expiry");
    assert_string_equal(with("exp", json_integer(NOW - 5)), "token expired");
    assert_null(with("exp", json_integer(NOW - 4)));
    assert_null(with("exp", json_real(NOW + 0.5)));
}

static void not_before_is_kept(void **state)
{
    assert_null(with("nbf", NULL));
    assert_null(with("nbf", json_integer(NOW + 5)));
    assert_string_equal(with("nbf", json_integer(NOW + 6)), "token is not valid yet");
    assert_string_equal(with("nbf", json_string("x")), "token nbf is no number");
}

static void subject_is_tenant_domain_or_any(void **state)
{
    assert_string_equal(with("sub", NULL), "token has no subject");
    assert_null(with("sub", json_string("meet.example")));
    assert_string_equal(with("sub", json_string("other.example")), "token subject is not accepted");
    json_t *claims = good();
    json_object_set_new(claims, "sub", json_string("School-A"));
    assert_null(verdict_with(claims, SECRET, NULL, "school-a"));
    claims = good();
    json_object_set_new(claims, "sub", json_string("meet.example"));
    assert_string_equal(verdict_with(claims, SECRET, NULL, "school-a"),
                        "token subject is not accepted");
}

static void room_is_required(void **state)
{
    assert_string_equal(with("room", NULL), "token names no room");
    assert_string_equal(with("room", json_string("")), "token names no room");
    assert_null(with("room", json_string("*")));
    json_t *claims = good();
    json_object_set_new(json_object_get(claims, "context"), "room", json_pack("{sb}", "regex", 1));
    assert_string_equal(verdict(claims), "room patterns in tokens are not supported");
}

static void signature_and_algorithm_are_pinned(void **state)
{
    assert_string_equal(verdict_with(good(), OTHER, NULL, ""), "token signature is wrong");
    config.keys[0].jwt.alg = JWT_RS256;
    assert_string_equal(verdict(good()), "token algorithm or key is not accepted");
    /* {"alg":"none"} */
    const char *reason = NULL;
    json_t *out = NULL;
    config.keys[0].jwt.alg = JWT_HS256;
    assert_int_equal(token_check(&config, SLICE("eyJhbGciOiJub25lIn0.eyJpc3MiOiJkYXJhc2EifQ."),
                                 SLICE(""), NOW, &out, &reason),
                     ERR_DENIED);
    assert_null(out);
    assert_int_equal(token_check(&config, SLICE(""), SLICE(""), NOW, &out, &reason), ERR_DENIED);
    assert_string_equal(reason, "token missing");
    assert_int_equal(token_check(&config, SLICE("a.b"), SLICE(""), NOW, &out, &reason), ERR_DENIED);
    assert_string_equal(reason, "token is malformed");
}

static void kid_chooses_the_key(void **state)
{
    config.keys[1] = key(OTHER, "k2", "partner", "*");
    config.key_count = 2;
    json_t *claims = good();
    json_object_set_new(claims, "iss", json_string("partner"));
    assert_null(verdict_with(json_deep_copy(claims), OTHER, "k2", ""));
    /* Signed with our own key under the other's name. */
    assert_string_equal(verdict_with(json_deep_copy(claims), SECRET, "k2", ""),
                        "token signature is wrong");
    /* The other's key says it is us. */
    json_object_set_new(claims, "iss", json_string("darasa"));
    assert_string_equal(verdict_with(claims, OTHER, "k2", ""), "token issuer is not accepted");
    /* A key with a name is not for tokens without. */
    assert_string_equal(verdict_with(good(), OTHER, NULL, ""), "token signature is wrong");
    /* An unknown name falls back to keys without one. */
    assert_null(verdict_with(good(), SECRET, "unknown", ""));
}

static void claims_are_read(void **state)
{
    struct token t;
    json_t *claims = good();
    token_read(claims, &t);
    assert_true(t.present && t.moderator && t.has_features);
    assert_string_equal(t.id, "u1");
    assert_string_equal(t.name, "Amina K.");
    assert_string_equal(t.role, "teacher");
    assert_string_equal(t.room, "maths");
    assert_true(t.features[TOKEN_RECORDING]);
    assert_true(t.features[TOKEN_SEND_GROUPCHAT]);
    assert_false(t.features[TOKEN_SCREEN_SHARING]);
    assert_false(t.features[TOKEN_LOBBY]);
    assert_true(token_opens(&t, "maths"));
    assert_false(token_opens(&t, "physics"));
    json_object_set_new(claims, "room", json_string("*"));
    json_object_set_new(json_object_get(json_object_get(claims, "context"), "user"), "moderator",
                        json_false());
    token_read(claims, &t);
    assert_true(token_opens(&t, "physics"));
    assert_false(t.moderator);
    json_object_set_new(json_object_get(json_object_get(claims, "context"), "user"), "affiliation",
                        json_string("owner"));
    token_read(claims, &t);
    assert_true(t.moderator);
    json_object_del(claims, "context");
    token_read(claims, &t);
    assert_false(t.moderator || t.has_features);
    assert_string_equal(t.id, "");
    json_decref(claims);
    struct token none = {0};
    assert_true(token_opens(&none, "physics"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_token_is_accepted, setup),
        cmocka_unit_test_setup(issuer_must_be_listed, setup),
        cmocka_unit_test_setup(audience_must_be_listed, setup),
        cmocka_unit_test_setup(expiry_is_required_and_kept, setup),
        cmocka_unit_test_setup(not_before_is_kept, setup),
        cmocka_unit_test_setup(subject_is_tenant_domain_or_any, setup),
        cmocka_unit_test_setup(room_is_required, setup),
        cmocka_unit_test_setup(signature_and_algorithm_are_pinned, setup),
        cmocka_unit_test_setup(kid_chooses_the_key, setup),
        cmocka_unit_test_setup(claims_are_read, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
