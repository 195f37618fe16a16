#include <assert.h>
#include <stdlib.h>

#include "proto/feed_format.h"

static void check_rebuilds_the_same(const struct feed_record *record, struct slice bytes)
{
    static uint8_t again[FEED_RECORD_MAX];
    size_t len = 0;
    assert(feed_build(record, again, sizeof(again), &len) == 0);
    assert(len == bytes.len && memcmp(again, bytes.data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    while (in.len > 0) {
        struct feed_record record;
        size_t skipped = 0, used = 0;
        int err = feed_find(in, true, &record, &skipped, &used);
        assert(skipped <= in.len);
        if (err)
            break;
        assert(used >= FEED_HEAD_SIZE && used <= in.len - skipped);
        check_rebuilds_the_same(&record, slice_sub(in, skipped, used));
        struct feed_report report;
        (void)feed_parse_report(record.payload, &report); /* bytes of any shape */
        in = slice_sub(in, skipped + used, in.len);
    }
    return 0;
}
