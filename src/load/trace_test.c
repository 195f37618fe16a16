#include "load/trace.h"

#include <stdlib.h>

#include "base/check.h"

struct seen {
    uint64_t bytes[TRACE_LAYERS + 1];
    unsigned packets[TRACE_LAYERS + 1];
    unsigned frames[TRACE_LAYERS + 1];
    unsigned keys[TRACE_LAYERS + 1];
    unsigned least, most; /* sizes within the running frame of the top layer */
};

static void watch(struct trace *t, usec_t from, usec_t to, struct seen *seen)
{
    struct trace_packet p;
    usec_t last = 0;
    *seen = (struct seen){0};
    for (usec_t now = from; now < to;) {
        usec_t next;
        while (trace_next(t, now, &p, &next)) {
            size_t i = p.audio ? TRACE_LAYERS : p.layer;
            assert_true(p.at <= now && p.at >= last);
            last = p.at;
            seen->bytes[i] += p.size;
            seen->packets[i]++;
            seen->frames[i] += p.marker;
            seen->keys[i] += p.key;
            if (i != 2)
                continue;
            seen->least = p.vp8.start || p.size < seen->least ? p.size : seen->least;
            seen->most = p.vp8.start || p.size > seen->most ? p.size : seen->most;
            assert_true(seen->most - seen->least <= 1);
        }
        assert_true(next > now);
        now = next;
    }
}

static void rates(void **state)
{
    struct trace *t = calloc(1, sizeof *t);
    struct seen seen;
    assert_non_null(t);
    trace_init(t, USEC_PER_SEC, true, true, 1);
    watch(t, USEC_PER_SEC, 11 * USEC_PER_SEC, &seen);
    assert_in_range(seen.packets[TRACE_LAYERS], 499, 501);
    const unsigned wanted[TRACE_LAYERS] = {250000, 625000, 1875000}; /* bytes in 10 s */
    for (size_t i = 0; i < TRACE_LAYERS; i++) {
        assert_in_range(seen.frames[i], 299, 301);
        assert_int_equal(seen.keys[i], 1);
        assert_in_range(seen.bytes[i], wanted[i] * 9 / 10, wanted[i] * 12 / 10);
    }
    free(t);
}

static void wishes(void **state)
{
    struct trace *t = calloc(1, sizeof *t);
    struct seen seen;
    assert_non_null(t);
    trace_init(t, 0, false, true, 2);
    trace_constrain(t, 360);
    watch(t, 0, USEC_PER_SEC, &seen);
    assert_true(seen.packets[1] > 0 && seen.packets[2] == 0 && seen.packets[3] == 0);
    trace_constrain(t, 720);
    watch(t, USEC_PER_SEC, 2 * USEC_PER_SEC, &seen);
    assert_int_equal(seen.keys[2], 1); /* what comes back begins with a key frame */
    trace_want_key(t, 1);
    watch(t, 2 * USEC_PER_SEC, 3 * USEC_PER_SEC, &seen);
    assert_int_equal(seen.keys[1], 1);
    assert_int_equal(seen.keys[2], 0);
    trace_constrain(t, 0);
    struct trace_packet p;
    usec_t next;
    while (trace_next(t, 4 * USEC_PER_SEC, &p, &next))
        assert_true(p.at < 3 * USEC_PER_SEC + 50 * USEC_PER_MSEC); /* begun before */
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates), cmocka_unit_test(wishes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
