#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->failed || len > buf->max || buf->len > buf->max - len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->len + len > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 256;
        while (cap < buf->len + len)
            cap *= 2;
        uint8_t *data = realloc(buf->data, cap);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
    buf->len += len;
}

void buf_add(struct buf *buf, struct slice s)
{
    if (s.len == 0)
        return;
    uint8_t *at = buf_reserve(buf, s.len);
    if (!at)
        return;
    memcpy(at, s.data, s.len);
    buf->len += s.len;
}

void buf_add_str(struct buf *buf, const char *str)
{
    buf_add(buf, slice_str(str));
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
    buf_add(buf, slice_of(&byte, 1));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    uint8_t *at = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (!at) {
        buf->failed = true;
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf((char *)at, (size_t)len + 1, fmt, args); /* measured above */
    va_end(args);
    buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data, buf->len);
}
