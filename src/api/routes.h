/* Every call of docs/api.md, by method and path, with who may make it. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/call.h"

enum route_flag {
    ROUTE_SIGNED_IN = 1 << 0,
    ROUTE_STAFF = 1 << 1, /* a teacher or an administrator */
    ROUTE_ADMIN = 1 << 2,
    ROUTE_NO_CSRF = 1 << 3, /* changes something without a session: Origin alone is checked */
    ROUTE_BODY = 1 << 4,    /* wants a JSON object */
};

struct route {
    const char *method;
    const char *pattern; /* a '*' stands for one part of the path */
    int (*handle)(struct call *call);
    unsigned flags;
};

/* The route, and what its stars matched. ERR_NOT_FOUND; ERR_UNSUPPORTED: the path exists, but not
 * with that method. */
int route_find(const char *method, struct slice path, const struct route **ret_route,
               char ret_parts[CALL_PARTS_MAX][CALL_PART_SIZE]) MUST_USE;

/* session.c */
/* Writes down the wrong passwords since the last time. */
int session_store_failures(struct api *api) MUST_USE;
int api_me(struct call *call) MUST_USE;
int api_me_change(struct call *call) MUST_USE;
int api_signin(struct call *call) MUST_USE;
int api_signout(struct call *call) MUST_USE;
int api_enter(struct call *call) MUST_USE;
int api_password(struct call *call) MUST_USE;
/* classes.c */
int api_classes(struct call *call) MUST_USE;
int api_class_create(struct call *call) MUST_USE;
int api_class_get(struct call *call) MUST_USE;
int api_class_change(struct call *call) MUST_USE;
int api_class_delete(struct call *call) MUST_USE;
int api_class_open(struct call *call) MUST_USE;
int api_class_close(struct call *call) MUST_USE;
int api_class_people(struct call *call) MUST_USE;
int api_class_join(struct call *call) MUST_USE;
int api_class_check(struct call *call) MUST_USE;
/* guest.c */
int api_guest_get(struct call *call) MUST_USE;
int api_guest_join(struct call *call) MUST_USE;
int api_guest_check(struct call *call) MUST_USE;
/* attendance.c */
int api_attendance(struct call *call) MUST_USE;
int api_attendance_csv(struct call *call) MUST_USE;
/* recordings.c */
int api_recordings(struct call *call) MUST_USE;
int api_recording_get(struct call *call) MUST_USE;
int api_recording_delete(struct call *call) MUST_USE;
int api_recording_file(struct call *call) MUST_USE;
/* people.c */
int api_people(struct call *call) MUST_USE;
int api_person_create(struct call *call) MUST_USE;
int api_person_change(struct call *call) MUST_USE;
int api_person_delete(struct call *call) MUST_USE;
int api_organisation_change(struct call *call) MUST_USE;
int api_audit(struct call *call) MUST_USE;
/* courses.c */
int api_courses(struct call *call) MUST_USE;
int api_course_create(struct call *call) MUST_USE;
int api_course_change(struct call *call) MUST_USE;
int api_course_delete(struct call *call) MUST_USE;
/* config_js.c */
int api_config_js(struct call *call) MUST_USE;
int api_interface_config_js(struct call *call) MUST_USE;

#endif
