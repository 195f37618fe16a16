/* How much of the sound to one receiver is sent twice or thrice (RED, RFC 2198), by what is lost on
 * its way and by what the way carries. */
#ifndef BRIDGE_PROTECT_H
#define BRIDGE_PROTECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define PROTECT_MAX 2    /* packets repeated in the next one */
#define PROTECT_SPARSE 4 /* on a narrow way one of so many is */

struct protect {
    double told, lost; /* packets; what is older counts less */
    uint64_t told_before, lost_before;
    usec_t at;         /* when it is looked at next */
    usec_t calm_since; /* less is lost than the distance is for; 0: more */
    unsigned distance; /* 0: each packet goes once */
    bool sparse;       /* only one of PROTECT_SPARSE is repeated */
};

struct protect_input {
    uint64_t told; /* packets whose fate became known, ever, and how many of them were lost */
    uint64_t lost;
    uint64_t way_bps;   /* what the way carries */
    uint64_t sound_bps; /* what the sound takes there, each packet once */
    uint64_t copy_bps;  /* and what each further copy adds */
    bool congested;     /* there is a queue: what is lost may be our own doing */
};

void protect_init(struct protect *protect, usec_t now);
/* A receiver report about so many packets (RFC 3550 6.4.1), where there is no transport feedback.
 */
void protect_report(struct protect *protect, unsigned packets, uint8_t fraction_lost);
/* As often as may be; it decides every half second. */
void protect_tick(struct protect *protect, usec_t now, const struct protect_input *input);
/* Share lost of late; negative: not known. */
double protect_loss(const struct protect *protect);

#endif
