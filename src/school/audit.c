#include "school/audit.h"

#include "base/buf.h"
#include "crypto/hash.h"

#define ROW_MAX ((size_t)(64 * 1024))

static void add_field(struct buf *buf, const char *text)
{
    buf_printf(buf, "%zu:%s,", strlen(text), text);
}

/* Lengths before the texts: no two different rows give the same bytes. */
static int hash_row(const char *previous, const struct audit_entry *entry,
                    char ret_hash[SECRET_HASH_TEXT])
{
    struct buf buf;
    buf_init(&buf, ROW_MAX);
    add_field(&buf, previous);
    buf_printf(&buf, "%lld,%lld,", (long long)entry->number, (long long)entry->at);
    add_field(&buf, entry->actor);
    add_field(&buf, entry->action);
    add_field(&buf, entry->subject);
    add_field(&buf, entry->detail);
    int err = buf.failed ? ERR_MEMORY : 0;
    if (!err)
        secret_hash_text(buf_slice(&buf), ret_hash);
    buf_done(&buf);
    return err;
}

static int last(struct sql *sql, int64_t *number, char hash[SECRET_HASH_TEXT])
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1",
                        SQL_NONE, &rows);
    *number = 0;
    hash[0] = '\0';
    if (!err)
        err = sql_next(rows);
    if (err == 1) {
        *number = sql_get_num(rows, 0);
        sql_get_str(rows, 1, hash, SECRET_HASH_TEXT);
        err = 0;
    }
    sql_end(&rows);
    return err;
}

int audit_add(struct sql *sql, const struct audit_entry *entry)
{
    char previous[SECRET_HASH_TEXT], hash[SECRET_HASH_TEXT];
    struct audit_entry row = *entry;
    int err = sql_begin(sql);
    if (err)
        return err;
    err = last(sql, &row.number, previous);
    row.number++;
    if (!err)
        err = hash_row(previous, &row, hash);
    if (!err)
        err = sql_exec(sql,
                       "INSERT INTO audit(number, at, actor, action, subject, detail, hash)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                       SQL_VALUES(sql_num(row.number), sql_num(row.at), sql_str(row.actor),
                                  sql_str(row.action), sql_str(row.subject), sql_str(row.detail),
                                  sql_str(hash)));
    return sql_finish(sql, err);
}

/* The texts belong to `rows` and are NUL-terminated there. */
static struct audit_entry read_row(struct sql_rows *rows)
{
    const char *texts[4];
    for (int i = 0; i < 4; i++) {
        struct slice text = sql_get_text(rows, i + 2);
        texts[i] = text.len ? (const char *)text.data : "";
    }
    return (struct audit_entry){
        sql_get_num(rows, 0), sql_get_num(rows, 1), texts[0], texts[1], texts[2], texts[3]};
}

#define AUDIT_COLUMNS "number, at, actor, action, subject, detail, hash"

int audit_each(struct sql *sql, int64_t before, int64_t count, audit_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err =
        sql_query(sql,
                  "SELECT " AUDIT_COLUMNS " FROM audit WHERE number<?1"
                  " ORDER BY number DESC LIMIT ?2",
                  SQL_VALUES(sql_num(before > 0 ? before : INT64_MAX), sql_num(count)), &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        char hash[SECRET_HASH_TEXT];
        struct audit_entry entry = read_row(rows);
        sql_get_str(rows, 6, hash, sizeof hash);
        err = visit(arg, &entry, hash);
    }
    sql_end(&rows);
    return err;
}

int audit_verify(struct sql *sql, int64_t *ret_number)
{
    struct sql_rows *rows = NULL;
    char previous[SECRET_HASH_TEXT] = "";
    int64_t number = 0;
    int err =
        sql_query(sql, "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY number", SQL_NONE, &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        char hash[SECRET_HASH_TEXT];
        struct audit_entry entry = read_row(rows);
        err = hash_row(previous, &entry, hash);
        if (!err && (entry.number != ++number || !slice_eq_str(sql_get_text(rows, 6), hash))) {
            *ret_number = number;
            err = ERR_AUTH;
        }
        memcpy(previous, hash, sizeof hash);
    }
    sql_end(&rows);
    return err;
}
