#include <stdlib.h>

#include "api/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice header = slice_of(data, len);
    struct slice value = cookie_find(header, "darasa_session");
    if (value.len > len ||
        (value.len > 0 && (value.data < data || value.data + value.len > data + len)))
        abort();
    if (slice_index(value, ';') != value.len)
        abort();
    return 0;
}
