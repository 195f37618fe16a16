/* Header fields of HTTP as one text: "name: value\r\n" each, names in lower case (RFC 9110,
 * section 5). The text is at the same time what HTTP/1.1 sends. */
#ifndef EDGE_FIELDS_H
#define EDGE_FIELDS_H

#include "base/buf.h"

/* More fields than this in one message are an attack. */
#define FIELDS_COUNT_MAX 100

struct fields {
    struct buf text;
    size_t count;
};

/* `max`: bytes of names and values together. */
void fields_init(struct fields *fields, size_t max);
void fields_done(struct fields *fields);
void fields_clear(struct fields *fields);
/* ERR_FORMAT: the name is no token or the value holds what could end a line; ERR_LIMIT. Blanks
 * around the value are cut off. */
int fields_add(struct fields *fields, struct slice name, struct slice value) MUST_USE;
/* For names and values of ours: literals that cannot be wrong. Running out of room shows in
 * text.failed. */
void fields_put(struct fields *fields, const char *name, const char *value);
/* Visits in order, from *at = 0; false at the end. Views valid until a field is added. */
bool fields_next(const struct fields *fields, size_t *at, struct slice *ret_name,
                 struct slice *ret_value);
/* The first field of that lower-case name; data == NULL when absent. */
struct slice fields_get(const struct fields *fields, const char *name);
size_t fields_count(const struct fields *fields, const char *name);
/* Does a comma-separated list under that name hold the token (ASCII case-insensitive)? */
bool fields_has_token(const struct fields *fields, const char *name, const char *token);

/* tchar of RFC 9110, section 5.6.2. */
bool fields_is_token(struct slice s);

#endif
