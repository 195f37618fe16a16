/* Which voices of a class are passed on: the loudest few, by the levels that senders put into their
 * packets (RFC 6464), and staff who speak. A voice enters with the packet that makes it one of
 * them, and leaves a while after it is no longer. */
#ifndef BRIDGE_VOICES_H
#define BRIDGE_VOICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

#define VOICES_MAX 64 /* at a time, leaving ones and staff among them */
#define VOICES_DEFAULT 3
#define VOICES_SILENT 127 /* as a level: nothing to be heard */

enum voice_place {
    VOICE_OUT,
    VOICE_IN,
    VOICE_LEAVING, /* beaten: what it was saying is still passed on */
};

/* Of one source. All zero: never heard. */
struct voice {
    enum voice_place place;
    bool staff;
    bool dominant;    /* it is the class's speaker: never beaten */
    double peak;      /* decibels above nothing, held and then falling */
    double average;   /* of what is speech, over the last second of it */
    usec_t peak_at;   /* since when the peak holds */
    usec_t spoke;     /* when it was louder than silence */
    usec_t leaves_at; /* VOICE_LEAVING */
    usec_t left;      /* when it went out */
    uint32_t spell;   /* how often it entered */
};

struct voices {
    unsigned most; /* that are passed on, but for staff who speak beyond that */
    unsigned count;
    struct voice *in[VOICES_MAX]; /* also those leaving */
    struct voice *first;          /* the loudest; NULL: nobody speaks */
};

void voices_init(struct voices *voices, unsigned most);
/* A packet with that level (0: loudest, 127: silence), which stands for `steps` of 20 ms. True when
 * the voice was out and enters with it. */
bool voices_hear(struct voices *voices, usec_t now, struct voice *voice, unsigned level,
                 unsigned steps);
/* Whether a packet with that level could do anything there, now or by those that follow it. */
bool voices_mind(const struct voices *voices, usec_t now, const struct voice *voice,
                 unsigned level) MUST_USE;
/* Who is silent or was beaten goes out when it is time. */
void voices_tick(struct voices *voices, usec_t now);
/* The voice may not be heard any more, or is gone. */
void voices_drop(struct voices *voices, usec_t now, struct voice *voice);

#endif
