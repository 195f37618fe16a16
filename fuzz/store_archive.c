#include <stdlib.h>

#include "store/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct archive_entry entry, back;
    uint8_t block[ARCHIVE_BLOCK] = {0};
    memcpy(block, data, len < sizeof block ? len : sizeof block);
    /* A right checksum, or nothing else is ever looked at. */
    uint32_t sum = 8 * ' ';
    for (size_t i = 0; i < sizeof block; i++)
        sum += i >= 148 && i < 156 ? 0 : block[i];
    for (size_t i = 0; i < 6; i++)
        block[153 - i] = (uint8_t)('0' + (sum >> (3 * i) & 7));
    block[154] = 0;
    block[155] = ' ';
    if (archive_parse(block, &entry))
        return 0;
    if (entry.path[0] == '/' || entry.path[0] == 0 || strstr(entry.path, "/../"))
        abort();
    if (archive_build(&entry, block))
        return 0; /* others cut long paths where we do not */
    if (archive_parse(block, &back) || strcmp(entry.path, back.path) != 0 ||
        entry.directory != back.directory || entry.size != back.size)
        abort();
    return 0;
}
