/* Any bytes as an AV1 payload: all elements, and all of them as OBUs and sequence headers. */
#include <stdlib.h>

#include "proto/av1.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct av1_aggregation header;
    struct av1_elements elements;
    struct slice element;
    uint16_t width = 1;
    uint16_t height = 1;
    if (av1_parse(slice_of(data, size), &header, &elements) != 0)
        return 0;
    while (av1_next(&elements, &element) == 0) {
        enum av1_obu type;
        struct slice body;
        check(element.len < size);
        if (av1_obu_parse(element, &type, &body) != 0)
            continue;
        check(body.len < element.len && type <= 15);
        if (av1_sequence_size(body, &width, &height) == 0)
            check(width > 0 && height > 0);
        uint8_t limited[64];
        if (body.len > sizeof(limited))
            continue;
        memcpy(limited, body.data, body.len);
        av1_sequence_limit(limited, body.len, size & 3);
        /* It says the same of everything else. */
        uint16_t same[2] = {width, height};
        (void)av1_sequence_size(slice_of(limited, body.len), &same[0], &same[1]);
        check(same[0] == width && same[1] == height);
    }
    return 0;
}
