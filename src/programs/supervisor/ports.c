#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/tcp.h"
#include "os/udp.h"
#include "programs/supervisor/supervisor.h"

#define INTERFACES_MAX 32
#define CANDIDATES_MAX 32
/* RFC 8445 section 5.1.2.2; ways over TCP come after all by UDP and before relays. */
#define PREFERENCE_HOST 126
#define PREFERENCE_SRFLX 100
#define PREFERENCE_TCP_LESS 36

static const char *reason(int err)
{
    switch (err) {
    case ERR_EXISTS:
        return "another program uses it";
    case ERR_DENIED:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case ERR_UNSUPPORTED:
        return "this machine has no such address";
    default:
        return "the system refused";
    }
}

static struct address wildcard(bool v4, bool loopback, uint16_t port)
{
    struct address address = {.port = port};
    if (v4)
        return loopback ? address_v4(127, 0, 0, 1, port) : address_v4(0, 0, 0, 0, port);
    address.ip[15] = loopback;
    return address;
}

static int open_one(struct supervisor *super, const char *name, const struct address *at)
{
    int fd;
    if (super->listener_count == LISTENERS_MAX)
        return ERR_LIMIT;
    int err = tcp_listen(at, false, &fd);
    if (err)
        return err;
    struct listener *listener = &super->listeners[super->listener_count];
    *listener = (struct listener){.name = name, .fd = fd};
    err = socket_local(fd, &listener->at);
    if (err)
        close(fd);
    else
        super->listener_count++;
    return err;
}

/* A port alone: IPv4 and IPv6, on loopback only without a host name. */
static int open_endpoint(struct supervisor *super, const char *name,
                         const struct config_endpoint *endpoint)
{
    bool loopback = !config_text(super->config, "host")[0];
    if (endpoint->off)
        return 0;
    if (!endpoint->any_address)
        return open_one(super, name, &endpoint->address);
    size_t first = super->listener_count;
    struct address v4 = wildcard(true, loopback, endpoint->address.port);
    int err = open_one(super, name, &v4);
    if (err && err != ERR_UNSUPPORTED)
        return err;
    uint16_t port = err ? v4.port : super->listeners[first].at.port;
    struct address v6 = wildcard(false, loopback, port);
    int err6 = open_one(super, name, &v6);
    return err6 == ERR_UNSUPPORTED ? err : err6;
}

static int open_key(struct supervisor *super, const char *key, const char *name,
                    const char *automatic)
{
    struct config_endpoint endpoint;
    const char *text = config_text(super->config, key);
    bool chosen = strcmp(text, "auto") != 0;
    int err = config_endpoint_parse(slice_str(chosen ? text : automatic), &endpoint);
    if (!err)
        err = open_endpoint(super, name, &endpoint);
    if (!err)
        return 0;
    /* Port 80 beside HTTPS only serves redirects: nice to have. */
    if (!chosen && strcmp(automatic, "80") == 0) {
        log_warn("no redirects from http port=80 why=\"%s\"", reason(err));
        return 0;
    }
    complain("cannot listen on %s (%s): %s.", chosen ? text : automatic, key, reason(err));
    return err;
}

uint16_t ports_of(const struct supervisor *super, const char *name)
{
    for (size_t i = 0; i < super->listener_count; i++)
        if (strcmp(super->listeners[i].name, name) == 0)
            return super->listeners[i].at.port;
    return 0;
}

static void make_url(struct supervisor *super, bool tls)
{
    const char *host = config_text(super->config, "host");
    uint16_t port = ports_of(super, tls ? "https" : "http");
    (void)snprintf(super->url, sizeof super->url, "%s://%s", tls ? "https" : "http",
                   host[0] ? host : "localhost");
    size_t len = strlen(super->url);
    if (port != (tls ? 443 : 80))
        (void)snprintf(super->url + len, sizeof super->url - len, ":%u", port);
}

int ports_open(struct supervisor *super)
{
    bool tls = strcmp(super->tls, "off") != 0;
    int err = open_key(super, "listen.http", "http", tls ? "80" : "8080");
    if (!err && tls)
        err = open_key(super, "listen.https", "https", "443");
    if (!err)
        err = open_key(super, "listen.admin", "admin", "127.0.0.1:9090");
    make_url(super, tls);
    return err;
}

