#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/darasa-sql-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"a.db", "a.db-wal", "a.db-shm", "b.db", "text"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(path_of(names[i]));
    return rmdir(dir);
}

static struct sql *opened(const char *path)
{
    struct sql *sql = NULL;
    assert_int_equal(sql_open(path, &sql), 0);
    return sql;
}

static void keeps_values(void **state)
{
    (void)state;
    struct sql *sql = opened(":memory:");
    assert_int_equal(sql_script(sql, "CREATE TABLE t(a TEXT UNIQUE, b BIGINT)"), 0);
    static const char insert[] = "INSERT INTO t(a, b) VALUES(?1, ?2)";
    assert_int_equal(sql_exec(sql, insert, SQL_VALUES(sql_str("x'; --"), sql_num(INT64_MIN))), 0);
    assert_int_equal(sql_exec(sql, insert, SQL_VALUES(sql_str(NULL), sql_time(0))), 0);
    assert_int_equal(sql_exec(sql, insert, SQL_VALUES(sql_str("x'; --"), sql_num(1))), ERR_EXISTS);
    struct sql_rows *rows = NULL;
    assert_int_equal(sql_query(sql, "SELECT a, b FROM t ORDER BY a DESC", SQL_NONE, &rows), 0);
    assert_int_equal(sql_next(rows), 1);
    assert_true(slice_eq_str(sql_get_text(rows, 0), "x'; --"));
    assert_true(sql_get_num(rows, 1) == INT64_MIN);
    /* The same statement inside itself. */
    struct sql_rows *inner = NULL;
    assert_int_equal(sql_query(sql, "SELECT a, b FROM t ORDER BY a DESC", SQL_NONE, &inner), 0);
    assert_int_equal(sql_next(inner), 1);
    sql_end(&inner);
    assert_int_equal(sql_next(rows), 1);
    assert_true(sql_get_null(rows, 0) && sql_get_null(rows, 1));
    assert_int_equal(sql_next(rows), 0);
    sql_end(&rows);
    sql_close(&sql);
}

static void undoes_transactions_as_a_whole(void **state)
{
    (void)state;
    struct sql *sql = opened(":memory:");
    int64_t count = -1;
    assert_int_equal(sql_script(sql, "CREATE TABLE t(a BIGINT)"), 0);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(sql_exec(sql, "INSERT INTO t VALUES(?1)", SQL_VALUES(sql_num(1))), 0);
    assert_int_equal(sql_finish(sql, ERR_FORMAT), ERR_FORMAT);
    assert_int_equal(sql_commit(sql), ERR_STATE);
    assert_int_equal(sql_one_num(sql, "SELECT COUNT(*) FROM t", SQL_NONE, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(sql_commit(sql), ERR_STATE);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(sql_exec(sql, "INSERT INTO t VALUES(?1)", SQL_VALUES(sql_num(1))), 0);
    assert_int_equal(sql_finish(sql, 0), 0);
    assert_int_equal(sql_one_num(sql, "SELECT COUNT(*) FROM t", SQL_NONE, &count), 0);
    assert_int_equal(count, 1);
    sql_close(&sql);
}

static void reports_a_full_disk_and_loses_nothing(void **state)
{
    (void)state;
    struct sql *sql = opened(path_of("a.db"));
    struct stat st;
    assert_int_equal(stat(path_of("a.db"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(sql_script(sql, "CREATE TABLE t(a TEXT); PRAGMA max_page_count=8"), 0);
    char text[2000] = {0};
    memset(text, 'x', sizeof text - 1);
    int err = 0;
    int64_t stored = 0, count = -1;
    while (stored < 100 && !err) {
        assert_int_equal(sql_begin(sql), 0);
        err = sql_exec(sql, "INSERT INTO t VALUES(?1)", SQL_VALUES(sql_str(text)));
        err = sql_finish(sql, err);
        stored += !err;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(sql_one_num(sql, "SELECT COUNT(*) FROM t", SQL_NONE, &count), 0);
    assert_int_equal(count, stored);
    assert_int_equal(sql_check(sql), 0);
    sql_close(&sql);
}

static void migrates_once_and_refuses_what_is_newer(void **state)
{
    (void)state;
    struct sql *sql = opened(path_of("a.db"));
    int64_t version = -1;
    assert_int_equal(schema_migrate(sql), 0);
    assert_int_equal(schema_version(sql, &version), 0);
    assert_true(version == schema_version_known() && version > 0);
    assert_int_equal(schema_migrate(sql), 0);
    assert_int_equal(sql_exec(sql, "UPDATE schema SET version=?1",
                              SQL_VALUES(sql_num(schema_version_known() + 1))),
                     0);
    assert_int_equal(schema_migrate(sql), ERR_UNSUPPORTED);
    sql_close(&sql);
}

static void audit_rows_stay(void **state)
{
    (void)state;
    struct sql *sql = opened(":memory:");
    assert_int_equal(schema_migrate(sql), 0);
    assert_int_equal(sql_script(sql, "INSERT INTO audit VALUES(1, 1, 'a', 'b', 'c', 'd', 'e')"), 0);
    assert_int_equal(sql_script(sql, "DELETE FROM audit"), ERR_DENIED);
    assert_int_equal(sql_script(sql, "UPDATE audit SET actor='x'"), ERR_DENIED);
    sql_close(&sql);
}

static void snapshots_while_in_use(void **state)
{
    (void)state;
    struct sql *sql = opened(path_of("a.db"));
    char to[128];
    (void)snprintf(to, sizeof to, "%s", path_of("b.db"));
    int64_t count = 0;
    assert_int_equal(sql_script(sql, "CREATE TABLE t(a BIGINT); INSERT INTO t VALUES(7)"), 0);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(sql_exec(sql, "INSERT INTO t VALUES(?1)", SQL_VALUES(sql_num(8))), 0);
    assert_int_equal(sql_snapshot(path_of("a.db"), to), 0);
    assert_int_equal(sql_finish(sql, 0), 0);
    sql_close(&sql);
    sql = opened(to);
    assert_int_equal(sql_one_num(sql, "SELECT SUM(a) FROM t", SQL_NONE, &count), 0);
    assert_int_equal(count, 7);
    sql_close(&sql);
    assert_int_equal(sql_snapshot(path_of("none"), to), ERR_NOT_FOUND);
}

static void refuses_what_is_no_database(void **state)
{
    (void)state;
    struct sql *sql = NULL;
    FILE *file = fopen(path_of("text"), "w");
    for (int i = 0; i < 200; i++)
        (void)fputs("this is not a database at all\n", file);
    (void)fclose(file);
    assert_int_equal(sql_open(path_of("text"), &sql), ERR_FORMAT);
    assert_null(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_values),
        cmocka_unit_test(undoes_transactions_as_a_whole),
        cmocka_unit_test_setup_teardown(reports_a_full_disk_and_loses_nothing, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(migrates_once_and_refuses_what_is_newer, make_dir,
                                        remove_dir),
        cmocka_unit_test(audit_rows_stay),
        cmocka_unit_test_setup_teardown(snapshots_while_in_use, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_database, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
