#include "base/check.h"

#include "record/layers.h"

static struct {
    struct layer_frame frames[2000];
    size_t count;
} seen;

static int on_frame(void *arg, const struct layer_frame *frame)
{
    (void)arg;
    assert_true(seen.count < ARRAY_LEN(seen.frames));
    if (seen.count) {
        const struct layer_frame *last = &seen.frames[seen.count - 1];
        assert_true(frame->time > last->time);
        if (frame->stream != last->stream)
            assert_true(frame->key);
    }
    seen.frames[seen.count++] = *frame;
    return 0;
}

static const struct layer_sink sink = {.frame = on_frame};

static void input(struct layers *layers, uint32_t stream, usec_t time, bool key)
{
    const uint16_t heights[] = {180, 360, 720};
    struct layer_frame frame = {.time = time + stream,
                                .stream = stream,
                                .key = key,
                                .width = (uint16_t)(heights[stream] * 16 / 9),
                                .height = heights[stream],
                                .data = SLICE("x")};
    assert_int_equal(layers_input(layers, &frame, &sink), 0);
    assert_int_equal(layers_tick(layers, time, &sink), 0);
}

/* Ten seconds of 20 frames a second; all layers have key frames at 0, 4 and 7 s. */
static void run(bool (*present)(uint32_t stream, usec_t time))
{
    struct layers *layers = layers_new();
    assert_non_null(layers);
    seen.count = 0;
    for (usec_t time = 0; time < 10 * USEC_PER_SEC; time += 50000) {
        bool key = time == 0 || time == 4 * USEC_PER_SEC || time == 7 * USEC_PER_SEC;
        for (uint32_t stream = 0; stream < 3; stream++) {
            if (present(stream, time))
                input(layers, stream, time, key);
        }
    }
    assert_int_equal(layers_tick(layers, USEC_NEVER, &sink), 0);
    layers_free(&layers);
}

static uint32_t stream_at(usec_t time)
{
    uint32_t stream = UINT32_MAX;
    for (size_t i = 0; i < seen.count && seen.frames[i].time <= time; i++)
        stream = seen.frames[i].stream;
    return stream;
}

static bool all(uint32_t stream, usec_t time)
{
    return true;
}

static void test_takes_the_largest(void **state)
{
    run(all);
    assert_int_equal(stream_at(20000), 2);
    for (size_t i = 2; i < seen.count; i++)
        assert_int_equal(seen.frames[i].stream, seen.frames[i].stream > 1 ? 2 : 99);
    assert_true(seen.count >= 200 && seen.count <= 203);
}

static bool top_comes_and_goes(uint32_t stream, usec_t time)
{
    if (stream == 2)
        return time >= 4 * USEC_PER_SEC && time < 6800 * USEC_PER_MSEC;
    return true;
}

static void test_goes_up_and_comes_down_at_key_frames(void **state)
{
    run(top_comes_and_goes);
    assert_int_equal(stream_at(3900000), 1);
    assert_int_equal(stream_at(4100000), 2);
    assert_int_equal(stream_at(6900000), 2);
    assert_int_equal(stream_at(7100000), 1);
    assert_int_equal(stream_at(9900000), 1);
}

static bool top_flickers(uint32_t stream, usec_t time)
{
    if (stream == 2)
        return time >= 4 * USEC_PER_SEC && time < 4200 * USEC_PER_MSEC;
    return true;
}

static void test_ignores_a_layer_that_breaks_at_once(void **state)
{
    run(top_flickers);
    assert_int_equal(stream_at(4500000), 1);
    assert_true(seen.count >= 200);
}

static void test_bound_of_memory(void **state)
{
    static uint8_t big[1024 * 1024];
    struct layers *layers = layers_new();
    assert_non_null(layers);
    seen.count = 0;
    for (usec_t time = 0; time < 20; time++) {
        struct layer_frame frame = {
            .time = time * 1000, .key = true, .data = slice_of(big, sizeof(big))};
        assert_int_equal(layers_input(layers, &frame, &sink), 0);
    }
    assert_int_equal(seen.count, 12);
    layers_free(&layers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_the_largest),
        cmocka_unit_test(test_goes_up_and_comes_down_at_key_frames),
        cmocka_unit_test(test_ignores_a_layer_that_breaks_at_once),
        cmocka_unit_test(test_bound_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
