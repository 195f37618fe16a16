/* Where a request goes, and what every answer carries. */
#include <arpa/inet.h>
#include <stdio.h>

#include "edge/edge_parts.h"
#include "edge/mime.h"
#include "edge/route.h"

#define PATH_SIZE 512
/* As long as the name or address of a page's own host is well-formed. */
#define POLICY_SIZE 1024
/* "sha256-", 44 characters and the end of the line. */
#define HASH_SIZE 64
#define CHALLENGE "/.well-known/acme-challenge/"

static void put(struct exchange *exchange, const char *name, const char *value)
{
    if (!fields_get(&exchange->response.fields, name).data)
        fields_put(&exchange->response.fields, name, value);
}

struct client edge_client(const struct edge *edge, const struct exchange *exchange)
{
    struct client client = {.https = conn_kind(exchange->conn) == CONN_TLS};
    const struct fields *fields = &exchange->request.fields;
    const char *peer = conn_address(exchange->conn);
    slice_copy(slice_str(peer), client.address, sizeof client.address);
    if (edge->settings.proxy_count == 0 || !settings_trusts(&edge->settings, peer))
        return client;
    struct slice proto = fields_get(fields, "x-forwarded-proto");
    struct slice list = fields_get(fields, "x-forwarded-for"), last = list;
    client.https = client.https || slice_eq_nocase(proto, SLICE("https"));
    /* The last entry is the one that the trusted proxy wrote itself. */
    while (list.len > 0)
        last = slice_trim(slice_cut(&list, ','));
    struct address address;
    char ip[64];
    if (slice_copy(last, ip, sizeof ip) && address_parse(ip, 0, &address) == 0)
        slice_copy(last, client.address, sizeof client.address);
    return client;
}

static void put_common(const struct edge *edge, struct exchange *exchange)
{
    if (conn_kind(exchange->conn) == CONN_ADMIN)
        return;
    put(exchange, "x-content-type-options", "nosniff");
    put(exchange, "referrer-policy", "no-referrer");
    if (edge_client(edge, exchange).https)
        put(exchange, "strict-transport-security", "max-age=31536000");
}

/* `scripts`: sources of scripts besides 'self'; `format` has a place for these and then one for
 * the own host's WebSockets, as 'self' covers these in newer browsers only. */
static void put_policy(const struct edge *edge, struct exchange *exchange, const char *scripts,
                       const char *format)
{
    char policy[POLICY_SIZE], sockets[300] = "";
    struct slice host = request_host(&exchange->request);
    bool https = edge_client(edge, exchange).https;
    if (host.len > 0 && slice_index(host, '[') == host.len)
        (void)snprintf(sockets, sizeof sockets, " %s://%.*s", https ? "wss" : "ws",
                       SLICE_ARG(host)); /* a host has at most 255 characters */
    if ((size_t)snprintf(policy, sizeof policy, format, scripts, sockets) < sizeof policy)
        put(exchange, "content-security-policy", policy);
}

static void put_client_policy(const struct edge *edge, struct exchange *exchange,
                              const char *scripts)
{
    put_policy(edge, exchange, scripts,
               "default-src 'self'; script-src 'self'%s; connect-src 'self'%s; img-src 'self' "
               "data: blob:; "
               "media-src 'self' blob:; worker-src 'self' blob:; style-src 'self'; "
               "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'");
    put(exchange, "x-frame-options", "DENY");
    put(exchange, "permissions-policy",
        "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), "
        "usb=()");
}

/* The stock client has its scripts and styles in the page, and compiles WebAssembly. */
void edge_put_jitsi_policy(const struct edge *edge, struct exchange *exchange)
{
    put_common(edge, exchange);
    put_policy(edge, exchange, " 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
               "default-src 'self'; script-src 'self'%s; "
               "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:%s; "
               "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
               "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'");
    put(exchange, "permissions-policy",
        "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), "
        "usb=()");
}

void edge_refuse(struct edge *edge, struct exchange *exchange, unsigned status)
{
    char text[80];
    put_common(edge, exchange);
    put(exchange, "cache-control", "no-store");
    (void)snprintf(text, sizeof text, "%s.\n", response_phrase(status)); /* phrases are short */
    response_text(&exchange->response, status, text);
    conn_respond(exchange);
}

void edge_refuse_upstream(struct edge *edge, struct exchange *exchange)
{
    count_add(&edge->counters, COUNT_REFUSED_UPSTREAM, 1);
    fields_put(&exchange->response.fields, "retry-after", "2");
    edge_refuse(edge, exchange, 503);
}

