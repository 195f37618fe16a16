#include "media_rival.h"

enum { WINDOW_FIRST = 10, WINDOW_MIN = 2, BURST = 8 };

void rival_init(struct rival *r, struct bottleneck *line, usec_t delay)
{
    *r = (struct rival){
        .line = line, .delay = delay, .window = WINDOW_FIRST, .slow_start = RIVAL_WINDOW / 4};
}

static void take_loss(struct rival *r, usec_t now)
{
    if (now < r->recover)
        return;
    r->window = r->window / 2 > WINDOW_MIN ? r->window / 2 : WINDOW_MIN;
    r->slow_start = r->window;
    r->recover = now + r->delay + bottleneck_wait(r->line, now);
}

static void take_ack(struct rival *r)
{
    r->bits += (uint64_t)RIVAL_PACKET * 8;
    r->window += r->window < r->slow_start ? 1 : 1 / r->window;
    if (r->window > RIVAL_WINDOW - 1)
        r->window = RIVAL_WINDOW - 1;
}

void rival_step(struct rival *r, usec_t now)
{
    for (; r->first < r->last && r->way[r->first % RIVAL_WINDOW].at <= now; r->first++) {
        if (r->way[r->first % RIVAL_WINDOW].lost)
            take_loss(r, now);
        else
            take_ack(r);
    }
    for (int i = 0; i < BURST && (double)(r->last - r->first) < r->window; i++) {
        usec_t at;
        bool through = bottleneck_pass(r->line, now, RIVAL_PACKET, &at);
        if (!through)
            at = now + bottleneck_wait(r->line, now);
        r->way[r->last++ % RIVAL_WINDOW] = (struct rival_packet){at + r->delay, !through};
    }
}
