#include "edge/bus.h"

#include <jansson.h>
#include <stdlib.h>

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* NULL when it is not UTF-8. */
static json_t *text(struct slice s)
{
    return json_stringn(s.len ? (const char *)s.data : "", s.len);
}

static int set(json_t *object, const char *key, struct slice value)
{
    return json_object_set_new(object, key, text(value)) == 0 ? 0 : ERR_FORMAT;
}

/* Dumps and releases. */
static int dump(json_t *object, struct buf *out)
{
    char *str = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!str)
        return ERR_MEMORY;
    buf_add_str(out, str);
    free(str);
    return out->failed ? ERR_LIMIT : 0;
}

static json_t *protocols(const struct request *request)
{
    json_t *list = json_array();
    struct slice name, value;
    for (size_t at = 0; fields_next(&request->fields, &at, &name, &value);)
        while (slice_eq_str(name, "sec-websocket-protocol") && value.len > 0) {
            struct slice word = slice_trim(slice_cut(&value, ','));
            if (fields_is_token(word))
                (void)json_array_append_new(list, text(word)); /* one less when memory is short */
        }
    return list;
}

int bus_put_open(const struct request *request, const struct bus_client *client, struct buf *out)
{
    json_t *open = json_pack("{s:s,s:b,s:o}", "address", client->address, "deflate",
                             client->deflate, "protocols", protocols(request));
    int err = open ? 0 : ERR_MEMORY;
    if (!err)
        err = set(open, "path", request->path);
    if (!err)
        err = set(open, "query", request->query);
    if (!err)
        err = set(open, "host", request_host(request));
    if (!err)
        err = set(open, "origin", fields_get(&request->fields, "origin"));
    if (err) {
        json_decref(open);
        return err;
    }
    return dump(open, out);
}

/* What concerns one hop, and what only a proxy may say, stops here. */
static bool is_private(struct slice name)
{
    static const char *const NAMES[] = {
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
        "expect",
        "forwarded",
    };
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (slice_eq_str(name, NAMES[i]))
            return true;
    return slice_starts(name, SLICE("x-forwarded-")) || slice_starts(name, SLICE("x-real-"));
}

/* A field given twice is one list (RFC 9110, section 5.2); the crumbs of cookies join by
 * semicolons (RFC 9113, section 8.2.3). */
static int join(json_t *fields, const char *key, struct slice value)
{
    const char *old = json_string_value(json_object_get(fields, key));
    if (!old)
        return set(fields, key, value);
    struct buf joined;
    buf_init(&joined, 2 * REQUEST_HEAD_MAX);
    buf_add_str(&joined, old);
    buf_add_str(&joined, slice_eq_str(slice_str(key), "cookie") ? "; " : ", ");
    buf_add(&joined, value);
    int err = joined.failed ? ERR_LIMIT : set(fields, key, buf_slice(&joined));
    buf_done(&joined);
    return err;
}

static json_t *all_fields(const struct request *request, unsigned *ret_left_out)
{
    json_t *fields = json_object();
    struct slice name, value;
    for (size_t at = 0; fields_next(&request->fields, &at, &name, &value);) {
        char key[128];
        if (is_private(name))
            continue;
        if (!slice_copy(name, key, sizeof key) || join(fields, key, value) < 0)
            ++*ret_left_out;
    }
    return fields;
}

static int put_head(json_t *head, struct slice path, struct slice query, struct slice host,
                    const struct bus_client *client, struct buf *out)
{
    int err = head ? 0 : ERR_MEMORY;
    if (!err)
        err = set(head, "path", path);
    if (!err)
        err = set(head, "query", query);
    if (!err)
        err = set(head, "host", host);
    if (!err && (json_object_set_new(head, "address", json_string(client->address)) < 0 ||
                 json_object_set_new(head, "https", json_boolean(client->https)) < 0))
        err = ERR_MEMORY;
    if (err) {
        json_decref(head);
        return err;
    }
    size_t start = out->len;
    buf_add(out, slice_of("\0\0\0", 4));
    err = dump(head, out);
    if (!err)
        put_le32(out->data + start, (uint32_t)(out->len - start - 4));
    return err;
}

int bus_put_request(const struct request *request, const struct bus_client *client, struct buf *out,
                    unsigned *ret_left_out)
{
    json_t *head = json_pack("{s:s,s:o}", "method", request->method, "headers",
                             all_fields(request, ret_left_out));
    return put_head(head, request->path, request->query, request_host(request), client, out);
}

int bus_put_get(const char *path, const struct request *asked_by, const struct bus_client *client,
                struct buf *out)
{
    json_t *head = json_pack("{s:s,s:{}}", "method", "GET", "headers");
    return put_head(head, slice_str(path), (struct slice){0}, request_host(asked_by), client, out);
}

