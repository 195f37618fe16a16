/* Classes: lists, changes, opening and closing, who is in, entering. */
#include <stdio.h>

#include "api/join.h"
#include "api/live.h"
#include "api/routes.h"
#include "school/attendance.h"
#include "school/courses.h"

struct people {
    json_t *list;
    bool teachers; /* only these */
};

static int add_person(void *arg, const struct person *person)
{
    struct people *people = arg;
    json_t *json;
    if (people->teachers && person->role == ROLE_PUPIL)
        return 0;
    if (people->teachers)
        json = json_pack("{s:s,s:s}", "id", person->id, "name", person->name);
    else
        json = json_pack("{s:s,s:s,s:s}", "id", person->id, "name", person->name, "role",
                         role_name(person->role));
    return json_array_append_new(people->list, json) ? ERR_MEMORY : 0;
}

static json_t *people_json(struct sql *sql, const char *class, bool teachers)
{
    struct people people = {json_array(), teachers};
    if (people.list && class_people_each(sql, class, add_person, &people)) {
        json_decref(people.list);
        return NULL;
    }
    return people.list;
}

static json_t *course_json(const struct class *class)
{
    return class->course[0]
               ? json_pack("{s:s,s:s}", "id", class->course, "title", class->course_title)
               : json_null();
}

static json_t *link_json(const struct call *call, const struct class *class)
{
    char url[CALL_URL_SIZE + ROOM_SIZE + 16];
    if (!class->guests)
        return json_null();
    (void)snprintf(url, sizeof url, "%s/guest/%s", call->base, class->room);
    return json_string(url);
}

static json_t *class_json(struct call *call, const struct class *class)
{
    static const char *const states[] = {"planned", "open", "ended"};
    struct sql *sql = call->api->sql;
    int64_t present = 0;
    bool may = false;
    if (attendance_present(sql, class->id, &present) ||
        class_may_manage(sql, class->id, &call->session.person, &may))
        return NULL;
    return json_pack("{s:s,s:s,s:o,s:s,s:s,s:o,s:o,s:o,s:b,s:o,s:o,s:s?,s:o,s:b,s:I}", "id",
                     class->id, "title", class->title, "course", course_json(class), "room",
                     class->room, "state", states[class->state], "startsAt",
                     when_json(class->starts_at), "endsAt", when_json(class->ends_at), "teachers",
                     people_json(sql, class->id, true), "guests", (int)class->guests, "guestLink",
                     link_json(call, class), "policy", policy_json(class->policy), "profile",
                     class->own_profile ? profile_name(class->profile) : NULL, "codecs",
                     class->own_codecs ? codec_list_json(&class->codecs) : json_null(), "mayManage",
                     (int)may, "present", (json_int_t)present);
}

static int answer_class(struct call *call, int status, const struct class *class)
{
    struct class now;
    int err = class_find(call->api->sql, class->id, &now);
    return err ? err : call_json(call, status, class_json(call, &now));
}

struct listing {
    struct call *call;
    json_t *list;
};

static int add_class(void *arg, const struct class *class)
{
    struct listing *listing = arg;
    return json_array_append_new(listing->list, class_json(listing->call, class)) ? ERR_MEMORY : 0;
}

int api_classes(struct call *call)
{
    struct listing listing = {call, json_array()};
    int err = class_each(call->api->sql, &call->session.person, add_class, &listing);
    if (err) {
        json_decref(listing.list);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o}", "classes", listing.list));
}

/* Bits of "policy", each of them optional. */
static int read_policy(struct call *call, uint32_t *policy)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } bits[] = {{"microphone", POLICY_MICROPHONE},
                {"camera", POLICY_CAMERA},
                {"screen", POLICY_SCREEN},
                {"chat", POLICY_CHAT},
                {"private", POLICY_PRIVATE}};
    json_t *wanted = json_object_get(call->json, "policy");
    json_t *pupils = json_object_get(wanted, "pupils");
    json_t *record = json_object_get(wanted, "record");
    bool ok = (!wanted || json_is_object(wanted)) && (!pupils || json_is_object(pupils)) &&
              (!record || json_is_boolean(record));
    for (size_t i = 0; i < ARRAY_LEN(bits) && ok; i++) {
        json_t *value = json_object_get(pupils, bits[i].name);
        if (value)
            *policy = json_is_true(value) ? *policy | bits[i].bit : *policy & ~bits[i].bit;
        ok = !value || json_is_boolean(value);
    }
    if (record)
        *policy =
            json_is_true(record) ? *policy | POLICY_RECORD : *policy & ~(uint32_t)POLICY_RECORD;
    if (ok)
        return 0;
    int err = call_fail_field(call, "policy", "Each part of a policy is true or false.");
    return err ? err : ERR_FORMAT;
}

static int read_class(struct call *call, struct class *class)
{
    int err = field_text(call, "title", class->title, NULL);
    if (!err)
        err = field_when(call, "startsAt", &class->starts_at, NULL);
    if (!err)
        err = field_when(call, "endsAt", &class->ends_at, NULL);
    if (!err)
        err = field_bool(call, "guests", &class->guests, NULL);
    if (!err)
        err = read_policy(call, &class->policy);
    if (!err)
        err = field_profile(call, "profile", &class->own_profile, &class->profile);
    if (!err)
        err = field_codecs(call, "codecs", &class->own_codecs, &class->codecs);
    if (!err && class->ends_at && class->starts_at && class->ends_at <= class->starts_at) {
        err = call_fail_field(call, "endsAt", "A class ends after it begins.");
        return err ? err : ERR_FORMAT;
    }
    return err;
}

