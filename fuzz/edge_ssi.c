/* Pages with includes: the pieces cover the page in order and none is longer than it. */
#include <stdlib.h>

#include "edge/route.h"
#include "edge/ssi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct ssi_piece piece;
    char name[512];
    size_t before = rest.len;
    while (ssi_next(&rest, &piece)) {
        if (rest.len >= before || piece.text.len > size || piece.fallback.len > size)
            abort();
        if (piece.kind == SSI_TEXT && before - rest.len != piece.text.len)
            abort();
        if (piece.kind == SSI_INCLUDE && route_file_path(piece.text, name, sizeof name) == 0 &&
            (name[0] == '/' || name[0] == '.'))
            abort();
        before = rest.len;
    }
    return rest.len == 0 ? 0 : (abort(), 0);
}
