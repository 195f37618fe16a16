#include "programs/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define LINES_MAX 10000
#define VALUE_MAX 1024
#define LIST_MAX 64

enum type {
    TEXT,
    NUMBER,
    SWITCH,
    CHOICE,
    CHOICES,
    NAME,
    PATH,
    ENDPOINT,
    ADDRESS,
    ADDRESSES,
    ISSUERS
};

struct key {
    const char *name;
    enum type type;
    const char *initial;
    const char *programs; /* told to these, besides the supervisor */
    const char *choices;
    const char *unit;
    int64_t min;
    int64_t max;
    const char *text;
};

/* clang-format off: a table of tables */
static const struct key keys[] = {
    {"host", NAME, "", "", 0, 0, 0, 0,
     "Name of this server in URLs. Without one it listens on loopback only."},
    {"data", PATH, "", "", 0, 0, 0, 0,
     "Directory of everything that is kept. Default: /var/lib/darasa for root, ./data otherwise."},
    {"client", PATH, "", "", 0, 0, 0, 0,
     "Directory of the web client. Default: found beside the programs."},
    {"jitsi_web", PATH, "", "", 0, 0, 0, 0,
     "Directory of an unpacked stock Jitsi Meet web build, served at /jitsi/."},
    {"programs", PATH, "", "", 0, 0, 0, 0,
     "Directory of the programs darasa-edge and so on. Default: that of darasa itself, or "
     "../libexec/darasa."},
    {"log.level", CHOICE, "info", "", "error warn info debug", 0, 0, 0,
     "What the programs write to standard error."},

    {"listen.http", ENDPOINT, "auto", "", 0, 0, 0, 0,
     "Plain HTTP: a port, address:port, or off. auto: 8080 without TLS, 80 with TLS (redirects and "
     "certificates only)."},
    {"listen.https", ENDPOINT, "auto", "", 0, 0, 0, 0, "HTTPS, when tls is not off. auto: 443."},
    {"listen.admin", ENDPOINT, "127.0.0.1:9090", "", 0, 0, 0, 0,
     "/metrics, /healthz and /readyz, for the administrator's eyes only."},
    {"listen.trusted_proxy", TEXT, "", "edge", 0, 0, 0, 0,
     "Addresses or networks (10.0.0.0/8), by commas, whose X-Forwarded-For and X-Forwarded-Proto "
     "are believed."},

    {"tls", CHOICE, "default", "edge web signal", "default off auto local files", 0, 0, 0,
     "auto: ACME (Let's Encrypt). local: a certificate authority made here, for a LAN. files: your "
     "own. default: local with a host name, else off."},
    {"tls.certificate", PATH, "", "", 0, 0, 0, 0, "Certificate chain (PEM) for tls = files."},
    {"tls.key", PATH, "", "", 0, 0, 0, 0, "Private key (PEM) for tls = files."},
    {"tls.acme_url", TEXT, "", "", 0, 0, 0, 0, "Another ACME directory than Let's Encrypt's."},

    {"media.port", NUMBER, "10000", "", 0, "UDP port", 0, 65535,
     "The one public port of the bridge. 0: any. Below 1024 browsers take 443 and 80 only."},
    {"media.inner_port", NUMBER, "10000", "", 0, "UDP port", 1024, 65535,
     "With media.port = 443: the port of private addresses, where browsers refuse 443, and of the "
     "relay. It need not be reached from outside."},
    {"media.tcp", ENDPOINT, "auto", "", 0, 0, 0, 0,
     "ICE over TCP, for networks that let no UDP through: a port, or off. auto: the number of "
     "media.port if it is free. Off without a host name."},
    {"media.address", ADDRESS, "", "", 0, 0, 0, 0,
     "Send and receive media only at this local address. Default: all."},
    {"media.public_address", ADDRESSES, "", "", 0, 0, 0, 0,
     "Address under which clients reach this machine where it differs from the local one (1:1 "
     "NAT); IPv4 or IPv6, several."},
    {"media.workers", NUMBER, "0", "", 0, "processes", 0, 35, "Bridge workers. 0: one per core."},
    {"media.batching", SWITCH, "yes", "bridge", 0, 0, 0, 0,
     "Many packets per system call, and encryption made for this processor. no: one by one through "
     "OpenSSL, to compare with, or where a driver gets segments wrong."},
    {"media.codecs", CHOICES, "vp8 vp9 h264 av1", "signal web", "vp8 vp9 h264 av1", 0, 0, 0,
     "Video codecs that may be sent, by blanks, most preferred first. What somebody in the class "
     "cannot show, nobody sends. VP8 costs a computer least; VP9 and AV1 need less of the line."},
    {"media.slots", NUMBER, "50", "bridge", 0, "streams", 1, 50,
     "Streams of each kind that a client with SSRC rewriting is sent side by side; with fewer, "
     "voices "
     "that are silent make room for others."},
    {"media.voices", NUMBER, "3", "bridge", 0, "voices", 1, 50,
     "People who are heard at a time: the loudest. Staff who speak are among them in any case."},

    {"turn", SWITCH, "no", "edge", 0, 0, 0, 0,
     "Starts coturn (Debian package): a relay for networks that let media through in no other way. "
     "Needs host."},
    {"turn.port", NUMBER, "3478", "", 0, "port", 1, 65535,
     "Of the relay, UDP and TCP. Over TLS it is reached at the port of HTTPS."},
    {"turn.host", NAME, "", "edge", 0, 0, 0, 0,
     "Another name of this server, for the relay: TLS at the port of HTTPS is told apart by it, "
     "and "
     "the certificate covers it. Default: host; TLS is then told apart by what is inside."},
    {"turn.lifetime", NUMBER, "43200", "", 0, "seconds", 600, 604800,
     "How long credentials are good: longer than a day at school without joining anew."},
    {"turn.secret_file", PATH, "", "", 0, 0, 0, 0,
     "File with the secret by which credentials are made (32 bytes in hex). Default: made at the "
     "first start in DATA/secrets."},

    {"xmpp.domain", NAME, "meet.darasa", "signal web edge", 0, 0, 0, 0,
     "Domain in XMPP addresses; the rooms live at conference.DOMAIN."},
    {"token.secret_file", PATH, "", "", 0, 0, 0, 0,
     "File with the secret of our own tokens (32 bytes in hex). Default: made at the first start "
     "in DATA/secrets."},
    {"token.issuer", ISSUERS, "", "", 0, 0, 0, 0,
     "Others whose tokens are accepted: NAME ALGORITHM FILE, with HS256 and a file with the "
     "secret, or RS256 and a public key (PEM); then audience=A (else any is good) and kid=K (for "
     "an issuer of several keys)."},

    {"limits.connections", NUMBER, "20000", "edge", 0, "connections", 10, 1000000,
     "Clients connected at once; more are told to come back."},
    {"limits.participants", NUMBER, "500", "signal", 0, "people", 2, 1000, "People in one class."},
    {"limits.rooms", NUMBER, "1000", "signal", 0, "classes", 1, 100000, "Classes at once."},
    {"rooms.open", SWITCH, "no", "signal", 0, 0, 0, 0,
     "Anybody opens a room of any name and enters without a token, as in a plain Jitsi server."},
    {"limits.recordings", NUMBER, "16", "", 0, "recordings", 0, 1000, "Recordings at once."},
    {"recordings.reserve", NUMBER, "1024", "", 0, "MiB", 0, 100000000,
     "No recording begins with less disk space than this."},
    {"render.limit", NUMBER, "21600", "", 0, "seconds", 1, 1000000,
     "A rendering that takes longer is stopped."},
    {"journal.size", NUMBER, "32", "signal", 0, "MiB", 16, 1024,
     "Memory for the state that lets classes survive a restart of their program."},
    {"watchdog", NUMBER, "30", "", 0, "seconds", 0, 3600,
     "A program that is silent for so long is restarted. 0: never."},
};
/* clang-format on */

