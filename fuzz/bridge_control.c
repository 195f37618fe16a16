/* Any frame from signal: the first byte is the type, the rest its payload. */
#include <stdlib.h>

#include "bridge/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct arena *arena = arena_new(CONTROL_ARENA_MAX);
    struct control_message m;
    int err = control_parse(data[0] % 9, slice_of(data + 1, size - 1), arena, &m);
    if (err == 0 && m.type == CONTROL_ENDPOINT) {
        const struct conference_endpoint *e = &m.endpoint_state;
        if (!e->id[0] || m.ice.ufrag.len == 0 || e->source_count > CONFERENCE_SOURCES_MAX)
            abort();
        for (size_t i = 0; i < e->source_count; i++)
            if (e->sources[i].layer_count == 0 ||
                e->sources[i].layer_count > CONFERENCE_LAYERS_MAX || !e->sources[i].name[0])
                abort();
    }
    arena_free(&arena);
    return 0;
}
