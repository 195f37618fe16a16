/* One request on its way through this room, and the ways to answer it. A handler answers by one of
 * the call_ functions and returns 0, or returns an error, which call_error turns into an answer. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/api.h"
#include "base/buf.h"
#include "base/map.h"
#include "school/audit.h"
#include "school/classes.h"
#include "school/limits.h"
#include "school/sessions.h"

/* A JSON body; files do not come this way. */
#define CALL_BODY_MAX ((size_t)(64 * 1024))
/* A list of a whole school. */
#define CALL_ANSWER_MAX ((size_t)(3 * 1024 * 1024))
#define CALL_PARTS_MAX 3
#define CALL_PART_SIZE 128
#define CALL_URL_SIZE 300

/* Wrong passwords of known accounts that wait to be written down. */
#define CALL_FAILURES_MAX 512

/* Requests that wait for a password helper. */
struct pending;

struct signin_failure {
    char person[ID_SIZE];
    msec_t at;
};

struct api {
    struct sql *sql;
    char url[CALL_URL_SIZE];
    char domain[256];
    char codecs[64];
    struct slice token_secret;
    bool demo;
    struct api_output output;
    struct limits *limits;
    struct pending *pending; /* newest first */
    size_t pending_count;
    uint64_t next_job;
    /* Written by api_tick, so that an answer takes no longer for an account that exists. */
    struct signin_failure failures[CALL_FAILURES_MAX];
    size_t failure_count;
    /* Events not stored yet, in order. */
    struct waiting_event *events;
    size_t event_count;
    json_t *controls; /* messages of the supervisor, likewise */
    bool signal_up;
    struct {
        struct metrics *page;
        uint64_t *requests, *client_errors, *server_errors, *bad_input, *limited, *hash_full;
        uint64_t *signins, *signin_failures, *events, *events_unknown, *disk_full;
    } metrics;
};

struct call {
    struct api *api;
    uint64_t request;
    struct api_now now;
    json_t *head;
    const char *method;
    struct slice path;
    struct slice query;
    struct slice address;
    bool https;
    char base[CALL_URL_SIZE]; /* scheme://host[:port] of our own links */
    struct slice body;
    json_t *json; /* the body, an object */
    bool signed_in;
    struct session session;                     /* when signed_in */
    struct slice token;                         /* of the session, points into head */
    struct slice device;                        /* of the device cookie; empty */
    char parts[CALL_PARTS_MAX][CALL_PART_SIZE]; /* what the stars of the route's pattern matched */
    json_t *headers;                            /* of the answer */
    bool answered;
};

/* A request header, empty when absent. */
struct slice call_header(const struct call *call, const char *name);
/* Adds a header to the answer. */
void call_set_header(struct call *call, const char *name, const char *value);
void call_set_cookie(struct call *call, const char *name, const char *value, long max_age);

/* Answers with JSON; takes the reference, NULL is a lack of memory. Returns 0 or ERR_MEMORY. */
int call_json(struct call *call, int status, json_t *body) MUST_USE;
int call_empty(struct call *call) MUST_USE;
int call_text(struct call *call, const char *type, struct slice body) MUST_USE;
/* A file below recordings/, sent by edge. */
int call_file(struct call *call, const char *type, const char *file) MUST_USE;
/* {"error":word,"message":...}; `field` may be NULL. Returns 0. */
int call_fail(struct call *call, int status, const char *word, const char *message) MUST_USE;
int call_fail_field(struct call *call, const char *field, const char *message) MUST_USE;
int call_wait(struct call *call, int status, const char *word, const char *message,
              usec_t wait) MUST_USE;
/* The answer to an error of a room below. */
void call_error(struct call *call, int err);

/* Fields of the body. Absent or null leaves *ret untouched and sets *ret_found false (ret_found may
 * be NULL). ERR_FORMAT with an answer already given: of another type or shape. */
int field_text(struct call *call, const char *name, char ret_text[TEXT_SIZE],
               bool *ret_found) MUST_USE;
/* *ret_own: whether it is named rather than null, which stands for somebody else's. */
int field_profile(struct call *call, const char *name, bool *ret_own,
                  enum profile *ret_profile) MUST_USE;
/* Likewise, by blanks. */
int field_codecs(struct call *call, const char *name, bool *ret_own,
                 struct codec_list *ret_codecs) MUST_USE;
/* The other way: null when there are none. New reference. */
json_t *codec_list_json(const struct codec_list *codecs);
int field_bool(struct call *call, const char *name, bool *ret_value, bool *ret_found) MUST_USE;
/* null makes it 0. */
int field_when(struct call *call, const char *name, msec_t *ret_when, bool *ret_found) MUST_USE;
/* Borrowed, NUL-terminated; NULL when absent. At most `max` bytes. */
int field_string(struct call *call, const char *name, size_t max, const char **ret_string) MUST_USE;
/* An id; "" when absent. */
int field_id(struct call *call, const char *name, char ret_id[ID_SIZE]) MUST_USE;
/* A list of ids, borrowed; NULL when absent. At most 2000. */
int field_ids(struct call *call, const char *name, json_t **ret_ids) MUST_USE;

/* Writes a line of audit about what the signed-in person does. */
int call_audit(struct call *call, const char *action, const char *subject,
               const char *detail) MUST_USE;
/* A time as JSON: null for 0. New reference. */
json_t *when_json(msec_t when);

/* The class named by the path's first part: 404 unless the person is in it (or an administrator).
 * `manage`: 403 unless staff of it. 1: go on; 0: answered; negative: an error. */
int call_class(struct call *call, bool manage, struct class *ret_class) MUST_USE;

#endif
