#include "edge/edge_parts.h"

/* Bounds of settings given in milliseconds: sooner would cut off honest clients, later is as good
 * as never. */
#define MS_MIN 20
#define MS_MAX (3600 * 1000)
#define QUEUE_MIN ((size_t)(512 * 1024))
#define QUEUE_MAX ((size_t)(64 * 1024 * 1024))

static int read_ms(json_t *json, const char *key, usec_t *value)
{
    json_t *number = json_object_get(json, key);
    if (!number)
        return 0;
    json_int_t ms = json_integer_value(number);
    if (!json_is_integer(number) || ms < MS_MIN || ms > MS_MAX)
        return ERR_FORMAT;
    *value = ms * USEC_PER_MSEC;
    return 0;
}

static int wrong(const char **ret_key, const char *key)
{
    *ret_key = key;
    return ERR_FORMAT;
}

static int read_limits(json_t *json, struct conn_limits *limits, const char **ret_key)
{
    const struct {
        const char *key;
        usec_t *value;
    } times[] = {
        {"edge.handshake_ms", &limits->handshake}, {"edge.head_ms", &limits->head},
        {"edge.body_ms", &limits->body},           {"edge.answer_ms", &limits->answer},
        {"edge.idle_ms", &limits->idle},           {"edge.stall_ms", &limits->stall},
        {"edge.ping_ms", &limits->ping},           {"edge.silence_ms", &limits->silence},
        {"edge.tick_ms", &limits->tick},
    };
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (read_ms(json, times[i].key, times[i].value) < 0)
            return wrong(ret_key, times[i].key);
    json_t *count = json_object_get(json, "limits.connections");
    json_t *queue = json_object_get(json, "edge.queue_bytes");
    if (count) {
        if (json_integer_value(count) < 1 || json_integer_value(count) > 1000000)
            return wrong(ret_key, "limits.connections");
        limits->connections = (uint32_t)json_integer_value(count);
    }
    if (queue) {
        if (json_integer_value(queue) < (json_int_t)QUEUE_MIN ||
            json_integer_value(queue) > (json_int_t)QUEUE_MAX)
            return wrong(ret_key, "edge.queue_bytes");
        limits->queue = (size_t)json_integer_value(queue);
    }
    return 0;
}

/* "192.0.2.1", "10.0.0.0/8", "2001:db8::/32" */
static int read_proxy(struct slice text, struct proxy *ret_proxy)
{
    char ip[64];
    uint64_t bits = 0;
    struct slice length = text;
    struct slice address = slice_cut(&length, '/');
    struct proxy proxy = {.bits = 128};
    if (!slice_copy(address, ip, sizeof ip) || address_parse(ip, 0, &proxy.address) < 0)
        return ERR_FORMAT;
    unsigned offset = address_is_v4(&proxy.address) ? 96 : 0;
    if (address.len < text.len) {
        if (slice_to_u64(length, 128 - offset, &bits) < 0)
            return ERR_FORMAT;
        proxy.bits = offset + (unsigned)bits;
    }
    *ret_proxy = proxy;
    return 0;
}

static int read_proxies(json_t *json, struct settings *settings)
{
    json_t *value = json_object_get(json, "listen.trusted_proxy");
    struct slice list = slice_str(json_string_value(value));
    if (value && !json_is_string(value))
        return ERR_FORMAT;
    while (list.len > 0) {
        struct slice one = slice_trim(slice_cut(&list, ','));
        if (one.len == 0)
            continue;
        if (settings->proxy_count == PROXIES_MAX ||
            read_proxy(one, &settings->proxies[settings->proxy_count]) < 0)
            return ERR_FORMAT;
        settings->proxy_count++;
    }
    return 0;
}

int settings_read(json_t *json, struct settings *ret_settings, const char **ret_key)
{
    struct settings settings = {.limits = CONN_LIMITS_DEFAULT};
    int err = read_limits(json, &settings.limits, ret_key);
    if (err)
        return err;
    if (read_proxies(json, &settings) < 0)
        return wrong(ret_key, "listen.trusted_proxy");
    struct slice url = slice_str(json_string_value(json_object_get(json, "url")));
    if (!slice_copy(url, settings.url, sizeof settings.url))
        return wrong(ret_key, "url");
    settings.limits.relay = json_is_true(json_object_get(json, "turn"));
    struct slice name = slice_str(json_string_value(json_object_get(json, "turn.host")));
    if (!slice_copy(name, settings.limits.relay_name, sizeof settings.limits.relay_name))
        return wrong(ret_key, "turn.host");
    *ret_settings = settings;
    return 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

bool settings_trusts(const struct settings *settings, const char *address)
{
    struct address peer;
    if (address_parse(address, 0, &peer) < 0)
        return false;
    for (size_t i = 0; i < settings->proxy_count; i++)
        if (same_bits(peer.ip, settings->proxies[i].address.ip, settings->proxies[i].bits))
            return true;
    return false;
}
