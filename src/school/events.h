/* What signal reports about live classes, taken in once each: attendance, recordings, audit. */
#ifndef SCHOOL_EVENTS_H
#define SCHOOL_EVENTS_H

#include "school/school.h"

/* Texts are never NULL; "" where an event has no such field. See docs/bus.md, "signal - web". */
struct event {
    const char *boot; /* of the journal that numbers the events */
    uint64_t number;
    const char *type;
    const char *room;
    const char *class;
    msec_t at;
    const char *user;
    const char *name;
    bool guest;
    const char *session;
    msec_t present; /* -1: not said */
    const char *recording;
    const char *by;
    msec_t duration;
    const char *media;
};

/* Applies it, or nothing when it was applied before, in the caller's transaction or one of its own.
 * An event of an unknown kind or class is taken as seen (*ret_known false). */
int event_apply(struct sql *sql, const struct event *event, bool *ret_known) MUST_USE;

#endif