static void answer_recording(struct edge *edge, struct exchange *exchange, const char *path)
{
    struct file file;
    char checked[PATH_SIZE];
    struct buf url;
    /* What stands beside a file is not meant. */
    buf_clear(&exchange->response.body.data);
    buf_init(&url, PATH_SIZE);
    buf_add_byte(&url, '/');
    buf_add_str(&url, path);
    int err = url.failed ? ERR_FORMAT : route_file_path(buf_slice(&url), checked, sizeof checked);
    buf_done(&url);
    if (!err)
        err = file_open(edge->roots.recordings, checked, &file);
    if (err) {
        count_add(&edge->counters, err == ERR_NOT_FOUND ? COUNT_REFUSED_ANSWER : COUNT_REFUSED_PATH,
                  1);
        edge_refuse(edge, exchange, 404);
        return;
    }
    /* People's faces and voices stay on no disk of a shared computer. And with its cache Chromium
     * names an end whenever it asks again for media, which file_answer could not cut. */
    put(exchange, "cache-control", "no-store");
    file_answer(&file, &exchange->request, mime_type(slice_str(checked)), true,
                &exchange->response);
    conn_respond(exchange);
}

void edge_answer(struct edge *edge, struct exchange *exchange, const char *file)
{
    put_common(edge, exchange);
    if (file[0] != '\0') {
        answer_recording(edge, exchange, file);
        return;
    }
    put(exchange, "cache-control", "no-store");
    conn_respond(exchange);
}

static void redirect(struct edge *edge, struct exchange *exchange, unsigned status,
                     const char *location)
{
    put_common(edge, exchange);
    fields_put(&exchange->response.fields, "location", location);
    response_text(&exchange->response, status, "");
    conn_respond(exchange);
}

/* To the public address when there is one, else to the asked host on the usual port. */
static void redirect_to_https(struct edge *edge, struct exchange *exchange)
{
    struct buf url;
    struct slice host = request_host(&exchange->request);
    bool known = slice_starts(slice_str(edge->settings.url), SLICE("https://"));
    if (!known && host.len == 0) {
        edge_refuse(edge, exchange, 400);
        return;
    }
    buf_init(&url, REQUEST_TARGET_MAX + URL_SIZE);
    if (known) {
        buf_add_str(&url, edge->settings.url);
    } else {
        buf_add_str(&url, "https://");
        size_t end = host.data[0] == '[' ? slice_index(host, ']') + 1 : slice_index(host, ':');
        buf_add(&url, slice_sub(host, 0, end));
    }
    buf_add(&url, buf_slice(&exchange->request.target));
    buf_add_byte(&url, '\0');
    if (url.failed)
        edge_refuse(edge, exchange, 414);
    else
        redirect(edge, exchange, 308, (const char *)url.data);
    buf_done(&url);
}

static bool is_read(const struct request *request)
{
    return request_is(request, "GET") || request_is(request, "HEAD");
}

static void refuse_method(struct edge *edge, struct exchange *exchange)
{
    fields_put(&exchange->response.fields, "allow", "GET, HEAD");
    edge_refuse(edge, exchange, 405);
}

/* The file, or the smaller one beside it that the client can unpack. */
static int open_packed(int root, const char *name, const struct request *request, struct file *file,
                       const char **ret_coding)
{
    static const struct {
        enum coding coding;
        const char *name, *ending;
    } forms[] = {{CODING_BROTLI, "br", ".br"}, {CODING_GZIP, "gzip", ".gz"}};
    unsigned taken = mime_codings(fields_get(&request->fields, "accept-encoding"));
    *ret_coding = NULL;
    int err = file_open(root, name, file);
    /* Parts of a file are parts of the plain one. */
    if (err || fields_get(&request->fields, "range").data)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char packed[PATH_SIZE + 4];
        struct file smaller;
        (void)snprintf(packed, sizeof packed, "%s%s", name, forms[i].ending); /* names fit */
        if ((taken & forms[i].coding) && file_open(root, packed, &smaller) == 0) {
            file_close(file);
            *file = smaller;
            *ret_coding = forms[i].name;
            return 0;
        }
    }
    return 0;
}

static bool is_hash(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '+' || c == '/' || c == '=' || c == '-'))
            return false;
    }
    return slice_starts(text, SLICE("sha256-"));
}

/* The one script that the page itself holds, by the hash that the build left beside it. */
static void read_page_script(int root, char out[HASH_SIZE + 4])
{
    struct file file;
    struct buf text;
    out[0] = '\0';
    if (file_open(root, "index.html.hash", &file) < 0)
        return;
    buf_init(&text, HASH_SIZE);
    struct slice hash = {0};
    if (file_read(&file, &text) == 0)
        hash = slice_trim(buf_slice(&text));
    if (is_hash(hash))
        (void)snprintf(out, HASH_SIZE + 4, " '%.*s'", SLICE_ARG(hash)); /* fits: three more */
    buf_done(&text);
    file_close(&file);
}

static void answer_client_file(struct edge *edge, struct exchange *exchange, const char *name,
                               struct file *file, const char *coding)
{
    char script[HASH_SIZE + 4] = "";
    if (slice_eq_str(slice_str(name), "index.html"))
        read_page_script(edge->roots.client, script);
    put_common(edge, exchange);
    put_client_policy(edge, exchange, script);
    put(exchange, "vary", "accept-encoding");
    if (coding)
        put(exchange, "content-encoding", coding);
    put(exchange, "cache-control",
        route_is_hashed(exchange->request.path) ? "public, max-age=31536000, immutable"
                                                : "no-cache");
    file_answer(file, &exchange->request, mime_type(slice_str(name)), true, &exchange->response);
    conn_respond(exchange);
}

