#include "base/check.h"

#include "crypto/password.h"

static void knows_its_own(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX];
    assert_int_equal(password_hash(SLICE("correct horse"), hash), 0);
    assert_int_equal(password_hash(SLICE("correct horse"), other), 0);
    assert_string_not_equal(hash, other);
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_int_equal(password_verify(hash, SLICE("correct horse")), 0);
    assert_int_equal(password_verify(hash, SLICE("correct horsf")), ERR_AUTH);
    assert_int_equal(password_verify(hash, SLICE("")), ERR_AUTH);
}

static void works_as_long_for_nobody(void **state)
{
    (void)state;
    /* ERR_FORMAT would mean that the stand-in was not even computed. */
    assert_int_equal(password_verify("", SLICE("anything")), ERR_AUTH);
    assert_int_equal(password_verify("", SLICE("")), ERR_AUTH);
    assert_int_equal(password_verify("plain text", SLICE("plain text")), ERR_FORMAT);
}

static void refuses_giants(void **state)
{
    (void)state;
    static const uint8_t big[PASSWORD_BYTES_MAX + 1];
    char hash[PASSWORD_HASH_MAX];
    assert_int_equal(password_hash(slice_of(big, sizeof big), hash), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_its_own),
        cmocka_unit_test(works_as_long_for_nobody),
        cmocka_unit_test(refuses_giants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
