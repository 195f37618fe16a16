/* Who is signed in: sessions, one-time codes, devices known to an account. The store keeps hashes
 * only; what the browser holds leaves this room once. */
#ifndef SCHOOL_SESSIONS_H
#define SCHOOL_SESSIONS_H

#include "crypto/secret.h"
#include "school/people.h"

/* 43 letters and digits are 256 bits. */
#define TOKEN_LENGTH 43
#define TOKEN_SIZE (TOKEN_LENGTH + 1)
#define NEXT_SIZE 128
/* Two weeks, counted anew with each use. */
#define SESSION_LIFE (14 * MSEC_PER_DAY)

struct session {
    char hash[SECRET_HASH_TEXT];
    msec_t entered_at; /* by a one-time code; 0: by password */
    struct person person;
};

/* `entered`: by a one-time code. */
int session_create(struct sql *sql, const char *person, bool entered, msec_t now,
                   char ret_token[TOKEN_SIZE]) MUST_USE;
/* The living session of a person who may sign in; prolongs it. ERR_NOT_FOUND. */
int session_find(struct sql *sql, struct slice token, msec_t now,
                 struct session *ret_session) MUST_USE;
int session_end(struct sql *sql, const char *hash) MUST_USE;
/* What a request that changes something must repeat: bound to the session, kept nowhere. */
void session_csrf(struct slice token, char ret_csrf[SECRET_HASH_TEXT]);

/* A code for a link: works once, until now + life. `next`: the page to go to. At most 20 of a
 * person and purpose are kept, the newest ones. */
int code_issue(struct sql *sql, const char *person, const char *purpose, const char *next,
               msec_t life, msec_t now, char ret_code[TOKEN_SIZE]) MUST_USE;
/* Uses it up. ERR_NOT_FOUND: unknown, used, expired, or its person is gone or disabled. */
int code_use(struct sql *sql, struct slice code, msec_t now, char ret_person[ID_SIZE],
             char ret_next[NEXT_SIZE]) MUST_USE;

/* A browser that once signed in to this account is known to it and has limits of its own, so that
 * a stranger's guesses lock nobody out. */
int device_remember(struct sql *sql, struct slice token, const char *person, msec_t now) MUST_USE;
int device_known(struct sql *sql, struct slice token, const char *person, bool *ret_known) MUST_USE;

/* Forgets what has expired; once an hour or so. */
int sessions_purge(struct sql *sql, msec_t now) MUST_USE;

#endif
