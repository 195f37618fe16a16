/* The figures of networks.h, bounded by what docs/networks.md asks where they meet it.
 * ./bench networks tells them over more seeds. */
#include "base/check.h"

#include <stdlib.h>

#include "networks.h"

#define FREEZE (1 * USEC_PER_SEC)
#define SILENCE (600 * USEC_PER_MSEC)
#define POOR_TIME (4 * 60 * USEC_PER_SEC)
#define LESSON (45.0 * 60 * USEC_PER_SEC)

enum { SEEDS = 2, SHARED_SEEDS = 5 };

static long long ms(usec_t time)
{
    return (long long)time / 1000;
}

static void steps(uint64_t seed)
{
    static const struct {
        usec_t settled;
        bool moving; /* there is a picture before and after */
    } most[NETWORKS_STEPS] = {{5 * USEC_PER_SEC, false},
                              {5 * USEC_PER_SEC, true},
                              {15 * USEC_PER_SEC, true},
                              {5 * USEC_PER_SEC, false},
                              {15 * USEC_PER_SEC, true}};
    struct networks_step all[NETWORKS_STEPS];
    networks_steps(seed, NULL, all);
    for (size_t i = 0; i < NETWORKS_STEPS; i++) {
        const struct networks_step *s = &all[i];
        print_message("to %llu kb/s: settled after %lld ms, freeze %lld ms, picture after %lld ms, "
                      "sound concealed %.1f %%, silence %lld ms\n",
                      (unsigned long long)s->rate_bps / 1000, ms(s->settled), ms(s->freeze),
                      ms(s->picture), s->concealed, ms(s->silence));
        assert_true(s->settled <= most[i].settled);
        assert_true(!most[i].moving || s->freeze <= FREEZE);
        assert_true(s->silence <= SILENCE && s->concealed < 4);
    }
}

static void the_rate_goes_down_and_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        steps(seed);
}

static void lose(uint64_t seed, double burst)
{
    struct networks_lossy s;
    networks_lossy(seed, burst, NULL, &s);
    print_message("30 %% lost, bursts of %.0f: %.1f frames a second, freeze %lld ms, frozen %.1f "
                  "%%, sound concealed %.1f %%, silence %lld ms\n",
                  burst, s.frames, ms(s.freeze), s.frozen, s.concealed, ms(s.silence));
    assert_int_equal(s.layer, 0);
    assert_true(s.frames > 15);
    assert_true(s.freeze <= (burst > 1 ? 3 : 1) * FREEZE);
    assert_true(s.concealed < (burst > 1 ? 14 : 10));
}

static void heavy_loss_lowers_the_layer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lose(seed, 1);
        lose(seed, 3);
    }
}

static double middle(double of[SHARED_SEEDS])
{
    for (int i = 1; i < SHARED_SEEDS; i++)
        for (int k = i; k > 0 && of[k] < of[k - 1]; k--) {
            double more = of[k - 1];
            of[k - 1] = of[k];
            of[k] = more;
        }
    return of[SHARED_SEEDS / 2];
}

/* One seed may be beyond, the middle of them may not. */
static void share_line(bool download)
{
    double concealed[SHARED_SEEDS], times[SHARED_SEEDS], together[SHARED_SEEDS];
    for (int i = 0; i < SHARED_SEEDS; i++) {
        struct networks_shared s;
        networks_shared((uint64_t)i + 1, download, NULL, &s);
        print_message("shared%s: %.0f to %.0f kb/s each, %.0f on average, line %.0f %% full, rival "
                      "%.0f kb/s, sound concealed at worst %.2f %%, queue over 150 ms for %lld ms, "
                      "full for %lld ms, together %.2f\n",
                      download ? " with a download" : "", s.least, s.most, s.mean, s.full, s.rival,
                      s.concealed, ms(s.queue), ms(s.queue_full), s.together);
        concealed[i] = s.concealed;
        times[i] = s.most / s.least;
        together[i] = s.together;
        assert_true(s.full > 70);
        assert_true(s.queue_full <= USEC_PER_SEC);
        assert_true(s.concealed < 1.5 && times[i] <= 3 && s.together < 0.45);
    }
    assert_true(middle(concealed) < 1);
    assert_true(middle(times) <= 2);
    assert_true(middle(together) < 0.3);
}

static void many_behind_one_line(void **state)
{
    (void)state;
    share_line(false);
}

static void many_behind_one_line_with_a_download(void **state)
{
    (void)state;
    share_line(true);
}

static void poor(uint64_t seed)
{
    struct networks_poor s;
    networks_poor(seed, POOR_TIME, NULL, &s);
    double lesson = (double)(s.down + s.up) / 1e6 * LESSON / (double)POOR_TIME;
    print_message("64 kb/s: sound concealed %.1f %%, back after %lld, %lld, %lld ms, %.1f MB in 45 "
                  "min (up %.1f kb/s), probes %.1f %%\n",
                  s.concealed, ms(s.back[0]), ms(s.back[1]), ms(s.back[2]), lesson,
                  (double)s.up * 8000 / (double)POOR_TIME, s.probes);
    /* Of so short a time the first seconds, with a picture that is too much, are a larger part. */
    assert_true(s.concealed < 5.5);
    assert_true(lesson < 14.5);
    assert_true((double)s.up * 8000 / (double)POOR_TIME < 3);
    for (int i = 0; i < NETWORKS_OUTAGES; i++)
        assert_true(s.back[i] <= 3 * USEC_PER_SEC);
    assert_true(s.probes < 5);
}

static void a_voice_on_a_poor_line(void **state)
{
    (void)state;
    poor(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_goes_down_and_up),
        cmocka_unit_test(heavy_loss_lowers_the_layer),
        cmocka_unit_test(many_behind_one_line),
        cmocka_unit_test(many_behind_one_line_with_a_download),
        cmocka_unit_test(a_voice_on_a_poor_line),
    };
    cmocka_set_test_filter(getenv("DARASA_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
