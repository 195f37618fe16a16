#include "base/check.h"
#include <stdio.h>

#include "base/map.h"

static void keeps_what_a_plain_array_keeps(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    static int values[KEYS];
    bool in[KEYS] = {false};
    struct map *map = map_new(KEYS, 42);
    uint32_t seed = 1;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        int k = (int)(seed >> 8) % KEYS;
        char key[16];
        (void)snprintf(key, sizeof key, "key-%d", k);
        if (seed & 64) {
            assert_int_equal(map_put(map, slice_str(key), &values[k]), 0);
            in[k] = true;
        } else {
            assert_ptr_equal(map_del(map, slice_str(key)), in[k] ? &values[k] : NULL);
            in[k] = false;
        }
    }
    size_t count = 0;
    struct map_iter iter = {0};
    while (map_next(map, &iter)) {
        int k = (int)((int *)iter.value - values);
        assert_true(in[k]);
        count++;
    }
    assert_int_equal(count, map_count(map));
    map_free(&map);
}

static void refuses_more_than_its_bound(void **state)
{
    (void)state;
    int value = 0;
    struct map *map = map_new(2, 0);
    assert_int_equal(map_put(map, SLICE("a"), &value), 0);
    assert_int_equal(map_put(map, SLICE(""), &value), 0);
    assert_int_equal(map_put(map, SLICE("c"), &value), ERR_LIMIT);
    assert_int_equal(map_put(map, SLICE("a"), &value), 0);
    map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_a_plain_array_keeps),
        cmocka_unit_test(refuses_more_than_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
