/* Any bytes as a RED payload; what parses is written again and is the same. */
#include <stdlib.h>

#include "proto/red.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct red red;
    if (red_parse(slice_of(data, size), &red) != 0)
        return 0;
    uint8_t *out = malloc(size);
    check(out != NULL);
    struct writer w = writer_of(out, size);
    red_put(&w, &red);
    check(!w.failed && writer_len(&w) == size);
    check(memcmp(out, data, size) == 0);
    struct red again;
    check(red_parse(slice_of(out, size), &again) == 0 && again.count == red.count);
    free(out);
    return 0;
}
