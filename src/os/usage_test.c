#include "os/usage.h"

#include <unistd.h>

#include "base/check.h"

#include "os/loop.h"

static void own(void **state)
{
    struct usage before, after;
    assert_int_equal(usage_of(getpid(), &before), 0);
    usec_t own = usage_own_cpu();
    while (usage_own_cpu() - own < 50 * USEC_PER_MSEC)
        ;
    assert_int_equal(usage_of(getpid(), &after), 0);
    assert_in_range(after.cpu - before.cpu, 30 * USEC_PER_MSEC, 200 * USEC_PER_MSEC);
    assert_true(after.memory > 100000);
}

static void nobody(void **state)
{
    struct usage usage;
    assert_int_equal(usage_of(INT32_MAX, &usage), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(own), cmocka_unit_test(nobody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
