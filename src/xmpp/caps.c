#include "xmpp/caps.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "xmpp/ns.h"

/* A browser lists some thirty. */
#define FEATURES_MAX 128
static const size_t HASHED_MAX = 16 * 1024;

struct caps_cache {
    struct map *by_ver;
    size_t max;
};

const struct caps caps_unknown = {
    .rewriting = false, .json_sources = false, .rtx = true, .tcc = true};

static int compare(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len > 0 ? memcmp(x->data, y->data, len) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void note(struct caps *caps, struct slice feature)
{
    if (slice_eq_str(feature, "http://jitsi.org/ssrc-rewriting-1"))
        caps->rewriting = true;
    else if (slice_eq_str(feature, "http://jitsi.org/json-encoded-sources"))
        caps->json_sources = true;
    else if (slice_eq_str(feature, "urn:ietf:rfc:4588"))
        caps->rtx = true;
    else if (slice_eq_str(feature, "http://jitsi.org/tcc"))
        caps->tcc = true;
    else if (slice_eq_str(feature, "urn:darasa:early-maps"))
        caps->early_maps = true;
}

static bool matches(struct slice *features, size_t count, const struct xml_node *query,
                    struct slice ver)
{
    struct buf hashed;
    buf_init(&hashed, HASHED_MAX);
    const struct xml_node *id = xml_child(query, "identity", NULL);
    for (; id; id = xml_next(id, "identity", NULL)) {
        buf_printf(&hashed, "%.*s/%.*s/%.*s/%.*s<", SLICE_ARG(xml_get(id, "category")),
                   SLICE_ARG(xml_get(id, "type")), SLICE_ARG(xml_get(id, "xml:lang")),
                   SLICE_ARG(xml_get(id, "name")));
    }
    qsort(features, count, sizeof *features, compare);
    for (size_t i = 0; i < count; i++) {
        buf_add(&hashed, features[i]);
        buf_add_byte(&hashed, '<');
    }
    char base64[HASH_SHA1_BASE64_SIZE];
    uint8_t hash[HASH_SHA1_SIZE];
    hash_sha1(buf_slice(&hashed), hash);
    hash_sha1_base64(hash, base64);
    bool same = !hashed.failed && slice_eq_str(ver, base64);
    buf_done(&hashed);
    return same;
}

struct caps caps_read(const struct xml_node *query, struct slice ver, bool *ret_verified)
{
    struct caps caps = {0};
    struct slice features[FEATURES_MAX];
    size_t count = 0;
    const struct xml_node *f = xml_child(query, "feature", NULL);
    for (; f && count < FEATURES_MAX; f = xml_next(f, "feature", NULL)) {
        features[count] = xml_get(f, "var");
        note(&caps, features[count++]);
    }
    *ret_verified = !f && ver.len > 0 && matches(features, count, query, ver);
    return caps;
}

struct caps_cache *caps_cache_new(size_t max, uint64_t seed)
{
    struct caps_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->max = max;
    cache->by_ver = map_new(max, seed);
    if (!cache->by_ver)
        caps_cache_free(&cache);
    return cache;
}

static void forget_all(struct caps_cache *cache)
{
    struct map_iter iter = {0};
    while (map_next(cache->by_ver, &iter)) {
        free(iter.value);
        (void)map_del(cache->by_ver, iter.key); /* the value was freed just above */
    }
}

void caps_cache_free(struct caps_cache **cache)
{
    if (!*cache)
        return;
    if ((*cache)->by_ver)
        forget_all(*cache);
    map_free(&(*cache)->by_ver);
    free(*cache);
    *cache = NULL;
}

const struct caps *caps_cache_get(const struct caps_cache *cache, struct slice ver)
{
    return map_get(cache->by_ver, ver);
}

void caps_cache_put(struct caps_cache *cache, struct slice ver, struct caps caps)
{
    if (map_get(cache->by_ver, ver))
        return;
    if (map_count(cache->by_ver) == cache->max)
        forget_all(cache);
    struct caps *copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = caps;
    if (map_put(cache->by_ver, ver, copy) != 0)
        free(copy);
}
