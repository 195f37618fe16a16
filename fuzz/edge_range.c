/* Values of Range and Accept-Encoding: a range lies inside the file. Eight bytes of size first. */
#include <stdlib.h>

#include "edge/mime.h"
#include "edge/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct range range;
    if (size < 8)
        return 0;
    uint64_t length = load_u64(data);
    struct slice value = slice_of(data + 8, size - 8);
    if (range_parse(value, length, &range) == 0 &&
        (range.len == 0 || range.first >= length || range.len > length - range.first))
        abort();
    (void)mime_codings(value);
    (void)mime_type(value);
    return 0;
}
