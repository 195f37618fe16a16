#include "bridge/handover.h"

static void put_address(struct buf *buf, const struct address *address)
{
    uint8_t port[2];
    store_u16(port, address->port);
    buf_add(buf, slice_of(address->ip, sizeof address->ip));
    buf_add(buf, slice_of(port, sizeof port));
}

static void take_address(struct reader *reader, struct address *ret_address)
{
    struct slice ip = reader_bytes(reader, sizeof ret_address->ip);
    if (ip.len > 0)
        memcpy(ret_address->ip, ip.data, ip.len);
    ret_address->port = reader_u16(reader);
}

void handover_add_path(struct buf *buf, const struct path *path)
{
    put_address(buf, &path->local);
    put_address(buf, &path->remote);
}

void handover_add_datagram(struct buf *buf, const struct path *path, struct slice datagram)
{
    if (datagram.len > UINT16_MAX) {
        buf->failed = true;
        return;
    }
    uint8_t len[2];
    store_u16(len, (uint16_t)datagram.len);
    handover_add_path(buf, path);
    buf_add(buf, slice_of(len, sizeof len));
    buf_add(buf, datagram);
}

bool handover_next_path(struct reader *reader, struct path *ret_path)
{
    if (reader_left(reader) == 0)
        return false;
    take_address(reader, &ret_path->local);
    take_address(reader, &ret_path->remote);
    return !reader->failed;
}

bool handover_next_datagram(struct reader *reader, struct path *ret_path,
                            struct slice *ret_datagram)
{
    if (!handover_next_path(reader, ret_path))
        return false;
    uint16_t len = reader_u16(reader);
    *ret_datagram = reader_bytes(reader, len);
    return !reader->failed;
}
