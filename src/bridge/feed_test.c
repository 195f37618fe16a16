#include "base/check.h"

#include "base/buf.h"
#include "bridge/feed.h"

/* What a recorder holds. */
struct held {
    struct buf bytes;
};

static struct feed *new_feed(usec_t now, size_t bytes)
{
    struct feed *feed = feed_new(now, &(struct feed_setup){"conf", "rec", 0xabc, 1234, bytes});
    assert_non_null(feed);
    return feed;
}

static void put_rtp(struct feed *feed, usec_t now, unsigned count)
{
    uint8_t bytes[1000];
    memset(bytes, 0x80, sizeof(bytes));
    for (unsigned i = 0; i < count; i++)
        feed_put_rtp(feed, now, 1, i % 7 == 0, slice_of(bytes, sizeof(bytes)));
}

static size_t take(struct feed *feed, usec_t now, struct held *held, size_t most)
{
    struct slice out[FEED_READ_SLICES];
    size_t total = 0;
    size_t count;
    while (total < most && (count = feed_read(feed, now, out)) > 0) {
        size_t got = 0;
        for (size_t i = 0; i < count && total + got < most; i++) {
            struct slice part = slice_sub(out[i], 0, most - total - got);
            buf_add(&held->bytes, part);
            got += part.len;
        }
        feed_advance(feed, got);
        total += got;
    }
    assert_false(held->bytes.failed);
    return total;
}

static unsigned count_kind(struct held *held, uint8_t kind, size_t *ret_skipped)
{
    struct slice rest = buf_slice(&held->bytes);
    unsigned found = 0;
    *ret_skipped = 0;
    struct feed_record record;
    size_t skipped;
    size_t len;
    while (feed_find(rest, true, &record, &skipped, &len) == 0) {
        found += record.kind == kind;
        *ret_skipped += skipped;
        rest = slice_sub(rest, skipped + len, rest.len);
    }
    return found;
}

static void put_source(struct feed *feed, usec_t now)
{
    feed_put_source(feed, now, &(struct feed_source){1, "e-v0", "e", "per\"son", "camera"});
}

static void a_recorder_that_was_always_there_gets_all(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 300000);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_source(feed, 0);
    for (usec_t now = 0; now < 20 * USEC_PER_SEC; now += 10000) {
        put_rtp(feed, now, 1);
        (void)take(feed, now, &held, SIZE_MAX);
    }
    feed_end(feed, 20 * USEC_PER_SEC);
    put_rtp(feed, 20 * USEC_PER_SEC, 1); /* too late */
    (void)take(feed, 20 * USEC_PER_SEC, &held, SIZE_MAX);
    assert_true(feed_drained(feed));
    assert_int_equal(feed_refused(feed), 1);
    assert_int_equal(feed_lost(feed), 0);
    assert_int_equal(count_kind(&held, FEED_RTP, &skipped), 2000);
    assert_int_equal(skipped, 0);
    assert_int_equal(count_kind(&held, FEED_BEGIN, &skipped), 1);
    assert_int_equal(count_kind(&held, FEED_SOURCE, &skipped), 1);
    assert_int_equal(count_kind(&held, FEED_END, &skipped), 1);
    feed_free(&feed);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void a_recorder_that_comes_back_soon_loses_nothing(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 0);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_source(feed, 0);
    unsigned put = 0;
    for (usec_t now = 0; now < 20 * USEC_PER_SEC; now += 20000) {
        put_rtp(feed, now, 1);
        put++;
        if (now / (5 * USEC_PER_SEC) % 2)
            continue; /* away for five seconds */
        if (!feed_attached(feed))
            assert_int_equal(feed_attach(feed, now, held.bytes.len), 0);
        (void)take(feed, now, &held, 777 + (size_t)(now / 1000) * 50);
        if (now % (5 * USEC_PER_SEC) == 4980000)
            feed_detach(feed);
    }
    assert_int_equal(feed_attach(feed, 20 * USEC_PER_SEC, held.bytes.len), 0);
    (void)take(feed, 20 * USEC_PER_SEC, &held, SIZE_MAX);
    assert_int_equal(count_kind(&held, FEED_RTP, &skipped), put);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 0);
    assert_int_equal(skipped, 0);
    feed_free(&feed);
    buf_done(&held.bytes);
}

