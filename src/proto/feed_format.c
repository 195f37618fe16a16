#include "proto/feed_format.h"

#include "base/crc32c.h"

enum { VERSION = 1, MAGIC0 = 0xDA, MAGIC1 = 0x5A };

static void put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void put_le64(uint8_t *p, uint64_t v)
{
    put_le32(p, (uint32_t)v);
    put_le32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_le64(const uint8_t *p)
{
    return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

int feed_build_head(const struct feed_record *record, uint8_t head[FEED_HEAD_SIZE])
{
    if (record->payload.len > FEED_PAYLOAD_MAX)
        return ERR_LIMIT;
    head[0] = MAGIC0;
    head[1] = MAGIC1;
    head[2] = VERSION;
    head[3] = record->kind;
    put_le32(head + 4, (uint32_t)record->payload.len);
    put_le32(head + 8, record->source);
    put_le32(head + 12, record->flags);
    put_le64(head + 16, (uint64_t)record->time);
    put_le32(head + 24, crc32c(0, record->payload));
    put_le32(head + 28, crc32c(0, slice_of(head, 28)));
    return 0;
}

int feed_build(const struct feed_record *record, uint8_t *out, size_t size, size_t *ret_len)
{
    if (size < FEED_HEAD_SIZE || size - FEED_HEAD_SIZE < record->payload.len)
        return ERR_LIMIT;
    int err = feed_build_head(record, out);
    if (err)
        return err;
    if (record->payload.len)
        memcpy(out + FEED_HEAD_SIZE, record->payload.data, record->payload.len);
    *ret_len = FEED_HEAD_SIZE + record->payload.len;
    return 0;
}

void feed_build_report(const struct feed_report *report, uint8_t payload[FEED_REPORT_SIZE])
{
    put_le32(payload, report->ssrc);
    put_le32(payload + 4, report->rtp_time);
    put_le64(payload + 8, report->ntp_time);
}

int feed_parse_report(struct slice payload, struct feed_report *ret_report)
{
    if (payload.len != FEED_REPORT_SIZE)
        return ERR_FORMAT;
    *ret_report = (struct feed_report){get_le32(payload.data), get_le32(payload.data + 4),
                                       get_le64(payload.data + 8)};
    return 0;
}

int feed_parse(struct slice in, struct feed_record *ret_record, size_t *ret_len)
{
    static const uint8_t magic[3] = {MAGIC0, MAGIC1, VERSION};
    size_t known = in.len < sizeof(magic) ? in.len : sizeof(magic);
    if (known && memcmp(in.data, magic, known) != 0)
        return ERR_FORMAT;
    if (in.len < FEED_HEAD_SIZE)
        return ERR_AGAIN;
    const uint8_t *head = in.data;
    size_t len = get_le32(head + 4);
    if (len > FEED_PAYLOAD_MAX || crc32c(0, slice_of(head, 28)) != get_le32(head + 28))
        return ERR_FORMAT;
    if (in.len - FEED_HEAD_SIZE < len)
        return ERR_AGAIN;
    struct slice payload = slice_of(head + FEED_HEAD_SIZE, len);
    if (crc32c(0, payload) != get_le32(head + 24))
        return ERR_FORMAT;
    *ret_record = (struct feed_record){.kind = head[3],
                                       .source = get_le32(head + 8),
                                       .flags = get_le32(head + 12),
                                       .time = (usec_t)get_le64(head + 16),
                                       .payload = payload};
    *ret_len = FEED_HEAD_SIZE + len;
    return 0;
}

int feed_find(struct slice in, bool last, struct feed_record *ret_record, size_t *ret_skipped,
              size_t *ret_len)
{
    size_t at = 0;
    while (at < in.len) {
        int err = feed_parse(slice_sub(in, at, in.len - at), ret_record, ret_len);
        if (err == 0 || (err == ERR_AGAIN && !last)) {
            *ret_skipped = at;
            return err;
        }
        at++;
        const uint8_t *next = memchr(in.data + at, MAGIC0, in.len - at);
        at = next ? (size_t)(next - in.data) : in.len;
    }
    *ret_skipped = in.len;
    return ERR_AGAIN;
}