/* A teacher plans classes of the own courses only. */
static int check_course(struct call *call, struct class *class)
{
    struct sql *sql = call->api->sql;
    const struct person *me = &call->session.person;
    struct course course;
    bool in = true;
    int err = field_id(call, "courseId", class->course);
    if (err || !class->course[0])
        return err;
    err = course_find(sql, class->course, &course);
    if (!err && me->role != ROLE_ADMIN)
        err = course_has(sql, class->course, me->id, &in);
    if (err == ERR_NOT_FOUND || (!err && !in)) {
        err = call_fail_field(call, "courseId", "There is no such course for you.");
        return err ? err : ERR_FORMAT;
    }
    return err;
}

int api_class_create(struct call *call)
{
    struct sql *sql = call->api->sql;
    const struct person *me = &call->session.person;
    struct class class = {.policy = POLICY_DEFAULT};
    int err = read_class(call, &class);
    if (!err)
        err = check_course(call, &class);
    if (err)
        return err;
    if (!class.title[0])
        return call_fail_field(call, "title", "A class has a title.");
    err = sql_begin(sql);
    if (err)
        return err;
    err = class_create(sql, &class, call->now.wall);
    if (!err && me->role == ROLE_TEACHER)
        err = class_enrol(sql, class.id, me->id);
    if (!err)
        err = call_audit(call, "class-create", class.id, "");
    err = sql_finish(sql, err);
    return err ? err : answer_class(call, 201, &class);
}

int api_class_get(struct call *call)
{
    struct class class;
    bool may = false;
    int err = call_class(call, false, &class);
    if (err != 1)
        return err;
    err = class_may_manage(call->api->sql, class.id, &call->session.person, &may);
    if (err)
        return err;
    json_t *json = class_json(call, &class);
    if (json && may &&
        json_object_set_new(json, "people", people_json(call->api->sql, class.id, false))) {
        json_decref(json);
        json = NULL;
    }
    return call_json(call, 200, json);
}

static int store_class(struct call *call, const struct class *class, const char *action)
{
    struct sql *sql = call->api->sql;
    int err = sql_begin(sql);
    if (err)
        return err;
    err = class_update(sql, class);
    if (!err)
        err = call_audit(call, action, class->id, "");
    return sql_finish(sql, err);
}

int api_class_change(struct call *call)
{
    struct class class;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    err = read_class(call, &class);
    if (!err)
        err = store_class(call, &class, "class-change");
    if (!err) /* what it follows now */
        err = class_find(call->api->sql, class.id, &class);
    if (!err && class.state == CLASS_OPEN)
        err = live_class(call->api, &class);
    return err ? err : answer_class(call, 200, &class);
}

int api_class_delete(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct class class;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    err = sql_begin(sql);
    if (err)
        return err;
    err = class_delete(sql, class.id);
    if (!err)
        err = call_audit(call, "class-delete", class.id, "");
    err = sql_finish(sql, err);
    class.state = CLASS_ENDED;
    if (!err)
        err = live_class(call->api, &class);
    return err ? err : call_empty(call);
}

static int set_state(struct call *call, enum class_state state, const char *action)
{
    struct class class;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    err = 0;
    if (class.state != state) {
        class.state = state;
        err = store_class(call, &class, action);
    }
    if (!err)
        err = live_class(call->api, &class);
    return err ? err : answer_class(call, 200, &class);
}

int api_class_open(struct call *call)
{
    return set_state(call, CLASS_OPEN, "class-open");
}

int api_class_close(struct call *call)
{
    return set_state(call, CLASS_ENDED, "class-close");
}

static int change_people(struct call *call, const struct class *class, json_t *ids, bool add)
{
    struct sql *sql = call->api->sql;
    int err = 0;
    for (size_t i = 0; i < json_array_size(ids) && !err; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        struct person person;
        err = person_find(sql, id, &person);
        if (!err)
            err = add ? class_enrol(sql, class->id, id) : class_take_out(sql, class->id, id);
    }
    return err;
}

int api_class_people(struct call *call)
{
    struct sql *sql = call->api->sql;
    json_t *add = NULL, *remove = NULL;
    struct class class;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    err = field_ids(call, "add", &add);
    if (!err)
        err = field_ids(call, "remove", &remove);
    if (!err)
        err = sql_begin(sql);
    if (err)
        return err;
    err = change_people(call, &class, add, true);
    if (!err)
        err = change_people(call, &class, remove, false);
    if (!err)
        err = call_audit(call, "class-people", class.id, "");
    err = sql_finish(sql, err);
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 422, "unknown-person", "One of these people does not exist.");
    for (size_t i = 0; i < json_array_size(remove) && !err; i++)
        err = live_remove(call->api, &class, json_string_value(json_array_get(remove, i)));
    return err ? err : answer_class(call, 200, &class);
}

int api_class_join(struct call *call)
{
    struct class class;
    struct join_person person;
    int err = join_find_told(call, &class, &person);
    return err == 1 ? join_answer(call, &class, &person) : err;
}
