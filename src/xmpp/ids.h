/* Names made of random bytes that the program hands in (so that tests can repeat a run). */
#ifndef XMPP_IDS_H
#define XMPP_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids {
    void (*fill)(void *arg, void *out, size_t len);
    void *arg;
};

/* All end with a NUL that `len` does not count. */
void ids_hex(const struct ids *ids, char *out, size_t len);
void ids_alnum(const struct ids *ids, char *out, size_t len);
/* Version 4, lower case, 36 characters. */
void ids_uuid(const struct ids *ids, char out[37]);
uint32_t ids_u32(const struct ids *ids);

#endif
