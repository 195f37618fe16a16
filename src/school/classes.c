#include "school/classes.h"

#include "crypto/random.h"

#define CLASS_COLUMNS                                                                              \
    "c.id, c.course, k.title, c.room, c.title, c.state, c.starts_at, c.ends_at, c.guests, "        \
    "c.policy, c.profile IS NOT NULL, COALESCE(c.profile, o.profile), "                            \
    "c.codecs IS NOT NULL, COALESCE(c.codecs, o.codecs)"
#define CLASS_FROM                                                                                 \
    " FROM class c JOIN organisation o ON o.id=c.organisation"                                     \
    " LEFT JOIN course k ON k.id=c.course WHERE c.deleted=0"
/* Whether person ?1 is in class c. */
#define IS_IN                                                                                      \
    " (EXISTS(SELECT 1 FROM class_person e WHERE e.class=c.id AND e.person=?1 AND e.excluded=0)"   \
    " OR (EXISTS(SELECT 1 FROM course_person cp WHERE cp.course=c.course AND cp.person=?1)"        \
    " AND NOT EXISTS(SELECT 1 FROM class_person x WHERE x.class=c.id AND x.person=?1"              \
    " AND x.excluded=1)))"

static void read_class(struct sql_rows *rows, struct class *ret_class)
{
    int64_t state = sql_get_num(rows, 5);
    *ret_class = (struct class){
        .state = state == CLASS_OPEN    ? CLASS_OPEN
                 : state == CLASS_ENDED ? CLASS_ENDED
                                        : CLASS_PLANNED,
        .starts_at = sql_get_num(rows, 6),
        .ends_at = sql_get_num(rows, 7),
        .guests = sql_get_num(rows, 8) != 0,
        .policy = (uint32_t)sql_get_num(rows, 9),
        .own_profile = sql_get_num(rows, 10) != 0,
        .profile = profile_stored(sql_get_num(rows, 11)),
        .own_codecs = sql_get_num(rows, 12) != 0,
        .codecs = codecs_stored(rows, 13),
    };
    sql_get_str(rows, 0, ret_class->id, ID_SIZE);
    sql_get_str(rows, 1, ret_class->course, ID_SIZE);
    sql_get_str(rows, 2, ret_class->course_title, TEXT_SIZE);
    sql_get_str(rows, 3, ret_class->room, ROOM_SIZE);
    sql_get_str(rows, 4, ret_class->title, TEXT_SIZE);
}

static struct sql_value profile_value(const struct class *class)
{
    return class->own_profile ? sql_num(class->profile) : sql_str(NULL);
}

static struct sql_value codecs_value(const struct class *class, char text[CODEC_LIST_TEXT])
{
    codec_list_print(&class->codecs, ' ', text);
    return sql_str(class->own_codecs ? text : NULL);
}

/* Twelve letters and digits that are hard to confuse, in groups: 2^60 rooms. Jitsi's clients write
 * room names in lower case. */
static void new_room(char ret_room[ROOM_SIZE])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    uint8_t bytes[12];
    size_t at = 0;
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 8)
            ret_room[at++] = '-';
        ret_room[at++] = letters[bytes[i] % (sizeof letters - 1)];
    }
    ret_room[at] = '\0';
}

int class_create(struct sql *sql, struct class *class, msec_t now)
{
    struct class made = *class;
    char codecs[CODEC_LIST_TEXT];
    made.state = CLASS_PLANNED;
    id_new('c', made.id);
    new_room(made.room);
    int err = sql_exec(
        sql,
        "INSERT INTO class(id, organisation, course, room, title, state, starts_at, ends_at,"
        " guests, policy, created_at, profile, codecs)"
        " SELECT ?1, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12"
        " FROM organisation ORDER BY created_at LIMIT 1",
        SQL_VALUES(sql_str(made.id), sql_str(made.course[0] ? made.course : NULL),
                   sql_str(made.room), sql_str(made.title), sql_num(made.state),
                   sql_time(made.starts_at), sql_time(made.ends_at), sql_num(made.guests),
                   sql_num(made.policy), sql_num(now), profile_value(&made),
                   codecs_value(&made, codecs)));
    if (!err)
        *class = made;
    return err;
}

static int one_class(struct sql *sql, const char *text, const char *key, struct class *ret_class)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, text, SQL_VALUES(sql_str(key)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1)
        read_class(rows, ret_class);
    sql_end(&rows);
    return err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
}

int class_find(struct sql *sql, const char *id, struct class *ret_class)
{
    return one_class(sql, "SELECT " CLASS_COLUMNS CLASS_FROM " AND c.id=?1", id, ret_class);
}

