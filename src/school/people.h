/* The organisation and its people. One organisation lives in a database today; every table names
 * it. Errors are those of store/sql.h and the ones named here. */
#ifndef SCHOOL_PEOPLE_H
#define SCHOOL_PEOPLE_H

#include "crypto/password.h"
#include "school/school.h"

#define ACCOUNT_SIZE 65
#define LANGUAGE_SIZE 9

struct organisation {
    char id[ID_SIZE];
    char name[TEXT_SIZE];
    enum profile profile;     /* of classes that say nothing else, as are: */
    struct codec_list codecs; /* none: as the server is set up */
};

struct person {
    char id[ID_SIZE];
    char name[TEXT_SIZE];
    char account[ACCOUNT_SIZE]; /* what one signs in with, lower case */
    enum role role;
    char language[LANGUAGE_SIZE]; /* "" until chosen */
    bool must_change;             /* is asked for a new password after signing in */
    bool disabled;
    bool has_password;
};

typedef int (*person_visit)(void *arg, const struct person *person);

/* ERR_NOT_FOUND before organisation_create. */
int organisation_find(struct sql *sql, struct organisation *ret_organisation) MUST_USE;
int organisation_create(struct sql *sql, const char *name, msec_t now,
                        struct organisation *ret_organisation) MUST_USE;
/* Stores name, profile and codecs. */
int organisation_update(struct sql *sql, const struct organisation *organisation) MUST_USE;

/* Lower case; 2 to 64 of a-z 0-9 . _ - + @. ERR_FORMAT. */
int account_clean(struct slice typed, char ret_account[ACCOUNT_SIZE]) MUST_USE;
/* "en", "ar", "pt-br": ERR_FORMAT. */
int language_clean(struct slice typed, char ret_language[LANGUAGE_SIZE]) MUST_USE;

/* Stores name, account, role, language and must_change of *person and fills its id. `hash`: of the
 * password, or NULL. ERR_EXISTS: the account is taken. */
int person_create(struct sql *sql, struct person *person, const char *hash, msec_t now) MUST_USE;
/* ERR_NOT_FOUND. */
int person_find(struct sql *sql, const char *id, struct person *ret_person) MUST_USE;
/* With the password's hash ("" when there is none). ERR_NOT_FOUND. */
int person_by_account(struct sql *sql, const char *account, struct person *ret_person,
                      char ret_hash[PASSWORD_HASH_MAX]) MUST_USE;
int person_hash(struct sql *sql, const char *id, char ret_hash[PASSWORD_HASH_MAX]) MUST_USE;
/* By name; those deleted are left out. Stops at the visitor's first error and returns it. */
int person_each(struct sql *sql, person_visit visit, void *arg) MUST_USE;
/* Stores name, role, language, must_change and disabled. ERR_STATE: nobody would be left who may
 * administer. Disabling ends all sessions. */
int person_update(struct sql *sql, const struct person *person) MUST_USE;
/* A new hash: ends all sessions but the one whose stored hash is `keep` (NULL: all). */
int person_set_password(struct sql *sql, const char *id, const char *hash,
                        const char *keep) MUST_USE;
/* Forgets the password, ends all sessions, and marks it to be chosen anew. */
int person_reset(struct sql *sql, const char *id) MUST_USE;
/* Forgets account and password and leaves every course and class; the name stays in attendance.
 * ERR_STATE as above. */
int person_delete(struct sql *sql, const char *id) MUST_USE;
/* Administrators who can sign in with a password. */
int person_count_admins(struct sql *sql, int64_t *ret_count) MUST_USE;

/* The columns of `person p` in the order that person_read wants, for queries of this room. */
#define PERSON_COLUMNS                                                                             \
    "p.id, p.name, p.account, p.role, p.language, p.must_change, p.disabled, "                     \
    "p.password IS NOT NULL"
#define PERSON_COLUMN_COUNT 8
void person_read(struct sql_rows *rows, struct person *ret_person);
/* Reads all rows of such a query and ends it. */
int person_visit_rows(struct sql_rows **rows, person_visit visit, void *arg) MUST_USE;

#endif
