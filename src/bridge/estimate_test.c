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
    usec_t jitter;
    bool deaf;   /* gives no feedback */
    bool beside; /* a download fills the queue, between 100 and 250 ms */
    unsigned count;
    uint32_t random;
    size_t probed; /* bytes */
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
    assert_int_equal(estimate_init(&l->estimate, l->now, 1), 0);
    l->random = 1;
}

static void send(struct link *l, size_t size, bool probe)
{
    uint16_t sequence = estimate_send(&l->estimate, l->now, size, probe);
    l->probed += probe ? size : 0;
    if (l->lose > 0 && ++l->count % l->lose == 0)
        return;
    usec_t start = usec_max(l->free_at, l->now);
    if (start - l->now > 500000)
        return; /* the queue is full */
    l->free_at = start + (usec_t)(size * 8 * 1000000 / l->rate);
    l->random = l->random * 1664525 + 1013904223;
    l->flight[l->last % 4096].at =
        l->free_at + 20000 + (l->jitter > 0 ? (usec_t)(l->random >> 8) % l->jitter : 0);
    l->flight[l->last++ % 4096].sequence = sequence;
}

static void pass_feedback(struct link *l)
{
    uint8_t bytes[1200];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (l->deaf || l->now < feedback_due(&l->feedback) ||
        !feedback_put(&l->feedback, l->now, 1, &w))
        return;
    struct slice rest = slice_of(bytes, writer_len(&w));
    struct rtcp_packet packet;
    struct rtcp_feedback feedback;
    assert_int_equal(rtcp_next(&rest, &packet), 0);
    assert_int_equal(rtcp_feedback_parse(&packet, &feedback), 0);
    assert_int_equal(estimate_feedback(&l->estimate, l->now, feedback.fci), 0);
}

static void deliver(struct link *l)
{
    for (size_t i = l->first; i < l->last; i++) {
        usec_t *at = &l->flight[i % 4096].at;
        if (*at < 0 || *at > l->now)
            continue;
        feedback_arrived(&l->feedback, l->now, l->flight[i % 4096].sequence, 1);
        *at = -1;
    }
    while (l->first < l->last && l->flight[l->first % 4096].at < 0)
        l->first++;
    pass_feedback(l);
}

/* Sends at that rate, bursts of a frame every 33 ms; probes as asked for. */
static void run(struct link *l, usec_t time, uint64_t bps)
{
    double owed = 0;
    for (usec_t end = l->now + time; l->now < end; l->now += 1000) {
        if (l->beside)
            l->free_at = usec_max(l->free_at, l->now + 100000 + l->now / 40 % 150000);
        owed += (double)bps / 8 / 1000;
        for (; l->now / 1000 % 33 == 0 && owed >= 1000; owed -= 1000)
            send(l, 1000, false);
        for (; l->now / 1000 % 5 == 0 && estimate_tick(&l->estimate, l->now, true) > 0;)
            send(l, 330, true);
        deliver(l);
    }
}

/* As a conference does: what it wants, within the estimate. */
static void follow(struct link *l, usec_t time, uint64_t wanted)
{
    for (usec_t end = l->now + time; l->now < end;) {
        uint64_t bps = estimate_bps(&l->estimate);
        estimate_want(&l->estimate, bps < wanted ? wanted : 0, 0);
        run(l, 100000, bps < wanted ? bps : wanted);
    }
}

static void a_wide_link_is_found_within_two_seconds(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000000);
    assert_int_equal(estimate_bps(&l.estimate), ESTIMATE_INITIAL);
    follow(&l, 2000000, 2200000);
    assert_true(estimate_bps(&l.estimate) >= 2200000);
    assert_in_range(estimate_rtt(&l.estimate), 20000, 120000);
    assert_true(l.probed < 60000);
    assert_false(estimate_settled(&l.estimate));
    estimate_done(&l.estimate);
}

static void a_narrow_link_is_found_out(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1000000);
    follow(&l, 10000000, 3000000);
    for (int i = 0; i < 20; i++) {
        follow(&l, 500000, 3000000);
        assert_in_range(estimate_bps(&l.estimate), 600000, 1250000);
    }
    estimate_done(&l.estimate);
}

