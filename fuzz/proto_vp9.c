/* Any bytes as a VP9 payload; the head of what parses is written again and is the same. */
#include <stdlib.h>

#include "proto/vp9.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vp9_descriptor d;
    struct vp9_structure s;
    if (vp9_parse(slice_of(data, size), &d, &s) != 0)
        return 0;
    check(d.head_size <= VP9_HEAD_MAX && d.head_size <= d.size && d.size < size);
    check(!d.has_structure || (s.spatial_count > 0 && s.spatial_count <= VP9_SPATIAL_MAX));
    uint16_t width = 0, height = 0;
    if (vp9_key_size(slice_sub(slice_of(data, size), d.size, size), &width, &height))
        check(width > 0 && height > 0);
    uint8_t out[VP9_HEAD_MAX];
    struct writer w = writer_of(out, sizeof(out));
    vp9_put_head(&w, &d);
    check(!w.failed && writer_len(&w) == d.head_size);
    check(memcmp(out, data, d.head_size) == 0);
    return 0;
}
