#include "base/check.h"

#include "record/seq_order.h"

static struct {
    uint32_t seq[4096];
    uint32_t lost[4096];
    size_t count;
} seen;

static void on_packet(void *arg, const struct seq_packet *packet)
{
    (void)arg;
    uint16_t seq;
    assert_int_equal(packet->bytes.len, sizeof(seq));
    memcpy(&seq, packet->bytes.data, sizeof(seq));
    seen.seq[seen.count] = seq;
    seen.lost[seen.count++] = packet->lost;
}

static const struct seq_sink sink = {.packet = on_packet};

/* The tests without it are about what comes later. */
static void settled(struct seq_order *order)
{
    seq_order_tick(order, USEC_PER_SEC / 4, &sink);
}

static void input(struct seq_order *order, uint16_t seq, usec_t arrival)
{
    assert_int_equal(seq_order_input(order, seq, arrival, slice_of(&seq, sizeof(seq)), &sink), 0);
}

static void assert_seen(const uint16_t *seq, size_t count)
{
    assert_int_equal(seen.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen.seq[i], seq[i]);
}

static int begin(void **state)
{
    seen.count = 0;
    *state = seq_order_new();
    return *state ? 0 : -1;
}

static int end(void **state)
{
    struct seq_order *order = *state;
    seq_order_free(&order);
    return 0;
}

static void test_order_across_the_wrap_without_doubles(void **state)
{
    const uint16_t in[] = {65533, 65535, 65534, 65534, 1, 65533, 0, 2, 2};
    const uint16_t out[] = {65533, 65534, 65535, 0, 1, 2};
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        input(*state, in[i], (usec_t)i * 1000);
    settled(*state);
    assert_seen(out, ARRAY_LEN(out));
    for (size_t i = 0; i < seen.count; i++)
        assert_int_equal(seen.lost[i], 0);
}

static void test_waits_for_a_repair_then_gives_up(void **state)
{
    input(*state, 10, 0);
    settled(*state);
    input(*state, 13, 1000);
    input(*state, 14, SEQ_ORDER_WAIT);
    assert_int_equal(seen.count, 1);
    input(*state, 11, SEQ_ORDER_WAIT);
    assert_int_equal(seen.count, 2);
    seq_order_tick(*state, SEQ_ORDER_WAIT + 1000, &sink);
    assert_seen((const uint16_t[]){10, 11, 13, 14}, 4);
    assert_int_equal(seen.lost[2], 1);
    assert_int_equal(seen.lost[3], 0);
    input(*state, 12, SEQ_ORDER_WAIT + 2000);
    assert_int_equal(seen.count, 4);
}

static void test_the_first_to_arrive_need_not_be_the_first(void **state)
{
    input(*state, 65535, 0);
    input(*state, 0, 10000);
    input(*state, 65534, 30000);
    assert_int_equal(seen.count, 0);
    input(*state, 1, 250000);
    assert_seen((const uint16_t[]){65534, 65535, 0, 1}, 4);
    input(*state, 65533, 260000);
    assert_int_equal(seen.count, 4);
}

static void test_end_gives_out_all(void **state)
{
    input(*state, 1, 0);
    input(*state, 3, 0);
    input(*state, 6, 0);
    seq_order_tick(*state, USEC_NEVER, &sink);
    assert_seen((const uint16_t[]){1, 3, 6}, 3);
    assert_int_equal(seen.lost[2], 2);
}

static void test_long_hole_and_restart(void **state)
{
    input(*state, 100, 0);
    settled(*state);
    input(*state, 5000, 1);
    assert_seen((const uint16_t[]){100, 5000}, 2);
    assert_true(seen.lost[1] > 0);
    /* A sender that began anew from below is followed after three packets. */
    for (uint16_t seq = 40000; seq < 40006; seq++)
        input(*state, seq, 2);
    assert_seen((const uint16_t[]){100, 5000, 40002, 40003, 40004, 40005}, 6);
    assert_true(seen.lost[2] > 0);
}

/* Two in a hundred never come, one in ten comes up to five places late. */
static void test_any_weather(void **state)
{
    uint32_t random = 7;
    uint16_t delayed = 0;
    unsigned wait = 0, sent = 0;
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 1664525u + 1013904223u;
        unsigned dice = random >> 24;
        if (wait && --wait == 0)
            input(*state, delayed, i * 1000), sent++;
        if (dice < 5 && i > 0)
            continue;
        if (dice < 30 && !wait && i > 0) {
            delayed = (uint16_t)(60000 + i);
            wait = 1 + dice % 5;
            continue;
        }
        input(*state, (uint16_t)(60000 + i), i * 1000);
        sent++;
    }
    seq_order_tick(*state, USEC_NEVER, &sink);
    assert_int_equal(seen.count, sent);
    for (size_t i = 1; i < seen.count; i++)
        assert_int_equal((uint16_t)(seen.seq[i] - seen.seq[i - 1]), 1 + seen.lost[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_across_the_wrap_without_doubles, begin, end),
        cmocka_unit_test_setup_teardown(test_waits_for_a_repair_then_gives_up, begin, end),
        cmocka_unit_test_setup_teardown(test_the_first_to_arrive_need_not_be_the_first, begin, end),
        cmocka_unit_test_setup_teardown(test_end_gives_out_all, begin, end),
        cmocka_unit_test_setup_teardown(test_long_hole_and_restart, begin, end),
        cmocka_unit_test_setup_teardown(test_any_weather, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
