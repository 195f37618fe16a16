/* Media types by file name, and the content codings a client takes. Pure. */
#ifndef EDGE_MIME_H
#define EDGE_MIME_H

#include "base/slice.h"

/* By the name's ending; "application/octet-stream" when unknown. Static string. */
const char *mime_type(struct slice name);

enum coding { CODING_BROTLI = 1, CODING_GZIP = 2 };

/* Value of Accept-Encoding (RFC 9110, section 12.5.3) as a set of enum coding. */
unsigned mime_codings(struct slice accept);

#endif
