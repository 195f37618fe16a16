#include "bridge/estimate_idle.h"

#include <math.h>

#define SHARE 0.65
#define WINDOW_SECONDS 0.5 /* of budget that is kept */
/* Apart, so that a picture that sways does not change it all the time. */
#define START 0.80
#define STOP 0.50

void idle_init(struct idle *i, usec_t now)
{
    *i = (struct idle){.at = now};
}

bool idle_sent(struct idle *i, usec_t now, double bps, uint32_t size)
{
    double most = SHARE * bps * WINDOW_SECONDS;
    i->budget += SHARE * bps * (double)usec_max(now - i->at, 0) / USEC_PER_SEC;
    i->budget = fmin(fmax(i->budget - 8.0 * size, -most), most);
    i->at = now;
    bool was = i->idle;
    if (i->budget > START * most)
        i->idle = true;
    else if (i->budget < STOP * most)
        i->idle = false;
    return was && !i->idle;
}
