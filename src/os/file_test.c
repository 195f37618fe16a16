#include "base/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

static char root[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, P_tmpdir "/darasa-file-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static void test_names(void **state)
{
    (void)state;
    assert_true(file_name_ok(SLICE("a.webm")));
    assert_true(file_name_ok(SLICE("...")));
    static const char *const bad[] = {"", ".", "..", "a/b", "/"};
    for (size_t i = 0; i < 5; i++)
        assert_false(file_name_ok(slice_str(bad[i])));
    assert_false(file_name_ok(SLICE("a\0b")));
}

static void test_write_and_read(void **state)
{
    (void)state;
    char path[128];
    int dir;
    struct stat st;
    struct buf out;
    (void)snprintf(path, sizeof path, "%s/a/b/c", root);
    assert_int_equal(dir_make(path, 0700), 0);
    assert_int_equal(dir_make(path, 0700), 0);
    assert_int_equal(dir_open(AT_FDCWD, path, &dir), 0);
    assert_int_equal(file_write(dir, "secret", SLICE("one"), 0600), 0);
    assert_int_equal(file_write(dir, "secret", SLICE("two!"), 0600), 0);
    assert_int_equal(fstatat(dir, "secret", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_init(&out, 4);
    assert_int_equal(file_read(dir, "secret", &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "two!"));
    assert_int_equal(file_read(dir, "secret", &out), ERR_LIMIT);
    buf_done(&out);
    assert_int_equal(file_read(dir, "none", &out), ERR_NOT_FOUND);
    assert_int_equal(file_read(dir, ".", &out), ERR_IO);
    buf_done(&out);
    uint64_t free_bytes = 0;
    assert_int_equal(dir_free_bytes(dir, &free_bytes), 0);
    assert_true(free_bytes > 0);
    (void)snprintf(path, sizeof path, "%s/a/b/c/secret", root);
    assert_int_equal(dir_make(path, 0700), ERR_EXISTS);
    close(dir);
}

static void test_remove(void **state)
{
    (void)state;
    char path[128];
    int dir;
    assert_int_equal(dir_open(AT_FDCWD, root, &dir), 0);
    assert_int_equal(mkdirat(dir, "keep", 0700), 0);
    assert_int_equal(file_write(dir, "keep/file", SLICE("x"), 0600), 0);
    (void)snprintf(path, sizeof path, "%s/tree/deep/er", root);
    assert_int_equal(dir_make(path, 0700), 0);
    assert_int_equal(symlinkat("../keep", dir, "tree/link"), 0);
    assert_int_equal(file_write(dir, "tree/deep/file", SLICE("x"), 0600), 0);
    assert_int_equal(dir_remove(dir, "tree"), 0);
    assert_int_equal(faccessat(dir, "tree", F_OK, 0), -1);
    assert_int_equal(faccessat(dir, "keep/file", F_OK, 0), 0);
    assert_int_equal(dir_remove(dir, "tree"), ERR_NOT_FOUND);
    close(dir);
}

static int tear_down(void **state)
{
    (void)state;
    return dir_remove(AT_FDCWD, root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_write_and_read),
                                       cmocka_unit_test(test_remove)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
