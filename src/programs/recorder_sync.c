#include "programs/recorder_sync.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/loop.h"

struct recorder_sync {
    pthread_t thread;
    int pipe[2]; /* descriptors to sync and close, as numbers */
    unsigned waiting;
    bool failed;
    uint64_t *count;
    uint64_t *errors;
    uint64_t *duration;
};

static void *work(void *arg)
{
    struct recorder_sync *sync = arg;
    int fd;
    while (read(sync->pipe[0], &fd, sizeof fd) == sizeof fd) {
        usec_t start = clock_monotonic();
        if (fdatasync(fd) < 0) {
            __atomic_store_n(&sync->failed, true, __ATOMIC_RELAXED);
            __atomic_fetch_add(sync->errors, 1, __ATOMIC_RELAXED);
        }
        close(fd);
        __atomic_store_n(sync->duration, (uint64_t)(clock_monotonic() - start), __ATOMIC_RELAXED);
        __atomic_fetch_add(sync->count, 1, __ATOMIC_RELAXED);
        __atomic_fetch_sub(&sync->waiting, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

int recorder_sync_new(struct metrics *metrics, struct recorder_sync **ret_sync)
{
    struct recorder_sync *sync = calloc(1, sizeof *sync);
    if (!sync)
        return ERR_MEMORY;
    sync->count = metrics_counter(metrics, "darasa_recorder_syncs_total");
    sync->errors = metrics_counter(metrics, "darasa_recorder_sync_errors_total");
    sync->duration = metrics_counter(metrics, "darasa_recorder_sync_microseconds");
    if (pipe2(sync->pipe, O_CLOEXEC) < 0) {
        free(sync);
        return ERR_IO;
    }
    if (pthread_create(&sync->thread, NULL, work, sync) != 0) {
        close(sync->pipe[0]);
        close(sync->pipe[1]);
        free(sync);
        return ERR_IO;
    }
    *ret_sync = sync;
    return 0;
}

void recorder_sync_free(struct recorder_sync **sync)
{
    struct recorder_sync *dead = *sync;
    if (!dead)
        return;
    *sync = NULL;
    close(dead->pipe[1]); /* the thread reads what is left, then the end */
    (void)pthread_join(dead->thread, NULL);
    close(dead->pipe[0]);
    free(dead);
}

static void ask(struct recorder_sync *sync, int fd)
{
    __atomic_fetch_add(&sync->waiting, 1, __ATOMIC_RELAXED);
    if (write(sync->pipe[1], &fd, sizeof fd) == sizeof fd)
        return;
    __atomic_fetch_sub(&sync->waiting, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&sync->failed, true, __ATOMIC_RELAXED);
    close(fd);
}

bool recorder_sync_now(struct recorder_sync *sync, int fd)
{
    if (__atomic_load_n(&sync->waiting, __ATOMIC_ACQUIRE) > 0)
        return false;
    recorder_sync_directory(sync, fd);
    return true;
}

void recorder_sync_last(struct recorder_sync *sync, int fd)
{
    ask(sync, fd);
}

void recorder_sync_directory(struct recorder_sync *sync, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0)
        ask(sync, copy);
}

bool recorder_sync_failed(struct recorder_sync *sync)
{
    return __atomic_exchange_n(&sync->failed, false, __ATOMIC_RELAXED);
}
