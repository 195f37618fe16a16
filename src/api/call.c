#include "api/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/cookies.h"

#define IDS_MAX 2000

struct slice call_header(const struct call *call, const char *name)
{
    return slice_str(
        json_string_value(json_object_get(json_object_get(call->head, "headers"), name)));
}

void call_set_header(struct call *call, const char *name, const char *value)
{
    /* Without memory the answer fails as a whole in finish(). */
    if (json_object_set_new(call->headers, name, json_string(value)))
        (void)json_object_clear(call->headers);
}

void call_set_cookie(struct call *call, const char *name, const char *value, long max_age)
{
    struct buf buf;
    buf_init(&buf, 1024);
    cookie_build(&buf, name, value, max_age, call->https);
    buf_add_byte(&buf, '\0');
    if (!buf.failed)
        call_set_header(call, "set-cookie", (const char *)buf.data);
    buf_done(&buf);
}

static void count_answer(struct api *api, int status)
{
    ++*api->metrics.requests;
    if (status >= 500)
        ++*api->metrics.server_errors;
    else if (status >= 400)
        ++*api->metrics.client_errors;
}

static int finish(struct call *call, int status, const char *file, struct slice body)
{
    json_t *head =
        json_pack("{s:i,s:O,s:s*}", "status", status, "headers", call->headers, "file", file);
    char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    json_decref(head);
    if (!text)
        return ERR_MEMORY;
    call->answered = true;
    count_answer(call->api, status);
    call->api->output.respond(call->api->output.arg, call->request, slice_str(text), body);
    free(text);
    return 0;
}

int call_json(struct call *call, int status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text)
        return ERR_MEMORY;
    size_t len = strlen(text);
    int err = ERR_LIMIT;
    call_set_header(call, "content-type", "application/json; charset=utf-8");
    call_set_header(call, "cache-control", "no-store");
    if (len <= CALL_ANSWER_MAX)
        err = finish(call, status, NULL, slice_of(text, len));
    else
        err = call_fail(call, 500, "too-large", "The answer would be too large.");
    free(text);
    return err;
}

int call_empty(struct call *call)
{
    call_set_header(call, "cache-control", "no-store");
    return finish(call, 204, NULL, slice_of(NULL, 0));
}

int call_text(struct call *call, const char *type, struct slice body)
{
    call_set_header(call, "content-type", type);
    return finish(call, 200, NULL, body);
}

int call_file(struct call *call, const char *type, const char *file)
{
    call_set_header(call, "content-type", type);
    call_set_header(call, "cache-control", "no-store");
    return finish(call, 200, file, slice_of(NULL, 0));
}

int call_fail(struct call *call, int status, const char *word, const char *message)
{
    return call_json(call, status, json_pack("{s:s,s:s}", "error", word, "message", message));
}

int call_fail_field(struct call *call, const char *field, const char *message)
{
    return call_json(
        call, 422,
        json_pack("{s:s,s:s,s:s}", "error", "invalid", "message", message, "field", field));
}

int call_wait(struct call *call, int status, const char *word, const char *message, usec_t wait)
{
    char seconds[24];
    int64_t after = (wait + USEC_PER_SEC - 1) / USEC_PER_SEC;
    (void)snprintf(seconds, sizeof seconds, "%lld", (long long)after);
    call_set_header(call, "retry-after", seconds);
    return call_json(call, status,
                     json_pack("{s:s,s:s,s:I}", "error", word, "message", message, "retryAfter",
                               (json_int_t)after));
}

void call_error(struct call *call, int err)
{
    int sent;
    if (call->answered)
        return;
    switch (err) {
    case ERR_NOT_FOUND:
        sent = call_fail(call, 404, "not-found", "There is nothing here.");
        break;
    case ERR_LIMIT:
        ++*call->api->metrics.disk_full;
        sent = call_fail(call, 507, "disk-full",
                         "The server's disk is full: nothing was changed. Tell its administrator.");
        break;
    case ERR_AGAIN:
        sent = call_wait(call, 503, "busy", "The server is busy: try again.", 2 * USEC_PER_SEC);
        break;
    default:
        sent = call_fail(call, 500, "failed", "Something went wrong here; it was noted.");
        break;
    }
    if (sent)
        call->api->output.respond(call->api->output.arg, call->request,
                                  SLICE("{\"status\":500,\"headers\":{}}"), slice_of(NULL, 0));
    call->answered = true;
}

static json_t *field(struct call *call, const char *name, bool *ret_found)
{
    json_t *value = json_object_get(call->json, name);
    if (json_is_null(value))
        value = NULL;
    if (ret_found)
        *ret_found = value != NULL;
    return value;
}

/* Answers and makes the handler stop. */
static int refuse(struct call *call, const char *name, const char *message)
{
    int err = call_fail_field(call, name, message);
    return err ? err : ERR_FORMAT;
}

