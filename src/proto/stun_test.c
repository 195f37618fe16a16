#include "proto/stun.h"

#include "base/check.h"
#include "crypto/hash.h"

/* RFC 5769, sections 2.1 to 2.3, with the password of that RFC. */
static const char PASSWORD[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const uint8_t REQUEST[] =
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff"
    "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09"
    "evtj:h6vY   \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49"
    "\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
static const uint8_t RESPONSE_V4[] =
    "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
    "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53"
    "\xf0\x6b\xe7\xd7\x80\x28\x00\x04\xc0\x7d\x4c\x96";
static const uint8_t RESPONSE_V6[] =
    "\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x0btest vector \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
    "\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1"
    "\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

static void reads_the_request_of_rfc_5769(void **state)
{
    struct stun_message m;
    assert_int_equal(stun_parse(slice_of(REQUEST, sizeof REQUEST - 1), &m), 0);
    assert_int_equal(m.class, STUN_REQUEST);
    assert_int_equal(m.method, STUN_BINDING);
    assert_true(m.has_priority);
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_int_equal(m.role, STUN_CONTROLLED);
    assert_true(m.tie_breaker == UINT64_C(0x932ff9b151263b36));
    assert_true(slice_eq_str(stun_local_ufrag(&m), "evtj"));
    assert_true(slice_eq_str(stun_remote_ufrag(&m), "h6vY"));
    assert_true(stun_check_integrity(&m, slice_str(PASSWORD), hash_hmac_sha1_parts));
    assert_false(stun_check_integrity(&m, SLICE("another"), hash_hmac_sha1_parts));
}

static void reads_the_responses_of_rfc_5769(void **state)
{
    struct stun_message m;
    struct address want;
    assert_int_equal(stun_parse(slice_of(RESPONSE_V4, sizeof RESPONSE_V4 - 1), &m), 0);
    assert_int_equal(m.class, STUN_SUCCESS);
    assert_int_equal(address_parse("192.0.2.1", 32853, &want), 0);
    assert_true(m.has_mapped && address_eq(&m.mapped, &want));
    assert_true(stun_check_integrity(&m, slice_str(PASSWORD), hash_hmac_sha1_parts));

    assert_int_equal(stun_parse(slice_of(RESPONSE_V6, sizeof RESPONSE_V6 - 1), &m), 0);
    assert_int_equal(address_parse("2001:db8:1234:5678:11:2233:4455:6677", 32853, &want), 0);
    assert_true(m.has_mapped && address_eq(&m.mapped, &want));
    assert_true(stun_check_integrity(&m, slice_str(PASSWORD), hash_hmac_sha1_parts));
}

static void what_is_built_is_read_back(void **state)
{
    struct stun_message m = {
        .class = STUN_REQUEST,
        .method = STUN_BINDING,
        .id = {1, 2, 3},
        .username = SLICE("abcde:fgh"),
        .has_priority = true,
        .priority = 12345,
        .use_candidate = true,
        .role = STUN_CONTROLLING,
        .tie_breaker = 77,
    };
    uint8_t bytes[STUN_MESSAGE_MAX];
    size_t len = 0;
    struct slice key = slice_str(PASSWORD);
    assert_int_equal(stun_build(&m, key, hash_hmac_sha1_parts, bytes, sizeof bytes, &len), 0);
    struct stun_message back;
    assert_int_equal(stun_parse(slice_of(bytes, len), &back), 0);
    assert_true(stun_check_integrity(&back, key, hash_hmac_sha1_parts));
    assert_true(slice_eq(back.username, m.username));
    assert_true(back.use_candidate);
    assert_int_equal(back.role, STUN_CONTROLLING);
    assert_int_equal(back.priority, 12345);

    struct stun_message answer = {.class = STUN_ERROR, .method = STUN_BINDING, .error = 487};
    assert_int_equal(address_parse("2001:db8::7", 9, &answer.mapped), 0);
    answer.has_mapped = true;
    assert_int_equal(stun_build(&answer, key, hash_hmac_sha1_parts, bytes, sizeof bytes, &len), 0);
    assert_int_equal(stun_parse(slice_of(bytes, len), &back), 0);
    assert_int_equal(back.class, STUN_ERROR);
    assert_int_equal(back.error, 487);
    assert_true(address_eq(&back.mapped, &answer.mapped));
}

static void damage_is_refused(void **state)
{
    uint8_t bytes[sizeof REQUEST - 1];
    struct stun_message m;
    for (size_t i = 0; i < sizeof bytes; i++) {
        memcpy(bytes, REQUEST, sizeof bytes);
        bytes[i] ^= 0x10;
        int err = stun_parse(slice_of(bytes, sizeof bytes), &m);
        assert_true(err == ERR_FORMAT);
    }
    for (size_t len = 0; len < sizeof bytes; len++)
        assert_int_equal(stun_parse(slice_of(REQUEST, len), &m), ERR_FORMAT);
}

static void too_small_a_buffer_is_told(void **state)
{
    struct stun_message m = {.class = STUN_SUCCESS, .method = STUN_BINDING};
    uint8_t bytes[64];
    size_t len = 99;
    for (size_t size = 0; size < 52; size++)
        assert_int_equal(
            stun_build(&m, slice_str(PASSWORD), hash_hmac_sha1_parts, bytes, size, &len),
            ERR_LIMIT);
    assert_int_equal(len, 99);
    assert_int_equal(stun_build(&m, slice_str(PASSWORD), hash_hmac_sha1_parts, bytes, 52, &len), 0);
    assert_int_equal(len, 52);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_request_of_rfc_5769),
        cmocka_unit_test(reads_the_responses_of_rfc_5769),
        cmocka_unit_test(what_is_built_is_read_back),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(too_small_a_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
