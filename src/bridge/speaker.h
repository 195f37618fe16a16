/* Who speaks: dominant speaker identification after Volfin and Cohen (2012) on the levels of RFC
 * 6464. Levels are taken in steps of 20 ms of sound, so that long packets weigh what they hold. */
#ifndef BRIDGE_SPEAKER_H
#define BRIDGE_SPEAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

#define SPEAKER_MAX 1000
#define SPEAKER_NONE UINT32_MAX
#define SPEAKER_PREVIOUS 10
#define SPEAKER_IMMEDIATES 50 /* levels remembered: a second */
#define SPEAKER_MEDIUMS 10
#define SPEAKER_STEP_SAMPLES 960 /* 20 ms at 48 kHz */

struct speaker_voice {
    uint8_t levels[SPEAKER_IMMEDIATES]; /* 127: loudest; newest at `at` - 1 */
    uint8_t at;
    bool used;
    bool idle;       /* holds nothing but silence */
    uint8_t minimum; /* noise floor: least level of a window; 0: none yet */
    uint8_t next_minimum;
    uint16_t window;
    usec_t covered;   /* until when its levels tell */
    double scores[3]; /* immediate, medium, long */
};

struct speaker {
    struct speaker_voice *voices;        /* by seat */
    uint32_t count;                      /* voices allocated */
    uint32_t dominant;                   /* SPEAKER_NONE: nobody yet */
    uint32_t previous[SPEAKER_PREVIOUS]; /* latest first */
    size_t previous_count;
    bool silence; /* nobody was heard for a while */
    usec_t loud;  /* when somebody was */
    usec_t decide_at;
};

void speaker_init(struct speaker *speaker);
void speaker_done(struct speaker *speaker);
/* Makes room for seats below `count`. ERR_MEMORY. */
int speaker_reserve(struct speaker *speaker, uint32_t count) MUST_USE;
/* `level` as on the wire: 0 loudest, 127 silence; `steps` of 20 ms. */
void speaker_level(struct speaker *speaker, usec_t now, uint32_t seat, uint8_t level,
                   unsigned steps);
/* Whether that level may be speech of who sits there: others tell as little as none. */
bool speaker_minds(const struct speaker *speaker, uint32_t seat, uint8_t level) MUST_USE;
void speaker_leave(struct speaker *speaker, uint32_t seat);
/* Decides when it is time; true when the dominant speaker or the silence changed. */
bool speaker_tick(struct speaker *speaker, usec_t now);

#endif
