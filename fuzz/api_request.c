/* Whole requests: a line "METHOD PATH", a line with one of four visitors and a header, the rest is
 * the body. Each is answered once with a status, whatever it says. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "school/people.h"
#include "school/sessions.h"
#include "store/schema.h"

#define NOW ((msec_t)1800000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct sql *sql;
static struct api *api;
static char tokens[3][TOKEN_SIZE];
static size_t answers;

static void respond(void *arg, uint64_t request, struct slice head, struct slice body)
{
    (void)arg;
    (void)request;
    (void)body;
    json_t *json = json_loadb((const char *)head.data, head.len, 0, NULL);
    int64_t status = json_integer_value(json_object_get(json, "status"));
    if (status < 200 || status >= 500)
        abort();
    json_decref(json);
    answers++;
}

static void to_signal(void *arg, enum api_frame type, uint64_t id, struct slice payload)
{
    (void)arg;
    (void)type;
    (void)id;
    (void)payload;
}

static void to_supervisor(void *arg, json_t *message)
{
    (void)arg;
    (void)message;
}

/* Answers at once, as if every password were right: real hashing is another's test. */
static int hash(void *arg, const struct hash_job *job)
{
    *(uint64_t *)arg = job->id;
    return 0;
}

static uint64_t job_id;

static void must(int err)
{
    if (err)
        abort();
}

static void set_up(void)
{
    static const enum role roles[] = {ROLE_PUPIL, ROLE_TEACHER, ROLE_ADMIN};
    static const struct api_settings settings = {
        .url = "",
        .domain = "meet.example",
        .token_secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32},
        .demo = true};
    struct api_output output = {respond, to_signal, to_supervisor, hash, &job_id};
    must(sql_open(":memory:", &sql));
    must(schema_migrate(sql));
    must(api_new(sql, &settings, &output, NULL, &api));
    must(api_start(api, "run", (struct api_now){NOW, 1}));
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        struct person person = {.role = roles[i], .name = "N"};
        (void)snprintf(person.account, sizeof person.account, "fuzz-%zu", i);
        must(person_create(sql, &person, NULL, NOW));
        must(session_create(sql, person.id, true, NOW, tokens[i]));
    }
}

/* Edge passes no NUL on. */
static json_t *text(struct slice s)
{
    bool plain = slice_index(s, 0) == s.len;
    json_t *json = plain ? json_stringn((const char *)s.data, s.len) : NULL;
    return json ? json : json_string("");
}

static json_t *headers_of(struct slice line)
{
    json_t *headers = json_pack("{s:s}", "content-type", "application/json");
    size_t who = line.len > 0 ? line.data[0] % 4 : 3;
    struct slice rest = slice_sub(line, 1, line.len);
    struct slice name = slice_cut(&rest, ':');
    if (who < 3) {
        char cookie[80], csrf[SECRET_HASH_TEXT];
        (void)snprintf(cookie, sizeof cookie, "darasa_session=%s", tokens[who]);
        session_csrf(slice_str(tokens[who]), csrf);
        must(json_object_set_new(headers, "cookie", json_string(cookie)));
        must(json_object_set_new(headers, "x-csrf-token", json_string(csrf)));
    }
    char key[32];
    if (name.len > 0 && slice_copy(name, key, sizeof key) && strlen(key) == name.len)
        (void)json_object_set_new(headers, key, text(rest)); /* fails for no UTF-8 */
    return headers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!api)
        set_up();
    struct slice rest = slice_of(data, len);
    struct slice method_path = slice_cut(&rest, '\n');
    struct slice line = slice_cut(&rest, '\n');
    struct slice path = method_path;
    struct slice method = slice_cut(&path, ' ');
    struct slice query = path;
    path = slice_cut(&query, '?');
    json_t *head = json_pack("{s:o,s:o,s:o,s:s,s:s,s:o}", "method", text(method), "path",
                             text(path), "query", text(query), "host", "localhost", "address",
                             "192.0.2.1", "headers", headers_of(line));
    char *json = json_dumps(head, 0);
    size_t before = answers;
    job_id = 0;
    must(sql_begin(sql)); /* each request finds the same school */
    must(api_request(api, 1, slice_str(json), rest, (struct api_now){NOW, 1}));
    if (job_id) {
        struct hash_result result = {.id = job_id, .hash = "$argon2id$"};
        api_hashed(api, &result, (struct api_now){NOW, 1});
    }
    sql_rollback(sql);
    if (answers != before + 1)
        abort();
    free(json);
    json_decref(head);
    /* The head alone as edge might break it. */
    before = answers;
    if (api_request(api, 2, slice_of(data, len), SLICE(""), (struct api_now){NOW, 1}) == 0 &&
        answers != before + 1)
        abort();
    return 0;
}