/* The local address of media, from the configuration or all; per family. */
static bool media_address(struct supervisor *super, bool v4, struct address *ret_address)
{
    const char *text = config_text(super->config, "media.address");
    struct address address;
    if (!text[0]) {
        *ret_address = wildcard(v4, false, super->media_port);
        return true;
    }
    if (address_parse(text, super->media_port, &address) < 0 || address_is_v4(&address) != v4)
        return false;
    *ret_address = address;
    return true;
}

/* Both families at a port; 0: any, and then the same. */
static int open_udp(struct supervisor *super, const char *key, uint16_t *port, int fds[2])
{
    int last = ERR_UNSUPPORTED;
    unsigned flags = UDP_SHARE;
    if (!config_text(super->config, "host")[0])
        flags |= UDP_THIS_MACHINE;
    for (size_t i = 0; i < 2; i++) {
        struct address at;
        fds[i] = -1;
        if (!media_address(super, i == 0, &at))
            continue;
        at.port = *port;
        int err = udp_open(&at, flags, &fds[i]);
        if (!err && *port == 0 && socket_local(fds[i], &at) == 0)
            *port = at.port;
        if (err == ERR_UNSUPPORTED)
            continue;
        last = err;
        if (err)
            break;
    }
    if (last)
        complain("cannot open UDP port %u (%s): %s.", *port, key, reason(last));
    return last;
}

int ports_open_media(struct supervisor *super, int fds[4])
{
    int err = open_udp(super, "media.port", &super->media_port, fds);
    if (err || super->inner_port == 0)
        return err;
    return open_udp(super, "media.inner_port", &super->inner_port, fds + 2);
}

/* The port chosen, or that of UDP when `automatic`; 0: off. */
static uint16_t tcp_port(struct supervisor *super, bool automatic)
{
    struct config_endpoint endpoint = {.off = true};
    if (!config_text(super->config, "host")[0])
        return 0;
    if (automatic)
        return super->inner_port ? super->inner_port : super->media_port;
    int err = config_endpoint_parse(slice_str(config_text(super->config, "media.tcp")), &endpoint);
    return err || endpoint.off ? 0 : endpoint.address.port;
}

int ports_open_media_tcp(struct supervisor *super, int fds[2])
{
    bool automatic = strcmp(config_text(super->config, "media.tcp"), "auto") == 0;
    uint16_t port = tcp_port(super, automatic);
    for (size_t i = 0; i < 2 && port > 0; i++) {
        struct address at;
        if (!media_address(super, i == 0, &at))
            continue;
        at.port = port;
        int err = tcp_listen(&at, true, &fds[i]);
        if (!err)
            super->media_tcp_port = port;
        if (!err || err == ERR_UNSUPPORTED)
            continue;
        if (!automatic) {
            complain("cannot listen on TCP port %u (media.tcp): %s.", port, reason(err));
            return err;
        }
        log_warn("no ice over tcp port=%u why=\"%s\"", port, reason(err));
        return 0;
    }
    return 0;
}

struct candidate {
    const struct address *address;
    const struct address *related; /* NULL: a host's own */
    uint16_t port;
    bool tcp;
};

