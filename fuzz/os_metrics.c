#include <sys/mman.h>
#include <unistd.h>

#include "os/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A page as a process that was taken over may leave it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd;
    struct metrics *page = NULL;
    struct buf out;
    if (size > METRICS_PAGE_SIZE)
        size = METRICS_PAGE_SIZE;
    buf_init(&out, (size_t)1 << 20);
    if (metrics_create("edge", 0, &fd) < 0)
        return 0;
    if (pwrite(fd, data, size, 0) == (ssize_t)size && metrics_map(fd, false, &page) == 0) {
        metrics_print(page, &out);
        if (out.failed)
            __builtin_trap();
        for (size_t i = 0; i < out.len; i++)
            if (out.data[i] == 0)
                __builtin_trap();
    }
    metrics_unmap(&page);
    buf_done(&out);
    close(fd);
    return 0;
}