static void a_drop_is_followed_at_once_and_a_rise_soon(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 3000000);
    follow(&l, 5000000, 2000000);
    l.rate = 300000;
    usec_t dropped = l.now;
    while (estimate_bps(&l.estimate) > 300000)
        follow(&l, 100000, 2000000);
    assert_true(l.now - dropped <= 1500000);
    follow(&l, 10000000, 2000000);
    assert_in_range(estimate_bps(&l.estimate), 150000, 400000);
    l.rate = 3000000;
    usec_t raised = l.now;
    while (estimate_bps(&l.estimate) < 2000000)
        follow(&l, 100000, 2000000);
    assert_true(l.now - raised <= 15000000);
    estimate_done(&l.estimate);
}

static void loss_of_the_way_itself_is_told_from_loss_by_rate(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000000);
    follow(&l, 3000000, 2000000);
    l.lose = 50;
    follow(&l, 10000000, 2000000);
    assert_true(estimate_bps(&l.estimate) >= 1900000);
    l.lose = 4;
    follow(&l, 15000000, 2000000);
    assert_in_range(estimate_bps(&l.estimate), 200000, 900000);
    l.lose = 0;
    follow(&l, 20000000, 2000000);
    assert_true(estimate_bps(&l.estimate) >= 1900000);
    estimate_done(&l.estimate);
}

/* Sound goes out in any case. */
static void talk(struct link *l, usec_t time, uint64_t wanted)
{
    for (usec_t end = l->now + time; l->now < end;) {
        uint64_t bps = estimate_bps(&l->estimate);
        estimate_want(&l->estimate, bps < wanted ? wanted : 0, 60000);
        run(l, 100000, bps < 60000 ? 60000 : bps < wanted ? bps : wanted);
    }
}

static void a_download_beside_leaves_a_small_picture(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 8000000);
    talk(&l, 10000000, 2000000);
    assert_true(estimate_bps(&l.estimate) >= 2000000);
    l.beside = true;
    talk(&l, 15000000, 2000000);
    for (int i = 0; i < 90; i++) {
        talk(&l, 1000000, 2000000);
        assert_in_range(estimate_bps(&l.estimate), 300000, BESIDE_MOST);
    }
    l.lose = 5; /* it is not ours to stand up for more than the line gives */
    talk(&l, 10000000, 2000000);
    assert_true(estimate_bps(&l.estimate) < 150000);
    l.lose = 0;
    l.beside = false;
    l.jitter = 100000; /* now and then a few are all late */
    talk(&l, 40000000, 2000000);
    assert_true(estimate_bps(&l.estimate) >= 1900000);
    estimate_done(&l.estimate);
}

/* Sound alone is almost too much: the queue is our own and stays for long. */
static void a_queue_of_our_own_is_given_way_to(void **state)
{
    (void)state;
    static const uint64_t RATES[] = {62000, 80000, 150000, 300000, 450000};
    for (size_t i = 0; i < sizeof(RATES) / sizeof(*RATES); i++) {
        struct link l;
        begin(&l, 3000000);
        talk(&l, 10000000, 2000000);
        l.rate = RATES[i];
        for (int k = 0; k < 300; k++) {
            talk(&l, 200000, 2000000);
            assert_false(l.estimate.beside.on);
        }
        estimate_done(&l.estimate);
    }
}

static void jitter_is_no_overuse(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000000);
    l.jitter = 100000;
    follow(&l, 5000000, 300000);
    for (int i = 0; i < 100; i++) {
        follow(&l, 200000, 300000);
        assert_true(estimate_bps(&l.estimate) >= 280000);
    }
    estimate_done(&l.estimate);
}

static void probes_cost_little_where_there_is_nothing_to_find(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 64000);
    follow(&l, 30000000, 40000);
    l.probed = 0;
    for (int i = 0; i < 60; i++) {
        estimate_want(&l.estimate, 1000000, 30000);
        run(&l, 1000000, 40000);
    }
    assert_true(l.probed > 0);
    assert_true(l.probed < 60 * 40000 / 8 / 20 + 60000); /* 5 % beside the credit to begin with */
    estimate_done(&l.estimate);
}

static void who_never_finds_more_looks_seldom(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 64000);
    for (int second = 0; second < 600; second++) {
        if (second == 540)
            l.probed = 0;
        estimate_want(&l.estimate, 1000000, 30000);
        run(&l, 1000000, 40000);
    }
    assert_true(l.probed > 0);
    assert_true(l.probed < 60 * 40000 / 8 / 50); /* 2 %: less than the credit grows by */
    estimate_done(&l.estimate);
}