struct config {
    json_t *values; /* key: string, integer, boolean or array of strings */
};

static const struct key *find_key(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (slice_eq_str(name, keys[i].name))
            return &keys[i];
    return NULL;
}

static bool is_list(const struct key *key)
{
    return key->type == ADDRESSES || key->type == ISSUERS;
}

static bool has_word(const char *words, struct slice word)
{
    struct slice rest = slice_str(words);
    while (rest.len > 0)
        if (slice_eq(slice_cut(&rest, ' '), word))
            return true;
    return false;
}

/* Several of the choices, none twice. */
static bool are_choices(const char *choices, struct slice value)
{
    struct slice before = value;
    struct slice rest = value;
    before.len = 0;
    while (rest.len > 0) {
        struct slice word = slice_cut(&rest, ' ');
        struct slice earlier = before;
        if (word.len == 0 || !has_word(choices, word))
            return false;
        while (earlier.len > 0)
            if (slice_eq(slice_cut(&earlier, ' '), word))
                return false;
        before.len = (size_t)(word.data + word.len - value.data);
    }
    return before.len > 0;
}

static bool is_name(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!ok && c != '.' && c != '-')
            return false;
    }
    return value.len <= 253 && !slice_starts(value, SLICE("-"));
}

int config_endpoint_parse(struct slice text, struct config_endpoint *ret_endpoint)
{
    struct config_endpoint endpoint = {0};
    uint64_t port = 0;
    if (slice_eq_str(text, "off")) {
        endpoint.off = true;
        *ret_endpoint = endpoint;
        return 0;
    }
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (slice_to_u64(slice_sub(text, colon, text.len), 65535, &port) < 0)
        return ERR_FORMAT;
    endpoint.any_address = colon == 0;
    endpoint.address.port = (uint16_t)port;
    if (colon > 0) {
        char ip[64];
        struct slice host = slice_sub(text, 0, colon - 1);
        if (slice_starts(host, SLICE("[")) && slice_ends(host, SLICE("]")))
            host = slice_sub(host, 1, host.len - 2);
        else if (slice_index(host, ':') < host.len)
            return ERR_FORMAT;
        if (!slice_copy(host, ip, sizeof ip) ||
            address_parse(ip, (uint16_t)port, &endpoint.address) < 0)
            return ERR_FORMAT;
    }
    *ret_endpoint = endpoint;
    return 0;
}

