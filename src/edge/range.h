/* Byte ranges (RFC 9110, section 14). */
#ifndef EDGE_RANGE_H
#define EDGE_RANGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct range {
    uint64_t first;
    uint64_t len;
    bool open; /* "n-": no end was named */
};

/* The value of a Range field against a file of `size` bytes. ERR_NOT_FOUND: no byte of the file is
 * meant (416). ERR_UNSUPPORTED: another unit, several ranges, or not well-formed: the field is to
 * be ignored and the whole sent. */
int range_parse(struct slice value, uint64_t size, struct range *ret_range) MUST_USE;

#endif
