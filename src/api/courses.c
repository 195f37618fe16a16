/* Courses and who is in them. */
#include "school/courses.h"

#include "api/live.h"
#include "api/routes.h"

struct people {
    json_t *teachers;
    json_t *pupils;
};

static int add_person(void *arg, const struct person *person)
{
    struct people *people = arg;
    json_t *list = person->role == ROLE_PUPIL ? people->pupils : people->teachers;
    return json_array_append_new(list,
                                 json_pack("{s:s,s:s}", "id", person->id, "name", person->name))
               ? ERR_MEMORY
               : 0;
}

static json_t *course_json(struct call *call, const struct course *course)
{
    struct people people = {json_array(), json_array()};
    if (course_people_each(call->api->sql, course->id, add_person, &people)) {
        json_decref(people.teachers);
        json_decref(people.pupils);
        return NULL;
    }
    return json_pack("{s:s,s:s,s:o,s:o}", "id", course->id, "title", course->title, "teachers",
                     people.teachers, "pupils", people.pupils);
}

struct listing {
    struct call *call;
    json_t *list;
};

static int add_course(void *arg, const struct course *course)
{
    struct listing *listing = arg;
    return json_array_append_new(listing->list, course_json(listing->call, course)) ? ERR_MEMORY
                                                                                    : 0;
}

int api_courses(struct call *call)
{
    struct listing listing = {call, json_array()};
    int err = course_each(call->api->sql, &call->session.person, add_course, &listing);
    if (err) {
        json_decref(listing.list);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o}", "courses", listing.list));
}

/* Replaces all pupils, or all others; `ids` NULL: leaves them. ERR_NOT_FOUND: one does not exist or
 * has the other role. */
static int set_people(struct sql *sql, const char *course, json_t *ids, bool pupils)
{
    int err = ids ? course_clear(sql, course, pupils) : 0;
    for (size_t i = 0; i < json_array_size(ids) && !err; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        struct person person;
        err = person_find(sql, id, &person);
        if (!err && (person.role == ROLE_PUPIL) != pupils)
            err = ERR_NOT_FOUND;
        if (!err)
            err = course_enrol(sql, course, id);
    }
    return err;
}

struct wanted {
    char title[TEXT_SIZE];
    json_t *teachers;
    json_t *pupils;
};

static int read_wanted(struct call *call, struct wanted *wanted)
{
    int err = field_text(call, "title", wanted->title, NULL);
    if (!err)
        err = field_ids(call, "teacherIds", &wanted->teachers);
    return err ? err : field_ids(call, "pupilIds", &wanted->pupils);
}

static int store_people(struct call *call, const char *course, const struct wanted *wanted)
{
    struct sql *sql = call->api->sql;
    const struct person *me = &call->session.person;
    int err = set_people(sql, course, wanted->teachers, false);
    if (!err)
        err = set_people(sql, course, wanted->pupils, true);
    /* A teacher does not lose the own course by a list without the own name. */
    if (!err && me->role == ROLE_TEACHER)
        err = course_enrol(sql, course, me->id);
    return err;
}

static int answer(struct call *call, const struct course *course, int status, int err)
{
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 422, "unknown-person",
                         "One of these people does not exist or has another role.");
    return err ? err : call_json(call, status, course_json(call, course));
}

int api_course_create(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct wanted wanted = {0};
    struct course course;
    int err = read_wanted(call, &wanted);
    if (err)
        return err;
    if (!wanted.title[0])
        return call_fail_field(call, "title", "A course has a title.");
    err = sql_begin(sql);
    if (err)
        return err;
    err = course_create(sql, wanted.title, call->now.wall, &course);
    if (!err)
        err = store_people(call, course.id, &wanted);
    if (!err)
        err = call_audit(call, "course-create", course.id, "");
    return answer(call, &course, 201, sql_finish(sql, err));
}

/* 1: found, and the person may change it. */
static int find_course(struct call *call, struct course *ret_course)
{
    struct sql *sql = call->api->sql;
    bool in = call->session.person.role == ROLE_ADMIN;
    int err = course_find(sql, call->parts[0], ret_course);
    if (!err && !in)
        err = course_has(sql, ret_course->id, call->session.person.id, &in);
    if (err == ERR_NOT_FOUND || (!err && !in))
        return call_fail(call, 404, "unknown-course", "There is no such course for you.");
    return err ? err : 1;
}

static int add_id(void *arg, const struct person *person)
{
    return json_array_append_new(arg, json_string(person->id)) ? ERR_MEMORY : 0;
}

/* Whoever was in the course leaves the open classes that were open for that reason only. */
static int send_out(struct call *call, json_t *before)
{
    int err = 0;
    for (size_t i = 0; i < json_array_size(before) && !err; i++)
        err =
            live_remove_everywhere(call->api, json_string_value(json_array_get(before, i)), false);
    return err;
}

int api_course_change(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct wanted wanted = {0};
    struct course course;
    int err = find_course(call, &course);
    if (err != 1)
        return err;
    memcpy(wanted.title, course.title, sizeof wanted.title);
    err = read_wanted(call, &wanted);
    if (!err)
        err = sql_begin(sql);
    if (err)
        return err;
    json_t *before = json_array();
    err = course_people_each(sql, course.id, add_id, before);
    if (!err)
        err = course_rename(sql, course.id, wanted.title);
    memcpy(course.title, wanted.title, sizeof course.title);
    if (!err)
        err = store_people(call, course.id, &wanted);
    if (!err)
        err = call_audit(call, "course-change", course.id, "");
    err = sql_finish(sql, err);
    if (!err)
        err = send_out(call, before);
    json_decref(before);
    return answer(call, &course, 200, err);
}

int api_course_delete(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct course course;
    int err = find_course(call, &course);
    if (err != 1)
        return err;
    err = sql_begin(sql);
    if (err)
        return err;
    err = course_delete(sql, course.id);
    if (!err)
        err = call_audit(call, "course-delete", course.id, "");
    err = sql_finish(sql, err);
    return err ? err : call_empty(call);
}
