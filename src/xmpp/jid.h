/* Addresses (RFC 7622) as views: node@domain/resource. No normalisation: Jitsi's client compares
 * whole strings. */
#ifndef XMPP_JID_H
#define XMPP_JID_H

#include "base/err.h"
#include "base/slice.h"

/* Longest address we deal with, with its NUL. */
#define JID_MAX 512

struct jid {
    struct slice node;
    struct slice domain;
    struct slice resource;
};

/* Never fails: what is missing is empty. */
struct jid jid_split(struct slice text);
/* Up to the slash. */
struct slice jid_bare(struct slice text);
/* ASCII letters to lower case into out, NUL-terminated; false when it does not fit. */
bool jid_lower(struct slice text, char *out, size_t size);

#endif
