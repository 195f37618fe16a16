#include "base/check.h"

#include <math.h>

#include "record/limiter.h"

/* The n-th block through the limiter, of a signal. */
static float run(float (*signal)(size_t n), size_t blocks, float *ret_last_gain)
{
    struct limiter limiter;
    float most = 0;
    limiter_init(&limiter, -1.5f);
    for (size_t b = 0; b < blocks; b++) {
        float samples[LIMITER_BLOCK];
        for (size_t i = 0; i < LIMITER_BLOCK; i++)
            samples[i] = signal(b * LIMITER_BLOCK + i);
        limiter_block(&limiter, samples);
        for (size_t i = 0; i < LIMITER_BLOCK; i++)
            most = fmaxf(most, fabsf(samples[i]));
    }
    *ret_last_gain = limiter.gain;
    return most;
}

static float quiet(size_t n)
{
    return 0.5f * sinf((float)n * 0.1f);
}

static float loud(size_t n)
{
    return 3 * sinf((float)n * 0.1f);
}

static float bang_then_quiet(size_t n)
{
    return n < 4800 ? 5.0f : quiet(n);
}

static void test_leaves_quiet_sound_alone(void **state)
{
    struct limiter limiter;
    limiter_init(&limiter, -1.5f);
    for (size_t b = 0; b < 100; b++) {
        float samples[LIMITER_BLOCK];
        for (size_t i = 0; i < LIMITER_BLOCK; i++)
            samples[i] = quiet(b * LIMITER_BLOCK + i);
        limiter_block(&limiter, samples);
        for (size_t i = 0; i < LIMITER_BLOCK && b > LIMITER_AHEAD; i++)
            assert_float_equal(samples[i], quiet(b * LIMITER_BLOCK + i - LIMITER_DELAY), 1e-6);
    }
}

static void test_holds_the_ceiling_and_lets_go(void **state)
{
    float gain, ceiling = powf(10, -1.5f / 20);
    assert_true(run(loud, 1000, &gain) <= ceiling);
    assert_float_equal(gain, ceiling / 3, 0.02);
    assert_true(run(bang_then_quiet, 1000, &gain) <= ceiling);
    assert_true(gain > 0.99f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves_quiet_sound_alone),
        cmocka_unit_test(test_holds_the_ceiling_and_lets_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