static bool is_address(struct slice value)
{
    char text[64];
    struct address address;
    return slice_copy(value, text, sizeof text) && address_parse(text, 0, &address) == 0;
}

static struct slice next_word(struct slice *text)
{
    *text = slice_trim(*text);
    return slice_cut(text, ' ');
}

int config_issuer_parse(struct slice text, struct config_issuer *ret_issuer)
{
    struct config_issuer issuer = {.audience = SLICE("*")};
    issuer.name = next_word(&text);
    issuer.algorithm = next_word(&text);
    issuer.file = next_word(&text);
    if (issuer.file.len == 0 || !has_word("HS256 RS256", issuer.algorithm))
        return ERR_FORMAT;
    while (slice_trim(text).len > 0) {
        struct slice wish = next_word(&text);
        struct slice key = slice_cut(&wish, '=');
        if (slice_eq_str(key, "audience") && wish.len > 0)
            issuer.audience = wish;
        else if (slice_eq_str(key, "kid") && wish.len > 0)
            issuer.kid = wish;
        else
            return ERR_FORMAT;
    }
    *ret_issuer = issuer;
    return 0;
}

static bool is_issuer(struct slice value)
{
    struct config_issuer issuer;
    return config_issuer_parse(value, &issuer) == 0;
}

static bool has_control(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return true;
    return false;
}

static json_t *text_value(struct slice value)
{
    return value.len > 0 ? json_stringn((const char *)value.data, value.len) : json_string("");
}

