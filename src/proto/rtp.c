#include "proto/rtp.h"

#include <assert.h>

enum {
    PROFILE_ONE_BYTE = 0xbede,
    PROFILE_TWO_BYTE = 0x1000,
    PROFILE_TWO_BYTE_MASK = 0xfff0,
    ONE_BYTE_STOP = 15,
    ONE_BYTE_MAX = 16, /* bytes of a value */
};

static int cut_padding(const struct reader *r, bool padded, struct rtp_packet *packet)
{
    packet->payload = slice_of(r->pos, reader_left(r));
    packet->padding = 0;
    if (!padded)
        return 0;
    if (packet->payload.len == 0)
        return ERR_FORMAT;
    uint8_t padding = packet->payload.data[packet->payload.len - 1];
    if (padding == 0 || padding > packet->payload.len)
        return ERR_FORMAT;
    packet->padding = padding;
    packet->payload.len -= padding;
    return 0;
}

int rtp_parse(struct slice bytes, struct rtp_packet *ret_packet)
{
    struct reader r = reader_of(bytes);
    struct rtp_packet packet = {0};
    uint8_t first = reader_u8(&r);
    uint8_t second = reader_u8(&r);
    packet.sequence = reader_u16(&r);
    packet.timestamp = reader_u32(&r);
    packet.ssrc = reader_u32(&r);
    if (r.failed || first >> 6 != 2)
        return ERR_FORMAT;
    packet.marker = second >> 7;
    packet.payload_type = second & 0x7f;
    reader_skip(&r, (size_t)(first & 0x0f) * 4);
    if (first & 0x10) {
        packet.profile = reader_u16(&r);
        size_t words = reader_u16(&r);
        packet.extensions = reader_bytes(&r, words * 4);
    }
    if (r.failed)
        return ERR_FORMAT;
    int err = cut_padding(&r, first & 0x20, &packet);
    if (err)
        return err;
    *ret_packet = packet;
    return 0;
}

static bool next_one_byte(struct slice *rest, struct rtp_extension *ret)
{
    while (rest->len > 0) {
        uint8_t head = rest->data[0];
        if (head == 0) {
            *rest = slice_sub(*rest, 1, rest->len);
            continue;
        }
        size_t len = (size_t)(head & 0x0f) + 1;
        if (head >> 4 == ONE_BYTE_STOP || rest->len < 1 + len)
            return false;
        ret->id = head >> 4;
        ret->value = slice_sub(*rest, 1, len);
        *rest = slice_sub(*rest, 1 + len, rest->len);
        return true;
    }
    return false;
}

static bool next_two_byte(struct slice *rest, struct rtp_extension *ret)
{
    while (rest->len > 0) {
        if (rest->data[0] == 0) {
            *rest = slice_sub(*rest, 1, rest->len);
            continue;
        }
        if (rest->len < 2 || rest->len < 2 + (size_t)rest->data[1])
            return false;
        size_t len = rest->data[1];
        ret->id = rest->data[0];
        ret->value = slice_sub(*rest, 2, len);
        *rest = slice_sub(*rest, 2 + len, rest->len);
        return true;
    }
    return false;
}

bool rtp_extension_next(uint16_t profile, struct slice *extensions, struct rtp_extension *ret)
{
    if (profile == PROFILE_ONE_BYTE)
        return next_one_byte(extensions, ret);
    if ((profile & PROFILE_TWO_BYTE_MASK) == PROFILE_TWO_BYTE)
        return next_two_byte(extensions, ret);
    return false;
}

bool rtp_extension_find(const struct rtp_packet *packet, uint8_t id, struct slice *ret_value)
{
    struct slice rest = packet->extensions;
    struct rtp_extension extension;
    while (rtp_extension_next(packet->profile, &rest, &extension)) {
        if (extension.id == id) {
            *ret_value = extension.value;
            return true;
        }
    }
    return false;
}

bool rtp_audio_level(const struct rtp_packet *packet, uint8_t id, uint8_t *ret_level,
                     bool *ret_voice)
{
    struct slice value;
    if (!rtp_extension_find(packet, id, &value) || value.len < 1)
        return false;
    *ret_level = value.data[0] & 0x7f;
    *ret_voice = value.data[0] >> 7;
    return true;
}

bool rtp_transport_sequence(const struct rtp_packet *packet, uint8_t id, uint16_t *ret_sequence)
{
    struct slice value;
    if (!rtp_extension_find(packet, id, &value) || value.len < 2)
        return false;
    *ret_sequence = load_u16(value.data);
    return true;
}

int rtp_rtx_parse(struct slice payload, uint16_t *ret_sequence, struct slice *ret_payload)
{
    if (payload.len < RTP_RTX_OSN_SIZE)
        return ERR_FORMAT;
    *ret_sequence = load_u16(payload.data);
    *ret_payload = slice_sub(payload, RTP_RTX_OSN_SIZE, payload.len);
    return 0;
}

bool rtp_is_rtcp(struct slice packet)
{
    return packet.len >= 2 && packet.data[1] >= 192 && packet.data[1] <= 223;
}

static bool needs_two_bytes(const struct rtp_extension *extensions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (extensions[i].value.len > ONE_BYTE_MAX)
            return true;
    return false;
}

static void put_extensions(struct writer *w, const struct rtp_extension *extensions, size_t count)
{
    bool two = needs_two_bytes(extensions, count);
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (two ? 2 : 1) + extensions[i].value.len;
    size_t words = (len + 3) / 4;
    writer_u16(w, two ? PROFILE_TWO_BYTE : PROFILE_ONE_BYTE);
    writer_u16(w, (uint16_t)words);
    for (size_t i = 0; i < count; i++) {
        const struct rtp_extension *extension = &extensions[i];
        assert(extension->id >= 1 && extension->id < ONE_BYTE_STOP);
        assert(extension->value.len >= 1 && extension->value.len <= UINT8_MAX);
        if (two) {
            writer_u8(w, extension->id);
            writer_u8(w, (uint8_t)extension->value.len);
        } else {
            writer_u8(w, (uint8_t)((size_t)extension->id << 4 | (extension->value.len - 1)));
        }
        writer_bytes(w, extension->value);
    }
    writer_zero(w, words * 4 - len);
}

void rtp_put_header(struct writer *w, const struct rtp_header *header,
                    const struct rtp_extension *extensions, size_t count)
{
    writer_u8(w, (uint8_t)(0x80 | (header->padding ? 0x20 : 0) | (count > 0 ? 0x10 : 0)));
    writer_u8(w, (uint8_t)((header->marker ? 0x80 : 0) | (header->payload_type & 0x7f)));
    writer_u16(w, header->sequence);
    writer_u32(w, header->timestamp);
    writer_u32(w, header->ssrc);
    if (count > 0)
        put_extensions(w, extensions, count);
}

int64_t rtp_unwrap(int64_t last, uint16_t value)
{
    return last + (int16_t)(uint16_t)(value - (uint16_t)last);
}
