#include "api/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/units.h"
#include "crypto/hash.h"

#define THREADS_MAX 2
/* argon2 keeps its memory on the heap; the rest is small. */
#define STACK_SIZE ((size_t)(256 * 1024))

struct hasher {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
    int fd;
    bool stop;
    unsigned size;
    /* Rings of `size`; what is queued, being done and done never exceeds that. */
    struct hash_job *jobs;
    struct hash_result *results;
    unsigned job_first, job_count;
    unsigned result_first, result_count;
    unsigned under_way;
};

void hash_run(struct hash_job *job, struct hash_result *ret_result)
{
    *ret_result = (struct hash_result){.id = job->id};
    if (job->verify)
        ret_result->err = password_verify(job->hash, slice_str(job->old));
    if (!ret_result->err && job->make)
        ret_result->err = password_hash(slice_str(job->fresh), ret_result->hash);
    hash_wipe(job->old, sizeof job->old);
    hash_wipe(job->fresh, sizeof job->fresh);
}

static void tell(int fd)
{
    uint64_t one = 1;
    /* Fails only when the counter is at its end, and then it is readable already. */
    if (write(fd, &one, sizeof one) != sizeof one)
        return;
}

static void *work(void *arg)
{
    struct hasher *hasher = arg;
    (void)pthread_mutex_lock(&hasher->lock); /* an ordinary mutex, never destroyed while in use */
    for (;;) {
        while (!hasher->stop && hasher->job_count == 0)
            (void)pthread_cond_wait(&hasher->work, &hasher->lock);
        if (hasher->stop)
            break;
        struct hash_job job = hasher->jobs[hasher->job_first];
        struct hash_result result;
        hash_wipe(&hasher->jobs[hasher->job_first], sizeof job);
        hasher->job_first = (hasher->job_first + 1) % hasher->size;
        hasher->job_count--;
        hasher->under_way++;
        (void)pthread_mutex_unlock(&hasher->lock);
        hash_run(&job, &result);
        (void)pthread_mutex_lock(&hasher->lock);
        hasher->under_way--;
        hasher->results[(hasher->result_first + hasher->result_count) % hasher->size] = result;
        hasher->result_count++;
        tell(hasher->fd);
    }
    (void)pthread_mutex_unlock(&hasher->lock);
    return NULL;
}

/* Signals belong to the program's loop. */
static int start_threads(struct hasher *hasher, unsigned threads)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr))
        return ERR_MEMORY;
    (void)sigfillset(&all);
    int rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
    if (!rc)
        rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!rc) {
        while (!rc && hasher->thread_count < threads) {
            rc = pthread_create(&hasher->threads[hasher->thread_count], &attr, work, hasher);
            hasher->thread_count += !rc;
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attr);
    return rc ? ERR_IO : 0;
}

int hasher_new(unsigned threads, unsigned queue, struct hasher **ret_hasher)
{
    struct hasher *hasher = calloc(1, sizeof *hasher);
    if (!hasher)
        return ERR_MEMORY;
    hasher->size = queue;
    hasher->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hasher->jobs = calloc(queue, sizeof *hasher->jobs);
    hasher->results = calloc(queue, sizeof *hasher->results);
    (void)pthread_mutex_init(&hasher->lock, NULL); /* cannot fail without attributes */
    (void)pthread_cond_init(&hasher->work, NULL);
    int err = hasher->jobs && hasher->results ? 0 : ERR_MEMORY;
    if (!err && hasher->fd < 0)
        err = ERR_IO;
    if (!err)
        err = start_threads(hasher, threads < THREADS_MAX ? threads : THREADS_MAX);
    if (err) {
        hasher_free(&hasher);
        return err;
    }
    *ret_hasher = hasher;
    return 0;
}

void hasher_free(struct hasher **hasher_ptr)
{
    struct hasher *hasher = *hasher_ptr;
    *hasher_ptr = NULL;
    if (!hasher)
        return;
    (void)pthread_mutex_lock(&hasher->lock);
    hasher->stop = true;
    (void)pthread_cond_broadcast(&hasher->work);
    (void)pthread_mutex_unlock(&hasher->lock);
    for (unsigned i = 0; i < hasher->thread_count; i++)
        (void)pthread_join(hasher->threads[i], NULL);
    if (hasher->jobs)
        hash_wipe(hasher->jobs, hasher->size * sizeof *hasher->jobs);
    free(hasher->jobs);
    free(hasher->results);
    if (hasher->fd >= 0)
        (void)close(hasher->fd);
    (void)pthread_mutex_destroy(&hasher->lock);
    (void)pthread_cond_destroy(&hasher->work);
    free(hasher);
}

int hasher_fd(const struct hasher *hasher)
{
    return hasher->fd;
}

int hasher_submit(struct hasher *hasher, const struct hash_job *job)
{
    int err = 0;
    (void)pthread_mutex_lock(&hasher->lock);
    if (hasher->job_count + hasher->under_way + hasher->result_count >= hasher->size) {
        err = ERR_LIMIT;
    } else {
        hasher->jobs[(hasher->job_first + hasher->job_count) % hasher->size] = *job;
        hasher->job_count++;
        (void)pthread_cond_signal(&hasher->work);
    }
    (void)pthread_mutex_unlock(&hasher->lock);
    return err;
}

int hasher_poll(struct hasher *hasher, struct hash_result *ret_result)
{
    int err = ERR_AGAIN;
    (void)pthread_mutex_lock(&hasher->lock);
    if (hasher->result_count > 0) {
        *ret_result = hasher->results[hasher->result_first];
        hasher->result_first = (hasher->result_first + 1) % hasher->size;
        hasher->result_count--;
        err = 0;
    } else {
        uint64_t count;
        /* Empty by now or soon: under the lock nothing can be added in between. */
        if (read(hasher->fd, &count, sizeof count) < 0 && errno != EAGAIN)
            err = ERR_IO;
    }
    (void)pthread_mutex_unlock(&hasher->lock);
    return err;
}
