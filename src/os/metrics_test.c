#include "base/check.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/metrics.h"

static void test_print(void **state)
{
    (void)state;
    int fds[2];
    struct metrics *pages[3] = {0};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(metrics_create("bridge", i, &fds[i]), 0);
        assert_int_equal(metrics_map(fds[i], true, &pages[i]), 0);
        *metrics_counter(pages[i], "b_packets_total") += 5 + i;
        *metrics_counter(pages[i], "a_depth{kind=\"x y\"}") = 7;
        *metrics_counter(pages[i], "b_packets_total") += 1;
    }
    struct metrics *view = NULL;
    assert_int_equal(metrics_map(fds[1], false, &view), 0);
    *metrics_counter(view, "b_packets_total") += 100; /* into nowhere */
    *metrics_counter(NULL, "b_packets_total") += 100;
    struct buf out;
    buf_init(&out, 65536);
    metrics_print_all((const struct metrics *const[]){pages[0], NULL, view}, 3, &out);
    assert_true(slice_eq_str(buf_slice(&out),
                             "# TYPE a_depth gauge\n"
                             "a_depth{program=\"bridge\",number=\"0\",kind=\"x y\"} 7\n"
                             "a_depth{program=\"bridge\",number=\"1\",kind=\"x y\"} 7\n"
                             "# TYPE b_packets_total counter\n"
                             "b_packets_total{program=\"bridge\",number=\"0\"} 6\n"
                             "b_packets_total{program=\"bridge\",number=\"1\"} 7\n"));
    buf_done(&out);
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(ftruncate(fds[i], 0), 0);
        metrics_unmap(&pages[i]);
        close(fds[i]);
    }
    metrics_unmap(&view);
}

static void test_full(void **state)
{
    (void)state;
    int fd;
    struct metrics *page = NULL;
    char name[200];
    assert_int_equal(metrics_create("edge", 0, &fd), 0);
    assert_int_equal(metrics_map(fd, true, &page), 0);
    (void)snprintf(name, sizeof name, "%0150d", 1);
    uint64_t *overflow = metrics_counter(page, name);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof name, "n%d_total", i);
        uint64_t *at = metrics_counter(page, name);
        assert_ptr_equal(at, metrics_counter(page, name));
        (*at)++;
    }
    *overflow += 1;
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_print(page, &out);
    assert_false(out.failed);
    assert_non_null(memmem(out.data, out.len, "n5_total{", 9));
    assert_non_null(memmem(out.data, out.len, "darasa_metrics_overflow_total", 29));
    assert_null(memmem(out.data, out.len, "n499_total", 10));
    buf_done(&out);
    metrics_unmap(&page);
    close(fd);
}

/* A page full of noise, as a hostile child may leave it. */
static void test_hostile(void **state)
{
    (void)state;
    int fd;
    struct metrics *page = NULL;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(metrics_create("edge", 0, &fd), 0);
    assert_int_equal(metrics_map(fd, false, &page), 0);
    uint32_t seed = 7;
    for (int round = 0; round < 50; round++) {
        for (size_t at = 0; at < METRICS_PAGE_SIZE; at += 4) {
            seed = seed * 1664525 + 1013904223;
            uint32_t word = round % 2 ? seed >> 4 : 0x41414141;
            assert_int_equal(pwrite(fd, &word, 4, (off_t)at), 4);
        }
        buf_clear(&out);
        metrics_print(page, &out);
        assert_false(out.failed);
    }
    buf_done(&out);
    metrics_unmap(&page);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_print), cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
