#include "record/limiter.h"

#include <math.h>
#include <string.h>

#define BLOCKS (LIMITER_AHEAD + 2)
#define NEEDED (LIMITER_AHEAD + 3)
#define HELD (LIMITER_AHEAD + 1)
/* Back to full in about 150 ms, by blocks of 1 ms. */
#define RELEASE 0.02f

void limiter_init(struct limiter *limiter, float ceiling_db)
{
    memset(limiter, 0, sizeof(*limiter));
    limiter->ceiling = powf(10, ceiling_db / 20);
    limiter->gain = 1;
    for (size_t i = 0; i < NEEDED; i++)
        limiter->needed[i] = 1;
    for (size_t i = 0; i < HELD; i++)
        limiter->held[i] = 1;
}

/* The largest value of the block at `from`, and halfway between its samples. */
static float peak_of(const float *all, size_t from)
{
    float peak = 0;
    for (size_t i = from; i < from + LIMITER_BLOCK; i++) {
        float between =
            i >= 3 ? (9 * (all[i - 1] + all[i - 2]) - all[i] - all[i - 3]) / 16 : all[i];
        peak = fmaxf(peak, fmaxf(fabsf(all[i]), fabsf(between)));
    }
    return peak;
}

static float least(const float *values, size_t count)
{
    float low = values[0];
    for (size_t i = 1; i < count; i++)
        low = fminf(low, values[i]);
    return low;
}

static float mean(const float *values, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (float)count;
}

/* Every gain of `held` that is averaged for a block has that block in its window, so that the
 * average never lies above what the block needs. */
void limiter_block(struct limiter *limiter, float samples[LIMITER_BLOCK])
{
    float *all = limiter->samples;
    size_t last = (BLOCKS - 1) * LIMITER_BLOCK;
    memmove(all, all + LIMITER_BLOCK, last * sizeof(*all));
    memcpy(all + last, samples, LIMITER_BLOCK * sizeof(*all));
    float peak = peak_of(all, last);
    memmove(limiter->needed, limiter->needed + 1, (NEEDED - 1) * sizeof(float));
    limiter->needed[NEEDED - 1] = peak > limiter->ceiling ? limiter->ceiling / peak : 1;
    float released = limiter->held[HELD - 1] + (1 - limiter->held[HELD - 1]) * RELEASE;
    memmove(limiter->held, limiter->held + 1, (HELD - 1) * sizeof(float));
    limiter->held[HELD - 1] = fminf(least(limiter->needed, NEEDED), released);
    float from = limiter->gain, to = mean(limiter->held, HELD);
    for (size_t i = 0; i < LIMITER_BLOCK; i++) {
        float gain = from + (to - from) * (float)(i + 1) / LIMITER_BLOCK;
        samples[i] = fmaxf(-limiter->ceiling, fminf(limiter->ceiling, all[i] * gain));
    }
    limiter->gain = to;
}
