/* Preloaded into programs under test: adds an offset to what they are told of the wall clock, and
 * leaves the monotonic clock alone. The offset, in seconds as a 64-bit number, is read at every
 * call from the file `offset` beside this library. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int clock_function(clockid_t, struct timespec *);

static const volatile int64_t *offset;
static clock_function *real;

/* Before anything is forbidden: the file stays mapped when the walls are up. */
__attribute__((constructor)) static void begin(void)
{
    Dl_info self;
    char path[PATH_MAX];
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    memcpy(&real, &found, sizeof real);
    if (!dladdr((const void *)&offset, &self) || !self.dli_fname)
        return;
    const char *slash = strrchr(self.dli_fname, '/');
    if (!slash)
        return;
    (void)snprintf(path, sizeof path, "%.*s/offset", (int)(slash - self.dli_fname), self.dli_fname);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        offset = map;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    int err = real ? real(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (err == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return err;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec t;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &t) < 0)
        return -1;
    *now = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *now)
{
    struct timespec t = {0};
    if (clock_gettime(CLOCK_REALTIME_COARSE, &t) < 0)
        return -1;
    if (now)
        *now = t.tv_sec;
    return t.tv_sec;
}
