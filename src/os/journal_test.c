#include "base/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/units.h"
#include "os/journal.h"

#define KEYS 40

struct model {
    uint32_t version[KEYS]; /* 0: absent */
};

static int new_memfd(void)
{
    int fd = memfd_create("journal", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* A value says which version it is, and is long and wrong-looking when torn. */
static size_t make_value(uint32_t version, uint8_t *out)
{
    size_t len = 8 + version % 700;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(version * 31 + i);
    memcpy(out, &version, sizeof version);
    return len;
}

static int change(struct journal *j, struct model *model, uint32_t key, uint32_t version)
{
    char name[16];
    uint8_t value[1024];
    int len = snprintf(name, sizeof name, "key/%u", key);
    if (model)
        model->version[key] = version;
    if (!j)
        return 0;
    if (version == 0)
        return journal_del(j, slice_of(name, (size_t)len));
    return journal_put(j, slice_of(name, (size_t)len), slice_of(value, make_value(version, value)));
}

/* The n-th operation: one put, one delete, or a group of both. The same for journal and model. */
static int operate(struct journal *j, struct model *model, uint32_t n)
{
    uint32_t seed = n * 2654435761u;
    uint32_t kind = next(&seed) % 8;
    uint32_t count = kind < 5 ? 1 : 2 + next(&seed) % 6;
    int err = 0;
    if (count > 1 && j)
        journal_begin(j);
    for (uint32_t i = 0; i < count && !err; i++) {
        uint32_t key = next(&seed) % KEYS;
        uint32_t version = next(&seed) % 4 ? n * 8 + i + 1 : 0;
        err = change(j, model, key, version);
    }
    if (count > 1 && j && !err)
        err = journal_commit(j);
    return err;
}

static void collect(void *arg, struct slice key, struct slice value)
{
    struct model *model = arg;
    uint64_t n = 0;
    uint8_t want[1024];
    uint32_t version;
    assert_int_equal(slice_to_u64(slice_sub(key, 4, 10), KEYS - 1, &n), 0);
    assert_int_equal(model->version[n], 0);
    assert_true(value.len >= sizeof version);
    memcpy(&version, value.data, sizeof version);
    assert_true(slice_eq(value, slice_of(want, make_value(version, want))));
    model->version[n] = version;
}

static void test_latest_wins(void **state)
{
    (void)state;
    int fd = new_memfd();
    struct model model = {0};
    for (uint32_t round = 0; round < 20; round++) {
        struct journal *j = NULL;
        struct model back = {0};
        assert_int_equal(journal_open(dup(fd), 1 << 18, &j), 0);
        journal_each(j, SLICE("key/"), collect, &back);
        assert_memory_equal(&back, &model, sizeof model);
        for (uint32_t n = 0; n < 500; n++)
            assert_int_equal(operate(j, &model, round * 500 + n), 0);
        memset(&back, 0, sizeof back);
        journal_each(j, SLICE(""), collect, &back);
        assert_memory_equal(&back, &model, sizeof model);
        journal_close(&j);
    }
    close(fd);
}

static void count(void *arg, struct slice key, struct slice value)
{
    (void)key;
    *(size_t *)arg += value.len;
}

static void test_full(void **state)
{
    (void)state;
    struct journal *j = NULL;
    uint8_t big[5000] = {1};
    size_t sum = 0;
    assert_int_equal(journal_open(new_memfd(), 100, &j), ERR_LIMIT);
    assert_int_equal(journal_open(new_memfd(), 64 * 1024, &j), 0);
    char key[8];
    int err = 0;
    int stored = 0;
    for (int i = 0; i < 100 && !err; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        err = journal_put(j, slice_str(key), slice_of(big, sizeof big));
        stored += !err;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(stored >= 4 && stored <= 6);
    journal_begin(j);
    assert_int_equal(journal_put(j, SLICE("small"), SLICE("x")), 0);
    assert_int_equal(journal_put(j, SLICE("large"), slice_of(big, sizeof big)), 0);
    assert_int_equal(journal_commit(j), ERR_LIMIT);
    journal_each(j, SLICE(""), count, &sum);
    assert_int_equal(sum, (size_t)stored * sizeof big);
    for (int i = 0; i < 100; i++) /* replacing what is there always goes on */
        assert_int_equal(journal_del(j, SLICE("0")) | journal_put(j, SLICE("0"), SLICE("new")), 0);
    sum = 0;
    journal_each(j, SLICE("0"), count, &sum);
    assert_int_equal(sum, 3);
    journal_close(&j);
}

static void test_not_a_journal(void **state)
{
    (void)state;
    struct journal *j = NULL;
    int fd = new_memfd();
    assert_int_equal(pwrite(fd, "something else", 14, 0), 14);
    assert_int_equal(journal_open(fd, 1 << 16, &j), ERR_FORMAT);
    fd = new_memfd();
    assert_int_equal(journal_open(dup(fd), 1 << 16, &j), 0);
    journal_close(&j);
    assert_int_equal(journal_open(fd, 1 << 17, &j), ERR_FORMAT);
}

struct shared {
    volatile uint32_t done; /* operations that returned */
};

__attribute__((noreturn)) static void work(int fd, struct shared *shared)
{
    struct journal *j = NULL;
    if (journal_open(fd, 1 << 17, &j) < 0)
        _exit(1);
    for (uint32_t n = shared->done;; n++) {
        if (operate(j, NULL, n) < 0)
            _exit(2);
        shared->done = n + 1;
    }
}

/* A process killed at a random moment, again and again on the same journal: its successor finds the
 * state after the last finished operation, or after the one it died in, never a part of one. */
static void test_killed(void **state)
{
    (void)state;
    int fd = new_memfd();
    struct model model = {0};
    struct shared *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    uint32_t seed = (uint32_t)time(NULL);
    uint32_t model_at = 0;
    int ahead = 0;
    for (int round = 0; round < 1500; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            work(fd, shared);
        uint32_t before = shared->done;
        while (shared->done == before && waitpid(pid, NULL, WNOHANG) == 0)
            usleep(50);
        usleep(next(&seed) % 700);
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0); /* gone already when it failed: seen below */
        struct journal *j = NULL;
        struct model back = {0};
        assert_int_equal(journal_open(dup(fd), 1 << 17, &j), 0);
        journal_each(j, SLICE(""), collect, &back);
        journal_close(&j);
        assert_true(shared->done > before);
        for (; model_at < shared->done; model_at++)
            (void)operate(NULL, &model, model_at);
        if (memcmp(&back, &model, sizeof back) != 0) {
            (void)operate(NULL, &model, model_at++);
            shared->done = model_at;
            assert_memory_equal(&back, &model, sizeof back);
            ahead++;
        }
    }
    print_message("killed 1500 times after %u operations, %d of them finished by the dead\n",
                  shared->done, ahead);
    munmap(shared, 4096);
    close(fd);
}

/* Every prefix of the bytes of one append: what a store-by-store death leaves. */
static void test_torn_at_every_byte(void **state)
{
    (void)state;
    enum { SIZE = 1 << 16 };
    int fd = new_memfd();
    struct journal *j = NULL;
    assert_int_equal(journal_open(dup(fd), SIZE, &j), 0);
    assert_int_equal(journal_put(j, SLICE("key/1"), SLICE("one")), 0);
    uint8_t *before = malloc(SIZE);
    uint8_t *after = malloc(SIZE);
    assert_int_equal(pread(fd, before, SIZE, 0), SIZE);
    journal_begin(j);
    assert_int_equal(journal_put(j, SLICE("key/1"), SLICE("second")), 0);
    assert_int_equal(journal_put(j, SLICE("key/2"), SLICE("and more")), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(pread(fd, after, SIZE, 0), SIZE);
    journal_close(&j);
    close(fd);
    size_t first = 0;
    size_t last = SIZE;
    while (before[first] == after[first])
        first++;
    while (before[last - 1] == after[last - 1])
        last--;
    for (size_t cut = first; cut <= last; cut++) {
        fd = new_memfd();
        size_t sum = 0;
        assert_int_equal(pwrite(fd, after, cut, 0), (ssize_t)cut);
        assert_int_equal(pwrite(fd, before + cut, SIZE - cut, (off_t)cut), (ssize_t)(SIZE - cut));
        assert_int_equal(journal_open(fd, SIZE, &j), 0);
        journal_each(j, SLICE("key/"), count, &sum);
        assert_int_equal(sum, cut == last ? 14 : 3);
        journal_close(&j);
    }
    free(before);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latest_wins),   cmocka_unit_test(test_full),
        cmocka_unit_test(test_not_a_journal), cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