int field_text(struct call *call, const char *name, char ret_text[TEXT_SIZE], bool *ret_found)
{
    json_t *value = field(call, name, ret_found);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return refuse(call, name, "This is a text.");
    int err = text_clean(slice_of(json_string_value(value), json_string_length(value)), ret_text);
    if (err == ERR_LIMIT)
        return refuse(call, name, "This is too long: at most 255 bytes.");
    return err ? refuse(call, name, "This is empty, or has characters that cannot be seen.") : 0;
}

int field_bool(struct call *call, const char *name, bool *ret_value, bool *ret_found)
{
    json_t *value = field(call, name, ret_found);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return refuse(call, name, "This is true or false.");
    *ret_value = json_is_true(value);
    return 0;
}

int field_profile(struct call *call, const char *name, bool *ret_own, enum profile *ret_profile)
{
    json_t *value = json_object_get(call->json, name);
    if (!value)
        return 0;
    const char *word = json_string_value(value);
    if (!json_is_null(value) && (!word || profile_parse(slice_str(word), ret_profile)))
        return refuse(call, name, "This is voice, light, normal or rich.");
    *ret_own = word != NULL;
    return 0;
}

int field_codecs(struct call *call, const char *name, bool *ret_own, struct codec_list *ret_codecs)
{
    json_t *value = json_object_get(call->json, name);
    if (!value)
        return 0;
    const char *words = json_string_value(value);
    if (!json_is_null(value) && (!words || codec_list_parse(slice_str(words), ret_codecs)))
        return refuse(call, name, "These are vp8 and others of vp9, h264 and av1, by blanks.");
    *ret_own = words != NULL;
    return 0;
}

json_t *codec_list_json(const struct codec_list *codecs)
{
    char words[CODEC_LIST_TEXT];
    codec_list_print(codecs, ' ', words);
    return codecs->count > 0 ? json_string(words) : json_null();
}

int field_when(struct call *call, const char *name, msec_t *ret_when, bool *ret_found)
{
    json_t *value = json_object_get(call->json, name);
    if (ret_found)
        *ret_found = value != NULL;
    if (!value)
        return 0;
    if (json_is_null(value)) {
        *ret_when = 0;
        return 0;
    }
    if (!json_is_string(value) || when_parse(slice_str(json_string_value(value)), ret_when))
        return refuse(call, name, "This is a time in UTC, as in 2026-01-31T09:30:00Z.");
    return 0;
}

int field_string(struct call *call, const char *name, size_t max, const char **ret_string)
{
    json_t *value = field(call, name, NULL);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return refuse(call, name, "This is a text.");
    if (json_string_length(value) > max)
        return refuse(call, name, "This is too long.");
    *ret_string = json_string_value(value);
    return 0;
}

int field_id(struct call *call, const char *name, char ret_id[ID_SIZE])
{
    const char *text = NULL;
    int err = field_string(call, name, ID_SIZE - 1, &text);
    ret_id[0] = '\0';
    if (err || !text)
        return err;
    if (!id_valid(slice_str(text)))
        return refuse(call, name, "This is no id.");
    return slice_copy(slice_str(text), ret_id, ID_SIZE) ? 0 : ERR_FORMAT;
}

int field_ids(struct call *call, const char *name, json_t **ret_ids)
{
    json_t *value = field(call, name, NULL);
    if (!value)
        return 0;
    if (!json_is_array(value) || json_array_size(value) > IDS_MAX)
        return refuse(call, name, "This is a list of at most 2000 ids.");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *id = json_string_value(json_array_get(value, i));
        if (!id || !id_valid(slice_str(id)))
            return refuse(call, name, "This is a list of ids.");
    }
    *ret_ids = value;
    return 0;
}

int call_audit(struct call *call, const char *action, const char *subject, const char *detail)
{
    struct audit_entry entry = {
        .at = call->now.wall,
        .actor = call->signed_in ? call->session.person.id : "system",
        .action = action,
        .subject = subject,
        .detail = detail,
    };
    return audit_add(call->api->sql, &entry);
}

json_t *when_json(msec_t when)
{
    char text[WHEN_SIZE];
    when_format(when, text);
    return text[0] ? json_string(text) : json_null();
}

int call_class(struct call *call, bool manage, struct class *ret_class)
{
    struct sql *sql = call->api->sql;
    struct class class;
    bool in = false, may = false;
    const struct person *me = &call->session.person;
    int err = class_find(sql, call->parts[0], &class);
    if (!err)
        err = class_has(sql, class.id, me->id, &in);
    if (!err)
        err = class_may_manage(sql, class.id, me, &may);
    if (!err && !in && !may)
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 404, "unknown-class", "There is no such class for you.");
    if (err)
        return err;
    if (manage && !may)
        return call_fail(call, 403, "not-staff", "Only the teachers of this class may do that.");
    *ret_class = class;
    return 1;
}
