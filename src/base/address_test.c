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

static void private_addresses_are_known(void **state)
{
    static const char *const private[] = {
        "127.0.0.1",   "10.0.0.1",   "172.16.0.1",    "172.31.9.9", "192.168.200.7",
        "169.254.1.1", "100.64.0.1", "100.127.255.1", "::1",        "fe80::1",
        "febf::1",     "fc00::1",    "fdff::2"};
    static const char *const public[] = {
        "9.255.255.255", "11.0.0.1",    "172.15.0.1", "172.32.0.1",  "192.167.0.1",
        "192.169.0.1",   "169.253.0.1", "100.63.0.1", "100.128.0.1", "198.51.100.10",
        "2001:db8::1",   "fec0::1",     "fb00::1",    "fe00::1"};
    struct address a;
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        assert_int_equal(address_parse(private[i], 0, &a), 0);
        assert_true(address_is_private(&a));
    }
    for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
        assert_int_equal(address_parse(public[i], 0, &a), 0);
        assert_false(address_is_private(&a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(loopback_is_known),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(mapped_and_plain_v4_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
