/* A growing byte buffer with a bound. Failure is sticky: build everything, check `failed` once. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* never grows past this */
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
/* Frees the memory; the buffer may be used again. */
void buf_done(struct buf *buf);
/* Empties, keeps the memory, forgets a failure. */
void buf_clear(struct buf *buf);
void buf_add(struct buf *buf, struct slice s);
void buf_add_str(struct buf *buf, const char *str);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Makes room for `len` more bytes and returns where they go (NULL: failed); buf_commit adds them.
 */
uint8_t *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);
/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);
/* Valid until the buffer changes. */
struct slice buf_slice(const struct buf *buf);

#endif
