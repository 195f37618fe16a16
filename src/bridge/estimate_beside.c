#include "bridge/estimate_beside.h"

#define THERE (20 * USEC_PER_MSEC)
/* A queue of our own making, even a long one, is gone by then. */
#define STANDS (2 * USEC_PER_SEC)
/* The other one has ended; a download only pauses between two heights of its queue. */
#define ENDED (10 * USEC_PER_SEC)
/* For so long packets may all be late because the way jitters. */
#define MOMENT (1 * USEC_PER_SEC)
#define LITTLE 0.75
/* On a line that we fill alone a probe brings back what was cut off last, and no more. */
#define MUCH 1.4
#define LOST 0.05
#define CUT 0.85
#define CUT_PAUSE (500 * USEC_PER_MSEC)

void beside_update(struct beside *b, usec_t now, usec_t queue, double lost)
{
    if (queue > THERE) {
        b->since = b->since > 0 ? b->since : now;
        if (now - b->since > MOMENT)
            b->empty = 0;
    } else {
        b->empty = b->empty > 0 ? b->empty : now;
        b->since = 0;
    }
    if (b->on && b->empty > 0 && now - b->empty > ENDED)
        b->on = false;
    if (!b->on)
        b->lost = lost;
}

bool beside_suspects(const struct beside *b, usec_t now, double bps)
{
    return !b->on && b->since > 0 && now - b->since > STANDS && bps < LITTLE * BESIDE_MOST;
}

void beside_probed(struct beside *b, double from, double to)
{
    b->on = b->on || to > MUCH * from;
}

bool beside_loses(const struct beside *b, double lost)
{
    return lost > b->lost + LOST;
}

double beside_cut(struct beside *b, usec_t now, usec_t rtt, double lost)
{
    if (!b->on || !beside_loses(b, lost) || now - b->cut_at < rtt + CUT_PAUSE)
        return 1;
    b->cut_at = now;
    return CUT;
}
