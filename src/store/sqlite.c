#include "store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/map.h"

/* Statements in the programs' text; more than that would be statements built from data. */
#define STATEMENTS_MAX 512
/* Another program (a backup) may hold a lock for a moment. */
#define BUSY_MS 2000

struct sql_rows {
    struct sql *sql;
    sqlite3_stmt *stmt;
    struct sql_rows *next; /* in the connection's list of spare ones */
    bool busy;
    bool kept;
};

struct sql {
    sqlite3 *db;
    struct map *statements; /* text -> struct sql_rows */
    unsigned depth;
    bool broken; /* an inner transaction was rolled back */
};

static int translate(sqlite3 *db, int rc)
{
    int extended = db ? sqlite3_extended_errcode(db) : rc;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return ERR_LIMIT;
    case SQLITE_IOERR: {
        int system = db ? sqlite3_system_errno(db) : 0;
        return system == ENOSPC || system == EDQUOT || system == EFBIG ? ERR_LIMIT : ERR_IO;
    }
    case SQLITE_CONSTRAINT:
        if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
            return ERR_EXISTS;
        return ERR_DENIED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_FORMAT;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    default:
        return ERR_IO;
    }
}

/* SQLite would create the file with the umask's mode, readable for a moment. */
static int create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_IO;
    int err = fchmod(fd, 0600) == 0 ? 0 : ERR_IO;
    (void)close(fd); /* nothing was written */
    return err;
}

static int configure(struct sql *sql)
{
    return sql_script(sql, "PRAGMA journal_mode=WAL;"
                           "PRAGMA synchronous=FULL;"
                           "PRAGMA foreign_keys=ON;"
                           "PRAGMA temp_store=MEMORY;"
                           "PRAGMA trusted_schema=OFF;"
                           "PRAGMA secure_delete=ON;"
                           "PRAGMA journal_size_limit=4194304;");
}

int sql_open(const char *path, struct sql **ret_sql)
{
    int err = strcmp(path, ":memory:") == 0 ? 0 : create_private(path);
    if (err)
        return err;
    struct sql *sql = calloc(1, sizeof *sql);
    if (!sql)
        return ERR_MEMORY;
    sql->statements = map_new(STATEMENTS_MAX, 0);
    int rc = SQLITE_NOMEM;
    if (sql->statements)
        rc = sqlite3_open_v2(path, &sql->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                             NULL);
    err = translate(sql->db, rc);
    if (!err) {
        (void)sqlite3_busy_timeout(sql->db, BUSY_MS); /* fails only for a closed connection */
        err = configure(sql);
    }
    if (err) {
        sql_close(&sql);
        return err;
    }
    *ret_sql = sql;
    return 0;
}

void sql_close(struct sql **sql)
{
    if (!*sql)
        return;
    struct map_iter iter = {0};
    while ((*sql)->statements && map_next((*sql)->statements, &iter)) {
        struct sql_rows *rows = iter.value;
        (void)sqlite3_finalize(rows->stmt); /* repeats the last step's error */
        free(rows);
    }
    map_free(&(*sql)->statements);
    (void)sqlite3_close_v2((*sql)->db); /* never refuses */
    free(*sql);
    *sql = NULL;
}

static int prepare(struct sql *sql, const char *text, struct sql_rows **ret_rows)
{
    struct sql_rows *rows = map_get(sql->statements, slice_str(text));
    if (rows && !rows->busy) {
        rows->busy = true;
        *ret_rows = rows;
        return 0;
    }
    bool keep = !rows;
    rows = calloc(1, sizeof *rows);
    if (!rows)
        return ERR_MEMORY;
    int rc = sqlite3_prepare_v3(sql->db, text, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0,
                                &rows->stmt, NULL);
    int err = translate(sql->db, rc);
    if (err) {
        free(rows);
        return err;
    }
    rows->sql = sql;
    rows->busy = true;
    rows->kept = keep && map_put(sql->statements, slice_str(text), rows) == 0;
    *ret_rows = rows;
    return 0;
}

static int bind(struct sql_rows *rows, const struct sql_value *values, size_t count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        int at = (int)i + 1;
        const struct sql_value *v = &values[i];
        if (v->type == SQL_NUM)
            rc = sqlite3_bind_int64(rows->stmt, at, v->num);
        else if (v->type == SQL_TEXT)
            rc = sqlite3_bind_text64(rows->stmt, at, v->text.data ? (const char *)v->text.data : "",
                                     v->text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
        else
            rc = sqlite3_bind_null(rows->stmt, at);
    }
    return translate(rows->sql->db, rc);
}

int sql_query(struct sql *sql, const char *text, const struct sql_value *values, size_t count,
              struct sql_rows **ret_rows)
{
    struct sql_rows *rows = NULL;
    int err = prepare(sql, text, &rows);
    if (!err)
        err = bind(rows, values, count);
    if (err)
        sql_end(&rows);
    else
        *ret_rows = rows;
    return err;
}

