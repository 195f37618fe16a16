/* The database as everybody above sees it: prepared statements with bound values, rows read one by
 * one. Nothing of the engine shows, so that another driver can stand behind the same functions.
 * Parameters are ?1, ?2, ...; a statement is prepared once and kept. One thread per connection.
 *
 * Errors of every function: ERR_LIMIT: no room left on the disk; ERR_EXISTS: a key is taken;
 * ERR_DENIED: a reference points to nothing or a trigger refuses; ERR_AGAIN: locked by another
 * program for too long; ERR_FORMAT: this is no database or it is damaged; ERR_MEMORY; ERR_IO. After
 * an error inside a transaction the caller rolls back. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "base/err.h"
#include "base/slice.h"
#include "base/units.h"

struct sql;
struct sql_rows;

struct sql_value {
    enum { SQL_NULL, SQL_NUM, SQL_TEXT } type;
    int64_t num;
    struct slice text; /* read before the function returns */
};

static inline struct sql_value sql_num(int64_t num)
{
    return (struct sql_value){.type = SQL_NUM, .num = num};
}

static inline struct sql_value sql_slice(struct slice text)
{
    return (struct sql_value){.type = SQL_TEXT, .text = text};
}

/* NULL gives SQL's null. */
static inline struct sql_value sql_str(const char *text)
{
    return text ? sql_slice(slice_str(text)) : (struct sql_value){.type = SQL_NULL};
}

/* Zero gives SQL's null: for times that may be missing. */
static inline struct sql_value sql_time(int64_t ms)
{
    return ms ? sql_num(ms) : (struct sql_value){.type = SQL_NULL};
}

#define SQL_VALUES(...)                                                                            \
    (const struct sql_value[]){__VA_ARGS__}, ARRAY_LEN(((const struct sql_value[]){__VA_ARGS__}))
#define SQL_NONE NULL, 0

/* Opens or creates a database file (mode 0600, WAL, every commit synced); ":memory:" for tests. The
 * schema is not touched. */
int sql_open(const char *path, struct sql **ret_sql) MUST_USE;
void sql_close(struct sql **sql);

/* A statement without rows. */
int sql_exec(struct sql *sql, const char *text, const struct sql_value *values,
             size_t count) MUST_USE;
/* Rows changed by the last sql_exec. */
int64_t sql_changes(const struct sql *sql);
/* Several statements of our own separated by ';', for the schema. */
int sql_script(struct sql *sql, const char *text) MUST_USE;

int sql_query(struct sql *sql, const char *text, const struct sql_value *values, size_t count,
              struct sql_rows **ret_rows) MUST_USE;
/* 1: there is a row; 0: no more; negative: an error. */
int sql_next(struct sql_rows *rows) MUST_USE;
/* Columns count from 0. A slice is valid until sql_next or sql_end. Null reads as 0 and "". */
int64_t sql_get_num(struct sql_rows *rows, int column);
struct slice sql_get_text(struct sql_rows *rows, int column);
bool sql_get_null(struct sql_rows *rows, int column);
/* Copies text, cut to the size. */
void sql_get_str(struct sql_rows *rows, int column, char *out, size_t size);
/* Accepts NULL. */
void sql_end(struct sql_rows **rows);
/* The number in the first column of the first row; ERR_NOT_FOUND without a row. */
int sql_one_num(struct sql *sql, const char *text, const struct sql_value *values, size_t count,
                int64_t *ret_num) MUST_USE;

/* Transactions may be nested; only the outermost one counts, and a rollback inside undoes all. */
int sql_begin(struct sql *sql) MUST_USE;
int sql_commit(struct sql *sql) MUST_USE;
void sql_rollback(struct sql *sql);
/* Commits when err is 0, else rolls back; returns the first error. */
int sql_finish(struct sql *sql, int err) MUST_USE;

/* A consistent copy of a database that may be in use, as a single file (mode 0600). ERR_NOT_FOUND:
 * there is no database at `from`. */
int sql_snapshot(const char *from, const char *to) MUST_USE;
/* Reads all of it: 0 or ERR_FORMAT. */
int sql_check(struct sql *sql) MUST_USE;

#endif
