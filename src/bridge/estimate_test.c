#include "base/check.h"

#include "bridge/estimate.h"
#include "bridge/feedback.h"
#include "proto/rtcp.h"

/* A link: a queue of that rate, a delay, and every n-th packet lost. */
struct link {
    struct estimate estimate;
    struct feedback feedback;
    uint64_t rate;
    unsigned lose; /* one in so many; 0: none */
    unsigned count;
    usec_t free_at;
    usec_t now;
    struct {
        usec_t at;
        uint16_t sequence;
    } flight[4096];
    size_t first, last;
};

static void begin(struct link *l, uint64_t rate)
{
    *l = (struct link){.rate = rate, .now = 5000000};
    estimate_init(&l->estimate, l->now);
}

static void send(struct link *l, size_t size)
{
    uint16_t sequence = estimate_send(&l->estimate, l->now, size);
    if (l->lose > 0 && ++l->count % l->lose == 0)
        return;
    usec_t start = usec_max(l->free_at, l->now);
    if (start - l->now > 500000)
        return; /* the queue is full */
    l->free_at = start + (usec_t)(size * 8 * 1000000 / l->rate);
    l->flight[l->last % 4096].at = l->free_at + 20000;
    l->flight[l->last++ % 4096].sequence = sequence;
}

static void pass_feedback(struct link *l)
{
    uint8_t bytes[1200];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (l->now < feedback_due(&l->feedback) || !feedback_put(&l->feedback, l->now, 1, &w))
        return;
    struct slice rest = slice_of(bytes, writer_len(&w));
    struct rtcp_packet packet;
    struct rtcp_feedback feedback;
    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
    assert_int_equal(estimate_feedback(&l->estimate, l->now, feedback.fci), 0);
}

/* Sends at that rate, bursts of a frame every 33 ms. */
static void run(struct link *l, usec_t time, uint64_t bps)
{
    double owed = 0;
    for (usec_t end = l->now + time; l->now < end; l->now += 1000) {
        owed += (double)bps / 8 / 1000;
        for (; l->now / 1000 % 33 == 0 && owed >= 1000; owed -= 1000)
            send(l, 1000);
        for (; l->first < l->last && l->flight[l->first % 4096].at <= l->now; l->first++)
            feedback_arrived(&l->feedback, l->now, l->flight[l->first % 4096].sequence, 1);
        pass_feedback(l);
    }
}

static void a_wide_link_keeps_the_estimate(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000000);
    assert_int_equal(estimate_bps(&l.estimate), ESTIMATE_INITIAL);
    run(&l, 10000000, 2200000);
    assert_true(estimate_bps(&l.estimate) >= ESTIMATE_INITIAL);
    assert_in_range(estimate_rtt(&l.estimate), 20000, 120000);
}

static void a_narrow_link_is_found_out(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1000000);
    run(&l, 2000000, 2000000);
    for (int i = 0; i < 20; i++)
        run(&l, 500000, estimate_bps(&l.estimate));
    assert_in_range(estimate_bps(&l.estimate), 600000, 1150000);
}

static void heavy_loss_lowers_and_light_loss_does_not(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000000);
    l.lose = 5;
    run(&l, 5000000, 2000000);
    uint64_t heavy = estimate_bps(&l.estimate);
    assert_true(heavy < 1500000);
    begin(&l, 50000000);
    l.lose = 60;
    run(&l, 5000000, 2000000);
    assert_true(estimate_bps(&l.estimate) >= 2400000);
}

static void a_probe_lifts_what_little_media_cannot(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 400000);
    run(&l, 3000000, 1000000);
    run(&l, 5000000, 200000);
    uint64_t low = estimate_bps(&l.estimate);
    assert_true(low < 500000);
    l.rate = 20000000;
    run(&l, 1000000, 200000);
    for (int i = 0; i < 3; i++) {
        estimate_probe_begin(&l.estimate);
        run(&l, 150000, 300000 + estimate_bps(&l.estimate));
        estimate_probe_end(&l.estimate, l.now);
        run(&l, 500000, 200000);
    }
    assert_true(estimate_bps(&l.estimate) > 2 * low);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1000000);
    assert_int_equal(estimate_feedback(&l.estimate, l.now, SLICE("\0\0")), ERR_FORMAT);
    /* Told of packets that were never sent: nothing follows. */
    assert_int_equal(
        estimate_feedback(&l.estimate, l.now, SLICE("\0\1\0\2\0\0\1\0\x20\x02\x04\x04")), 0);
    assert_int_equal(estimate_bps(&l.estimate), ESTIMATE_INITIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_link_keeps_the_estimate),
        cmocka_unit_test(a_narrow_link_is_found_out),
        cmocka_unit_test(heavy_loss_lowers_and_light_loss_does_not),
        cmocka_unit_test(a_probe_lifts_what_little_media_cannot),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