int sql_next(struct sql_rows *rows)
{
    int rc = sqlite3_step(rows->stmt);
    return rc == SQLITE_ROW ? 1 : translate(rows->sql->db, rc);
}

int64_t sql_get_num(struct sql_rows *rows, int column)
{
    return sqlite3_column_int64(rows->stmt, column);
}

struct slice sql_get_text(struct sql_rows *rows, int column)
{
    const unsigned char *text = sqlite3_column_text(rows->stmt, column);
    return slice_of(text, text ? (size_t)sqlite3_column_bytes(rows->stmt, column) : 0);
}

bool sql_get_null(struct sql_rows *rows, int column)
{
    return sqlite3_column_type(rows->stmt, column) == SQLITE_NULL;
}

void sql_get_str(struct sql_rows *rows, int column, char *out, size_t size)
{
    (void)slice_copy(sql_get_text(rows, column), out, size); /* cut by contract */
}

void sql_end(struct sql_rows **rows)
{
    struct sql_rows *r = *rows;
    *rows = NULL;
    if (!r)
        return;
    if (!r->kept) {
        (void)sqlite3_finalize(r->stmt); /* repeats the last step's error */
        free(r);
        return;
    }
    (void)sqlite3_reset(r->stmt); /* likewise */
    (void)sqlite3_clear_bindings(r->stmt);
    r->busy = false;
}

int sql_exec(struct sql *sql, const char *text, const struct sql_value *values, size_t count)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, text, values, count, &rows);
    if (!err)
        err = sql_next(rows);
    sql_end(&rows);
    return err > 0 ? 0 : err;
}

int64_t sql_changes(const struct sql *sql)
{
    return sqlite3_changes64(sql->db);
}

int sql_script(struct sql *sql, const char *text)
{
    return translate(sql->db, sqlite3_exec(sql->db, text, NULL, NULL, NULL));
}

int sql_one_num(struct sql *sql, const char *text, const struct sql_value *values, size_t count,
                int64_t *ret_num)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, text, values, count, &rows);
    if (err)
        return err;
    err = sql_next(rows);
    if (err > 0)
        *ret_num = sql_get_num(rows, 0);
    else if (err == 0)
        err = ERR_NOT_FOUND;
    sql_end(&rows);
    return err > 0 ? 0 : err;
}

int sql_begin(struct sql *sql)
{
    if (sql->depth == 0) {
        int err = sql_exec(sql, "BEGIN IMMEDIATE", SQL_NONE);
        if (err)
            return err;
        sql->broken = false;
    }
    sql->depth++;
    return 0;
}

int sql_commit(struct sql *sql)
{
    if (sql->depth == 0)
        return ERR_STATE;
    if (sql->depth > 1) {
        sql->depth--;
        return sql->broken ? ERR_STATE : 0;
    }
    int err = sql->broken ? ERR_STATE : sql_exec(sql, "COMMIT", SQL_NONE);
    if (err) {
        sql_rollback(sql);
        return err;
    }
    sql->depth = 0;
    return 0;
}

void sql_rollback(struct sql *sql)
{
    if (sql->depth == 0)
        return;
    sql->broken = true;
    if (--sql->depth > 0)
        return;
    /* A full disk makes SQLite roll back by itself; then there is nothing to do. Should this fail,
     * the next BEGIN reports it. */
    if (!sqlite3_get_autocommit(sql->db))
        (void)sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
}

int sql_finish(struct sql *sql, int err)
{
    if (!err)
        return sql_commit(sql);
    sql_rollback(sql);
    return err;
}

static int copy_pages(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return translate(to, sqlite3_errcode(to));
    int rc = sqlite3_backup_step(backup, -1);
    int finish = sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE && finish == SQLITE_OK ? 0 : translate(to, rc);
}

int sql_snapshot(const char *from, const char *to)
{
    sqlite3 *source = NULL;
    sqlite3 *copy = NULL;
    if (access(from, F_OK) != 0)
        return ERR_NOT_FOUND;
    int err = create_private(to);
    if (!err)
        err = translate(source, sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE, NULL));
    if (!err)
        err = translate(copy, sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE, NULL));
    if (!err) {
        (void)sqlite3_busy_timeout(source, BUSY_MS); /* fails only for a closed connection */
        err = copy_pages(source, copy);
    }
    /* One file: the copy does not begin with a log of its own. */
    if (!err)
        err = translate(copy, sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL));
    (void)sqlite3_close_v2(source); /* never refuses */
    if (sqlite3_close(copy) != SQLITE_OK && !err)
        err = ERR_IO;
    return err;
}

int sql_check(struct sql *sql)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, "PRAGMA integrity_check(1)", SQL_NONE, &rows);
    if (!err)
        err = sql_next(rows);
    if (err > 0)
        err = slice_eq_str(sql_get_text(rows, 0), "ok") ? 0 : ERR_FORMAT;
    sql_end(&rows);
    return err;
}
