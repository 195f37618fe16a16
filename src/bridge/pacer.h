/* What leaves to one receiver and when: pictures leave no faster than a little above the estimate,
 * in bursts of some milliseconds, so that they do not fill the queues on the way before the sound;
 * where much more is known to fit, a picture leaves whole.
 * Sound never waits; it is only charged. */
#ifndef BRIDGE_PACER_H
#define BRIDGE_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

#define PACER_QUEUE 512 /* packets of each class; a power of two */

/* A screen's key frames are large, and who looks at one would rather wait: it goes no faster than
 * the way carries, after all else. */
enum pacer_class { PACER_STAGE, PACER_TILE, PACER_SCREEN, PACER_CLASSES };

struct pacer_item {
    uint32_t source;
    uint32_t number; /* in the source's ring */
    uint16_t size;   /* about, on the wire */
};

struct pacer_queue {
    struct pacer_item items[PACER_QUEUE];
    uint32_t head, tail;
};

struct pacer {
    struct pacer_queue queues[PACER_CLASSES];
    uint64_t queued[PACER_CLASSES]; /* bytes */
    int64_t budget;                 /* bytes that may leave now; negative: owed */
    int64_t even;                   /* the same by what the way carries, for screens */
    usec_t at;
};

void pacer_init(struct pacer *pacer, usec_t now);
struct pacer_input {
    uint64_t media_bps;    /* that is to leave */
    uint64_t estimate_bps; /* that the way carries */
    bool settled;          /* the way was full before: lumps are to be spread */
    bool congested;        /* there is a queue on the way */
};
/* Time passed. */
void pacer_tick(struct pacer *pacer, usec_t now, const struct pacer_input *input);
/* Whether something of the class waits. */
bool pacer_waits(const struct pacer *pacer, enum pacer_class class);
/* Whether something that can wait may leave now. */
bool pacer_ready(const struct pacer *pacer, enum pacer_class class);
void pacer_charge(struct pacer *pacer, size_t size);
/* ERR_LIMIT: the queue is full. */
int pacer_push(struct pacer *pacer, enum pacer_class class, const struct pacer_item *item) MUST_USE;
/* The first of its class, or NULL. Valid until the next call. */
const struct pacer_item *pacer_first(const struct pacer *pacer, enum pacer_class class);
void pacer_pop(struct pacer *pacer, enum pacer_class class);
/* What waits of that source goes to another class. ERR_LIMIT: not all had room there. */
int pacer_move(struct pacer *pacer, uint32_t source, enum pacer_class from,
               enum pacer_class to) MUST_USE;
/* What waits of that source is of no use any more. */
void pacer_forget(struct pacer *pacer, uint32_t source);

#endif