int class_by_room(struct sql *sql, const char *room, struct class *ret_class)
{
    return one_class(sql, "SELECT " CLASS_COLUMNS CLASS_FROM " AND c.room=?1", room, ret_class);
}

int class_update(struct sql *sql, const struct class *class)
{
    char codecs[CODEC_LIST_TEXT];
    int err = sql_exec(sql,
                       "UPDATE class SET title=?2, state=?3, starts_at=?4, ends_at=?5, guests=?6,"
                       " policy=?7, profile=?8, codecs=?9 WHERE id=?1 AND deleted=0",
                       SQL_VALUES(sql_str(class->id), sql_str(class->title), sql_num(class->state),
                                  sql_time(class->starts_at), sql_time(class->ends_at),
                                  sql_num(class->guests), sql_num(class->policy),
                                  profile_value(class), codecs_value(class, codecs)));
    return !err && sql_changes(sql) == 0 ? ERR_NOT_FOUND : err;
}

int class_delete(struct sql *sql, const char *id)
{
    return sql_exec(sql, "UPDATE class SET deleted=1, state=?2 WHERE id=?1",
                    SQL_VALUES(sql_str(id), sql_num(CLASS_ENDED)));
}

static int each(struct sql_rows **rows, class_visit visit, void *arg)
{
    int err = 0;
    while (!err && (err = sql_next(*rows)) == 1) {
        struct class class;
        read_class(*rows, &class);
        err = visit(arg, &class);
    }
    sql_end(rows);
    return err;
}

int class_each(struct sql *sql, const struct person *viewer, class_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    bool all = !viewer || viewer->role == ROLE_ADMIN;
    int err = sql_query(sql,
                        "SELECT " CLASS_COLUMNS CLASS_FROM " AND (?2=1 OR" IS_IN ")"
                        " ORDER BY c.state=1 DESC, COALESCE(c.starts_at, c.created_at) DESC, c.id"
                        " LIMIT 1000",
                        SQL_VALUES(sql_str(viewer ? viewer->id : ""), sql_num(all)), &rows);
    return err ? err : each(&rows, visit, arg);
}

int class_each_open(struct sql *sql, class_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, "SELECT " CLASS_COLUMNS CLASS_FROM " AND c.state=?1",
                        SQL_VALUES(sql_num(CLASS_OPEN)), &rows);
    return err ? err : each(&rows, visit, arg);
}

int class_people_each(struct sql *sql, const char *id, person_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err =
        sql_query(sql,
                  "SELECT " PERSON_COLUMNS " FROM person p WHERE p.deleted=0 AND p.id IN"
                  " (SELECT person FROM class_person WHERE class=?1 AND excluded=0 UNION"
                  " SELECT cp.person FROM course_person cp JOIN class c ON c.course=cp.course"
                  " WHERE c.id=?1) AND NOT EXISTS(SELECT 1 FROM class_person x WHERE x.class=?1"
                  " AND x.person=p.id AND x.excluded=1) ORDER BY p.role DESC, p.name, p.id",
                  SQL_VALUES(sql_str(id)), &rows);
    return err ? err : person_visit_rows(&rows, visit, arg);
}

int class_has(struct sql *sql, const char *id, const char *person, bool *ret_has)
{
    int64_t count = 0;
    int err = sql_one_num(sql, "SELECT COUNT(*) FROM class c WHERE c.id=?2 AND" IS_IN,
                          SQL_VALUES(sql_str(person), sql_str(id)), &count);
    if (!err)
        *ret_has = count > 0;
    return err;
}

static int set_excluded(struct sql *sql, const char *id, const char *person, bool excluded)
{
    return sql_exec(sql,
                    "INSERT INTO class_person(class, person, excluded) VALUES(?1, ?2, ?3)"
                    " ON CONFLICT(class, person) DO UPDATE SET excluded=?3",
                    SQL_VALUES(sql_str(id), sql_str(person), sql_num(excluded)));
}

int class_enrol(struct sql *sql, const char *id, const char *person)
{
    return set_excluded(sql, id, person, false);
}

int class_take_out(struct sql *sql, const char *id, const char *person)
{
    return set_excluded(sql, id, person, true);
}

int class_may_manage(struct sql *sql, const char *id, const struct person *person, bool *ret_may)
{
    bool in = false;
    int err = 0;
    if (person->role == ROLE_TEACHER)
        err = class_has(sql, id, person->id, &in);
    if (!err)
        *ret_may = person->role == ROLE_ADMIN || in;
    return err;
}
