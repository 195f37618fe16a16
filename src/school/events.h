/* What signal reports about live classes, taken in once each: attendance, recordings, audit. */
#ifndef SCHOOL_EVENTS_H
#define SCHOOL_EVENTS_H

#include "school/school.h"

/* Texts are never NULL; "" where an event has no such field. See docs/bus.md, "signal - web". */
struct event {
    uint64_t number;
    struct slice payload; /* all of it as it came: with the number it tells events apart */
    const char *type;
    const char *room;
    const char *class;
    msec_t at;
    const char *user;
    const char *name;
    bool guest;
    const char *session;
    msec_t clock;   /* of a join; 0: not said */
    msec_t present; /* -1: not said */
    const char *recording;
    const char *by;
    msec_t duration;
    const char *media;
};

/* Applies it, or nothing when it was applied before, in the caller's transaction or one of its own.
 * An event of an unknown kind or class is taken as seen (*ret_known false). */
int event_apply(struct sql *sql, const struct event *event, msec_t now, bool *ret_known) MUST_USE;

/* `run` names a start of the whole house: when it is another one than last time, nobody is in class
 * any more, and stays that were open ended when the house was last alive. An empty `run` is not
 * judged. */
int events_start(struct sql *sql, const char *run) MUST_USE;
/* The house is alive; with each event, and once a minute while somebody is in class. */
int events_alive(struct sql *sql, msec_t now) MUST_USE;
/* Forgets events that signal cannot send again. */
int events_purge(struct sql *sql, msec_t now) MUST_USE;

#endif
