#include "base/check.h"

#include "crypto/secret.h"

static void hashes_as_published(void **state)
{
    (void)state;
    char hex[SECRET_HASH_TEXT];
    secret_hash_text(SLICE("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void reads_hex(void **state)
{
    (void)state;
    uint8_t out[2];
    size_t len = 0;
    assert_int_equal(secret_from_hex(SLICE("00fF"), out, sizeof out, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "\x00\xff", 2);
    assert_int_equal(secret_from_hex(SLICE("0"), out, sizeof out, &len), ERR_FORMAT);
    assert_int_equal(secret_from_hex(SLICE("0g"), out, sizeof out, &len), ERR_FORMAT);
    assert_int_equal(secret_from_hex(SLICE("000000"), out, sizeof out, &len), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_published),
        cmocka_unit_test(reads_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
