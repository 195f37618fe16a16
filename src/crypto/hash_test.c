#include "base/check.h"
#include "crypto/hash.h"
#include "crypto/random.h"

static void expect_hex(const uint8_t *bytes, size_t len, const char *want)
{
    char hex[2 * HASH_SHA256_SIZE + 1];
    hash_hex(slice_of(bytes, len), hex);
    assert_string_equal(hex, want);
}

static void digests_match_fips_180(void **state)
{
    uint8_t out[HASH_SHA256_SIZE];
    hash_sha1(SLICE("abc"), out);
    expect_hex(out, HASH_SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash_sha256(SLICE("abc"), out);
    expect_hex(out, HASH_SHA256_SIZE,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_sha256(SLICE(""), out);
    expect_hex(out, HASH_SHA256_SIZE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_matches_rfc_2202_and_4231(void **state)
{
    uint8_t out[HASH_SHA256_SIZE];
    hash_hmac_sha1(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    expect_hex(out, HASH_SHA1_SIZE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    hash_hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    expect_hex(out, HASH_SHA256_SIZE,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    struct slice long_text = SLICE("Test Using Larger Than Block-Size Key - Hash Key First");
    hash_hmac_sha256(slice_of(key, sizeof key), long_text, out);
    expect_hex(out, HASH_SHA256_SIZE,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hash_hmac_sha1(slice_of(key, 80), long_text, out);
    expect_hex(out, HASH_SHA1_SIZE, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

static void hmac_of_parts_is_hmac_of_the_whole(void **state)
{
    uint8_t whole[HASH_SHA1_SIZE], parts[HASH_SHA1_SIZE];
    struct slice pieces[] = {SLICE("one"), SLICE(""), SLICE("two")};
    hash_hmac_sha1(SLICE("k"), SLICE("onetwo"), whole);
    hash_hmac_sha1_parts(SLICE("k"), pieces, 3, parts);
    assert_memory_equal(whole, parts, sizeof whole);
}

static void equal_compares_length_and_bytes(void **state)
{
    assert_true(hash_equal(SLICE("abc"), SLICE("abc")));
    assert_false(hash_equal(SLICE("abc"), SLICE("abd")));
    assert_false(hash_equal(SLICE("abc"), SLICE("ab")));
    assert_true(hash_equal(SLICE(""), slice_of(NULL, 0)));
}

static void random_forms_have_their_shape(void **state)
{
    char uuid[37], other[37], text[41];
    random_uuid(uuid);
    random_uuid(other);
    assert_int_equal(strlen(uuid), 36);
    assert_int_equal(uuid[14], '4');
    assert_non_null(strchr("89ab", uuid[19]));
    assert_string_not_equal(uuid, other);
    random_alnum(text, 40);
    assert_int_equal(strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                     40);
    assert_int_equal(strlen(text), 40);
    random_hex(text, 33);
    assert_int_equal(strspn(text, "0123456789abcdef"), 33);
    assert_int_equal(strlen(text), 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_fips_180),
        cmocka_unit_test(hmac_matches_rfc_2202_and_4231),
        cmocka_unit_test(hmac_of_parts_is_hmac_of_the_whole),
        cmocka_unit_test(equal_compares_length_and_bytes),
        cmocka_unit_test(random_forms_have_their_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
