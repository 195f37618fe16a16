#include "media_playout.h"

#define STEP (10 * USEC_PER_MSEC) /* of made-up sound */
#define LEAST_PERIOD (2 * USEC_PER_SEC)
#define FORGET 0.983 /* a packet */
#define QUANTILE 0.95
#define SPARE (20 * USEC_PER_MSEC) /* more than that beyond the target is played faster */
#define FASTER (10 * USEC_PER_MSEC)
#define SLOWER (5 * USEC_PER_MSEC)

enum { WINDOW = 64 };

static usec_t transit_base(const struct playout *p)
{
    return usec_min(p->least, p->least_before);
}

static void note_lateness(struct playout *p, usec_t now, usec_t captured)
{
    usec_t transit = now - captured;
    if (p->least_from == 0 || now - p->least_from > LEAST_PERIOD) {
        p->least_before = p->least_from > 0 ? p->least : transit;
        p->least = transit;
        p->least_from = now;
    }
    p->least = usec_min(p->least, transit);
    usec_t bucket = (transit - transit_base(p)) / PLAYOUT_BUCKET;
    bucket = usec_min(bucket, PLAYOUT_BUCKETS - 1);
    for (int i = 0; i < PLAYOUT_BUCKETS; i++)
        p->late[i] *= FORGET;
    p->late[bucket] += 1 - FORGET;
    double share = 0, whole = 0;
    int i = 0;
    for (int k = 0; k < PLAYOUT_BUCKETS; k++)
        whole += p->late[k];
    while (i < PLAYOUT_BUCKETS - 1 && (share += p->late[i]) < QUANTILE * whole)
        i++;
    p->target = usec_max(p->length, (i + 1) * PLAYOUT_BUCKET);
}

void playout_add(struct playout *p, usec_t now, usec_t captured, usec_t length, bool copy)
{
    uint64_t number = (uint64_t)(captured / length);
    if (p->length == 0) {
        p->length = length;
        p->next = number;
        p->at = now + length;
    }
    if (!copy)
        note_lateness(p, now, captured);
    if (number < p->next) /* its time is over */
        return;
    if (number - p->next >= WINDOW) { /* after an outage it goes on from here */
        p->next = number;
        p->have = 0;
        p->bridged = 0;
    }
    p->have |= UINT64_C(1) << (number - p->next);
}

static usec_t buffered(const struct playout *p)
{
    return (WINDOW - __builtin_clzll(p->have)) * p->length;
}

static void play(struct playout *p)
{
    usec_t level = buffered(p);
    p->at += p->length;
    if (level > p->target + SPARE)
        p->at -= FASTER;
    else if (level < p->target * 3 / 4)
        p->at += SLOWER;
    p->played += p->length;
    p->have >>= 1;
    p->next++;
    p->bridged = 0;
}

void playout_run(struct playout *p, usec_t now)
{
    while (p->length > 0 && p->at <= now) {
        if (p->have & 1) {
            play(p);
            continue;
        }
        int missing = p->have ? __builtin_ctzll(p->have) : 0;
        if (missing > 0 && p->bridged >= missing * p->length) {
            p->have >>= missing;
            p->next += (uint64_t)missing;
            continue;
        }
        p->concealed += STEP;
        p->bridged += STEP;
        p->at += STEP;
    }
}
