#include "base/check.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "store/archive.h"
#include "store/backup.h"
#include "store/schema.h"

static char dir[64];

static const char *at(const char *name)
{
    static char paths[8][200];
    static size_t next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write(AT_FDCWD, at(name), slice_str(text), 0600), 0);
}

static int set_up(void **state)
{
    struct sql *sql = NULL;
    (void)snprintf(dir, sizeof dir, "/tmp/darasa-backup-XXXXXX");
    if (!mkdtemp(dir) || dir_make(at("data/school"), 0700) || dir_make(at("data/secrets"), 0700) ||
        dir_make(at("data/recordings/r1/spool"), 0700) ||
        sql_open(at("data/school/darasa.db"), &sql) || schema_migrate(sql))
        return -1;
    put("data/secrets/token", "secret");
    put("data/recordings/r1/spool/0000000000000000.feed", "");
    put("data/recordings/r1/half.tmp", "half");
    put("data/lock", "");
    if (sql_script(sql, "INSERT INTO organisation(id, name, created_at) VALUES('o', 'School', 1)"))
        return -1;
    *state = sql;
    return 0;
}

static int tear_down(void **state)
{
    struct sql *sql = *state;
    sql_close(&sql);
    return dir_remove(AT_FDCWD, dir);
}

static bool there(const char *name)
{
    return access(at(name), F_OK) == 0;
}

static void comes_back_whole(void **state)
{
    struct sql *sql = *state; /* in use all the time */
    struct backup_report report;
    struct stat st;
    struct buf text;
    assert_int_equal(backup_create(at("data"), at("b.tar"), &report), 0);
    assert_int_equal(report.files, 3);
    assert_false(there("b.tar.tmp") || there("b.tar.db.tmp"));
    assert_int_equal(stat(at("b.tar"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(sql_script(sql, "DELETE FROM organisation"), 0);
    assert_int_equal(backup_restore(at("b.tar"), at("data"), NULL, &report), ERR_EXISTS);
    assert_int_equal(backup_restore(at("b.tar"), at("new"), NULL, &report), 0);
    assert_int_equal(report.files, 3);
    assert_true(there("new/recordings/r1/spool/0000000000000000.feed"));
    assert_false(there("new/lock") || there("new/recordings/r1/half.tmp") ||
                 there("new.restoring"));
    buf_init(&text, 100);
    assert_int_equal(file_read(AT_FDCWD, at("new/secrets/token"), &text), 0);
    assert_true(slice_eq_str(buf_slice(&text), "secret"));
    buf_done(&text);
    struct sql *copy = NULL;
    int64_t count = 0;
    assert_int_equal(sql_open(at("new/school/darasa.db"), &copy), 0);
    assert_int_equal(sql_one_num(copy, "SELECT COUNT(*) FROM organisation", SQL_NONE, &count), 0);
    assert_int_equal(count, 1);
    sql_close(&copy);
}

static void damage_is_seen(void **state)
{
    (void)state;
    struct backup_report report;
    struct buf text;
    buf_init(&text, 4 * 1024 * 1024);
    assert_int_equal(backup_create(at("data"), at("b.tar"), &report), 0);
    assert_int_equal(file_read(AT_FDCWD, at("b.tar"), &text), 0);
    size_t step = text.len / 41;
    for (size_t i = 0; i < text.len; i += step) {
        text.data[i] ^= 0x40;
        assert_int_equal(file_write(AT_FDCWD, at("bad.tar"), buf_slice(&text), 0600), 0);
        text.data[i] ^= 0x40;
        int err = backup_restore(at("bad.tar"), at("new"), NULL, &report);
        /* Zeros between files belong to nothing. */
        if (err == 0) {
            assert_int_equal(dir_remove(AT_FDCWD, at("new")), 0);
            assert_true(text.data[i] == 0);
        }
        assert_false(there("new") || there("new.restoring"));
    }
    for (size_t len = 0; len < text.len - 2 * ARCHIVE_BLOCK; len += step) {
        assert_int_equal(
            file_write(AT_FDCWD, at("bad.tar"), slice_sub(buf_slice(&text), 0, len), 0600), 0);
        assert_int_equal(backup_restore(at("bad.tar"), at("new"), NULL, &report), ERR_FORMAT);
    }
    assert_false(there("new") || there("new.restoring"));
    buf_done(&text);
}

static void refuses_what_it_cannot_use(void **state)
{
    struct sql *sql = *state;
    struct backup_report report;
    assert_int_equal(backup_create(at("none"), at("b.tar"), &report), ERR_NOT_FOUND);
    assert_false(there("b.tar"));
    assert_int_equal(backup_restore(at("none"), at("new"), NULL, &report), ERR_NOT_FOUND);
    assert_int_equal(sql_script(sql, "UPDATE schema SET version=999"), 0);
    assert_int_equal(backup_create(at("data"), at("b.tar"), &report), 0);
    assert_int_equal(backup_restore(at("b.tar"), at("new"), NULL, &report), ERR_UNSUPPORTED);
    assert_string_equal(report.where, "school/darasa.db");
}

static void heads_survive_the_round(void **state)
{
    (void)state;
    uint8_t block[ARCHIVE_BLOCK];
    static const uint64_t sizes[] = {
        0, 1, 511, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33, UINT64_C(1) << 45};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct archive_entry entry = {.path = "a/b", .size = sizes[i], .seconds = 1}, back;
        assert_int_equal(archive_build(&entry, block), 0);
        assert_int_equal(archive_parse(block, &back), 0);
        assert_true(back.size == sizes[i]);
    }
    struct archive_entry deep = {.directory = true}, back;
    memset(deep.path, 'x', 200);
    assert_int_equal(archive_build(&deep, block), ERR_LIMIT);
    deep.path[120] = '/';
    assert_int_equal(archive_build(&deep, block), 0);
    assert_int_equal(archive_parse(block, &back), 0);
    assert_string_equal(back.path, deep.path);
    assert_true(back.directory);
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../b", "a//b", "."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct archive_entry entry = {0};
        (void)snprintf(entry.path, sizeof entry.path, "%s", bad[i]);
        assert_int_equal(archive_build(&entry, block), 0);
        assert_int_equal(archive_parse(block, &back), ERR_FORMAT);
    }
    memset(block, 0, sizeof block);
    assert_int_equal(archive_parse(block, &back), ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_it_cannot_use, set_up, tear_down),
        cmocka_unit_test(heads_survive_the_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
