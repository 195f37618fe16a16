#include "base/arena.h"
#include "base/check.h"

static void stays_within_its_bound_and_starts_again(void **state)
{
    (void)state;
    struct arena *arena = arena_new(10000);
    assert_non_null(arena_alloc(arena, 6000));
    assert_null(arena_alloc(arena, 6000));
    assert_non_null(arena_alloc(arena, 4000));
    arena_reset(arena);
    char *s = arena_str(arena, SLICE("hello"));
    assert_string_equal(s, "hello");
    assert_int_equal((uintptr_t)arena_alloc(arena, 1) % 16, 0);
    assert_null(arena_alloc(arena, SIZE_MAX));
    arena_free(&arena);
    assert_null(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stays_within_its_bound_and_starts_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
