#include "proto/stun.h"

#include "base/units.h"

enum stun_attribute {
    ATTR_USERNAME = 0x0006,
    ATTR_INTEGRITY = 0x0008,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_XOR_MAPPED = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_FINGERPRINT = 0x8028,
    ATTR_CONTROLLED = 0x8029,
    ATTR_CONTROLLING = 0x802a,
};

#define COOKIE UINT32_C(0x2112a442)
#define FINGERPRINT_XOR UINT32_C(0x5354554e)
#define ATTR_HEADER 4
#define FINGERPRINT_LEN (ATTR_HEADER + 4)
#define INTEGRITY_LEN (ATTR_HEADER + STUN_INTEGRITY_SIZE)
/* A message longer than any path carries is no connectivity check. */
#define MESSAGE_LEN_MAX 1500

bool stun_looks_like(struct slice datagram)
{
    return datagram.len >= STUN_HEADER_SIZE && datagram.data[0] < 4 &&
           load_u32(datagram.data + 4) == COOKIE;
}

/* CRC-32 of ISO 3309; two steps of a small table per byte. */
static uint32_t crc32_of(struct slice data)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < data.len; i++) {
        crc ^= data.data[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

/* The family is told, not read off the bytes: XORed ones may happen to look like a mapped v4. */
static void xor_address(struct address *address, bool v4, const uint8_t id[STUN_ID_SIZE])
{
    uint8_t mask[16];
    store_u32(mask, COOKIE);
    memcpy(mask + 4, id, STUN_ID_SIZE);
    size_t from = v4 ? 12 : 0;
    for (size_t i = from; i < 16; i++)
        address->ip[i] ^= mask[i - from];
    address->port ^= (uint16_t)(COOKIE >> 16);
}

static int parse_mapped(struct reader value, struct stun_message *m)
{
    reader_skip(&value, 1);
    uint8_t family = reader_u8(&value);
    uint16_t port = reader_u16(&value);
    if (family != 1 && family != 2)
        return ERR_FORMAT;
    struct slice ip = reader_bytes(&value, family == 1 ? 4 : 16);
    if (value.failed || address_from_ip(ip, port, &m->mapped))
        return ERR_FORMAT;
    xor_address(&m->mapped, family == 1, m->id);
    m->has_mapped = true;
    return 0;
}

static int parse_error(struct reader value, struct stun_message *m)
{
    reader_skip(&value, 2);
    unsigned hundreds = reader_u8(&value) & 7;
    unsigned rest = reader_u8(&value);
    if (value.failed || hundreds < 3 || hundreds > 6 || rest > 99)
        return ERR_FORMAT;
    m->error = (uint16_t)(hundreds * 100 + rest);
    return 0;
}

static int parse_role(uint16_t type, struct reader value, struct stun_message *m)
{
    m->tie_breaker = reader_u64(&value);
    m->role = type == ATTR_CONTROLLING ? STUN_CONTROLLING : STUN_CONTROLLED;
    return value.failed ? ERR_FORMAT : 0;
}

static int parse_attribute(uint16_t type, struct slice bytes, struct stun_message *m)
{
    struct reader value = reader_of(bytes);
    switch (type) {
    case ATTR_USERNAME:
        if (bytes.len == 0 || bytes.len > STUN_USERNAME_MAX)
            return ERR_FORMAT;
        m->username = bytes;
        return 0;
    case ATTR_PRIORITY:
        m->priority = reader_u32(&value);
        m->has_priority = !value.failed;
        return value.failed ? ERR_FORMAT : 0;
    case ATTR_USE_CANDIDATE:
        m->use_candidate = true;
        return 0;
    case ATTR_CONTROLLING:
    case ATTR_CONTROLLED:
        return parse_role(type, value, m);
    case ATTR_XOR_MAPPED:
        return parse_mapped(value, m);
    case ATTR_ERROR_CODE:
        return parse_error(value, m);
    default:
        if (type < 0x8000)
            m->has_unknown = true;
        return 0;
    }
}

static int parse_attributes(struct slice body, struct stun_message *m)
{
    struct reader r = reader_of(body);
    while (reader_left(&r) > 0 && !r.failed) {
        size_t at = body.len - reader_left(&r);
        uint16_t type = reader_u16(&r);
        uint16_t len = reader_u16(&r);
        struct slice value = reader_bytes(&r, len);
        reader_skip(&r, (size_t)(-len & 3));
        if (r.failed)
            return ERR_FORMAT;
        if (type == ATTR_INTEGRITY) {
            if (len != STUN_INTEGRITY_SIZE)
                return ERR_FORMAT;
            m->integrity = value;
            m->covered = slice_of(body.data, at);
            return 0; /* whatever follows is not authenticated */
        }
        int err = parse_attribute(type, value, m);
        if (err)
            return err;
    }
    return r.failed ? ERR_FORMAT : 0;
}

int stun_parse(struct slice datagram, struct stun_message *ret_message)
{
    if (!stun_looks_like(datagram) || datagram.len > MESSAGE_LEN_MAX || datagram.len % 4 != 0)
        return ERR_FORMAT;
    size_t body_len = load_u16(datagram.data + 2);
    if (body_len + STUN_HEADER_SIZE != datagram.len || body_len < FINGERPRINT_LEN)
        return ERR_FORMAT;
    const uint8_t *fingerprint = datagram.data + datagram.len - FINGERPRINT_LEN;
    if (load_u16(fingerprint) != ATTR_FINGERPRINT || load_u16(fingerprint + 2) != 4)
        return ERR_FORMAT;
    struct slice before = slice_of(datagram.data, datagram.len - FINGERPRINT_LEN);
    if (load_u32(fingerprint + 4) != (crc32_of(before) ^ FINGERPRINT_XOR))
        return ERR_FORMAT;

    uint16_t type = load_u16(datagram.data);
    struct stun_message m = {
        .class = (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2)),
        .method = (uint16_t)((type & 0x0f) | (type >> 1 & 0x70) | (type >> 2 & 0xf80)),
    };
    memcpy(m.id, datagram.data + 8, STUN_ID_SIZE);
    int err = parse_attributes(slice_sub(before, STUN_HEADER_SIZE, before.len), &m);
    if (err)
        return err;
    memcpy(m.header, datagram.data, STUN_HEADER_SIZE);
    store_u16(m.header + 2, (uint16_t)(m.covered.len + INTEGRITY_LEN));
    *ret_message = m;
    return 0;
}

struct slice stun_local_ufrag(const struct stun_message *message)
{
    struct slice rest = message->username;
    return slice_cut(&rest, ':');
}

struct slice stun_remote_ufrag(const struct stun_message *message)
{
    struct slice rest = message->username;
    (void)slice_cut(&rest, ':'); /* what is before the colon is the other half */
    return rest;
}

bool stun_check_integrity(const struct stun_message *message, struct slice key, stun_hmac *hmac)
{
    if (message->integrity.len != STUN_INTEGRITY_SIZE)
        return false;
    struct slice parts[] = {slice_of(message->header, STUN_HEADER_SIZE), message->covered};
    uint8_t want[STUN_INTEGRITY_SIZE];
    hmac(key, parts, ARRAY_LEN(parts), want);
    unsigned differ = 0;
    for (size_t i = 0; i < STUN_INTEGRITY_SIZE; i++)
        differ |= (unsigned)(want[i] ^ message->integrity.data[i]);
    return differ == 0;
}

static void put_header(struct writer *w, uint16_t type, size_t len)
{
    writer_u16(w, type);
    writer_u16(w, (uint16_t)len);
}

static void build_mapped(struct writer *w, const struct stun_message *m)
{
    struct address a = m->mapped;
    bool v4 = address_is_v4(&a);
    xor_address(&a, v4, m->id);
    put_header(w, ATTR_XOR_MAPPED, v4 ? 8 : 20);
    writer_u8(w, 0);
    writer_u8(w, v4 ? 1 : 2);
    writer_u16(w, a.port);
    writer_bytes(w, v4 ? slice_of(a.ip + 12, 4) : slice_of(a.ip, 16));
}

static void build_attributes(struct writer *w, const struct stun_message *m)
{
    if (m->username.len > 0) {
        put_header(w, ATTR_USERNAME, m->username.len);
        writer_bytes(w, m->username);
        writer_zero(w, (size_t)(-(long)m->username.len & 3));
    }
    if (m->has_priority) {
        put_header(w, ATTR_PRIORITY, 4);
        writer_u32(w, m->priority);
    }
    if (m->role != STUN_ROLE_NONE) {
        put_header(w, m->role == STUN_CONTROLLING ? ATTR_CONTROLLING : ATTR_CONTROLLED, 8);
        writer_u64(w, m->tie_breaker);
    }
    if (m->use_candidate)
        put_header(w, ATTR_USE_CANDIDATE, 0);
    if (m->has_mapped)
        build_mapped(w, m);
    if (m->error) {
        put_header(w, ATTR_ERROR_CODE, 4);
        writer_u16(w, 0);
        writer_u8(w, (uint8_t)(m->error / 100));
        writer_u8(w, (uint8_t)(m->error % 100));
    }
}

static void set_length(struct writer *w, size_t body_len)
{
    if (!w->failed)
        store_u16(w->start + 2, (uint16_t)body_len);
}

int stun_build(const struct stun_message *message, struct slice key, stun_hmac *hmac, uint8_t *out,
               size_t size, size_t *ret_len)
{
    unsigned c = message->class, method = message->method;
    unsigned type = (method & 0x0f) | (method & 0x70) << 1 | (method & 0xf80) << 2 | (c & 1) << 4 |
                    (c & 2) << 7;
    struct writer w = writer_of(out, size);
    put_header(&w, (uint16_t)type, 0);
    writer_u32(&w, COOKIE);
    writer_bytes(&w, slice_of(message->id, STUN_ID_SIZE));
    build_attributes(&w, message);
    if (key.len > 0 && !w.failed) {
        size_t len = writer_len(&w);
        set_length(&w, len - STUN_HEADER_SIZE + INTEGRITY_LEN);
        struct slice covered = slice_of(out, len);
        uint8_t tag[STUN_INTEGRITY_SIZE];
        hmac(key, &covered, 1, tag);
        put_header(&w, ATTR_INTEGRITY, sizeof tag);
        writer_bytes(&w, slice_of(tag, sizeof tag));
    }
    set_length(&w, writer_len(&w) - STUN_HEADER_SIZE + FINGERPRINT_LEN);
    if (w.failed)
        return ERR_LIMIT;
    uint32_t crc = crc32_of(slice_of(out, writer_len(&w)));
    put_header(&w, ATTR_FINGERPRINT, 4);
    writer_u32(&w, crc ^ FINGERPRINT_XOR);
    if (w.failed)
        return ERR_LIMIT;
    *ret_len = writer_len(&w);
    return 0;
}
