/* Names as people write them, in any script, drawn by Pango onto pictures. */
#ifndef RECORD_LABEL_H
#define RECORD_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A picture with transparency: 8 bits blue, green, red, alpha each, premultiplied (cairo's ARGB32
 * on little-endian machines). */
struct label {
    int width;
    int height;
    int stride;
    uint8_t *pixels;
};

/* The name as it may be shown: valid UTF-8 in one line, without control and direction override
 * characters, at most 80 characters and two combining marks in a row. Cut to `size`. */
void label_clean(const char *name, char *out, size_t size);
/* Up to two letters standing for the (clean) name, in upper case; "?" for nothing. */
void label_initials(const char *name, char *out, size_t size);

/* White text on a dark pill, `height` pixels high, at most `max_width` wide (cut with dots).
 * ERR_MEMORY. */
int label_name(const char *name, int height, int max_width, struct label *ret_label) MUST_USE;
/* A tile for who has no camera: a disc with initials in a colour of their own. ERR_MEMORY. */
int label_avatar(const char *name, int width, int height, struct label *ret_label) MUST_USE;
void label_done(struct label *label);

#endif
