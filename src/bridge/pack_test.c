#include "bridge/pack.h"

#include <stdlib.h>

#include "base/check.h"

static struct pack_item item(uint32_t ssrc, uint16_t size, uint16_t index)
{
    return (struct pack_item){.ssrc = ssrc, .size = size, .index = index};
}

/* Messages that the plan makes, and that it keeps what it promises. */
static size_t messages(const struct pack_item *items, size_t count)
{
    size_t made = 0, segment = 0, len = 0, segments = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = items[i].size + (size_t)items[i].padding;
        assert_true(items[i].padding <= PACK_PADDING_MAX);
        assert_true(!items[i].fixed || items[i].padding == 0);
        if (segments > 0 && len == segments * segment && size <= segment) {
            len += size;
            segments++;
            continue;
        }
        made++;
        segment = len = size;
        segments = 1;
    }
    return made;
}

static void a_frame_is_one_message(void **state)
{
    struct pack_item items[] = {item(1, 1170, 0), item(1, 1171, 1), item(1, 1170, 2),
                                item(1, 1171, 3), item(1, 1170, 4)};
    pack_plan(items, 5);
    assert_int_equal(messages(items, 5), 1);
    for (uint16_t i = 0; i < 5; i++)
        assert_int_equal(items[i].index, i);
    assert_int_equal(items[0].padding, 1);
    assert_int_equal(items[4].padding, 0); /* the last may be shorter */
}

static void sound_goes_behind(void **state)
{
    struct pack_item items[] = {item(9, 130, 0), item(1, 1100, 1), item(1, 1101, 2)};
    items[0].fixed = true;
    pack_plan(items, 3);
    assert_int_equal(messages(items, 3), 1);
    assert_int_equal(items[0].index, 1);
    assert_int_equal(items[0].padding, 1);
    assert_int_equal(items[2].index, 0);
}

static void what_is_alone_is_left_alone(void **state)
{
    struct pack_item items[] = {item(1, 900, 0), item(2, 600, 1), item(3, 300, 2)};
    pack_plan(items, 3);
    assert_int_equal(messages(items, 3), 2);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(items[i].padding, 0);
}

static void streams_stay_in_order(void **state)
{
    uint32_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        struct pack_item items[PACK_MAX];
        int last[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
        bool seen[PACK_MAX] = {false};
        size_t count = 1 + round % PACK_MAX;
        for (uint16_t i = 0; i < count; i++) {
            random = random * 1664525 + 1013904223;
            items[i] = item(random >> 29, (uint16_t)(100 + (random >> 16 & 63)), i);
            items[i].fixed = (random >> 8 & 7) == 0;
        }
        pack_plan(items, count);
        assert_true(messages(items, count) <= count);
        for (size_t i = 0; i < count; i++) {
            assert_false(seen[items[i].index]);
            seen[items[i].index] = true;
            assert_true(last[items[i].ssrc] < items[i].index);
            last[items[i].ssrc] = items[i].index;
        }
    }
}

static void padding_tells_its_length(void **state)
{
    for (size_t n = 1; n <= PACK_PADDING_MAX; n++) {
        struct slice padding = pack_padding(n);
        assert_int_equal(padding.len, n);
        assert_int_equal(padding.data[n - 1], n);
    }
    assert_int_equal(pack_padding(0).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_one_message), cmocka_unit_test(sound_goes_behind),
        cmocka_unit_test(what_is_alone_is_left_alone), cmocka_unit_test(streams_stay_in_order),
        cmocka_unit_test(padding_tells_its_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
