/* Any bytes as a VP8 payload; what parses is written again and reads the same. */
#include <stdlib.h>

#include "proto/vp8.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice payload = slice_of(data, size);
    struct vp8_descriptor d;
    if (vp8_parse(payload, &d) != 0)
        return 0;
    check(d.size < size && d.size <= VP8_DESCRIPTOR_MAX);
    uint16_t width;
    uint16_t height;
    if (vp8_key_size(&d, payload, &width, &height))
        check(vp8_starts_key(&d, payload));
    uint8_t out[VP8_DESCRIPTOR_MAX + 1];
    struct writer w = writer_of(out, sizeof(out));
    vp8_put(&w, &d);
    writer_u8(&w, data[d.size]);
    check(!w.failed);
    struct vp8_descriptor again;
    check(vp8_parse(slice_of(out, writer_len(&w)), &again) == 0);
    check(again.picture_id == d.picture_id && again.tl0 == d.tl0 && again.tid == d.tid);
    check(again.start == d.start && again.partition == d.partition && again.keyidx == d.keyidx);
    return 0;
}