/* The value as JSON, or NULL with the reason. */
static json_t *read_number(const struct key *key, struct slice value, struct buf *reason)
{
    uint64_t number = 0;
    if (slice_to_u64(value, (uint64_t)key->max, &number) < 0 || (int64_t)number < key->min) {
        buf_printf(reason, "must be a number from %lld to %lld", (long long)key->min,
                   (long long)key->max);
        return NULL;
    }
    return json_integer((json_int_t)number);
}

static json_t *read_value(const struct key *key, struct slice value, struct buf *reason)
{
    struct config_endpoint endpoint;
    const char *wish = NULL;
    switch (key->type) {
    case NUMBER:
        return read_number(key, value, reason);
    case SWITCH:
        if (slice_eq_str(value, "yes") || slice_eq_str(value, "no"))
            return json_boolean(slice_eq_str(value, "yes"));
        wish = "yes or no";
        break;
    case CHOICE:
        if (has_word(key->choices, value))
            return text_value(value);
        buf_printf(reason, "must be one of: %s", key->choices);
        return NULL;
    case CHOICES:
        if (are_choices(key->choices, value))
            return text_value(value);
        buf_printf(reason, "must be some of: %s", key->choices);
        return NULL;
    case NAME:
        wish = is_name(value) ? NULL : "a name of letters, digits, dots and hyphens";
        break;
    case ENDPOINT:
        if (!slice_eq_str(value, "auto") && config_endpoint_parse(value, &endpoint) < 0)
            wish = "a port, address:port, off or auto";
        break;
    case ADDRESS:
    case ADDRESSES:
        wish = is_address(value) || value.len == 0 ? NULL : "an IPv4 or IPv6 address";
        break;
    case ISSUERS:
        wish = is_issuer(value) || value.len == 0
                   ? NULL
                   : "NAME HS256 or RS256, FILE, and audience=A or kid=K if wanted";
        break;
    case TEXT:
    case PATH:
        break;
    }
    if (wish) {
        buf_printf(reason, "must be %s", wish);
        return NULL;
    }
    json_t *text = text_value(value);
    if (!text)
        buf_add_str(reason, "must be UTF-8 text");
    return text;
}

static int store(struct config *config, const struct key *key, struct slice value,
                 struct buf *complaint)
{
    struct buf reason;
    buf_init(&reason, 1024);
    json_t *json = NULL;
    if (value.len > VALUE_MAX || has_control(value))
        buf_add_str(&reason, "is too long or holds control characters");
    else
        json = read_value(key, value, &reason);
    json_t *list = json_object_get(config->values, key->name);
    int err = 0;
    if (!json) {
        buf_printf(complaint, "%s %.*s", key->name, SLICE_ARG(buf_slice(&reason)));
        err = ERR_FORMAT;
    } else if (is_list(key) && json_array_size(list) >= LIST_MAX) {
        buf_printf(complaint, "%s is given too often", key->name);
        json_decref(json);
        err = ERR_FORMAT;
    } else if (is_list(key)) {
        err = json_array_append_new(list, json) < 0 ? ERR_MEMORY : 0;
    } else {
        err = json_object_set_new(config->values, key->name, json) < 0 ? ERR_MEMORY : 0;
    }
    buf_done(&reason);
    return err;
}

int config_new(struct config **ret_config)
{
    struct config *config = calloc(1, sizeof *config);
    struct buf complaint;
    if (!config)
        return ERR_MEMORY;
    buf_init(&complaint, 1024);
    config->values = json_object();
    int err = config->values ? 0 : ERR_MEMORY;
    for (size_t i = 0; !err && i < ARRAY_LEN(keys); i++) {
        if (is_list(&keys[i]))
            err = json_object_set_new(config->values, keys[i].name, json_array()) ? ERR_MEMORY : 0;
        else
            err = store(config, &keys[i], slice_str(keys[i].initial), &complaint);
    }
    buf_done(&complaint);
    if (err)
        config_free(&config);
    else
        *ret_config = config;
    return err;
}

