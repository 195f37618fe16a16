#include "base/check.h"

#include "base/crc32c.h"

/* The examples of RFC 3720, appendix B.4. */
static void test_known_answers(void **state)
{
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x8A9136AA);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x46DD794E);
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xE3069283);
    assert_int_equal(crc32c(0, SLICE("")), 0);
}

static uint32_t bitwise(struct slice s)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= s.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

static void test_any_length_and_in_parts(void **state)
{
    uint8_t bytes[100];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint32_t whole = bitwise(slice_of(bytes, len));
        assert_int_equal(crc32c(0, slice_of(bytes, len)), whole);
        size_t cut = len / 3;
        uint32_t first = crc32c(0, slice_of(bytes, cut));
        assert_int_equal(crc32c(first, slice_of(bytes + cut, len - cut)), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_any_length_and_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
