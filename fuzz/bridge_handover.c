/* A frame from another worker, as datagrams and as paths; what is read can be written again. */
#include <stdlib.h>

#include "bridge/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of(slice_of(data, size));
    struct path path;
    struct slice datagram;
    struct buf buf;
    buf_init(&buf, size + 1);
    while (handover_next_datagram(&reader, &path, &datagram))
        handover_add_datagram(&buf, &path, datagram);
    if (buf.failed || buf.len > size || (buf.len > 0 && memcmp(buf.data, data, buf.len) != 0))
        abort();
    reader = reader_of(slice_of(data, size));
    while (handover_next_path(&reader, &path))
        continue;
    buf_done(&buf);
    return 0;
}
