#include "base/check.h"

#include "proto/testing.h"

static const struct testing_layers l3t3 = {3, 3, false, 5, 720};
static const struct testing_layers l3t3_key = {3, 3, true, 60, 720}; /* ids wrap */

static struct slice describe(const struct testing_layers *layers, struct testing_frame frame,
                             uint8_t out[256])
{
    return slice_of(out, testing_descriptor(layers, &frame, out, 256));
}

static void start(const struct testing_layers *layers, struct dependency_structure *s)
{
    uint8_t bytes[256];
    struct dependency_descriptor d;
    *s = (struct dependency_structure){0};
    struct slice value =
        describe(layers, (struct testing_frame){.key = true, .start = true}, bytes);
    assert_int_equal(dependency_parse(value, s, &d), 0);
    assert_true(d.has_structure && d.start && !d.end);
    assert_int_equal(d.frame.fdiff_count, 0);
}

static void a_structure_is_read(void **state)
{
    (void)state;
    struct dependency_structure s;
    start(&l3t3_key, &s);
    assert_int_equal(s.target_count, 9);
    assert_int_equal(s.template_count, 12);
    assert_int_equal(s.chain_count, 3);
    assert_int_equal(s.spatial_count, 3);
    assert_int_equal(s.target_spatial[5], 1);
    assert_int_equal(s.target_temporal[5], 2);
    assert_true(s.has_resolutions);
    assert_int_equal(s.height[0], 180);
    assert_int_equal(s.width[2], 1280);
    assert_int_equal(s.templates[11].spatial, 2);
    assert_int_equal(s.templates[11].temporal, 2);
    assert_int_equal(s.templates[4].fdiffs[0], 1); /* the second layer's key frame */
}

static void frames_follow_their_templates(void **state)
{
    (void)state;
    struct dependency_structure s;
    uint8_t bytes[256];
    const struct testing_layers *both[] = {&l3t3, &l3t3_key};
    for (int i = 0; i < 2; i++) {
        start(both[i], &s);
        for (unsigned n = 0; n < 9; n++) {
            uint16_t fdiffs[] = {3, 200};
            struct testing_frame f = {.spatial = n / 3,
                                      .temporal = n % 3,
                                      .number = 0xfff0,
                                      .end = true,
                                      .fdiffs = fdiffs,
                                      .fdiff_count = 2,
                                      .active = n & 1 ? 7 : 0};
            struct dependency_descriptor d;
            assert_int_equal(dependency_parse(describe(both[i], f, bytes), &s, &d), 0);
            assert_int_equal(d.number, 0xfff0);
            assert_true(d.end && !d.start);
            assert_int_equal(d.frame.spatial, f.spatial);
            assert_int_equal(d.frame.temporal, f.temporal);
            assert_int_equal(d.frame.fdiff_count, 2);
            assert_int_equal(d.frame.fdiffs[1], 200);
            assert_int_equal(d.active, f.active ? 7 : 0x1ff);
            for (unsigned t = 0; t < 9; t++)
                assert_int_equal(dependency_dti_of(&d.frame, t), testing_dti(both[i], &f, t));
        }
    }
}

static void strangers_are_told(void **state)
{
    (void)state;
    struct dependency_structure s = {0};
    struct dependency_descriptor d;
    uint8_t bytes[256];
    struct testing_frame f = {.number = 9, .start = true};
    struct testing_layers strange = l3t3;
    strange.offset = 30;
    struct slice value = describe(&strange, f, bytes);
    assert_int_equal(dependency_parse(value, &s, &d), ERR_NOT_FOUND);
    assert_int_equal(d.number, 9);
    assert_true(d.start);
    /* Of another structure, whose ids lie elsewhere. */
    start(&l3t3_key, &s);
    assert_int_equal(dependency_parse(value, &s, &d), ERR_NOT_FOUND);
    /* A structure cut short leaves the one in force. */
    struct dependency_structure before = s;
    value = describe(&strange, (struct testing_frame){.key = true, .start = true}, bytes);
    for (size_t len = 0; len < value.len; len++)
        assert_true(dependency_parse(slice_sub(value, 0, len), &s, &d) != 0);
    assert_memory_equal(&before, &s, sizeof(s));
}

static void another_number_and_mask_are_written(void **state)
{
    (void)state;
    struct dependency_structure s;
    uint8_t bytes[256];
    uint8_t out[256];
    uint16_t fdiffs[] = {3};
    start(&l3t3, &s);
    for (unsigned n = 0; n < 8; n++) {
        struct testing_frame f = {.key = n & 1,
                                  .spatial = n & 4 ? 1 : 0,
                                  .start = true,
                                  .number = 1,
                                  .fdiffs = fdiffs,
                                  .fdiff_count = 1,
                                  .active = n & 2 ? 0x3f : 0};
        struct slice value = describe(&l3t3, f, bytes);
        struct dependency_descriptor d;
        struct dependency_descriptor again;
        assert_int_equal(dependency_parse(value, &s, &d), 0);
        size_t len = dependency_put(value, &d.marks, 0xabcd, 0x7, out, sizeof(out));
        assert_in_range(len, 1, value.len + DEPENDENCY_GROWTH);
        assert_int_equal(dependency_parse(slice_of(out, len), &s, &again), 0);
        assert_int_equal(again.number, 0xabcd);
        assert_int_equal(again.active, 0x7);
        assert_int_equal(again.has_structure, d.has_structure);
        assert_memory_equal(&again.frame, &d.frame, sizeof(d.frame));
        len = dependency_put(value, &d.marks, 2, 0, out, sizeof(out));
        assert_int_equal(len, value.len);
        assert_int_equal(dependency_parse(slice_of(out, len), &s, &again), 0);
        assert_int_equal(again.active, d.active);
        assert_int_equal(dependency_put(value, &d.marks, 2, 1, out, value.len - 1), 0);
    }
}

static void bits_are_bounded(void **state)
{
    (void)state;
    struct bits b = bits_of(SLICE("\xa5\xff"));
    assert_int_equal(bits_get(&b, 3), 5);
    assert_int_equal(bits_get(&b, 9), 0x5f);
    assert_int_equal(bits_get(&b, 5), 0);
    assert_true(b.failed);
    b = bits_of(SLICE("\xa6\x42\x98\xe2\x04\x8a\x17")); /* ue: 0 1 2 3 ... */
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(bits_get_ue(&b), i);
    assert_false(b.failed);
    b = bits_of(SLICE("\x00\x00\x00\x00\x80"));
    (void)bits_get_ue(&b);
    assert_true(b.failed);
    b = bits_of(SLICE("\x1b\x80")); /* of five values: 0 1 2 in two bits, 3 4 in three */
    assert_int_equal(bits_get_ns(&b, 5), 0);
    assert_int_equal(bits_get_ns(&b, 5), 1);
    assert_int_equal(bits_get_ns(&b, 5), 2);
    assert_int_equal(bits_get_ns(&b, 5), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_structure_is_read),
        cmocka_unit_test(frames_follow_their_templates),
        cmocka_unit_test(strangers_are_told),
        cmocka_unit_test(another_number_and_mask_are_written),
        cmocka_unit_test(bits_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
