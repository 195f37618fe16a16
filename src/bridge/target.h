/* Which pictures of a layered stream go to one receiver: the cell in force, and the cells that may
 * be gone over to because nothing they need was left out. Knows no codec. */
#ifndef BRIDGE_TARGET_H
#define BRIDGE_TARGET_H

#include "bridge/codec.h"

struct target {
    uint8_t spatial; /* in force */
    uint8_t temporal;
    uint16_t whole; /* cells of which everything went out since they could be entered */
    uint32_t seen;  /* timestamp of the newest picture */
    bool started;
};

/* Begins with this first packet of a key picture, at the wanted layers if it has them. */
void target_begin(struct target *target, const struct codec_facts *facts, unsigned spatial,
                  unsigned temporal);
/* Whether the packet goes out. Layers change where pictures begin, as far as they can: to the
 * wanted spatial layer once that is possible, to the wanted temporal one as near as may be. `late`:
 * newer ones came before. */
bool target_take(struct target *target, const struct codec_facts *facts, uint32_t timestamp,
                 bool late, unsigned spatial, unsigned temporal) MUST_USE;
/* Whether only a key picture leads to the spatial layer. */
bool target_needs_key(const struct target *target, unsigned spatial);

#endif