static int add_candidate(json_t *list, const struct candidate *c)
{
    char ip[ADDRESS_TEXT_MAX];
    char foundation[16];
    size_t index = json_array_size(list);
    uint32_t preference = c->related ? PREFERENCE_SRFLX : PREFERENCE_HOST;
    preference -= c->tcp ? PREFERENCE_TCP_LESS : 0;
    uint32_t priority = (preference << 24) | ((65535 - (uint32_t)index) << 8) | 255;
    if (index >= CANDIDATES_MAX)
        return 0;
    struct address plain = *c->address;
    plain.port = 0;
    address_format(&plain, ip); /* "1.2.3.4:0" or "[::1]:0" */
    struct slice text = slice_str(ip);
    text = slice_sub(text, ip[0] == '[', text.len - (ip[0] == '[' ? 4 : 2));
    (void)snprintf(foundation, sizeof foundation, "%zu", index + 1);
    json_t *item = json_pack("{s:s%,s:i,s:s,s:s*,s:s,s:I,s:s}", "ip", text.data, text.len, "port",
                             (int)c->port, "protocol", c->tcp ? "tcp" : "udp", "tcptype",
                             c->tcp ? "passive" : NULL, "type", c->related ? "srflx" : "host",
                             "priority", (json_int_t)priority, "foundation", foundation);
    if (item && c->related) {
        char local[ADDRESS_TEXT_MAX];
        plain = *c->related;
        plain.port = 0;
        address_format(&plain, local);
        struct slice rel = slice_str(local);
        rel = slice_sub(rel, local[0] == '[', rel.len - (local[0] == '[' ? 4 : 2));
        (void)json_object_set_new(item, "rel_addr",
                                  json_stringn((const char *)rel.data, rel.len)); /* optional */
        (void)json_object_set_new(item, "rel_port", json_integer(c->port));
    }
    return json_array_append_new(list, item) < 0 ? ERR_MEMORY : 0;
}

/* By UDP and, when we listen, by TCP. Browsers refuse a whole offer for one candidate with a
 * private address and a port below PORTS_FREE. */
static int add_candidates(struct supervisor *super, json_t *list, const struct address *address,
                          const struct address *related)
{
    bool inner = super->inner_port > 0 && address_is_private(address);
    const struct candidate udp = {address, related, inner ? super->inner_port : super->media_port,
                                  false};
    const struct candidate tcp = {address, related, super->media_tcp_port, true};
    bool by_tcp = tcp.port >= PORTS_FREE || (tcp.port > 0 && !address_is_private(address));
    int err = add_candidate(list, &udp);
    return err || !by_tcp ? err : add_candidate(list, &tcp);
}

/* Addresses we may be reached at directly, into `ret_list`. */
static size_t local_addresses(struct supervisor *super, struct interface_address *ret_list)
{
    bool alone = !config_text(super->config, "host")[0];
    struct interface_address all[INTERFACES_MAX];
    size_t count = 0;
    size_t kept = 0;
    if (interface_addresses(all, INTERFACES_MAX, &count) < 0)
        log_warn("addresses unknown error=\"%m\"");
    for (size_t i = 0; i < count; i++) {
        struct address bound;
        if (!media_address(super, address_is_v4(&all[i].address), &bound))
            continue;
        bool any = config_text(super->config, "media.address")[0] == 0;
        if (!any && memcmp(bound.ip, all[i].address.ip, sizeof bound.ip) != 0)
            continue;
        if (alone || !all[i].loopback || !any)
            ret_list[kept++] = all[i];
    }
    return kept;
}

size_t ports_media_addresses(struct supervisor *super, struct address *ret_list, size_t max)
{
    struct interface_address local[INTERFACES_MAX];
    size_t count = local_addresses(super, local);
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < max; i++)
        if (!local[i].loopback)
            ret_list[kept++] = local[i].address;
    return kept;
}

json_t *ports_candidates(struct supervisor *super)
{
    struct interface_address local[INTERFACES_MAX];
    size_t count = local_addresses(super, local);
    json_t *list = json_array();
    json_t *text;
    size_t i;
    int err = list ? 0 : ERR_MEMORY;
    for (size_t k = 0; k < count && !err; k++)
        err = add_candidates(super, list, &local[k].address, NULL);
    json_array_foreach(config_list(super->config, "media.public_address"), i, text)
    {
        struct address address;
        const struct address *related = NULL;
        bool ours = false;
        if (err || address_parse(json_string_value(text), 0, &address) < 0)
            continue;
        for (size_t k = 0; k < count; k++) {
            ours |= address_eq(&local[k].address, &address);
            if (!related && address_is_v4(&local[k].address) == address_is_v4(&address))
                related = &local[k].address;
        }
        struct address none = wildcard(address_is_v4(&address), false, 0);
        if (!ours)
            err = add_candidates(super, list, &address, related ? related : &none);
    }
    if (!err)
        return list;
    json_decref(list);
    return NULL;
}
