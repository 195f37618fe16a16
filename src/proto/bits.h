/* Values of any number of bits, most significant first, as codecs write them. */
#ifndef PROTO_BITS_H
#define PROTO_BITS_H

#include <stdbool.h>

#include "base/slice.h"

/* A read past the end sets `failed` for good and yields zero. */
struct bits {
    struct slice bytes;
    size_t at; /* bits consumed */
    bool failed;
};

struct bits bits_of(struct slice bytes);
/* At most 32 bits. */
uint32_t bits_get(struct bits *bits, unsigned count);
/* One of `limit` values, the smaller ones in fewer bits: ns(n) of the AV1 specification 4.10.7. */
uint32_t bits_get_ns(struct bits *bits, uint32_t limit);
/* Exponential Golomb codes of H.264 (9.1); longer than 32 bits fail. */
uint32_t bits_get_ue(struct bits *bits);
int32_t bits_get_se(struct bits *bits);

/* A write past the end sets `failed` for good. The bytes must be zero at first. */
struct bits_writer {
    uint8_t *bytes;
    size_t size;
    size_t at; /* bits written */
    bool failed;
};

struct bits_writer bits_writer_of(void *bytes, size_t size);
void bits_put(struct bits_writer *writer, uint32_t value, unsigned count);
/* The reader's bits up to, not including, bit `until`. */
void bits_copy(struct bits_writer *writer, struct bits *from, size_t until);
/* Whole bytes written so far. */
size_t bits_writer_len(const struct bits_writer *writer);

#endif
