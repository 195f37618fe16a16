/* A few threads that do nothing but hash passwords, so that the loop never waits for one. Both
 * queues are bounded. */
#ifndef API_HASHER_H
#define API_HASHER_H

#include "crypto/password.h"

struct hasher;

struct hash_job {
    uint64_t id;
    bool verify; /* `old` against `hash` first; an empty hash takes as long */
    bool make;   /* then a hash of `fresh` */
    char hash[PASSWORD_HASH_MAX];
    char old[PASSWORD_BYTES_MAX + 1];
    char fresh[PASSWORD_BYTES_MAX + 1];
};

struct hash_result {
    uint64_t id;
    int err;                      /* 0, ERR_AUTH: another password; ERR_MEMORY, ERR_FORMAT */
    char hash[PASSWORD_HASH_MAX]; /* of `fresh` */
};

/* What a helper does with a job; it wipes the passwords. */
void hash_run(struct hash_job *job, struct hash_result *ret_result);

/* At most `queue` jobs wait or run. ERR_MEMORY, ERR_IO. */
int hasher_new(unsigned threads, unsigned queue, struct hasher **ret_hasher) MUST_USE;
/* Waits for the job at hand of each thread; the others are dropped. */
void hasher_free(struct hasher **hasher);
/* Readable while results wait. */
int hasher_fd(const struct hasher *hasher);
/* Copies the job. ERR_LIMIT: the queue is full. */
int hasher_submit(struct hasher *hasher, const struct hash_job *job) MUST_USE;
/* ERR_AGAIN: none. */
int hasher_poll(struct hasher *hasher, struct hash_result *ret_result) MUST_USE;

#endif