int bus_put_close(unsigned code, struct slice reason, struct buf *out)
{
    json_t *close = json_pack("{s:i}", "code", (int)code);
    int err = close ? set(close, "reason", reason) : ERR_MEMORY;
    if (err) {
        json_decref(close);
        return err;
    }
    return dump(close, out);
}

static json_t *load(struct slice payload)
{
    json_t *object = json_loadb((const char *)payload.data, payload.len, 0, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

/* The length, the date and the connection are the edge's own. */
static bool is_ours(const char *name)
{
    static const char *const NAMES[] = {"content-length",    "date",    "connection", "keep-alive",
                                        "transfer-encoding", "upgrade", "trailer"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (slice_eq_nocase(slice_str(name), slice_str(NAMES[i])))
            return true;
    return false;
}

static int add_field(struct response *response, const char *name, const json_t *value)
{
    if (!json_is_string(value))
        return ERR_FORMAT;
    if (is_ours(name))
        return 0;
    return fields_add(&response->fields, slice_str(name),
                      slice_of(json_string_value(value), json_string_length(value)));
}

static int read_fields(json_t *fields, struct response *response)
{
    const char *name;
    json_t *value;
    json_object_foreach(fields, name, value)
    {
        size_t count = json_is_array(value) ? json_array_size(value) : 1;
        for (size_t i = 0; i < count; i++) {
            int err =
                add_field(response, name, json_is_array(value) ? json_array_get(value, i) : value);
            if (err)
                return err;
        }
    }
    return 0;
}

static int read_head(json_t *head, struct response *response, struct bus_response *ret)
{
    json_int_t status = json_integer_value(json_object_get(head, "status"));
    json_t *file = json_object_get(head, "file");
    if (status < 200 || status > 599)
        return ERR_FORMAT;
    response->status = (unsigned)status;
    ret->file[0] = '\0';
    if (file && !json_is_null(file) &&
        (!json_is_string(file) ||
         !slice_copy(slice_str(json_string_value(file)), ret->file, sizeof ret->file)))
        return ERR_FORMAT;
    return read_fields(json_object_get(head, "headers"), response);
}

int bus_read_response(struct slice payload, struct response *response,
                      struct bus_response *ret_response)
{
    if (payload.len < 4 || get_le32(payload.data) > payload.len - 4)
        return ERR_FORMAT;
    size_t len = get_le32(payload.data);
    json_t *head = load(slice_sub(payload, 4, len));
    int err = head ? read_head(head, response, ret_response) : ERR_FORMAT;
    json_decref(head);
    if (err)
        return err;
    buf_add(&response->body.data, slice_sub(payload, 4 + len, SIZE_MAX));
    return response->body.data.failed ? ERR_LIMIT : 0;
}

int bus_read_accept(struct slice payload, char protocol[BUS_WORD_SIZE])
{
    json_t *accept = load(payload);
    json_t *word = json_object_get(accept, "protocol");
    struct slice name = slice_str(json_string_value(word));
    int err = accept && (!word || json_is_null(word) || fields_is_token(name)) ? 0 : ERR_FORMAT;
    if (!err && !slice_copy(name, protocol, BUS_WORD_SIZE))
        err = ERR_FORMAT;
    json_decref(accept);
    return err;
}

int bus_read_refuse(struct slice payload, unsigned *ret_status)
{
    json_t *refuse = load(payload);
    json_int_t status = json_integer_value(json_object_get(refuse, "status"));
    json_decref(refuse);
    if (status < 400 || status > 599)
        return ERR_FORMAT;
    *ret_status = (unsigned)status;
    return 0;
}

int bus_read_close(struct slice payload, unsigned *ret_code, char reason[128])
{
    json_t *close = load(payload);
    if (!close)
        return ERR_FORMAT;
    json_int_t code = json_integer_value(json_object_get(close, "code"));
    const char *why = json_string_value(json_object_get(close, "reason"));
    slice_copy(slice_str(why), reason, 128); /* a reason may be cut */
    *ret_code = code >= 1000 && code <= 4999 ? (unsigned)code : 1005;
    json_decref(close);
    return 0;
}

int bus_read_many(struct slice payload, struct slice *ret_ids, struct slice *ret_text)
{
    if (payload.len < 4 || get_le32(payload.data) > (payload.len - 4) / 8)
        return ERR_FORMAT;
    size_t len = (size_t)get_le32(payload.data) * 8;
    *ret_ids = slice_sub(payload, 4, len);
    *ret_text = slice_sub(payload, 4 + len, SIZE_MAX);
    return 0;
}

uint64_t bus_id(struct slice ids, size_t index)
{
    const uint8_t *p = ids.data + index * 8;
    return (uint64_t)get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}
