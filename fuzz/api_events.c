/* What signal and the supervisor may say: the first byte chooses, the rest is JSON. */
#include <stdlib.h>

#include "api/api.h"
#include "school/classes.h"
#include "store/schema.h"

#define NOW ((msec_t)1800000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void respond(void *arg, uint64_t request, struct slice head, struct slice body)
{
    (void)arg;
    (void)request;
    (void)head;
    (void)body;
    abort(); /* nobody asked */
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

static int hash(void *arg, const struct hash_job *job)
{
    (void)arg;
    (void)job;
    return ERR_LIMIT;
}

static void must(int err)
{
    if (err)
        abort();
}

static struct sql *sql;
static struct api *api;

static void set_up(void)
{
    static const struct api_settings settings = {
        .url = "",
        .domain = "meet.example",
        .token_secret = {(const uint8_t *)"0123456789abcdef", 16},
        .demo = true};
    struct api_output output = {respond, to_signal, to_supervisor, hash, NULL};
    must(sql_open(":memory:", &sql));
    must(schema_migrate(sql));
    must(api_new(sql, &settings, &output, NULL, &api));
    must(api_start(api, "run", (struct api_now){NOW, 1}));
    must(sql_script(sql, "PRAGMA foreign_keys=OFF; UPDATE class SET id='class', room='room'"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const types[] = {"render", "recordings", "weather"};
    struct api_now now = {NOW, 1};
    if (!api)
        set_up();
    if (len == 0)
        return 0;
    struct slice rest = slice_of(data + 1, len - 1);
    if (data[0] & 1) {
        if (api_event(api, data[0], rest) == ERR_LIMIT)
            abort();
    } else {
        json_t *json = json_loadb((const char *)rest.data, rest.len, 0, NULL);
        if (json && api_control(api, types[data[0] / 2 % 3], json) == ERR_LIMIT)
            abort();
        json_decref(json);
    }
    must(sql_begin(sql));
    must(api_flush(api, now));
    sql_rollback(sql);
    return 0;
}