/* A megabyte a second: the ring is made for less, and grows in time. */
static void room_is_made_for_who_comes_back(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    unsigned put = 0;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 0);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_source(feed, 0);
    for (usec_t now = 0; now < 30 * USEC_PER_SEC; now += 10000) {
        put_rtp(feed, now, 10);
        put += 10;
        assert_int_equal(feed_tick(feed), 0);
        if (now == 11 * USEC_PER_SEC)
            feed_detach(feed);
        if (now == 18 * USEC_PER_SEC)
            assert_int_equal(feed_attach(feed, now, held.bytes.len), 0);
        if (feed_attached(feed))
            (void)take(feed, now, &held, SIZE_MAX);
    }
    assert_int_equal(count_kind(&held, FEED_RTP, &skipped), put);
    assert_int_equal(skipped, 0);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 0);
    assert_int_equal(feed_lost(feed), 0);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void what_is_forgotten_becomes_a_gap(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 0);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_source(feed, 0);
    put_rtp(feed, 1000, 10);
    (void)take(feed, 1000, &held, 5000); /* cut within a record */
    feed_detach(feed);
    for (usec_t now = 0; now < 30 * USEC_PER_SEC; now += 100000)
        put_rtp(feed, now, 1);
    assert_int_equal(feed_attach(feed, 30 * USEC_PER_SEC, held.bytes.len), 0);
    (void)take(feed, 30 * USEC_PER_SEC, &held, 40);
    feed_detach(feed); /* and again, within the gap itself */
    assert_int_equal(feed_attach(feed, 30 * USEC_PER_SEC, held.bytes.len), 0);
    (void)take(feed, 30 * USEC_PER_SEC, &held, SIZE_MAX);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 1);
    assert_true(skipped < 1100);
    assert_int_equal(count_kind(&held, FEED_SOURCE, &skipped), 2);
    assert_in_range(count_kind(&held, FEED_RTP, &skipped), 80, 90);
    /* From here on it goes on as if nothing had been. */
    put_rtp(feed, 31 * USEC_PER_SEC, 3);
    feed_detach(feed);
    assert_int_equal(feed_attach(feed, 31 * USEC_PER_SEC, held.bytes.len), 0);
    assert_true(take(feed, 31 * USEC_PER_SEC, &held, SIZE_MAX) > 3000);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 1);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void a_new_bridge_begins_anew(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 0);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_rtp(feed, 0, 100);
    (void)take(feed, 0, &held, 50000);
    feed_free(&feed);
    feed = new_feed(5 * USEC_PER_SEC, 0);
    put_source(feed, 5 * USEC_PER_SEC);
    put_rtp(feed, 5 * USEC_PER_SEC, 5);
    assert_int_equal(feed_attach(feed, 6 * USEC_PER_SEC, held.bytes.len), 0);
    (void)take(feed, 6 * USEC_PER_SEC, &held, SIZE_MAX);
    assert_int_equal(count_kind(&held, FEED_BEGIN, &skipped), 2);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 1);
    assert_in_range(count_kind(&held, FEED_RTP, &skipped), 53, 55);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void a_recorder_that_comes_late_gets_the_begin(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 0);
    put_source(feed, 0);
    for (usec_t now = 0; now < 20 * USEC_PER_SEC; now += 100000)
        put_rtp(feed, now, 1);
    assert_int_equal(feed_attach(feed, 20 * USEC_PER_SEC, 0), 0);
    (void)take(feed, 20 * USEC_PER_SEC, &held, SIZE_MAX);
    struct feed_record record;
    size_t len;
    assert_int_equal(feed_parse(buf_slice(&held.bytes), &record, &len), 0);
    assert_int_equal(record.kind, FEED_BEGIN);
    assert_int_equal(count_kind(&held, FEED_SOURCE, &skipped), 1);
    assert_int_equal(count_kind(&held, FEED_GAP, &skipped), 1);
    assert_int_equal(skipped, 0);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void a_slow_recorder_does_not_stop_the_class(void **state)
{
    (void)state;
    struct held held;
    size_t skipped;
    buf_init(&held.bytes, 1 << 26);
    struct feed *feed = new_feed(0, 100000);
    assert_int_equal(feed_attach(feed, 0, 0), 0);
    put_source(feed, 0);
    for (usec_t now = 0; now < 5 * USEC_PER_SEC; now += 10000) {
        put_rtp(feed, now, 2);
        (void)take(feed, now, &held, 1300);
    }
    (void)take(feed, 5 * USEC_PER_SEC, &held, SIZE_MAX);
    assert_true(feed_lost(feed) > 100000);
    assert_true(count_kind(&held, FEED_GAP, &skipped) >= 1);
    assert_true(count_kind(&held, FEED_RTP, &skipped) > 400);
    feed_free(&feed);
    buf_done(&held.bytes);
}

static void bad_records_are_refused(void **state)
{
    (void)state;
    static uint8_t big[FEED_PAYLOAD_MAX + 1];
    struct feed *feed = new_feed(0, 0);
    feed_put_rtp(feed, 0, 1, false, slice_of(big, sizeof(big)));
    feed_put_source(feed, 0, &(struct feed_source){0, "a", "b", "", NULL});
    feed_put_source(feed, 0, &(struct feed_source){FEED_SOURCES_MAX, "a", "b", "", NULL});
    assert_int_equal(feed_refused(feed), 3);
    feed_free(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorder_that_was_always_there_gets_all),
        cmocka_unit_test(a_recorder_that_comes_back_soon_loses_nothing),
        cmocka_unit_test(room_is_made_for_who_comes_back),
        cmocka_unit_test(what_is_forgotten_becomes_a_gap),
        cmocka_unit_test(a_new_bridge_begins_anew),
        cmocka_unit_test(a_recorder_that_comes_late_gets_the_begin),
        cmocka_unit_test(a_slow_recorder_does_not_stop_the_class),
        cmocka_unit_test(bad_records_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
