#include "load/tally.h"

#include <stdlib.h>

#include "base/check.h"

static void losses(void **state)
{
    struct tally t = {0};
    struct tally_sum *sum = calloc(1, sizeof *sum);
    assert_non_null(sum);
    const uint16_t sequences[] = {65533, 65534, 1, 65535, 3, 5}; /* 0, 2 and 4 are missing */
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
        tally_packet(&t, sum, 7, sequences[i]);
    assert_int_equal(sum->packets, 6);
    assert_int_equal(tally_lost(&t), 3);
    tally_packet(&t, sum, 8, 100); /* another stream has its own numbers */
    assert_int_equal(tally_lost(&t), 3);
    tally_reset(&t);
    assert_int_equal(tally_lost(&t), 0);
    tally_packet(&t, sum, 7, 4); /* from before */
    tally_packet(&t, sum, 7, 8); /* 6 and 7 are missing */
    assert_int_equal(tally_lost(&t), 2);
    free(sum);
}

static void too_many(void **state)
{
    struct tally t = {0};
    struct tally_sum *sum = calloc(1, sizeof *sum);
    assert_non_null(sum);
    for (uint32_t i = 0; i < TALLY_STREAMS + 5; i++)
        tally_packet(&t, sum, i, 1);
    assert_int_equal(sum->untold, 5);
    free(sum);
}

static void delays(void **state)
{
    struct tally_delays *d = calloc(1, sizeof *d);
    assert_non_null(d);
    assert_int_equal(tally_percentile(d, 50), 0);
    for (usec_t i = 1; i <= 1000; i++)
        tally_delay(d, i * 30);
    assert_in_range(tally_percentile(d, 50), 14980, 15000);
    assert_in_range(tally_percentile(d, 99), 29680, 29700);
    assert_int_equal(d->max, 30000);
    assert_int_equal(d->late, 1000 - 666);
    tally_delay(d, USEC_PER_SEC);
    assert_int_equal(tally_percentile(d, 100), USEC_PER_SEC);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(losses), cmocka_unit_test(too_many),
                                       cmocka_unit_test(delays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
