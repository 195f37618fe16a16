/* What the domain itself answers: disco, ping, external services (XEP-0030, 0199, 0215). */
#include <inttypes.h>
#include <stdio.h>

#include "crypto/hash.h"
#include "xmpp/inner.h"
#include "xmpp/ns.h"

static void answer_info(struct xmpp *x, struct session *s, const struct xml_node *iq)
{
    static const char *const features[] = {NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING, NS_EXTDISCO_2,
                                           NS_EXTDISCO_1};
    struct xml_writer *w = xmpp_begin_result(x, s, iq);
    xml_open(w, "query", NS_DISCO_INFO);
    xml_open(w, "identity", NS_DISCO_INFO);
    xml_put_str(w, "category", "server");
    xml_put_str(w, "type", "im");
    xml_put_str(w, "name", "Darasa");
    xml_close(w);
    for (size_t i = 0; i < x->config.component_count; i++) {
        xml_open(w, "identity", NS_DISCO_INFO);
        xml_put_str(w, "category", "component");
        xml_put_str(w, "type", x->config.components[i].type);
        xml_put_str(w, "name", x->config.components[i].address);
        xml_close(w);
    }
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        xml_open(w, "feature", NS_DISCO_INFO);
        xml_put_str(w, "var", features[i]);
        xml_close(w);
    }
    xml_close(w);
    xml_close(w);
    xmpp_finish(x, s);
}

/* "expiry:endpoint" and its HMAC: the relay knows the secret and asks nobody. */
static void put_credentials(struct xmpp *x, const struct session *s, struct xml_writer *w,
                            json_t *service)
{
    char username[48], password[HASH_SHA1_BASE64_SIZE];
    uint8_t hash[HASH_SHA1_SIZE];
    struct slice secret = slice_str(json_string_value(json_object_get(service, "secret")));
    int64_t expires = x->wall_ms / 1000 + json_integer_value(json_object_get(service, "lifetime"));
    (void)snprintf(username, sizeof username, "%" PRId64 ":%s", expires, s->nick); /* fits */
    hash_hmac_sha1(secret, slice_str(username), hash);
    hash_sha1_base64(hash, password);
    xml_put_str(w, "username", username);
    xml_put_str(w, "password", password);
    xml_put_str(w, "restricted", "1");
}

static void put_service(struct xmpp *x, const struct session *s, struct xml_writer *w,
                        const char *ns, json_t *service)
{
    static const char *const keys[] = {"type", "host", "transport"};
    xml_open(w, "service", ns);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = json_string_value(json_object_get(service, keys[i]));
        if (value)
            xml_put_str(w, keys[i], value);
    }
    xml_put_u64(w, "port", (uint64_t)json_integer_value(json_object_get(service, "port")));
    put_credentials(x, s, w, service);
    xml_close(w);
}

static void answer_services(struct xmpp *x, struct session *s, const struct xml_node *iq,
                            const char *ns)
{
    struct xml_writer *w = xmpp_begin_result(x, s, iq);
    xml_open(w, "services", ns);
    for (size_t i = 0; i < json_array_size(x->config.services); i++)
        put_service(x, s, w, ns, json_array_get(x->config.services, i));
    xml_close(w);
    xml_close(w);
    xmpp_finish(x, s);
}

static void answer_items(struct xmpp *x, struct session *s, const struct xml_node *iq)
{
    struct xml_writer *w = xmpp_begin_result(x, s, iq);
    xml_empty(w, "query", NS_DISCO_ITEMS);
    xml_close(w);
    xmpp_finish(x, s);
}

static bool is_ours(const struct xmpp *x, const struct session *s, struct slice to)
{
    return to.len == 0 || slice_eq_nocase(to, slice_str(x->config.domain)) ||
           slice_eq(to, jid_bare(slice_str(s->jid)));
}

static void answer_get(struct xmpp *x, struct session *s, const struct xml_node *iq)
{
    const struct xml_node *what = xml_child(iq, NULL, NULL);
    if (xml_is(what, "ping", NS_PING))
        xmpp_result(x, s, iq);
    else if (xml_is(what, "query", NS_DISCO_INFO) && xml_get(what, "node").len == 0)
        answer_info(x, s, iq);
    else if (xml_is(what, "query", NS_DISCO_INFO))
        xmpp_error(x, s, iq, "cancel", "item-not-found", NULL);
    else if (xml_is(what, "query", NS_DISCO_ITEMS))
        answer_items(x, s, iq);
    else if (xml_is(what, "services", NS_EXTDISCO_2))
        answer_services(x, s, iq, NS_EXTDISCO_2);
    else if (xml_is(what, "services", NS_EXTDISCO_1))
        answer_services(x, s, iq, NS_EXTDISCO_1);
    else
        xmpp_error(x, s, iq, "cancel", "service-unavailable", NULL);
}

bool disco_answer(struct xmpp *x, struct session *s, const struct xml_node *iq)
{
    struct slice type = xml_get(iq, "type");
    if (!is_ours(x, s, xml_get(iq, "to")))
        return false;
    if (slice_eq_str(type, "get"))
        answer_get(x, s, iq);
    else if (slice_eq_str(type, "set") && xml_child(iq, "session", NS_SESSION))
        xmpp_result(x, s, iq);
    else if (slice_eq_str(type, "set"))
        xmpp_error(x, s, iq, "cancel", "service-unavailable", NULL);
    return true;
}
