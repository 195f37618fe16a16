#include "os/witness.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

static void names_whom_a_process_died_of(void **state)
{
    const struct witness_entry good = {"room", "good"}, bad = {"room", "bad"};
    struct witness_entry read;
    int fd, status;
    assert_int_equal(witness_create(&fd), 0);
    assert_false(witness_read(fd, &read));
    pid_t child = fork();
    if (child == 0) {
        struct witness *witness = NULL;
        if (witness_map(fd, &witness))
            _exit(1);
        witness_note(witness, &good);
        witness_clear(witness);
        witness_note(witness, &bad);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 9);
    assert_true(witness_read(fd, &read));
    assert_string_equal(read.where, "room");
    assert_string_equal(read.who, "bad");
    close(fd);
}

static void nobody_is_named_between_two(void **state)
{
    const struct witness_entry entry = {"room", "a"};
    struct witness_entry read;
    struct witness *witness;
    int fd;
    assert_int_equal(witness_create(&fd), 0);
    assert_int_equal(witness_map(fd, &witness), 0);
    witness_note(witness, &entry);
    assert_true(witness_read(fd, &read));
    witness_clear(witness);
    assert_false(witness_read(fd, &read));
    witness_unmap(&witness);
    assert_null(witness);
    witness_note(NULL, &entry);
    witness_clear(NULL);
    close(fd);
}

static void names_without_an_end_name_nobody(void **state)
{
    struct witness_entry entry, read;
    int fd;
    memset(&entry, 'x', sizeof entry);
    assert_int_equal(witness_create(&fd), 0);
    assert_int_equal(pwrite(fd, &entry, sizeof entry, 0), (int)sizeof entry);
    assert_false(witness_read(fd, &read));
    close(fd);
}

static void other_descriptors_are_no_pages(void **state)
{
    struct witness *witness;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(witness_map(ends[0], &witness), ERR_FORMAT);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_whom_a_process_died_of),
        cmocka_unit_test(nobody_is_named_between_two),
        cmocka_unit_test(names_without_an_end_name_nobody),
        cmocka_unit_test(other_descriptors_are_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
