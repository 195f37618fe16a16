/* Any bytes as a chain of dependency descriptors (each with its length in front) of one stream;
 * what parses is written with another number and mask and reads so. */
#include <stdlib.h>

#include "proto/dependency.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dependency_structure structure = {0};
    struct reader r = reader_of(slice_of(data, size));
    while (reader_left(&r) > 0) {
        struct slice value = reader_bytes(&r, reader_u8(&r));
        struct dependency_descriptor d;
        struct dependency_descriptor again;
        uint8_t out[UINT8_MAX + DEPENDENCY_GROWTH];
        if (r.failed)
            return 0;
        if (dependency_parse(value, &structure, &d) != 0)
            continue;
        check(structure.template_count > 0 && structure.target_count > 0);
        check(d.frame.fdiff_count <= DEPENDENCY_FDIFFS_MAX);
        check(d.marks.structure_end <= d.marks.rest && d.marks.rest <= value.len * 8);
        size_t len = dependency_put(value, &d.marks, 77, 1, out, sizeof(out));
        check(len > 0 && len <= value.len + DEPENDENCY_GROWTH);
        if (len > UINT8_MAX)
            continue;
        check(dependency_parse(slice_of(out, len), &structure, &again) == 0);
        check(again.number == 77 && again.active == 1 && again.start == d.start);
        check(memcmp(&again.frame, &d.frame, sizeof(d.frame)) == 0);
    }
    return 0;
}
