#include "school/courses.h"

int course_create(struct sql *sql, const char *title, msec_t now, struct course *ret_course)
{
    struct course made = {0};
    id_new('k', made.id);
    (void)slice_copy(slice_str(title), made.title, sizeof made.title); /* bounded by text_clean */
    int err = sql_exec(sql,
                       "INSERT INTO course(id, organisation, title, created_at)"
                       " SELECT ?1, id, ?2, ?3 FROM organisation ORDER BY created_at LIMIT 1",
                       SQL_VALUES(sql_str(made.id), sql_str(made.title), sql_num(now)));
    if (!err)
        *ret_course = made;
    return err;
}

static void read_course(struct sql_rows *rows, struct course *ret_course)
{
    sql_get_str(rows, 0, ret_course->id, ID_SIZE);
    sql_get_str(rows, 1, ret_course->title, TEXT_SIZE);
}

int course_find(struct sql *sql, const char *id, struct course *ret_course)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, "SELECT id, title FROM course WHERE id=?1 AND deleted=0",
                        SQL_VALUES(sql_str(id)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1)
        read_course(rows, ret_course);
    sql_end(&rows);
    return err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
}

int course_rename(struct sql *sql, const char *id, const char *title)
{
    return sql_exec(sql, "UPDATE course SET title=?2 WHERE id=?1 AND deleted=0",
                    SQL_VALUES(sql_str(id), sql_str(title)));
}

int course_delete(struct sql *sql, const char *id)
{
    static const char *const steps[] = {
        "INSERT INTO class_person(class, person) SELECT c.id, cp.person FROM class c"
        " JOIN course_person cp ON cp.course=c.course WHERE c.course=?1"
        " ON CONFLICT(class, person) DO NOTHING",
        "UPDATE class SET course=NULL WHERE course=?1",
        "DELETE FROM course_person WHERE course=?1",
        "UPDATE course SET deleted=1 WHERE id=?1",
    };
    int err = sql_begin(sql);
    if (err)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(steps) && !err; i++)
        err = sql_exec(sql, steps[i], SQL_VALUES(sql_str(id)));
    return sql_finish(sql, err);
}

int course_each(struct sql *sql, const struct person *viewer, course_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err =
        sql_query(sql,
                  "SELECT id, title FROM course c WHERE deleted=0 AND (?2=1 OR EXISTS"
                  " (SELECT 1 FROM course_person cp WHERE cp.course=c.id AND cp.person=?1))"
                  " ORDER BY title, id LIMIT 5000",
                  SQL_VALUES(sql_str(viewer->id), sql_num(viewer->role == ROLE_ADMIN)), &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        struct course course;
        read_course(rows, &course);
        err = visit(arg, &course);
    }
    sql_end(&rows);
    return err;
}

int course_people_each(struct sql *sql, const char *id, person_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql,
                        "SELECT " PERSON_COLUMNS " FROM person p JOIN course_person cp"
                        " ON cp.person=p.id WHERE cp.course=?1 AND p.deleted=0"
                        " ORDER BY p.name, p.id",
                        SQL_VALUES(sql_str(id)), &rows);
    return err ? err : person_visit_rows(&rows, visit, arg);
}

int course_has(struct sql *sql, const char *id, const char *person, bool *ret_has)
{
    int64_t count = 0;
    int err = sql_one_num(sql, "SELECT COUNT(*) FROM course_person WHERE course=?1 AND person=?2",
                          SQL_VALUES(sql_str(id), sql_str(person)), &count);
    if (!err)
        *ret_has = count > 0;
    return err;
}

int course_enrol(struct sql *sql, const char *id, const char *person)
{
    return sql_exec(sql,
                    "INSERT INTO course_person(course, person) VALUES(?1, ?2)"
                    " ON CONFLICT(course, person) DO NOTHING",
                    SQL_VALUES(sql_str(id), sql_str(person)));
}

int course_clear(struct sql *sql, const char *id, bool pupils)
{
    return sql_exec(sql,
                    "DELETE FROM course_person WHERE course=?1 AND person IN"
                    " (SELECT id FROM person WHERE (role=?2)=?3)",
                    SQL_VALUES(sql_str(id), sql_num(ROLE_PUPIL), sql_num(pupils)));
}
