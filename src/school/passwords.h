/* Which passwords are good enough. */
#ifndef SCHOOL_PASSWORDS_H
#define SCHOOL_PASSWORDS_H

#include "base/slice.h"

#define PASSWORD_CHARACTERS_MIN 10

enum password_fault {
    PASSWORD_GOOD,
    PASSWORD_SHORT,   /* fewer than PASSWORD_CHARACTERS_MIN characters */
    PASSWORD_LONG,    /* more than PASSWORD_BYTES_MAX bytes */
    PASSWORD_ACCOUNT, /* the account's name with little around it */
    PASSWORD_COMMON,  /* among the first that everybody tries, or a mere run */
};

/* `password` is UTF-8. */
enum password_fault password_judge(struct slice password, struct slice account);
/* A sentence for people. */
const char *password_fault_text(enum password_fault fault);

#endif
