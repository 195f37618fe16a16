/* How much came in the last second: ten buckets of a tenth. */
#ifndef BRIDGE_METER_H
#define BRIDGE_METER_H

#include <string.h>

#include "base/units.h"

#define METER_BUCKETS 10
#define METER_BUCKET (100 * USEC_PER_MSEC)

struct meter {
    uint32_t buckets[METER_BUCKETS];
    uint32_t sum;
    int64_t bucket; /* index of the newest, counted from time zero */
};

static inline void meter_advance(struct meter *m, usec_t now)
{
    int64_t bucket = now / METER_BUCKET;
    if (bucket - m->bucket >= METER_BUCKETS || bucket < m->bucket) {
        memset(m->buckets, 0, sizeof(m->buckets));
        m->sum = 0;
        m->bucket = bucket;
    }
    while (m->bucket < bucket) {
        uint32_t *oldest = &m->buckets[++m->bucket % METER_BUCKETS];
        m->sum -= *oldest;
        *oldest = 0;
    }
}

static inline void meter_add(struct meter *m, usec_t now, uint32_t amount)
{
    meter_advance(m, now);
    m->buckets[m->bucket % METER_BUCKETS] += amount;
    m->sum += amount;
}

/* Per second. */
static inline uint32_t meter_rate(struct meter *m, usec_t now)
{
    meter_advance(m, now);
    return m->sum;
}

#endif