static unsigned feedbacks_in_ten_seconds(usec_t interval)
{
    struct feedback f = {0};
    uint8_t bytes[1200];
    unsigned count = 0;
    uint16_t sequence = 0;
    for (usec_t now = 1000000; now < 11000000; now += 1000) {
        if (now % interval == 0)
            feedback_arrived(&f, now, sequence++, 1);
        struct writer w = writer_of(bytes, sizeof(bytes));
        count += now >= feedback_due(&f) && feedback_put(&f, now, 1, &w);
    }
    return count;
}

static void feedback_costs_less_where_little_comes(void **state)
{
    (void)state;
    assert_in_range(feedbacks_in_ten_seconds(5000), 150, 201);
    assert_in_range(feedbacks_in_ten_seconds(20000), 95, 101);
    assert_in_range(feedbacks_in_ten_seconds(60000), 39, 50);
}

static void what_is_sent_in_any_case_is_the_least(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 50000);
    for (int i = 0; i < 100; i++) {
        estimate_want(&l.estimate, 0, 80000);
        run(&l, 100000, 80000);
    }
    assert_true(estimate_bps(&l.estimate) >= 80000);
    estimate_done(&l.estimate);
}

static void a_way_without_feedback_is_stalled(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1000000);
    run(&l, 1000000, 200000);
    assert_false(estimate_stalled(&l.estimate, l.now));
    l.deaf = true;
    run(&l, 2000000, 200000);
    assert_true(estimate_stalled(&l.estimate, l.now));
    uint64_t before = estimate_bps(&l.estimate);
    l.deaf = false;
    run(&l, 500000, 200000);
    assert_false(estimate_stalled(&l.estimate, l.now));
    assert_true(estimate_bps(&l.estimate) >= before / 2);
    estimate_done(&l.estimate);
}

static void idle_has_two_thresholds(void **state)
{
    (void)state;
    struct idle idle;
    idle_init(&idle, 0);
    usec_t now = 0;
    for (int i = 0; i < 100; i++)
        (void)idle_sent(&idle, now += 10000, 1000000, 250); /* a fifth */
    assert_true(idle.idle);
    bool ceased = false;
    int sent = 0;
    for (; !ceased; sent++) {
        ceased = idle_sent(&idle, now += 10000, 1000000, 1250);
        assert_true(idle.idle != ceased);
    }
    assert_in_range(sent, 10, 60);
    for (int i = 0; i < 5; i++) {
        (void)idle_sent(&idle, now += 10000, 1000000, 700);
        assert_false(idle.idle); /* a little less does not make it idle again */
    }
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
    estimate_done(&l.estimate);
}

static void jitter_that_begins_is_not_taken_for_a_narrow_way(void **state)
{
    (void)state;
    static const uint64_t RATES[] = {300000, 600000, 1200000};
    for (size_t r = 0; r < 3; r++) {
        unsigned halved = 0;
        for (uint32_t seed = 1; seed <= 40; seed++) {
            struct link l;
            begin(&l, 5000000);
            l.random = seed * 2654435761u;
            follow(&l, 10000000, RATES[r]);
            uint64_t least = estimate_bps(&l.estimate);
            l.jitter = 100000;
            for (int i = 0; i < 20; i++) {
                follow(&l, 100000, RATES[r]);
                if (estimate_bps(&l.estimate) < least)
                    least = estimate_bps(&l.estimate);
            }
            halved += least < RATES[r] / 2;
            estimate_done(&l.estimate);
        }
        assert_true(halved <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_link_is_found_within_two_seconds),
        cmocka_unit_test(a_narrow_link_is_found_out),
        cmocka_unit_test(jitter_that_begins_is_not_taken_for_a_narrow_way),
        cmocka_unit_test(a_drop_is_followed_at_once_and_a_rise_soon),
        cmocka_unit_test(loss_of_the_way_itself_is_told_from_loss_by_rate),
        cmocka_unit_test(a_download_beside_leaves_a_small_picture),
        cmocka_unit_test(a_queue_of_our_own_is_given_way_to),
        cmocka_unit_test(jitter_is_no_overuse),
        cmocka_unit_test(probes_cost_little_where_there_is_nothing_to_find),
        cmocka_unit_test(who_never_finds_more_looks_seldom),
        cmocka_unit_test(feedback_costs_less_where_little_comes),
        cmocka_unit_test(what_is_sent_in_any_case_is_the_least),
        cmocka_unit_test(a_way_without_feedback_is_stalled),
        cmocka_unit_test(idle_has_two_thresholds),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
