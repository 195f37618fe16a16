/* Views of bytes that somebody else owns, and bounds-checked readers and writers over them.
 * A slice is valid as long as what it points into. An empty slice may have data == NULL. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

/* For printf: printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).data
/* A slice of a string literal, without its NUL. */
#define SLICE(lit) ((struct slice){(const uint8_t *)("" lit), sizeof(lit) - 1})

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}

/* A slice of a NUL-terminated string; NULL gives the empty slice. */
struct slice slice_str(const char *str);
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *str);
/* ASCII case-insensitive. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* The part from `from`, at most `len` long; clipped to the slice. */
struct slice slice_sub(struct slice s, size_t from, size_t len);
/* Index of the first `byte`, or s.len. */
size_t slice_index(struct slice s, uint8_t byte);
/* Cuts *rest at the first `byte`: returns what stands before it, leaves what stands after it.
 * Without that byte: returns all, leaves the empty slice. */
struct slice slice_cut(struct slice *rest, uint8_t byte);
/* Strips ASCII blanks at both ends. */
struct slice slice_trim(struct slice s);
/* Copies to a NUL-terminated string, cut to size - 1 bytes; returns false when it was cut. */
bool slice_copy(struct slice s, char *out, size_t size);
/* Unsigned decimal, all of the slice, at most `max`. ERR_FORMAT or ERR_LIMIT. */
int slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_value);
/* FNV-1a of the bytes, mixed with a seed. */
uint64_t slice_hash(struct slice s, uint64_t seed);

/* Reads big-endian values; a read past the end sets `failed` for good and yields zero, so that a
 * parser may check once at its end. */
struct reader {
    const uint8_t *pos;
    const uint8_t *end;
    bool failed;
};

struct reader reader_of(struct slice s);
size_t reader_left(const struct reader *r);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct slice reader_bytes(struct reader *r, size_t len);
void reader_skip(struct reader *r, size_t len);

/* Writes big-endian values; a write past the end sets `failed` for good and writes nothing. */
struct writer {
    uint8_t *start;
    uint8_t *pos;
    uint8_t *end;
    bool failed;
};

struct writer writer_of(void *data, size_t size);
size_t writer_len(const struct writer *w);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u24(struct writer *w, uint32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, struct slice s);
void writer_zero(struct writer *w, size_t len);

/* Loads and stores at a position known to be inside. */
uint16_t load_u16(const uint8_t *p);
uint32_t load_u32(const uint8_t *p);
uint64_t load_u64(const uint8_t *p);
void store_u16(uint8_t *p, uint16_t v);
void store_u32(uint8_t *p, uint32_t v);
void store_u64(uint8_t *p, uint64_t v);

#endif
