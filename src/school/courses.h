/* Courses: a title, teachers and pupils. Whoever is in a course is in its classes. */
#ifndef SCHOOL_COURSES_H
#define SCHOOL_COURSES_H

#include "school/people.h"

struct course {
    char id[ID_SIZE];
    char title[TEXT_SIZE];
};

typedef int (*course_visit)(void *arg, const struct course *course);

int course_create(struct sql *sql, const char *title, msec_t now,
                  struct course *ret_course) MUST_USE;
/* ERR_NOT_FOUND. */
int course_find(struct sql *sql, const char *id, struct course *ret_course) MUST_USE;
int course_rename(struct sql *sql, const char *id, const char *title) MUST_USE;
/* Its classes go on with the people they have. */
int course_delete(struct sql *sql, const char *id) MUST_USE;
/* All of them for an administrator, else those the person is in. */
int course_each(struct sql *sql, const struct person *viewer, course_visit visit,
                void *arg) MUST_USE;
int course_people_each(struct sql *sql, const char *id, person_visit visit, void *arg) MUST_USE;
int course_has(struct sql *sql, const char *id, const char *person, bool *ret_has) MUST_USE;
int course_enrol(struct sql *sql, const char *id, const char *person) MUST_USE;
/* Takes out all pupils, or all others. */
int course_clear(struct sql *sql, const char *id, bool pupils) MUST_USE;

#endif
