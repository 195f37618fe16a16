#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "os/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE ((size_t)65536)

static void visit(void *arg, struct slice key, struct slice value)
{
    uint32_t *sum = arg;
    *sum = crc32c(crc32c(*sum, key), value);
}

/* Whatever lies in the file: opened or refused, and then it works. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal *journal = NULL;
    uint32_t sum = 0;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    if (fd < 0 || size < 2)
        goto out;
    /* A real journal with the input written over it. */
    if (journal_open(dup(fd), SIZE, &journal) < 0 ||
        journal_put(journal, SLICE("a"), SLICE("one")) < 0 ||
        journal_put(journal, SLICE("b"), SLICE("two")) < 0)
        __builtin_trap();
    journal_close(&journal);
    size_t at = ((size_t)data[0] << 8 | data[1]) % (SIZE / 2);
    if (size - 2 > SIZE - at)
        size = SIZE - at + 2;
    if (pwrite(fd, data + 2, size - 2, (off_t)at) < 0)
        goto out;
    if (journal_open(dup(fd), SIZE, &journal) < 0)
        goto out;
    journal_each(journal, SLICE(""), visit, &sum);
    if (journal_put(journal, SLICE("key"), SLICE("value")) < 0 &&
        journal_del(journal, SLICE("a")) != 0)
        goto close;
    journal_each(journal, SLICE("key"), visit, &sum);
close:
    journal_close(&journal);
out:
    if (fd >= 0)
        close(fd);
    return 0;
}
