/* A token bucket: `burst` at once, then `rate` per second. */
#ifndef XMPP_BUCKET_H
#define XMPP_BUCKET_H

#include <stdbool.h>

#include "base/units.h"

struct bucket {
    usec_t empty_at; /* when all that was taken will have flowed back */
};

/* Takes one; false when the bucket is empty, and nothing is taken. */
static inline bool bucket_take(struct bucket *bucket, usec_t now, unsigned rate, unsigned burst)
{
    usec_t step = USEC_PER_SEC / rate;
    usec_t from = usec_max(bucket->empty_at, now);
    if (from - now > step * (usec_t)(burst - 1))
        return false;
    bucket->empty_at = from + step;
    return true;
}

#endif
