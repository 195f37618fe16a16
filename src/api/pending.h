/* Requests that wait for a password helper: what must be remembered until its answer. */
#ifndef API_PENDING_H
#define API_PENDING_H

#include "api/call.h"

/* More than the helpers' queue holds never wait. */
#define PENDING_MAX 256

struct pending {
    struct pending *next;
    uint64_t job;
    uint64_t request;
    bool gone;
    bool https;
    bool signed_in;
    struct session session; /* of whoever asked, when signed in */
    char base[CALL_URL_SIZE];
    char address[64];
    char device[TOKEN_SIZE];
    bool trusted; /* the device is known to the account */
    char account[ACCOUNT_SIZE];
    struct person person; /* to sign in, to change, or to make */
    int (*done)(struct call *call, struct pending *pending, const struct hash_result *result);
};

/* Hands the job (its id is filled in) to a helper and keeps a copy of *pending with the call's
 * request. ERR_LIMIT: they are busy; answered by the caller. */
int pending_start(struct call *call, struct pending *pending, struct hash_job *job) MUST_USE;
/* "503 busy" with its counter. */
int pending_busy(struct call *call) MUST_USE;

#endif
