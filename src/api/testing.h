/* For tests: the engine over a database in memory, with a browser's memory for cookies. */
#ifndef API_TESTING_H
#define API_TESTING_H

#include "api/api.h"
#include "school/school.h"

struct bench {
    struct sql *sql;
    struct api *api;
    struct api_now now;
    bool hold_hashes; /* jobs stay until bench_hash */
    bool hash_full;
    struct hash_job jobs[8];
    size_t job_count;
    json_t *frames;   /* [{"type","id","payload"}] to signal since bench_clear */
    json_t *controls; /* messages to the supervisor since bench_clear */
    /* The last answer. */
    size_t answers;
    int status;
    json_t *head;
    json_t *json; /* NULL when the body is none */
    char *body;
    uint64_t request;
    const char *host; /* of requests */
    const char *address;
    const char *origin; /* NULL: the right one */
    const char *range;
    bool no_type;
};

struct browser {
    struct bench *bench;
    char session[64];
    char device[64];
    char csrf[80];
};

void bench_init(struct bench *bench, const struct api_settings *settings);
void bench_done(struct bench *bench);
void bench_clear(struct bench *bench);
/* Runs the jobs held back. */
void bench_hash(struct bench *bench);
/* Asks and returns the status; `body` is JSON text or NULL. */
int bench_ask(struct bench *bench, struct browser *browser, const char *method, const char *path,
              const char *body);
/* A text in the last answer, by a path of keys and indices: "user.name", "links.0.path". "" when it
 * is not there. */
const char *bench_text(const json_t *json, const char *path);
const json_t *bench_at(const json_t *json, const char *path);

#endif