static void answer_client(struct edge *edge, struct exchange *exchange)
{
    char name[PATH_SIZE];
    struct file file;
    const char *coding;
    const struct request *request = &exchange->request;
    if (!is_read(request)) {
        refuse_method(edge, exchange);
        return;
    }
    if (route_file_path(request->path, name, sizeof name) < 0) {
        count_add(&edge->counters, COUNT_REFUSED_PATH, 1);
        edge_refuse(edge, exchange, 404);
        return;
    }
    bool page = route_is_page(request->path);
    int err = page ? ERR_NOT_FOUND : open_packed(edge->roots.client, name, request, &file, &coding);
    if (page) {
        slice_copy(SLICE("index.html"), name, sizeof name);
        err = open_packed(edge->roots.client, name, request, &file, &coding);
    }
    if (err)
        edge_refuse(edge, exchange, 404);
    else
        answer_client_file(edge, exchange, name, &file, coding);
}

/* A room's name may hold a dot; a name with an ending that we know is a file. */
static bool is_known_file(const char *name)
{
    return !slice_eq_str(slice_str(mime_type(slice_str(name))), "application/octet-stream");
}

static void answer_jitsi(struct edge *edge, struct exchange *exchange)
{
    char name[PATH_SIZE];
    struct file file;
    const struct request *request = &exchange->request;
    struct slice path = slice_sub(request->path, strlen("/jitsi"), SIZE_MAX);
    if (!is_read(request)) {
        refuse_method(edge, exchange);
        return;
    }
    if (path.len == 0) {
        redirect(edge, exchange, 308, "/jitsi/");
        return;
    }
    if (route_file_path(path, name, sizeof name) < 0) {
        count_add(&edge->counters, COUNT_REFUSED_PATH, 1);
        edge_refuse(edge, exchange, 404);
        return;
    }
    int err = file_open(edge->roots.jitsi, name, &file);
    if (err && !is_known_file(name)) {
        slice_copy(SLICE("index.html"), name, sizeof name);
        err = file_open(edge->roots.jitsi, name, &file);
    }
    if (err) {
        edge_refuse(edge, exchange, 404);
    } else if (slice_ends(slice_str(name), SLICE(".html"))) {
        page_start(edge, exchange, &file);
    } else {
        edge_put_jitsi_policy(edge, exchange);
        /* The build asks for its files with ?v=…, which changes with them. */
        put(exchange, "cache-control",
            slice_starts(request->query, SLICE("v=")) ? "public, max-age=31536000" : "no-cache");
        file_answer(&file, request, mime_type(slice_str(name)), true, &exchange->response);
        conn_respond(exchange);
    }
}

static bool is_challenge(struct slice token)
{
    for (size_t i = 0; i < token.len; i++) {
        uint8_t c = token.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '-' || c == '_'))
            return false;
    }
    return token.len > 0;
}

/* RFC 8555, section 8.3. */
static void answer_challenge(struct edge *edge, struct exchange *exchange)
{
    char name[PATH_SIZE];
    struct file file;
    struct slice token = slice_sub(exchange->request.path, strlen(CHALLENGE), SIZE_MAX);
    if (!is_challenge(token) || !slice_copy(token, name, sizeof name) ||
        file_open(edge->roots.acme, name, &file) < 0) {
        edge_refuse(edge, exchange, 404);
        return;
    }
    put_common(edge, exchange);
    put(exchange, "cache-control", "no-store");
    file_answer(&file, &exchange->request, "application/octet-stream", false, &exchange->response);
    conn_respond(exchange);
}

static void follow(struct edge *edge, struct exchange *exchange)
{
    switch (route_of(exchange->request.path)) {
    case ROUTE_WEB:
        upstream_forward(edge, exchange, EDGE_WEB);
        break;
    case ROUTE_SIGNAL:
        upstream_forward(edge, exchange, EDGE_SIGNAL);
        break;
    case ROUTE_SOCKET:
        if (exchange->upgrade)
            upstream_open(edge, exchange);
        else
            upstream_forward(edge, exchange, EDGE_SIGNAL);
        break;
    case ROUTE_BRIDGE:
        if (exchange->upgrade)
            upstream_open(edge, exchange);
        else
            edge_refuse(edge, exchange, 426);
        break;
    case ROUTE_JITSI:
        if (edge->roots.jitsi >= 0) {
            answer_jitsi(edge, exchange);
            break;
        }
        /* fall through */
    case ROUTE_STATIC:
        answer_client(edge, exchange);
        break;
    }
}

void edge_on_request(void *arg, struct exchange *exchange)
{
    struct edge *edge = arg;
    enum conn_kind kind = conn_kind(exchange->conn);
    if (exchange->early)
        edge_refuse(edge, exchange, exchange->early);
    else if (kind == CONN_ADMIN)
        admin_answer(edge, exchange);
    else if (slice_starts(exchange->request.path, SLICE(CHALLENGE)))
        answer_challenge(edge, exchange);
    else if (edge->tls_wanted && !edge_client(edge, exchange).https)
        redirect_to_https(edge, exchange);
    else
        follow(edge, exchange);
}
