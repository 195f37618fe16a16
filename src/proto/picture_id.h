/* The PictureID of the VP8 and VP9 payload descriptors (RFC 7741, RFC 9628, sections 4.2): 7 bits,
 * or 15 behind a first bit. */
#ifndef PROTO_PICTURE_ID_H
#define PROTO_PICTURE_ID_H

#include <stdbool.h>

#include "base/slice.h"

static inline uint16_t picture_id_read(struct reader *r, bool *ret_long)
{
    uint8_t first = reader_u8(r);
    *ret_long = first & 0x80;
    uint16_t id = first & 0x7f;
    return *ret_long ? (uint16_t)(id << 8 | reader_u8(r)) : id;
}

static inline void picture_id_put(struct writer *w, uint16_t id, bool is_long)
{
    if (is_long)
        writer_u16(w, (uint16_t)(0x8000 | (id & 0x7fff)));
    else
        writer_u8(w, id & 0x7f);
}

#endif
