#include "base/slice.h"

#include "base/err.h"

struct slice slice_str(const char *str)
{
    return str ? slice_of(str, strlen(str)) : slice_of(NULL, 0);
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_eq_str(struct slice a, const char *str)
{
    return slice_eq(a, slice_str(str));
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_of(s.data, prefix.len), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           slice_eq(slice_of(s.data + (s.len - suffix.len), suffix.len), suffix);
}

struct slice slice_sub(struct slice s, size_t from, size_t len)
{
    if (from >= s.len)
        return slice_of(NULL, 0);
    size_t left = s.len - from;
    return slice_of(s.data + from, len < left ? len : left);
}

size_t slice_index(struct slice s, uint8_t byte)
{
    if (s.len == 0)
        return 0;
    const uint8_t *at = memchr(s.data, byte, s.len);
    return at ? (size_t)(at - s.data) : s.len;
}

struct slice slice_cut(struct slice *rest, uint8_t byte)
{
    size_t at = slice_index(*rest, byte);
    struct slice head = slice_of(rest->data, at);
    *rest = slice_sub(*rest, at + 1, rest->len);
    return head;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool slice_copy(struct slice s, char *out, size_t size)
{
    if (size == 0)
        return false;
    size_t n = s.len < size ? s.len : size - 1;
    if (n > 0)
        memcpy(out, s.data, n);
    out[n] = '\0';
    return n == s.len;
}

int slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_value)
{
    if (s.len == 0)
        return ERR_FORMAT;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return ERR_FORMAT;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return ERR_LIMIT;
        value = value * 10 + digit;
    }
    if (value > max)
        return ERR_LIMIT;
    *ret_value = value;
    return 0;
}

uint64_t slice_hash(struct slice s, uint64_t seed)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ seed;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.data[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

struct reader reader_of(struct slice s)
{
    return (struct reader){s.data, s.data ? s.data + s.len : NULL, false};
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->pos);
}

static const uint8_t *take(struct reader *r, size_t len)
{
    if (r->failed || (size_t)(r->end - r->pos) < len) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->pos;
    if (len > 0)
        r->pos += len;
    return at;
}

uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = take(r, 1);
    return p ? p[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = take(r, 2);
    return p ? load_u16(p) : 0;
}

uint32_t reader_u24(struct reader *r)
{
    const uint8_t *p = take(r, 3);
    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = take(r, 4);
    return p ? load_u32(p) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = take(r, 8);
    return p ? load_u64(p) : 0;
}

struct slice reader_bytes(struct reader *r, size_t len)
{
    const uint8_t *p = take(r, len);
    return p ? slice_of(p, len) : slice_of(NULL, 0);
}

void reader_skip(struct reader *r, size_t len)
{
    (void)take(r, len); /* a failure is kept in r->failed */
}

struct writer writer_of(void *data, size_t size)
{
    uint8_t *p = data;
    return (struct writer){p, p, p + size, false};
}

size_t writer_len(const struct writer *w)
{
    return (size_t)(w->pos - w->start);
}

static uint8_t *room_for(struct writer *w, size_t len)
{
    if (w->failed || (size_t)(w->end - w->pos) < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->pos;
    w->pos += len;
    return at;
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = room_for(w, 1);
    if (p)
        p[0] = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = room_for(w, 2);
    if (p)
        store_u16(p, v);
}

void writer_u24(struct writer *w, uint32_t v)
{
    uint8_t *p = room_for(w, 3);
    if (!p)
        return;
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = room_for(w, 4);
    if (p)
        store_u32(p, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = room_for(w, 8);
    if (p)
        store_u64(p, v);
}

void writer_bytes(struct writer *w, struct slice s)
{
    uint8_t *p = room_for(w, s.len);
    if (p && s.len > 0)
        memcpy(p, s.data, s.len);
}

void writer_zero(struct writer *w, size_t len)
{
    uint8_t *p = room_for(w, len);
    if (p && len > 0)
        memset(p, 0, len);
}

uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}

void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)(v >> 32));
    store_u32(p + 4, (uint32_t)v);
}
