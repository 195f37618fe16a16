#include "os/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/slice.h"

#define TEXT_MAX 1024

static int read_text(pid_t pid, const char *file, char out[TEXT_MAX], struct slice *ret_text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file); /* fits */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    ssize_t got = read(fd, out, TEXT_MAX);
    close(fd);
    if (got <= 0)
        return ERR_IO;
    *ret_text = slice_trim(slice_of(out, (size_t)got));
    return 0;
}

/* The number at `index` of those that blanks part. */
static int number_at(struct slice text, size_t index, uint64_t *ret_value)
{
    for (size_t i = 0; i < index; i++)
        (void)slice_cut(&text, ' '); /* what stands before */
    return slice_to_u64(slice_cut(&text, ' '), UINT64_MAX, ret_value) ? ERR_IO : 0;
}

int usage_of(pid_t pid, struct usage *ret_usage)
{
    char bytes[TEXT_MAX];
    struct slice text;
    uint64_t user, system, resident;
    int err = read_text(pid, "stat", bytes, &text);
    if (err)
        return err;
    /* The name in parentheses may hold anything; the state, field 3, follows it. */
    const uint8_t *end = memrchr(text.data, ')', text.len);
    if (!end)
        return ERR_IO;
    text = slice_sub(text, (size_t)(end - text.data) + 2, text.len);
    err = number_at(text, 14 - 3, &user);
    if (err == 0)
        err = number_at(text, 15 - 3, &system);
    if (err == 0)
        err = read_text(pid, "statm", bytes, &text);
    if (err == 0)
        err = number_at(text, 1, &resident);
    if (err)
        return err;
    ret_usage->cpu = (usec_t)(user + system) * USEC_PER_SEC / sysconf(_SC_CLK_TCK);
    ret_usage->memory = resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

usec_t usage_own_cpu(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage); /* never fails for oneself */
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}
