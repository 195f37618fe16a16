/* The first things in a new school: an administrator to begin with, or a whole class to look at. */
#ifndef SCHOOL_SETUP_H
#define SCHOOL_SETUP_H

#include "school/sessions.h"

/* `label` for a person to read, `path` with a one-time code. */
typedef int (*link_visit)(void *arg, const char *label, const char *path);

/* Makes the organisation when there is none. */
int setup_organisation(struct sql *sql, bool demo, msec_t now) MUST_USE;
/* While nobody can administer with a password: makes the first administrator if needed and hands
 * out a link that signs in once. */
int setup_admin(struct sql *sql, msec_t now, link_visit visit, void *arg) MUST_USE;
/* A teacher, four pupils and an open class, made once; new links each time, older unused ones stay
 * good. */
int setup_demo(struct sql *sql, msec_t now, link_visit visit, void *arg) MUST_USE;

#endif
