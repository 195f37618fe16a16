/* The web program's engine: requests in, answers out (docs/api.md, docs/bus.md). It owns no socket
 * and reads no clock; the database is its only file. Everything it wants from others goes out
 * through struct api_output. */
#ifndef API_API_H
#define API_API_H

#include <jansson.h>

#include "api/hasher.h"
#include "os/metrics.h"
#include "school/school.h"

struct api;

struct api_now {
    msec_t wall;
    usec_t mono;
};

struct api_settings {
    const char *url;    /* public, without slash at its end; "": the request's Host says it */
    const char *domain; /* of XMPP addresses */
    const char *codecs; /* of video, most preferred first, by blanks */
    struct slice token_secret; /* HS256, shared with signal */
    bool demo;
};

/* Frames between signal and web. */
enum api_frame {
    API_EVENT = 1,
    API_ACK = 2,
    API_ROOM = 10,
    API_ROOM_GONE = 11,
    API_SYNC_DONE = 12,
    API_REMOVE = 13,
};

struct api_output {
    /* The one answer to a request: head as in HTTP_RESPONSE. */
    void (*respond)(void *arg, uint64_t request, struct slice head, struct slice body);
    /* To signal; dropped when signal is not there: all is sent again when it comes. */
    void (*signal)(void *arg, enum api_frame type, uint64_t id, struct slice payload);
    /* To the supervisor; borrowed. */
    void (*control)(void *arg, json_t *message);
    /* A password job for a helper; the result comes by api_hashed. ERR_LIMIT: busy. */
    int (*hash)(void *arg, const struct hash_job *job);
    void *arg;
};

/* Borrows sql, settings' strings, output's arg and metrics (may be NULL). */
int api_new(struct sql *sql, const struct api_settings *settings, const struct api_output *output,
            struct metrics *metrics, struct api **ret_api) MUST_USE;
void api_free(struct api **api);
/* First things: organisation, first administrator, demo; links go to the supervisor. `run` names
 * this start of the whole house, "" when nobody says. */
int api_start(struct api *api, const char *run, struct api_now now) MUST_USE;
/* The settings after a reload. */
int api_configure(struct api *api, const struct api_settings *settings) MUST_USE;

/* `head`: JSON as in HTTP_REQUEST. Answered now or later, once. ERR_FORMAT: the head breaks the
 * contract between edge and web (nothing was answered). */
int api_request(struct api *api, uint64_t request, struct slice head, struct slice body,
                struct api_now now) MUST_USE;
/* Whoever asked has gone: no answer any more. */
void api_gone(struct api *api, uint64_t request);
/* All of them (edge was replaced). */
void api_gone_all(struct api *api);
void api_hashed(struct api *api, const struct hash_result *result, struct api_now now);

/* Signal is there, for the first time or again: sends every open room. */
int api_signal_up(struct api *api) MUST_USE;
/* Signal is gone: nothing is acknowledged until it is back. */
void api_signal_down(struct api *api);
/* An EVENT; kept until api_flush. ERR_FORMAT: breaks the contract; ERR_LIMIT: too many wait. */
int api_event(struct api *api, uint64_t number, struct slice payload) MUST_USE;
/* Stores the events and messages that wait, in one transaction, then acknowledges. At the end of
 * each turn; an error (full disk) leaves them waiting for the next. */
int api_flush(struct api *api, struct api_now now) MUST_USE;

/* A message of the supervisor ("render", "recordings"); kept until api_flush, others are ignored.
 * ERR_FORMAT; ERR_LIMIT: too many wait. */
int api_control(struct api *api, const char *type, json_t *message) MUST_USE;
/* About once a minute. */
int api_tick(struct api *api, struct api_now now) MUST_USE;

#endif
