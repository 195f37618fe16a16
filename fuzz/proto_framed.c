/* A stream of framed datagrams, cut in two anywhere, gives what it gives in one piece. The first
 * two bytes say where to cut. */
#include <stdlib.h>

#include "proto/framed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash over all datagrams of the stream, and how it ended. */
static uint64_t follow(struct framed *framed, struct slice input, uint64_t hash, int *ret_end)
{
    uint8_t *datagram;
    size_t len;
    while ((*ret_end = framed_next(framed, &input, &datagram, &len)) == 0) {
        if (len == 0 || len > FRAMED_MAX)
            abort();
        hash = slice_hash(slice_of(datagram, len), hash + len);
        datagram[0] ^= 0xff; /* as decryption in place */
    }
    if (*ret_end == ERR_AGAIN && input.len > 0)
        abort();
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice stream = slice_of(data + 2, size - 2);
    size_t cut = load_u16(data) % (stream.len + 1);
    static struct framed whole, parts;
    int end_whole, end_parts;
    whole.len = parts.len = 0;
    uint64_t one = follow(&whole, stream, 1, &end_whole);
    uint64_t two = follow(&parts, slice_sub(stream, 0, cut), 1, &end_parts);
    if (end_parts == ERR_AGAIN)
        two = follow(&parts, slice_sub(stream, cut, stream.len), two, &end_parts);
    if (one != two || end_whole != end_parts)
        abort();
    return 0;
}
