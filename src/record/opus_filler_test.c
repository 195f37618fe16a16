#include "base/check.h"

#include <stdlib.h>

#include "record/opus_filler.h"

static const uint8_t speech[] = {0x78, 1, 2, 3}; /* hybrid fullband, 20 ms */

struct heard {
    usec_t end;
    usec_t worst;
    unsigned put;
    unsigned dropped;
};

static void hear(struct opus_filler *filler, usec_t time, struct heard *heard)
{
    struct opus_fill fill;
    for (int turn = 0; turn < 1000; turn++) {
        enum opus_filler_step step =
            opus_filler_step(filler, time, slice_of(speech, sizeof(speech)), &fill);
        if (step == OPUS_FILLER_DROP) {
            heard->dropped++;
            return;
        }
        if (heard->end)
            assert_int_equal(fill.at, heard->end);
        heard->end = fill.at + fill.duration;
        if (step == OPUS_FILLER_TAKE) {
            usec_t off = llabs(fill.at - time);
            heard->worst = usec_max(heard->worst, off);
            return;
        }
        heard->put++;
        assert_true(fill.len >= 1 && fill.len <= OPUS_FILLER_MAX);
    }
    fail_msg("never takes the packet");
}

static void run_clock(double skew, struct heard *heard)
{
    struct opus_filler filler = {0};
    *heard = (struct heard){0};
    for (int i = 0; i < 7200 * 50; i++)
        hear(&filler, (usec_t)(1e6 + 20000.0 * i * (1 + skew)), heard);
}

static void test_drift_of_two_hours(void **state)
{
    struct heard heard;
    run_clock(100e-6, &heard);
    assert_true(heard.worst <= 40000);
    assert_in_range(heard.put, 33, 37);
    assert_int_equal(heard.dropped, 0);
    run_clock(-100e-6, &heard);
    assert_true(heard.worst <= 40000);
    assert_in_range(heard.dropped, 33, 37);
    assert_int_equal(heard.put, 0);
}

static void test_silence_is_filled(void **state)
{
    struct opus_filler filler = {0};
    struct heard heard = {0};
    hear(&filler, 500000, &heard);
    hear(&filler, 520000 + 7000000 + 3000, &heard);
    assert_true(heard.worst <= 25000);
    assert_in_range(heard.put, 59, 60);
}

static void test_jitter_changes_nothing(void **state)
{
    struct opus_filler filler = {0};
    struct heard heard = {0};
    for (int i = 0; i < 1000; i++)
        hear(&filler, 1000000 + i * 20000 + (i * 7919) % 20000, &heard);
    assert_int_equal(heard.put + heard.dropped, 0);
}

static void test_refuses_what_is_no_opus(void **state)
{
    struct opus_filler filler = {0};
    struct opus_fill fill;
    assert_int_equal(opus_filler_step(&filler, 0, SLICE(""), &fill), OPUS_FILLER_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drift_of_two_hours),
        cmocka_unit_test(test_silence_is_filled),
        cmocka_unit_test(test_jitter_changes_nothing),
        cmocka_unit_test(test_refuses_what_is_no_opus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