void config_free(struct config **config)
{
    if (!*config)
        return;
    json_decref((*config)->values);
    free(*config);
    *config = NULL;
}

/* The value of the rest of a line: up to a comment, or what stands in quotes. */
static bool line_value(struct slice rest, struct slice *ret_value)
{
    rest = slice_trim(rest);
    if (slice_starts(rest, SLICE("\""))) {
        rest = slice_sub(rest, 1, rest.len);
        if (slice_index(rest, '"') == rest.len)
            return false;
        *ret_value = slice_cut(&rest, '"');
        rest = slice_trim(rest);
        return rest.len == 0 || rest.data[0] == '#';
    }
    for (size_t i = 0; i < rest.len; i++)
        if (rest.data[i] == '#' && (i == 0 || rest.data[i - 1] == ' ' || rest.data[i - 1] == '\t'))
            rest.len = i;
    *ret_value = slice_trim(rest);
    return true;
}

struct parser {
    struct config *config;
    struct buf *complaint;
    char section[64]; /* with its dot */
    bool seen[ARRAY_LEN(keys)];
};

static int parse_section(struct parser *p, struct slice line)
{
    struct slice name;
    size_t end = slice_index(line, ']');
    if (end == line.len || slice_trim(slice_sub(line, end + 1, line.len)).len > 0) {
        buf_add_str(p->complaint, "a section is [name]");
        return ERR_FORMAT;
    }
    name = slice_trim(slice_sub(line, 1, end - 1));
    int len =
        snprintf(p->section, sizeof p->section, name.len > 0 ? "%.*s." : "%.*s", SLICE_ARG(name));
    return len >= 0 && (size_t)len < sizeof p->section ? 0 : ERR_FORMAT;
}

static int parse_line(struct parser *p, struct slice line)
{
    char full[160];
    struct slice value;
    if (line.len == 0 || line.data[0] == '#')
        return 0;
    if (line.data[0] == '[')
        return parse_section(p, line);
    struct slice rest = line;
    struct slice name = slice_trim(slice_cut(&rest, '='));
    if (slice_index(line, '=') == line.len || !line_value(rest, &value)) {
        buf_add_str(p->complaint, "a line is: key = value");
        return ERR_FORMAT;
    }
    int len = snprintf(full, sizeof full, "%s%.*s", p->section, SLICE_ARG(name));
    const struct key *key = NULL;
    if (len > 0 && (size_t)len < sizeof full)
        key = find_key(slice_of(full, (size_t)len));
    if (!key) {
        buf_printf(p->complaint, "unknown key '%.*s'", SLICE_ARG(slice_sub(name, 0, 80)));
        return ERR_FORMAT;
    }
    if (p->seen[key - keys] && !is_list(key)) {
        buf_printf(p->complaint, "%s is given twice", key->name);
        return ERR_FORMAT;
    }
    p->seen[key - keys] = true;
    return store(p->config, key, value, p->complaint);
}

int config_parse(struct config *config, struct slice text, struct buf *complaint)
{
    struct parser p = {.config = config};
    struct buf why;
    int err = 0;
    buf_init(&why, 4096);
    p.complaint = &why;
    for (unsigned number = 1; text.len > 0 && !err; number++) {
        struct slice line = slice_trim(slice_cut(&text, '\n'));
        err = number > LINES_MAX ? ERR_FORMAT : parse_line(&p, line);
        if (err)
            buf_printf(complaint, "line %u: %.*s", number, SLICE_ARG(buf_slice(&why)));
    }
    buf_done(&why);
    return err;
}

int config_set(struct config *config, const char *key, struct slice value, struct buf *complaint)
{
    const struct key *k = find_key(slice_str(key));
    if (!k) {
        buf_printf(complaint, "unknown key '%.80s'", key);
        return ERR_NOT_FOUND;
    }
    return store(config, k, value, complaint);
}

