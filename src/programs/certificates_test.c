#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/authority.h"
#include "os/file.h"
#include "programs/certificates.h"

static void changed(void *arg)
{
    ++*(int *)arg;
}

static void read_chain(const struct certificates *c, struct buf *out)
{
    int chain, key;
    assert_int_equal(certificates_open(c, &chain, &key), 0);
    ssize_t n = read(chain, buf_reserve(out, 8192), 8192);
    assert_true(n > 0);
    buf_commit(out, (size_t)n);
    (void)close(chain);
    (void)close(key);
}

static void a_local_certificate_is_kept_until_the_host_changes(void **state)
{
    (void)state;
    char dir[] = "/tmp/certificates-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char tls[64], key[96];
    (void)snprintf(tls, sizeof tls, "%s/tls", dir);
    (void)snprintf(key, sizeof key, "%s/ca.key", tls);
    struct loop *loop = loop_new();
    struct buf complaint, first, second, third;
    buf_init(&complaint, 1024);
    buf_init(&first, 65536);
    buf_init(&second, 65536);
    buf_init(&third, 65536);
    int changes = 0;
    struct certificates_plan plan = {
        .source = CERTIFICATES_LOCAL, .hosts = {"class.test", ""}, .directory = tls};
    struct certificates *c = NULL;
    assert_int_equal(certificates_new(loop, &plan, changed, &changes, &complaint, &c), 0);
    read_chain(c, &first);
    certificates_free(&c);
    assert_int_equal(certificates_new(loop, &plan, changed, &changes, &complaint, &c), 0);
    read_chain(c, &second);
    certificates_free(&c);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
    plan.hosts[0] = "192.0.2.1";
    assert_int_equal(certificates_new(loop, &plan, changed, &changes, &complaint, &c), 0);
    read_chain(c, &third);
    certificates_free(&c);
    int64_t ends;
    bool covers = false;
    assert_int_equal(certificate_inspect(buf_slice(&third), "192.0.2.1", &ends, &covers), 0);
    assert_true(covers);
    plan.hosts[1] = "turn.class.test";
    assert_int_equal(certificates_new(loop, &plan, changed, &changes, &complaint, &c), 0);
    buf_clear(&third);
    read_chain(c, &third);
    certificates_free(&c);
    assert_int_equal(certificate_inspect(buf_slice(&third), "turn.class.test", &ends, &covers), 0);
    assert_true(covers);
    struct stat st;
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_done(&complaint);
    buf_done(&first);
    buf_done(&second);
    buf_done(&third);
    loop_free(&loop);
    assert_int_equal(dir_remove(-100, dir), 0);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct buf complaint;
    buf_init(&complaint, 1024);
    struct certificates_plan plan = {.source = CERTIFICATES_FILES,
                                     .hosts = {"class.test", ""},
                                     .chain_file = "/nonexistent/chain",
                                     .key_file = "/nonexistent/key"};
    struct certificates *c = NULL;
    assert_int_equal(certificates_new(loop, &plan, changed, NULL, &complaint, &c), ERR_NOT_FOUND);
    buf_add_byte(&complaint, 0);
    assert_non_null(strstr((char *)complaint.data, "/nonexistent/chain"));
    buf_done(&complaint);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_certificate_is_kept_until_the_host_changes),
        cmocka_unit_test(missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
