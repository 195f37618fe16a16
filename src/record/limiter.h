/* Keeps a sum of voices below a ceiling without clipping: looks 6 ms ahead, turns down before the
 * peak, lets go slowly. Peaks between the samples count, by interpolation. Mono, 48 kHz. */
#ifndef RECORD_LIMITER_H
#define RECORD_LIMITER_H

#include <stddef.h>

#define LIMITER_BLOCK 48u /* 1 ms */
#define LIMITER_AHEAD 6u  /* blocks */
/* Sound comes out this many samples later. */
#define LIMITER_DELAY ((LIMITER_AHEAD + 1) * LIMITER_BLOCK)

struct limiter {
    float ceiling;
    float samples[(LIMITER_AHEAD + 2) * LIMITER_BLOCK]; /* the last blocks, oldest first */
    float needed[LIMITER_AHEAD + 3];                    /* gain each block needs, oldest first */
    float held[LIMITER_AHEAD + 1];                      /* with slow release, oldest first */
    float gain;                                         /* at the end of the last block out */
};

/* `ceiling_db`: in dB below full scale, negative. */
void limiter_init(struct limiter *limiter, float ceiling_db);
/* One block in, the one of LIMITER_DELAY before it out, in place. */
void limiter_block(struct limiter *limiter, float samples[LIMITER_BLOCK]);

#endif
