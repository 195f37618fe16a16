#include "api/routes.h"

#define ANYONE 0
#define READ ROUTE_SIGNED_IN
#define WRITE (ROUTE_SIGNED_IN | ROUTE_BODY)
#define ACT ROUTE_SIGNED_IN

static const struct route routes[] = {
    {"GET", "/api/me", api_me, ANYONE},
    {"PATCH", "/api/me", api_me_change, WRITE},
    {"POST", "/api/signin", api_signin, ROUTE_NO_CSRF | ROUTE_BODY},
    {"POST", "/api/signout", api_signout, ACT},
    {"POST", "/api/enter", api_enter, ROUTE_NO_CSRF | ROUTE_BODY},
    {"POST", "/api/password", api_password, WRITE},
    {"GET", "/api/classes", api_classes, READ},
    {"POST", "/api/classes", api_class_create, WRITE | ROUTE_STAFF},
    {"GET", "/api/classes/*", api_class_get, READ},
    {"PATCH", "/api/classes/*", api_class_change, WRITE},
    {"DELETE", "/api/classes/*", api_class_delete, ACT},
    {"POST", "/api/classes/*/open", api_class_open, ACT},
    {"POST", "/api/classes/*/close", api_class_close, ACT},
    {"PUT", "/api/classes/*/people", api_class_people, WRITE},
    {"POST", "/api/classes/*/join", api_class_join, ACT},
    {"POST", "/api/classes/*/check", api_class_check, ACT},
    {"GET", "/api/classes/*/attendance", api_attendance, READ},
    {"GET", "/api/classes/*/attendance.csv", api_attendance_csv, READ},
    {"GET", "/api/guest/*", api_guest_get, ANYONE},
    {"POST", "/api/guest/*", api_guest_join, ROUTE_NO_CSRF | ROUTE_BODY},
    {"POST", "/api/guest/*/check", api_guest_check, ROUTE_NO_CSRF | ROUTE_BODY},
    {"GET", "/api/recordings", api_recordings, READ},
    {"GET", "/api/recordings/*", api_recording_get, READ},
    {"DELETE", "/api/recordings/*", api_recording_delete, ACT},
    {"GET", "/recordings/*/*", api_recording_file, READ},
    {"GET", "/api/people", api_people, READ | ROUTE_STAFF},
    {"POST", "/api/people", api_person_create, WRITE | ROUTE_ADMIN},
    {"PATCH", "/api/people/*", api_person_change, WRITE | ROUTE_ADMIN},
    {"DELETE", "/api/people/*", api_person_delete, ACT | ROUTE_ADMIN},
    {"PATCH", "/api/organisation", api_organisation_change, WRITE | ROUTE_ADMIN},
    {"GET", "/api/audit", api_audit, READ | ROUTE_ADMIN},
    {"GET", "/api/courses", api_courses, READ | ROUTE_STAFF},
    {"POST", "/api/courses", api_course_create, WRITE | ROUTE_STAFF},
    {"PATCH", "/api/courses/*", api_course_change, WRITE | ROUTE_STAFF},
    {"DELETE", "/api/courses/*", api_course_delete, ACT | ROUTE_STAFF},
    {"GET", "/config.js", api_config_js, ANYONE},
    {"GET", "/interface_config.js", api_interface_config_js, ANYONE},
    {"GET", "/*/config.js", api_config_js, ANYONE},
    {"GET", "/*/interface_config.js", api_interface_config_js, ANYONE},
};

static bool matches(struct slice pattern, struct slice path,
                    char parts[CALL_PARTS_MAX][CALL_PART_SIZE])
{
    size_t star = 0;
    while (pattern.len > 0 || path.len > 0) {
        struct slice want = slice_cut(&pattern, '/');
        struct slice have = slice_cut(&path, '/');
        if (!slice_eq_str(want, "*")) {
            if (!slice_eq(want, have))
                return false;
            continue;
        }
        if (have.len == 0 || star == CALL_PARTS_MAX ||
            !slice_copy(have, parts[star++], CALL_PART_SIZE))
            return false;
    }
    return true;
}

int route_find(const char *method, struct slice path, const struct route **ret_route,
               char ret_parts[CALL_PARTS_MAX][CALL_PART_SIZE])
{
    int err = ERR_NOT_FOUND;
    if (path.len == 0 || path.data[path.len - 1] == '/')
        return err;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!matches(slice_str(routes[i].pattern), path, ret_parts))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            *ret_route = &routes[i];
            return 0;
        }
        err = ERR_UNSUPPORTED;
    }
    return err;
}
