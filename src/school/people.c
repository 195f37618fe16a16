#include "school/people.h"

static int one_person(struct sql_rows **rows, int err, struct person *ret_person)
{
    if (!err)
        err = sql_next(*rows);
    if (err == 0)
        err = ERR_NOT_FOUND;
    if (err == 1) {
        person_read(*rows, ret_person);
        err = 0;
    }
    return err;
}

int organisation_find(struct sql *sql, struct organisation *ret_organisation)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(
        sql, "SELECT id, name, profile, codecs FROM organisation ORDER BY created_at LIMIT 1",
        SQL_NONE, &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1) {
        sql_get_str(rows, 0, ret_organisation->id, ID_SIZE);
        sql_get_str(rows, 1, ret_organisation->name, TEXT_SIZE);
        ret_organisation->profile = profile_stored(sql_get_num(rows, 2));
        ret_organisation->codecs = codecs_stored(rows, 3);
    }
    sql_end(&rows);
    return err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
}

int organisation_create(struct sql *sql, const char *name, msec_t now,
                        struct organisation *ret_organisation)
{
    struct organisation made = {.profile = PROFILE_RICH};
    id_new('o', made.id);
    (void)slice_copy(slice_str(name), made.name, sizeof made.name); /* names are bounded before */
    int err = sql_exec(sql, "INSERT INTO organisation(id, name, created_at) VALUES(?1, ?2, ?3)",
                       SQL_VALUES(sql_str(made.id), sql_str(made.name), sql_num(now)));
    if (!err)
        *ret_organisation = made;
    return err;
}

int organisation_update(struct sql *sql, const struct organisation *organisation)
{
    char codecs[CODEC_LIST_TEXT];
    codec_list_print(&organisation->codecs, ' ', codecs);
    return sql_exec(
        sql, "UPDATE organisation SET name=?1, profile=?2, codecs=?3",
        SQL_VALUES(sql_str(organisation->name), sql_num(organisation->profile), sql_str(codecs)));
}

int account_clean(struct slice typed, char ret_account[ACCOUNT_SIZE])
{
    struct slice text = slice_trim(typed);
    char account[ACCOUNT_SIZE] = "";
    if (text.len < 2 || text.len >= ACCOUNT_SIZE)
        return ERR_FORMAT;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr("._-+@", c)))
            return ERR_FORMAT;
        account[i] = c;
    }
    memcpy(ret_account, account, sizeof account);
    return 0;
}

int language_clean(struct slice typed, char ret_language[LANGUAGE_SIZE])
{
    if (typed.len < 2 || typed.len >= LANGUAGE_SIZE)
        return ERR_FORMAT;
    for (size_t i = 0; i < typed.len; i++) {
        uint8_t c = typed.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(i >= 2 && c == '-'))
            return ERR_FORMAT;
    }
    return slice_copy(typed, ret_language, LANGUAGE_SIZE) ? 0 : ERR_FORMAT;
}

void person_read(struct sql_rows *rows, struct person *ret_person)
{
    int64_t role = sql_get_num(rows, 3);
    *ret_person = (struct person){
        .role = role == ROLE_ADMIN     ? ROLE_ADMIN
                : role == ROLE_TEACHER ? ROLE_TEACHER
                                       : ROLE_PUPIL,
        .must_change = sql_get_num(rows, 5) != 0,
        .disabled = sql_get_num(rows, 6) != 0,
        .has_password = sql_get_num(rows, 7) != 0,
    };
    sql_get_str(rows, 0, ret_person->id, ID_SIZE);
    sql_get_str(rows, 1, ret_person->name, TEXT_SIZE);
    sql_get_str(rows, 2, ret_person->account, ACCOUNT_SIZE);
    sql_get_str(rows, 4, ret_person->language, LANGUAGE_SIZE);
}

int person_create(struct sql *sql, struct person *person, const char *hash, msec_t now)
{
    struct person made = *person;
    id_new('u', made.id);
    made.has_password = hash != NULL;
    made.disabled = false;
    int err = sql_exec(
        sql,
        "INSERT INTO person(id, organisation, account, name, role, language, password, must_change,"
        " created_at) SELECT ?1, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM organisation"
        " ORDER BY created_at LIMIT 1",
        SQL_VALUES(sql_str(made.id), sql_str(made.account), sql_str(made.name), sql_num(made.role),
                   sql_str(made.language), sql_str(hash), sql_num(made.must_change), sql_num(now)));
    if (!err)
        *person = made;
    return err;
}

int person_find(struct sql *sql, const char *id, struct person *ret_person)
{
    struct sql_rows *rows = NULL;
    int err =
        sql_query(sql, "SELECT " PERSON_COLUMNS " FROM person p WHERE p.id=?1 AND p.deleted=0",
                  SQL_VALUES(sql_str(id)), &rows);
    err = one_person(&rows, err, ret_person);
    sql_end(&rows);
    return err;
}

int person_by_account(struct sql *sql, const char *account, struct person *ret_person,
                      char ret_hash[PASSWORD_HASH_MAX])
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql,
                        "SELECT " PERSON_COLUMNS ", p.password FROM person p"
                        " WHERE p.account=?1 AND p.deleted=0",
                        SQL_VALUES(sql_str(account)), &rows);
    err = one_person(&rows, err, ret_person);
    if (!err)
        sql_get_str(rows, PERSON_COLUMN_COUNT, ret_hash, PASSWORD_HASH_MAX);
    sql_end(&rows);
    return err;
}

