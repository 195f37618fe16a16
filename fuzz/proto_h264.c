/* Any bytes as an H.264 payload: its parts lie inside it, and any part as an SPS. */
#include <stdlib.h>

#include "proto/h264.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h264_facts facts;
    struct h264_parts parts;
    struct h264_part part;
    struct slice payload = slice_of(data, size);
    if (h264_parse(payload, &parts) != 0)
        return 0;
    int err;
    while ((err = h264_next(&parts, &part)) == 0) {
        uint16_t width;
        uint16_t height;
        check(part.body.len < size);
        if (h264_sps_size(part.body, &width, &height) == 0)
            check(width > 0 && height > 0);
    }
    check((h264_read(payload, &facts) == 0) == (err == ERR_NOT_FOUND));
    return 0;
}
