/* What a client can do (XEP-0115 as Jitsi's client does it): the answer to disco#info, reduced to
 * what decides how we signal to it, remembered per verification string. */
#ifndef XMPP_CAPS_H
#define XMPP_CAPS_H

#include "base/err.h"
#include "proto/xml.h"

struct caps {
    bool rewriting;    /* http://jitsi.org/ssrc-rewriting-1 */
    bool json_sources; /* http://jitsi.org/json-encoded-sources */
    bool rtx;          /* urn:ietf:rfc:4588 */
    bool tcc;          /* http://jitsi.org/tcc */
    bool early_maps;   /* urn:darasa:early-maps: reads maps by Jingle until its channel is open */
};

struct caps_cache;

/* What is assumed of a client that does not answer. */
extern const struct caps caps_unknown;

/* Reads the <query/> of an answer. `ret_verified`: `ver` is the hash of it (section 5.1), so that
 * the answer may be believed of every client with that `ver`. */
struct caps caps_read(const struct xml_node *query, struct slice ver, bool *ret_verified);

struct caps_cache *caps_cache_new(size_t max, uint64_t seed);
void caps_cache_free(struct caps_cache **cache);
const struct caps *caps_cache_get(const struct caps_cache *cache, struct slice ver);
/* Full: the whole cache is forgotten and fills anew. */
void caps_cache_put(struct caps_cache *cache, struct slice ver, struct caps caps);

#endif
