#include "proto/framed.h"

#include "base/units.h"

/* Until `want` bytes are there; false: there are no more. */
static bool gather(struct framed *framed, struct slice *input, size_t want)
{
    size_t missing = framed->len < want ? want - framed->len : 0;
    struct slice part = slice_sub(*input, 0, missing);
    if (part.len > 0)
        memcpy(framed->bytes + framed->len, part.data, part.len);
    framed->len += part.len;
    *input = slice_sub(*input, part.len, input->len);
    return part.len == missing;
}

int framed_next(struct framed *framed, struct slice *input, uint8_t **ret_data, size_t *ret_len)
{
    for (;;) {
        /* What was returned last is done with: its length is in its first bytes still. */
        if (framed->len >= FRAMED_PREFIX &&
            framed->len == FRAMED_PREFIX + (size_t)load_u16(framed->bytes))
            framed->len = 0;
        if (!gather(framed, input, FRAMED_PREFIX))
            return ERR_AGAIN;
        size_t len = load_u16(framed->bytes);
        if (len > FRAMED_MAX)
            return ERR_FORMAT;
        if (!gather(framed, input, FRAMED_PREFIX + len))
            return ERR_AGAIN;
        if (len == 0)
            continue;
        *ret_data = framed->bytes + FRAMED_PREFIX;
        *ret_len = len;
        return 0;
    }
}
