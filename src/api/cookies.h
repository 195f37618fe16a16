/* Cookies (RFC 6265): finding one in a request, writing one for an answer. Pure. */
#ifndef API_COOKIES_H
#define API_COOKIES_H

#include "base/buf.h"

/* The value of the first cookie of that name in a Cookie header, without quotes; empty when there
 * is none. */
struct slice cookie_find(struct slice header, const char *name);
/* "name=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=..." and Secure under https. */
void cookie_build(struct buf *out, const char *name, const char *value, long max_age, bool secure);

#endif
