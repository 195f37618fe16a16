/* Payloads of signal and web: whatever they say, what goes to a client is well-formed. */
#include <stdlib.h>

#include "edge/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice payload = slice_of(data, size), ids, text;
    struct response response;
    struct bus_response head;
    char protocol[BUS_WORD_SIZE] = "", reason[128];
    unsigned number = 0;
    response_init(&response);
    if (bus_read_response(payload, &response, &head) == 0) {
        struct slice name, value;
        for (size_t at = 0; fields_next(&response.fields, &at, &name, &value);)
            if (!fields_is_token(name) || slice_index(value, '\n') < value.len)
                abort();
        if (response.status < 200 || response.status > 599)
            abort();
    }
    response_done(&response);
    if (bus_read_accept(payload, protocol) == 0 && protocol[0] &&
        !fields_is_token(slice_str(protocol)))
        abort();
    if (bus_read_refuse(payload, &number) == 0 && (number < 400 || number > 599))
        abort();
    if (bus_read_close(payload, &number, reason) == 0 && (number < 1000 || number > 4999))
        abort();
    if (bus_read_many(payload, &ids, &text) == 0) {
        if (ids.len % 8 != 0 || ids.len + text.len + 4 != size)
            abort();
        for (size_t i = 0; i < ids.len / 8; i++)
            (void)bus_id(ids, i);
    }
    return 0;
}
