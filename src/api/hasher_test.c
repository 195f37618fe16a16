#include "base/check.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "api/hasher.h"

static struct hash_result next(struct hasher *hasher)
{
    struct hash_result result;
    while (hasher_poll(hasher, &result) == ERR_AGAIN) {
        struct pollfd fd = {.fd = hasher_fd(hasher), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 20000), 1);
    }
    return result;
}

static void hashes_and_verifies(void **state)
{
    (void)state;
    struct hasher *hasher = NULL;
    assert_int_equal(hasher_new(2, 4, &hasher), 0);
    struct hash_job job = {.id = 7, .make = true, .fresh = "a fine phrase"};
    assert_int_equal(hasher_submit(hasher, &job), 0);
    struct hash_result made = next(hasher);
    assert_int_equal(made.id, 7);
    assert_int_equal(made.err, 0);
    struct hash_job right = {.id = 8, .verify = true, .old = "a fine phrase"};
    memcpy(right.hash, made.hash, sizeof right.hash);
    struct hash_job wrong = right, nobody = right;
    wrong.id = 9;
    wrong.old[0] = 'b';
    wrong.make = true;
    nobody.id = 10;
    nobody.hash[0] = '\0';
    assert_int_equal(hasher_submit(hasher, &right), 0);
    assert_int_equal(hasher_submit(hasher, &wrong), 0);
    assert_int_equal(hasher_submit(hasher, &nobody), 0);
    for (int i = 0; i < 3; i++) {
        struct hash_result result = next(hasher);
        assert_int_equal(result.err, result.id == 8 ? 0 : ERR_AUTH);
        assert_string_equal(result.hash, "");
    }
    hasher_free(&hasher);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    struct hasher *hasher = NULL;
    struct hash_job job = {.make = true, .fresh = "a fine phrase"};
    int taken = 0;
    assert_int_equal(hasher_new(1, 3, &hasher), 0);
    while (taken < 10 && hasher_submit(hasher, &job) == 0)
        taken++;
    assert_int_equal(taken, 3); /* results not fetched count, too */
    assert_int_equal(next(hasher).err, 0);
    assert_int_equal(hasher_submit(hasher, &job), 0);
    hasher_free(&hasher); /* with work left */
    assert_null(hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_verifies),
        cmocka_unit_test(the_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
