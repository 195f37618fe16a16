#include "api/testing.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/cookies.h"
#include "store/schema.h"

static void respond(void *arg, uint64_t request, struct slice head, struct slice body)
{
    struct bench *bench = arg;
    bench->answers++;
    bench->request = request;
    json_decref(bench->head);
    json_decref(bench->json);
    free(bench->body);
    bench->head = json_loadb((const char *)head.data, head.len, 0, NULL);
    bench->json = json_loadb((const char *)body.data, body.len, 0, NULL);
    bench->body = strndup(body.data ? (const char *)body.data : "", body.len);
    bench->status = (int)json_integer_value(json_object_get(bench->head, "status"));
}

static void to_signal(void *arg, enum api_frame type, uint64_t id, struct slice payload)
{
    struct bench *bench = arg;
    json_t *frame = json_pack("{s:i,s:I,s:o}", "type", (int)type, "id", (json_int_t)id, "payload",
                              json_loadb((const char *)payload.data, payload.len, 0, NULL));
    assert(frame && json_array_append_new(bench->frames, frame) == 0);
}

static void to_supervisor(void *arg, json_t *message)
{
    struct bench *bench = arg;
    assert(json_array_append_new(bench->controls, json_deep_copy(message)) == 0);
}

static int hash(void *arg, const struct hash_job *job)
{
    struct bench *bench = arg;
    if (bench->hash_full || bench->job_count == ARRAY_LEN(bench->jobs))
        return ERR_LIMIT;
    bench->jobs[bench->job_count++] = *job;
    return 0;
}

void bench_init(struct bench *bench, const struct api_settings *settings)
{
    struct api_output output = {respond, to_signal, to_supervisor, hash, bench};
    *bench = (struct bench){.now = {1800000000000, USEC_PER_SEC},
                            .frames = json_array(),
                            .controls = json_array(),
                            .host = "localhost:8080",
                            .address = "192.0.2.1"};
    int err = sql_open(":memory:", &bench->sql);
    assert(!err);
    err = schema_migrate(bench->sql);
    assert(!err);
    err = api_new(bench->sql, settings, &output, NULL, &bench->api);
    assert(!err);
    err = api_start(bench->api, "run 1", bench->now);
    assert(!err);
}

void bench_done(struct bench *bench)
{
    api_free(&bench->api);
    sql_close(&bench->sql);
    json_decref(bench->frames);
    json_decref(bench->controls);
    json_decref(bench->head);
    json_decref(bench->json);
    free(bench->body);
}

void bench_clear(struct bench *bench)
{
    (void)json_array_clear(bench->frames);
    (void)json_array_clear(bench->controls);
}

void bench_hash(struct bench *bench)
{
    size_t count = bench->job_count;
    bench->job_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct hash_job job = bench->jobs[i];
        struct hash_result result;
        hash_run(&job, &result);
        api_hashed(bench->api, &result, bench->now);
    }
}

static void add(json_t *object, const char *name, const char *value)
{
    int err = json_object_set_new(object, name, json_string(value));
    assert(!err);
}

static json_t *headers_of(struct bench *bench, const struct browser *browser, const char *body)
{
    char text[256];
    json_t *headers = json_object();
    if (browser && (browser->session[0] || browser->device[0])) {
        (void)snprintf(text, sizeof text, "a=b; darasa_session=%s; darasa_device=%s",
                       browser->session, browser->device);
        add(headers, "cookie", text);
    }
    if (browser && browser->csrf[0])
        add(headers, "x-csrf-token", browser->csrf);
    if (body && !bench->no_type)
        add(headers, "content-type", "application/json");
    (void)snprintf(text, sizeof text, "http://%s", bench->host);
    add(headers, "origin", bench->origin ? bench->origin : text);
    if (bench->range)
        add(headers, "range", bench->range);
    return headers;
}

/* What a browser does with an answer. */
static void remember(struct bench *bench, struct browser *browser)
{
    const char *cookie = bench_text(bench->head, "headers.set-cookie");
    struct slice first = slice_str(cookie);
    first = slice_cut(&first, ';');
    struct slice session = cookie_find(first, "darasa_session");
    struct slice device = cookie_find(first, "darasa_device");
    if (slice_starts(first, SLICE("darasa_session=")))
        (void)slice_copy(session, browser->session, sizeof browser->session);
    if (slice_starts(first, SLICE("darasa_device=")))
        (void)slice_copy(device, browser->device, sizeof browser->device);
    const char *csrf = bench_text(bench->json, "csrf");
    if (csrf[0])
        (void)slice_copy(slice_str(csrf), browser->csrf, sizeof browser->csrf);
}

int bench_ask(struct bench *bench, struct browser *browser, const char *method, const char *path,
              const char *body)
{
    static uint64_t request;
    const char *mark = strchr(path, '?');
    size_t len = mark ? (size_t)(mark - path) : strlen(path);
    size_t before = bench->answers;
    json_t *head =
        json_pack("{s:s,s:s%,s:s,s:s,s:s,s:b,s:o}", "method", method, "path", path, len, "query",
                  mark ? mark + 1 : "", "host", bench->host, "address", bench->address, "https", 0,
                  "headers", headers_of(bench, browser, body));
    char *text = json_dumps(head, 0);
    assert(text);
    int err = api_request(bench->api, ++request, slice_str(text), slice_str(body), bench->now);
    assert(!err);
    free(text);
    json_decref(head);
    if (!bench->hold_hashes)
        bench_hash(bench);
    if (bench->hold_hashes && bench->answers == before)
        return 0;
    assert(bench->answers == before + 1 && bench->request == request);
    if (browser)
        remember(bench, browser);
    return bench->status;
}

const json_t *bench_at(const json_t *json, const char *path)
{
    struct slice rest = slice_str(path);
    while (json && rest.len > 0) {
        struct slice key = slice_cut(&rest, '.');
        uint64_t index = 0;
        char name[64];
        (void)slice_copy(key, name, sizeof name);
        if (json_is_array(json) && slice_to_u64(key, 100000, &index) == 0)
            json = json_array_get(json, (size_t)index);
        else
            json = json_object_get(json, name);
    }
    return json;
}

const char *bench_text(const json_t *json, const char *path)
{
    const char *text = json_string_value(bench_at(json, path));
    return text ? text : "";
}
