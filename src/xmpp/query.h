/* Parameters of a URL's query: a=b&c=d with percent escapes. */
#ifndef XMPP_QUERY_H
#define XMPP_QUERY_H

#include "base/slice.h"

/* The decoded value of the first parameter of that name, NUL-terminated; false (and an empty
 * string) when it is absent, holds a NUL or does not fit. */
bool query_get(struct slice query, const char *name, char *out, size_t size);

#endif
