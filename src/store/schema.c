#include "store/schema.h"

/* Never change a step that has left the house; add one. */
static const char *const steps[] = {
    /* 1: people, courses, classes, attendance, recordings, audit */
    "CREATE TABLE organisation(id TEXT PRIMARY KEY, name TEXT NOT NULL,"
    " created_at BIGINT NOT NULL);"

    "CREATE TABLE person(id TEXT PRIMARY KEY,"
    " organisation TEXT NOT NULL REFERENCES organisation(id), account TEXT UNIQUE,"
    " name TEXT NOT NULL, role INTEGER NOT NULL, language TEXT NOT NULL DEFAULT '',"
    " password TEXT, must_change INTEGER NOT NULL DEFAULT 0,"
    " disabled INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,"
    " created_at BIGINT NOT NULL);"

    "CREATE TABLE session(hash TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person(id),"
    " entered_at BIGINT, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL);"
    "CREATE INDEX session_person ON session(person);"
    "CREATE INDEX session_expires ON session(expires_at);"

    "CREATE TABLE code(hash TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person(id),"
    " purpose TEXT NOT NULL, next TEXT NOT NULL, created_at BIGINT NOT NULL,"
    " expires_at BIGINT NOT NULL);"
    "CREATE INDEX code_person ON code(person);"

    "CREATE TABLE device(hash TEXT NOT NULL, person TEXT NOT NULL REFERENCES person(id),"
    " seen_at BIGINT NOT NULL, PRIMARY KEY(hash, person));"
    "CREATE INDEX device_person ON device(person);"

    "CREATE TABLE course(id TEXT PRIMARY KEY,"
    " organisation TEXT NOT NULL REFERENCES organisation(id), title TEXT NOT NULL,"
    " deleted INTEGER NOT NULL DEFAULT 0, created_at BIGINT NOT NULL);"
    "CREATE TABLE course_person(course TEXT NOT NULL REFERENCES course(id),"
    " person TEXT NOT NULL REFERENCES person(id), PRIMARY KEY(course, person));"
    "CREATE INDEX course_person_person ON course_person(person);"

    "CREATE TABLE class(id TEXT PRIMARY KEY,"
    " organisation TEXT NOT NULL REFERENCES organisation(id),"
    " course TEXT REFERENCES course(id), room TEXT NOT NULL UNIQUE, title TEXT NOT NULL,"
    " state INTEGER NOT NULL, starts_at BIGINT, ends_at BIGINT, guests INTEGER NOT NULL,"
    " policy INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, created_at BIGINT NOT NULL);"
    "CREATE INDEX class_course ON class(course);"
    "CREATE INDEX class_state ON class(state);"
    "CREATE TABLE class_person(class TEXT NOT NULL REFERENCES class(id),"
    " person TEXT NOT NULL REFERENCES person(id), excluded INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(class, person));"
    "CREATE INDEX class_person_person ON class_person(person);"

    "CREATE TABLE attendance(id TEXT PRIMARY KEY, class TEXT NOT NULL REFERENCES class(id),"
    " person TEXT, name TEXT NOT NULL, guest INTEGER NOT NULL, session TEXT NOT NULL,"
    " joined_at BIGINT NOT NULL, left_at BIGINT, present_ms BIGINT);"
    "CREATE INDEX attendance_class ON attendance(class, joined_at);"
    "CREATE INDEX attendance_open ON attendance(session) WHERE left_at IS NULL;"
    "CREATE TABLE event_cursor(boot TEXT PRIMARY KEY, number BIGINT NOT NULL,"
    " seen_at BIGINT NOT NULL);"

    "CREATE TABLE recording(id TEXT PRIMARY KEY, class TEXT REFERENCES class(id),"
    " started_by TEXT, started_at BIGINT NOT NULL, duration_ms BIGINT, state INTEGER NOT NULL,"
    " finished INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX recording_class ON recording(class);"
    "CREATE TABLE recording_job(recording TEXT NOT NULL REFERENCES recording(id),"
    " job INTEGER NOT NULL, state INTEGER NOT NULL, progress INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
    " PRIMARY KEY(recording, job));"

    "CREATE TABLE audit(number BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL,"
    " action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL);"
    "CREATE TRIGGER audit_keep BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'append only'); END;"
    "CREATE TRIGGER audit_stay BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'append only'); END;",

    /* 2: events are known by their content, as signal may count anew; what must survive a restart
     * of the house */
    "DROP TABLE event_cursor;"
    "CREATE TABLE event_seen(hash TEXT PRIMARY KEY, seen_at BIGINT NOT NULL);"
    "CREATE INDEX event_seen_at ON event_seen(seen_at);"
    "CREATE TABLE state(key TEXT PRIMARY KEY, value TEXT NOT NULL);",

    /* 3: the monotonic clock at a join, for the length of a stay that goes on */
    "ALTER TABLE attendance ADD COLUMN joined_clock BIGINT;",

    /* 4: how much of the line classes take (base/profile.h); what there was stays as it was. A
     * class without its own follows the organisation. */
    ("ALTER TABLE organisation ADD COLUMN profile INTEGER NOT NULL DEFAULT 3;"
     "ALTER TABLE class ADD COLUMN profile INTEGER;"),

    /* 5: which video codecs classes use (base/codec_list.h); '': those of the server's settings. A
     * class without its own follows the organisation. */
    ("ALTER TABLE organisation ADD COLUMN codecs TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE class ADD COLUMN codecs TEXT;"),
};

int64_t schema_version_known(void)
{
    return (int64_t)ARRAY_LEN(steps);
}

int schema_version(struct sql *sql, int64_t *ret_version)
{
    int err = sql_script(sql, "CREATE TABLE IF NOT EXISTS schema(version BIGINT NOT NULL)");
    int64_t version = 0;
    if (!err)
        err = sql_one_num(sql, "SELECT COALESCE(MAX(version), 0) FROM schema", SQL_NONE, &version);
    if (!err)
        *ret_version = version;
    return err;
}

static int step(struct sql *sql, int64_t to)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_script(sql, steps[to - 1]);
    if (!err)
        err = sql_exec(sql, "DELETE FROM schema", SQL_NONE);
    if (!err)
        err = sql_exec(sql, "INSERT INTO schema(version) VALUES(?1)", SQL_VALUES(sql_num(to)));
    return sql_finish(sql, err);
}

int schema_migrate(struct sql *sql)
{
    int64_t version = 0;
    int err = schema_version(sql, &version);
    if (!err && (version > schema_version_known() || version < 0))
        err = ERR_UNSUPPORTED;
    while (!err && version < schema_version_known())
        err = step(sql, ++version);
    return err;
}
