#include "base/address.h"
#include "base/check.h"

static void text_comes_back(void **state)
{
    struct address a;
    char text[ADDRESS_TEXT_MAX];
    assert_int_equal(address_parse("192.0.2.33", 10000, &a), 0);
    assert_true(address_is_v4(&a));
    address_format(&a, text);
    assert_string_equal(text, "192.0.2.33:10000");
    assert_int_equal(address_parse("2001:db8::1", 443, &a), 0);
    assert_false(address_is_v4(&a));
    address_format(&a, text);
    assert_string_equal(text, "[2001:db8::1]:443");
    assert_int_equal(address_parse("192.0.2", 1, &a), ERR_FORMAT);
    assert_int_equal(address_parse("", 1, &a), ERR_FORMAT);
}

static void loopback_is_known(void **state)
{
    static const char *const IN[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const OUT[] = {"128.0.0.1", "::2", "::", "fe80::1"};
    struct address a;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(address_parse(IN[i], 1, &a), 0);
        assert_true(address_is_loopback(&a));
        assert_int_equal(address_parse(OUT[i], 1, &a), 0);
        assert_false(address_is_loopback(&a));
    }
}

static void mapped_and_plain_v4_are_the_same(void **state)
{
    struct address mapped, plain = address_v4(10, 0, 0, 1, 7);
    assert_int_equal(address_parse("::ffff:10.0.0.1", 7, &mapped), 0);
    assert_true(address_eq(&mapped, &plain));
    assert_int_equal(address_ip(&plain).len, 4);
    plain.port = 8;
    assert_false(address_eq(&mapped, &plain));
    assert_int_equal(address_from_ip(SLICE("abc"), 7, &plain), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(loopback_is_known),
        cmocka_unit_test(mapped_and_plain_v4_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
