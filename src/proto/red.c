#include "proto/red.h"

#include <assert.h>

enum { FOLLOWS = 0x80, OFFSET_MAX = 0x3fff, LENGTH_MAX = 0x3ff };

int red_parse(struct slice payload, struct red *ret)
{
    struct reader r = reader_of(payload);
    struct red red = {0};
    size_t lengths[RED_BLOCKS_MAX];
    for (;;) {
        if (red.count == RED_BLOCKS_MAX)
            return ERR_FORMAT;
        uint8_t type = reader_u8(&r);
        struct red_block *block = &red.blocks[red.count++];
        block->payload_type = type & 0x7f;
        if (!(type & FOLLOWS))
            break;
        uint32_t head = reader_u24(&r);
        block->offset = (uint16_t)(head >> 10);
        lengths[red.count - 1] = head & LENGTH_MAX;
    }
    for (unsigned i = 0; i + 1 < red.count; i++)
        red.blocks[i].data = reader_bytes(&r, lengths[i]);
    red.blocks[red.count - 1].data = reader_bytes(&r, reader_left(&r));
    if (r.failed || red.blocks[red.count - 1].data.len == 0)
        return ERR_FORMAT;
    *ret = red;
    return 0;
}

void red_put(struct writer *w, const struct red *red)
{
    assert(red->count > 0 && red->count <= RED_BLOCKS_MAX);
    for (unsigned i = 0; i + 1 < red->count; i++) {
        const struct red_block *block = &red->blocks[i];
        assert(block->offset <= OFFSET_MAX && block->data.len <= LENGTH_MAX);
        writer_u8(w, (uint8_t)(FOLLOWS | block->payload_type));
        writer_u24(w, (uint32_t)block->offset << 10 | (uint32_t)block->data.len);
    }
    writer_u8(w, red->blocks[red->count - 1].payload_type);
    for (unsigned i = 0; i < red->count; i++)
        writer_bytes(w, red->blocks[i].data);
}
