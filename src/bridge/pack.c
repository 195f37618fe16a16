#include "bridge/pack.h"

#include <assert.h>

/* The largest packet of a stream decides where the stream stands. */
static void order_streams(struct pack_item *items, size_t count)
{
    struct pack_item sorted[PACK_MAX];
    bool taken[PACK_MAX] = {false};
    size_t out = 0;
    while (out < count) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (!taken[i] && (best == count || items[i].size > items[best].size))
                best = i;
        uint32_t ssrc = items[best].ssrc;
        for (size_t i = 0; i < count; i++) {
            if (taken[i] || items[i].ssrc != ssrc)
                continue;
            taken[i] = true;
            sorted[out++] = items[i];
        }
    }
    for (size_t i = 0; i < count; i++)
        items[i] = sorted[i];
}

static bool in_order(const struct pack_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (items[i].size > items[i - 1].size)
            return false;
    return true;
}

/* How many from here on can be made equal; *ret_size is what they then have. */
static size_t equal_run(const struct pack_item *items, size_t count, uint16_t *ret_size)
{
    uint16_t least = items[0].size, most = items[0].size;
    size_t run = 1;
    for (; run < count && !items[0].fixed && !items[run].fixed; run++) {
        uint16_t size = items[run].size;
        uint16_t low = size < least ? size : least, high = size > most ? size : most;
        if (high - low > PACK_PADDING_MAX)
            break;
        least = low;
        most = high;
    }
    *ret_size = most;
    return run;
}

void pack_plan(struct pack_item *items, size_t count)
{
    assert(count <= PACK_MAX);
    if (!in_order(items, count))
        order_streams(items, count);
    for (size_t from = 0; from < count;) {
        uint16_t size;
        size_t end = from + equal_run(items + from, count - from, &size);
        bool tail = end < count && items[end].size < size; /* it may end the message */
        for (size_t i = from; i < end && end - from > 1; i++)
            items[i].padding = (uint16_t)(size - items[i].size);
        if (!tail && end - from > 1)
            items[end - 1].padding = 0; /* the last one may be shorter */
        from = end + tail;
    }
}

struct slice pack_padding(size_t count)
{
#define ROW(n) [n] = { [PACK_PADDING_MAX - 1] = n }
    static const uint8_t rows[PACK_PADDING_MAX + 1][PACK_PADDING_MAX] = {
        ROW(1), ROW(2),  ROW(3),  ROW(4),  ROW(5),  ROW(6),  ROW(7),  ROW(8),
        ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15), ROW(16)};
#undef ROW
    assert(count <= PACK_PADDING_MAX);
    return slice_of(rows[count] + PACK_PADDING_MAX - count, count);
}
