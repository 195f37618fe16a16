#include "base/check.h"

#include "bridge/sent.h"

static void packets_are_found_by_number_until_they_give_way(void **state)
{
    (void)state;
    struct sent sent;
    assert_int_equal(sent_init(&sent), 0);
    int64_t first = sent.next;
    assert_null(sent_get(&sent, first));
    for (int64_t i = 0; i < SENT_MIN + 10; i++) {
        struct sent_packet *packet = sent_put(&sent, i * USEC_PER_SEC, (uint16_t)(100 + i));
        assert_ptr_equal(packet, sent_newest(&sent));
        assert_int_equal(packet->ssrc, 0);
        packet->ssrc = 7;
    }
    assert_null(sent_get(&sent, first + 9));
    assert_int_equal(sent_get(&sent, first + 10)->size, 110);
    assert_int_equal(sent_get(&sent, sent.next - 1)->size, 100 + SENT_MIN + 9);
    assert_null(sent_get(&sent, sent.next));
    sent_done(&sent);
}

/* So many a second, told about or not, for ten seconds. */
static uint32_t slots_for(int64_t rate, uint8_t fate)
{
    struct sent sent;
    assert_int_equal(sent_init(&sent), 0);
    usec_t now = 1000000;
    for (int64_t i = 0; i < 10 * rate; i++) {
        sent_put(&sent, now, 1000)->fate = fate;
        now += USEC_PER_SEC / rate;
        if (i % 8 == 0)
            assert_int_equal(sent_tick(&sent, now), 0);
        const struct sent_packet *second_old = sent_get(&sent, sent.next - rate);
        if (i >= rate && rate <= SENT_MAX)
            assert_true(second_old && now - second_old->at <= USEC_PER_SEC + 1000);
    }
    uint32_t slots = sent.slots;
    sent_done(&sent);
    return slots;
}

static void it_grows_to_hold_a_second(void **state)
{
    (void)state;
    assert_int_equal(slots_for(200, SENT_ARRIVED), 256);
    assert_int_equal(slots_for(400, SENT_ARRIVED), 512);
    assert_int_equal(slots_for(1000, SENT_LOST), 2048);
    assert_int_equal(slots_for(5000, SENT_ARRIVED), SENT_MAX);
}

static void what_nobody_told_about_is_kept_longer(void **state)
{
    (void)state;
    assert_int_equal(slots_for(200, SENT_UNKNOWN), 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_found_by_number_until_they_give_way),
        cmocka_unit_test(it_grows_to_hold_a_second),
        cmocka_unit_test(what_nobody_told_about_is_kept_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
