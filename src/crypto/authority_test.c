#include "base/check.h"
#include "base/units.h"

#include "crypto/authority.h"
#include "crypto/tls.h"

static const int64_t NOW = 1800000000;

static void issued_certificates_cover_their_host(void **state)
{
    (void)state;
    static const char *const hosts[] = {"class.test", "192.0.2.7", "2001:db8::7"};
    struct buf ca, ca_key, chain, key;
    buf_init(&ca, 8192);
    buf_init(&ca_key, 8192);
    buf_init(&chain, 8192);
    buf_init(&key, 8192);
    assert_int_equal(authority_create("School LAN", NOW, &ca, &ca_key), 0);
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&chain);
        buf_clear(&key);
        const char *const both[AUTHORITY_HOSTS] = {hosts[i], i == 0 ? "turn.class.test" : NULL};
        assert_int_equal(
            authority_issue(buf_slice(&ca), buf_slice(&ca_key), both, NOW, &chain, &key), 0);
        int64_t ends = 0;
        bool covers = false;
        assert_int_equal(certificate_inspect(buf_slice(&chain), hosts[i], &ends, &covers), 0);
        assert_true(covers);
        assert_true(ends > NOW + 390 * 86400 && ends <= NOW + 397 * 86400);
        assert_int_equal(certificate_inspect(buf_slice(&chain), "other.test", &ends, &covers), 0);
        assert_false(covers);
        assert_int_equal(certificate_inspect(buf_slice(&chain), "turn.class.test", &ends, &covers),
                         0);
        assert_int_equal(covers, i == 0);
        struct tls_context *context = NULL;
        assert_int_equal(tls_context_new(buf_slice(&chain), buf_slice(&key), NULL, &context), 0);
        tls_context_free(&context);
    }
    buf_done(&ca);
    buf_done(&ca_key);
    buf_done(&chain);
    buf_done(&key);
}

static void refuses_what_is_no_host_or_authority(void **state)
{
    (void)state;
    struct buf ca, ca_key, out;
    buf_init(&ca, 8192);
    buf_init(&ca_key, 8192);
    buf_init(&out, 8192);
    assert_int_equal(authority_create("School LAN", NOW, &ca, &ca_key), 0);
    static const char *const bad[][AUTHORITY_HOSTS] = {{"a,DNS:b"}, {""}, {"a.test", "b,DNS:c"}};
    static const char *const good[AUTHORITY_HOSTS] = {"a.test"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(
            authority_issue(buf_slice(&ca), buf_slice(&ca_key), bad[i], NOW, &out, &out),
            ERR_FORMAT);
    assert_int_equal(authority_issue(SLICE("nonsense"), buf_slice(&ca_key), good, NOW, &out, &out),
                     ERR_FORMAT);
    int64_t ends;
    bool covers;
    assert_int_equal(certificate_inspect(SLICE(""), "a.test", &ends, &covers), ERR_FORMAT);
    buf_done(&ca);
    buf_done(&ca_key);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issued_certificates_cover_their_host),
        cmocka_unit_test(refuses_what_is_no_host_or_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