int person_hash(struct sql *sql, const char *id, char ret_hash[PASSWORD_HASH_MAX])
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, "SELECT password FROM person WHERE id=?1 AND deleted=0",
                        SQL_VALUES(sql_str(id)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1)
        sql_get_str(rows, 0, ret_hash, PASSWORD_HASH_MAX);
    sql_end(&rows);
    return err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
}

int person_visit_rows(struct sql_rows **rows, person_visit visit, void *arg)
{
    int err = 0;
    while (!err && (err = sql_next(*rows)) == 1) {
        struct person person;
        person_read(*rows, &person);
        err = visit(arg, &person);
    }
    sql_end(rows);
    return err;
}

int person_each(struct sql *sql, person_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql,
                        "SELECT " PERSON_COLUMNS " FROM person p WHERE p.deleted=0"
                        " ORDER BY p.name, p.id LIMIT 20000",
                        SQL_NONE, &rows);
    return err ? err : person_visit_rows(&rows, visit, arg);
}

static int end_sessions(struct sql *sql, const char *id, const char *keep)
{
    return sql_exec(sql, "DELETE FROM session WHERE person=?1 AND hash<>?2",
                    SQL_VALUES(sql_str(id), sql_str(keep ? keep : "")));
}

/* Inside a transaction, after a change: somebody must still be able to administer. */
static int keep_an_admin(struct sql *sql)
{
    int64_t count = 0;
    int err =
        sql_one_num(sql, "SELECT COUNT(*) FROM person WHERE role=?1 AND deleted=0 AND disabled=0",
                    SQL_VALUES(sql_num(ROLE_ADMIN)), &count);
    return err ? err : count > 0 ? 0 : ERR_STATE;
}

static bool administers(struct sql *sql, const char *id)
{
    struct person before;
    return person_find(sql, id, &before) == 0 && before.role == ROLE_ADMIN && !before.disabled;
}

int person_update(struct sql *sql, const struct person *person)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    bool admin = administers(sql, person->id);
    err = sql_exec(sql,
                   "UPDATE person SET name=?2, role=?3, language=?4, must_change=?5, disabled=?6"
                   " WHERE id=?1 AND deleted=0",
                   SQL_VALUES(sql_str(person->id), sql_str(person->name), sql_num(person->role),
                              sql_str(person->language), sql_num(person->must_change),
                              sql_num(person->disabled)));
    if (!err && sql_changes(sql) == 0)
        err = ERR_NOT_FOUND;
    if (!err && person->disabled)
        err = end_sessions(sql, person->id, NULL);
    if (!err && admin)
        err = keep_an_admin(sql);
    return sql_finish(sql, err);
}

int person_set_password(struct sql *sql, const char *id, const char *hash, const char *keep)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_exec(sql, "UPDATE person SET password=?2, must_change=0 WHERE id=?1 AND deleted=0",
                   SQL_VALUES(sql_str(id), sql_str(hash)));
    if (!err && sql_changes(sql) == 0)
        err = ERR_NOT_FOUND;
    if (!err)
        err = end_sessions(sql, id, keep);
    if (!err)
        err = sql_exec(sql, "UPDATE session SET entered_at=NULL WHERE person=?1",
                       SQL_VALUES(sql_str(id)));
    if (!err)
        err = sql_exec(sql, "DELETE FROM code WHERE person=?1", SQL_VALUES(sql_str(id)));
    return sql_finish(sql, err);
}

int person_reset(struct sql *sql, const char *id)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_exec(sql, "UPDATE person SET password=NULL, must_change=1 WHERE id=?1 AND deleted=0",
                   SQL_VALUES(sql_str(id)));
    if (!err && sql_changes(sql) == 0)
        err = ERR_NOT_FOUND;
    if (!err)
        err = end_sessions(sql, id, NULL);
    if (!err)
        err = sql_exec(sql, "DELETE FROM code WHERE person=?1", SQL_VALUES(sql_str(id)));
    return sql_finish(sql, err);
}

int person_delete(struct sql *sql, const char *id)
{
    static const char *const steps[] = {
        "UPDATE person SET deleted=1, account=NULL, password=NULL, name='' WHERE id=?1",
        "DELETE FROM session WHERE person=?1",
        "DELETE FROM code WHERE person=?1",
        "DELETE FROM device WHERE person=?1",
        "DELETE FROM course_person WHERE person=?1",
        "DELETE FROM class_person WHERE person=?1",
    };
    int err = sql_begin(sql);
    if (err)
        return err;
    bool admin = administers(sql, id);
    for (size_t i = 0; i < ARRAY_LEN(steps) && !err; i++)
        err = sql_exec(sql, steps[i], SQL_VALUES(sql_str(id)));
    if (!err && admin)
        err = keep_an_admin(sql);
    return sql_finish(sql, err);
}

int person_count_admins(struct sql *sql, int64_t *ret_count)
{
    return sql_one_num(sql,
                       "SELECT COUNT(*) FROM person WHERE role=?1 AND deleted=0 AND disabled=0"
                       " AND password IS NOT NULL",
                       SQL_VALUES(sql_num(ROLE_ADMIN)), ret_count);
}
