#include "school/classes.h"
#include "school/courses.h"
#include "school/testing.h"

static int count(void *arg, const struct class *class)
{
    (void)class;
    ++*(int *)arg;
    return 0;
}

static int list(struct sql *sql, const struct person *viewer)
{
    int found = 0;
    assert_int_equal(class_each(sql, viewer, count, &found), 0);
    return found;
}

static bool has(struct sql *sql, const struct class *class, const struct person *person)
{
    bool in = false;
    assert_int_equal(class_has(sql, class->id, person->id, &in), 0);
    return in;
}

static int count_person(void *arg, const struct person *person)
{
    (void)person;
    ++*(int *)arg;
    return 0;
}

static void keeps_what_was_stored(void **state)
{
    struct sql *sql = *state;
    struct class made = {
        .title = "Algebra", .starts_at = NOW, .ends_at = NOW + 5, .guests = true, .policy = 7};
    struct class other = {.title = "Other"}, found;
    assert_int_equal(class_create(sql, &made, NOW), 0);
    assert_int_equal(class_create(sql, &other, NOW), 0);
    assert_string_not_equal(made.room, other.room);
    assert_int_equal(strlen(made.room), 14);
    assert_int_equal(class_by_room(sql, made.room, &found), 0);
    assert_string_equal(found.id, made.id);
    assert_true(found.starts_at == NOW && found.ends_at == NOW + 5 && found.guests);
    assert_int_equal(found.policy, 7);
    assert_false(found.own_profile);
    assert_int_equal(found.profile, PROFILE_RICH);
    assert_true(!found.own_codecs && found.codecs.count == 0);
    found.own_codecs = true;
    found.codecs = codec_list_read(SLICE("h264 vp8"), ' ');
    found.starts_at = 0;
    found.state = CLASS_OPEN;
    assert_int_equal(class_update(sql, &found), 0);
    assert_int_equal(class_find(sql, made.id, &found), 0);
    assert_true(found.starts_at == 0 && found.state == CLASS_OPEN);
    assert_true(found.own_codecs && found.codecs.count == 2 && found.codecs.at[0] == CODEC_H264);
    int open = 0;
    assert_int_equal(class_each_open(sql, count, &open), 0);
    assert_int_equal(open, 1);
    assert_int_equal(class_delete(sql, made.id), 0);
    assert_int_equal(class_find(sql, made.id, &found), ERR_NOT_FOUND);
    assert_int_equal(class_by_room(sql, made.room, &found), ERR_NOT_FOUND);
    assert_int_equal(class_update(sql, &made), ERR_NOT_FOUND);
}

static void courses_and_exceptions_make_the_people(void **state)
{
    struct sql *sql = *state;
    struct person teacher = add_person(sql, "teacher", ROLE_TEACHER),
                  in = add_person(sql, "in", ROLE_PUPIL), out = add_person(sql, "out", ROLE_PUPIL),
                  admin = add_person(sql, "admin", ROLE_ADMIN);
    struct course course;
    assert_int_equal(course_create(sql, "Maths", NOW, &course), 0);
    assert_int_equal(course_enrol(sql, course.id, teacher.id), 0);
    assert_int_equal(course_enrol(sql, course.id, in.id), 0);
    assert_int_equal(course_enrol(sql, course.id, in.id), 0);
    struct class class = {.title = "Sums"};
    memcpy(class.course, course.id, sizeof class.course);
    assert_int_equal(class_create(sql, &class, NOW), 0);
    assert_true(has(sql, &class, &in) && has(sql, &class, &teacher) && !has(sql, &class, &out));
    assert_int_equal(class_take_out(sql, class.id, in.id), 0);
    assert_int_equal(class_enrol(sql, class.id, out.id), 0);
    assert_true(!has(sql, &class, &in) && has(sql, &class, &out));
    assert_int_equal(list(sql, &in), 0);
    assert_int_equal(list(sql, &out), 1);
    assert_int_equal(list(sql, &admin), 1);
    int people = 0;
    assert_int_equal(class_people_each(sql, class.id, count_person, &people), 0);
    assert_int_equal(people, 2);
    bool may = false;
    assert_int_equal(class_may_manage(sql, class.id, &teacher, &may), 0);
    assert_true(may);
    assert_int_equal(class_may_manage(sql, class.id, &out, &may), 0);
    assert_false(may);
    assert_int_equal(class_may_manage(sql, class.id, &admin, &may), 0);
    assert_true(may);
    /* Without its course the class keeps its people, those taken out stay out. */
    assert_int_equal(course_delete(sql, course.id), 0);
    assert_true(has(sql, &class, &teacher) && has(sql, &class, &out) && !has(sql, &class, &in));
    assert_int_equal(class_find(sql, class.id, &class), 0);
    assert_string_equal(class.course, "");
    assert_int_equal(course_find(sql, course.id, &course), ERR_NOT_FOUND);
}

static void lists_of_a_course_are_replaced_by_role(void **state)
{
    struct sql *sql = *state;
    struct person teacher = add_person(sql, "teacher", ROLE_TEACHER),
                  pupil = add_person(sql, "pupil", ROLE_PUPIL);
    struct course course;
    bool in = false;
    assert_int_equal(course_create(sql, "Maths", NOW, &course), 0);
    assert_int_equal(course_enrol(sql, course.id, teacher.id), 0);
    assert_int_equal(course_enrol(sql, course.id, pupil.id), 0);
    assert_int_equal(course_clear(sql, course.id, true), 0);
    assert_int_equal(course_has(sql, course.id, pupil.id, &in), 0);
    assert_false(in);
    assert_int_equal(course_has(sql, course.id, teacher.id, &in), 0);
    assert_true(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keeps_what_was_stored),
        T(courses_and_exceptions_make_the_people),
        T(lists_of_a_course_are_replaced_by_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
