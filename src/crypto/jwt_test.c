#include "base/check.h"
#include <stdlib.h>
#include <string.h>

#include "crypto/jwt.h"
#include "crypto/openssl.h"

static const struct jwt_key key = {JWT_HS256,
                                   {(const uint8_t *)"a shared secret of some length", 30}};

static char *signed_token(const struct jwt_key *with)
{
    json_t *claims = json_pack("{s:s,s:i}", "room", "maths", "exp", 123);
    char *token = NULL;
    assert_int_equal(jwt_sign(claims, with, "k1", &token), 0);
    json_decref(claims);
    return token;
}

/* RFC 7515, appendix A.1. */
static void accepts_the_example_of_the_rfc(void **state)
{
    (void)state;
    static const uint8_t secret[] = {
        0x03, 0x23, 0x35, 0x4b, 0x2b, 0x0f, 0xa5, 0xbc, 0x83, 0x7e, 0x06, 0x65, 0x77,
        0x7b, 0xa6, 0x8f, 0x5a, 0xb3, 0x28, 0xe6, 0xf0, 0x54, 0xc9, 0x28, 0xa9, 0x0f,
        0x84, 0xb2, 0xd2, 0x50, 0x2e, 0xbf, 0xd3, 0xfb, 0x5a, 0x92, 0xd2, 0x06, 0x47,
        0xef, 0x96, 0x8a, 0xb4, 0xc3, 0x77, 0x62, 0x3d, 0x22, 0x3d, 0x2e, 0x21, 0x72,
        0x05, 0x2e, 0x4f, 0x08, 0xc0, 0xcd, 0x9a, 0xf5, 0x67, 0xd0, 0x80, 0xa3};
    struct slice token = SLICE("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
                               ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                               "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                               ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    struct jwt_key rfc = {JWT_HS256, slice_of(secret, sizeof secret)};
    json_t *claims = NULL;
    assert_int_equal(jwt_verify(token, &rfc, &claims), 0);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "joe");
    json_decref(claims);
}

static void signs_what_it_verifies(void **state)
{
    (void)state;
    char *token = signed_token(&key);
    json_t *claims = NULL, *header = NULL;
    assert_int_equal(jwt_verify(slice_str(token), &key, &claims), 0);
    assert_string_equal(json_string_value(json_object_get(claims, "room")), "maths");
    assert_int_equal(jwt_header(slice_str(token), &header), 0);
    assert_string_equal(json_string_value(json_object_get(header, "kid")), "k1");
    json_decref(claims);
    json_decref(header);
    free(token);
}

static void refuses_every_changed_character(void **state)
{
    (void)state;
    char *token = signed_token(&key);
    for (size_t i = 0; token[i]; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        json_t *claims = NULL;
        assert_int_not_equal(jwt_verify(slice_str(token), &key, &claims), 0);
        assert_null(claims);
        token[i] = was;
    }
    free(token);
}

static void pins_the_algorithm_to_the_key(void **state)
{
    (void)state;
    json_t *claims = NULL;
    /* {"alg":"none"}.{}. and with a signature, {"alg":"HS512"} */
    assert_int_equal(jwt_verify(SLICE("eyJhbGciOiJub25lIn0.e30."), &key, &claims), ERR_FORMAT);
    assert_int_equal(jwt_verify(SLICE("eyJhbGciOiJub25lIn0.e30.AAAA"), &key, &claims),
                     ERR_UNSUPPORTED);
    assert_int_equal(jwt_verify(SLICE("eyJhbGciOiJIUzUxMiJ9.e30.AAAA"), &key, &claims),
                     ERR_UNSUPPORTED);
    char *token = signed_token(&key);
    struct jwt_key rsa = {JWT_RS256, key.secret};
    assert_int_equal(jwt_verify(slice_str(token), &rsa, &claims), ERR_UNSUPPORTED);
    struct jwt_key empty = {JWT_HS256, {NULL, 0}};
    assert_int_equal(jwt_verify(slice_str(token), &empty, &claims), ERR_AUTH);
    free(token);
}

static void refuses_broken_forms(void **state)
{
    (void)state;
    static const char *const broken[] = {"",        ".",         "..",       "a.b",
                                         "a.b.c.d", "e30.",      "e30.e30.", "e30.e30.AAA",
                                         "!.e30.A", "e31.e30.AA"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        json_t *claims = NULL;
        assert_int_equal(jwt_verify(slice_str(broken[i]), &key, &claims), ERR_FORMAT);
    }
}

static struct slice pem_of(EVP_PKEY *pkey, bool private_key, BIO **ret_bio)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (private_key)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long len = BIO_get_mem_data(bio, &text);
    *ret_bio = bio;
    return slice_of(text, (size_t)len);
}

static void signs_and_verifies_with_rsa(void **state)
{
    (void)state;
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    BIO *private_bio = NULL, *public_bio = NULL;
    struct jwt_key signer = {JWT_RS256, pem_of(pkey, true, &private_bio)};
    struct jwt_key verifier = {JWT_RS256, pem_of(pkey, false, &public_bio)};
    char *token = signed_token(&signer);
    json_t *claims = NULL;
    assert_int_equal(jwt_verify(slice_str(token), &verifier, &claims), 0);
    json_decref(claims);
    claims = NULL;
    token[strlen(token) - 10] ^= 1;
    assert_int_not_equal(jwt_verify(slice_str(token), &verifier, &claims), 0);
    /* The classic confusion: a token made with the public key as an HMAC secret. */
    struct jwt_key confused = {JWT_HS256, verifier.secret};
    free(token);
    token = signed_token(&confused);
    assert_int_equal(jwt_verify(slice_str(token), &verifier, &claims), ERR_UNSUPPORTED);
    free(token);
    BIO_free(private_bio);
    BIO_free(public_bio);
    EVP_PKEY_free(pkey);
}

static void refuses_short_rsa_keys(void **state)
{
    (void)state;
    EVP_PKEY *pkey = EVP_RSA_gen(1024);
    BIO *bio = NULL;
    struct jwt_key signer = {JWT_RS256, pem_of(pkey, true, &bio)};
    json_t *claims = json_object();
    char *token = NULL;
    assert_int_equal(jwt_sign(claims, &signer, NULL, &token), ERR_AUTH);
    json_decref(claims);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_example_of_the_rfc),
        cmocka_unit_test(signs_what_it_verifies),
        cmocka_unit_test(refuses_every_changed_character),
        cmocka_unit_test(pins_the_algorithm_to_the_key),
        cmocka_unit_test(refuses_broken_forms),
        cmocka_unit_test(signs_and_verifies_with_rsa),
        cmocka_unit_test(refuses_short_rsa_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
