#include "bridge/protect.h"

#define INTERVAL (500 * USEC_PER_MSEC)
#define FORGET 0.9    /* of what was counted, each time: five seconds count */
#define KNOWN_MIN 50  /* packets: fewer say nothing */
#define REPORTED 1000 /* packets: a report that tells of more is of long ago */
/* Less than the lower one for so long: one copy less. Copies that nobody needs cost little, a gap
 * is heard. */
#define CALM (5 * USEC_PER_SEC)
/* Below this there is little to spare, and who has so narrow a way often pays for every byte: only
 * some packets are repeated. */
#define WAY_NARROW 100000 /* bit/s */
/* Of the way sound and its copies may take so much; to begin with, less. */
#define HOLD_PERCENT 85
#define RAISE_PERCENT 75

/* Above `raise` this many copies are made, below `lower` one less. One copy makes of 5 % lost
 * 0.25 %, of 10 % 1 %; two of 10 % 0.1 %, of 30 % 2.7 %. */
static const struct {
    double raise, lower;
} steps[PROTECT_MAX + 1] = {{0, 0}, {0.02, 0.008}, {0.07, 0.04}};

void protect_init(struct protect *p, usec_t now)
{
    *p = (struct protect){.at = now + INTERVAL};
}

double protect_loss(const struct protect *p)
{
    return p->told >= KNOWN_MIN ? p->lost / p->told : -1;
}

void protect_report(struct protect *p, unsigned packets, uint8_t fraction_lost)
{
    double count = packets < REPORTED ? packets : REPORTED;
    p->told += count;
    p->lost += count * fraction_lost / 256;
}

static void count(struct protect *p, const struct protect_input *in)
{
    if (in->told > p->told_before) {
        p->told += (double)(in->told - p->told_before);
        p->lost += (double)in->lost - (double)p->lost_before; /* less: it came after all */
    }
    p->told_before = in->told;
    p->lost_before = in->lost;
    if (p->lost < 0)
        p->lost = 0;
}

static bool fits(const struct protect_input *in, unsigned distance, unsigned percent)
{
    bool narrow = in->way_bps < WAY_NARROW;
    uint64_t copies = narrow ? in->copy_bps / PROTECT_SPARSE : distance * in->copy_bps;
    return (distance <= 1 || !narrow) && (in->sound_bps + copies) * 100 <= in->way_bps * percent;
}

static void decide(struct protect *p, usec_t now, const struct protect_input *in)
{
    double loss = protect_loss(p);
    while (p->distance > 0 && !fits(in, p->distance, HOLD_PERCENT))
        p->distance--;
    for (unsigned d = p->distance + 1; d <= PROTECT_MAX; d++)
        if (loss >= steps[d].raise && !in->congested && fits(in, d, RAISE_PERCENT))
            p->distance = d;
    p->sparse = in->way_bps < WAY_NARROW;
    if (loss >= steps[p->distance].lower)
        p->calm_since = 0;
    else if (p->calm_since == 0)
        p->calm_since = now;
    if (p->distance > 0 && p->calm_since > 0 && now - p->calm_since >= CALM) {
        p->distance--;
        p->calm_since = now;
    }
}

void protect_tick(struct protect *p, usec_t now, const struct protect_input *in)
{
    if (now < p->at)
        return;
    p->at = now + INTERVAL;
    count(p, in);
    decide(p, now, in);
    p->told *= FORGET;
    p->lost *= FORGET;
}