static bool refused_by_browsers(int64_t port)
{
    return port > 0 && port < 1024 && port != 443 && port != 80;
}

int config_check(const struct config *config, struct buf *complaint)
{
    const char *tls = config_text(config, "tls");
    bool files = config_text(config, "tls.certificate")[0] && config_text(config, "tls.key")[0];
    if (strcmp(tls, "files") == 0 && !files)
        buf_add_str(complaint, "tls = files needs tls.certificate and tls.key");
    else if (!has_word(config_text(config, "media.codecs"), SLICE("vp8")))
        buf_add_str(complaint, "media.codecs needs vp8, which all browsers have");
    else if (strcmp(tls, "auto") == 0 && !config_text(config, "host")[0])
        buf_add_str(complaint, "tls = auto needs host");
    else if (config_switch(config, "turn") && !config_text(config, "host")[0])
        buf_add_str(complaint, "turn needs host");
    else if (refused_by_browsers(config_number(config, "media.port")))
        buf_add_str(complaint,
                    "media.port below 1024 can be 443 or 80 only: browsers refuse others");
    else if (strchr(config_text(config, "media.tcp"), ':'))
        buf_add_str(complaint, "media.tcp is a port: the address is media.address");
    else if (strcmp(config_text(config, "listen.http"), "off") == 0 &&
             (strcmp(tls, "off") == 0 || strcmp(config_text(config, "listen.https"), "off") == 0))
        buf_add_str(complaint, "listen.http is off and there is no HTTPS either");
    else
        return 0;
    return ERR_FORMAT;
}

static json_t *value_of(const struct config *config, const char *key)
{
    json_t *value = json_object_get(config->values, key);
    assert(value);
    return value;
}

const char *config_text(const struct config *config, const char *key)
{
    const char *text = json_string_value(value_of(config, key));
    assert(text);
    return text;
}

int64_t config_number(const struct config *config, const char *key)
{
    json_t *value = value_of(config, key);
    assert(json_is_integer(value));
    return json_integer_value(value);
}

bool config_switch(const struct config *config, const char *key)
{
    json_t *value = value_of(config, key);
    assert(json_is_boolean(value));
    return json_is_true(value);
}

json_t *config_list(const struct config *config, const char *key)
{
    json_t *value = value_of(config, key);
    assert(json_is_array(value));
    return value;
}

json_t *config_settings(const struct config *config, const char *program)
{
    json_t *settings = json_object();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (has_word(keys[i].programs, slice_str(program)) &&
            json_object_set(settings, keys[i].name, value_of(config, keys[i].name)) < 0) {
            json_decref(settings);
            return NULL;
        }
    return settings;
}

static void print_wrapped(const char *text, struct buf *out)
{
    struct slice rest = slice_str(text);
    size_t column = 0;
    while (rest.len > 0) {
        struct slice word = slice_cut(&rest, ' ');
        if (column == 0 || column + word.len > 98) {
            buf_add_str(out, column ? "\n#" : "#");
            column = 1;
        }
        buf_printf(out, " %.*s", SLICE_ARG(word));
        column += word.len + 1;
    }
    buf_add_byte(out, '\n');
}

void config_print(struct buf *out)
{
    buf_add_str(out,
                "# Darasa: every key with its default. What you do not set may be left out.\n");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct key *key = &keys[i];
        buf_add_byte(out, '\n');
        print_wrapped(key->text, out);
        if (key->choices)
            buf_printf(out, "# One of: %s\n", key->choices);
        if (key->type == NUMBER)
            buf_printf(out, "# From %lld to %lld (%s)\n", (long long)key->min, (long long)key->max,
                       key->unit);
        if (is_list(key))
            buf_add_str(out, "# May be given several times.\n");
        buf_printf(out, "%s%s =%s%s\n", is_list(key) ? "#" : "", key->name,
                   key->initial[0] ? " " : "", key->initial);
    }
}
