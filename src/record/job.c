#include "record/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "record/out_file.h"

#define MARK ".spool"

static int tell_part(void *arg, double done)
{
    const struct job_part *part = arg;
    return part->whole->tell(part->whole->arg, part->from + (part->to - part->from) * done);
}

struct record_progress job_part(struct job_part *part)
{
    return (struct record_progress){tell_part, part};
}

/* Results of an earlier job are kept when they came from the same bytes. */
static int sweep_stale(struct job *job, const struct spool *spool)
{
    char mark[32], *old = NULL;
    size_t len = 0;
    int width = snprintf(mark, sizeof(mark), "%llu\n", (unsigned long long)spool_size(spool));
    int err = out_file_get(job->out, MARK, sizeof(mark), &old, &len);
    bool same = !err && slice_eq(slice_of(old, len), slice_of(mark, (size_t)width));
    free(old);
    out_file_sweep(job->out, !same);
    return same ? 0 : out_file_put(job->out, MARK, mark, (size_t)width);
}

int job_open(struct job *job, double share, struct spool **ret_spool,
             struct timeline **ret_timeline)
{
    struct spool *spool = NULL;
    struct job_part part = {&job->progress, 0, share};
    struct record_progress progress = job_part(&part);
    job->what = "spool";
    int err = spool_open(job->spool, &spool);
    if (err)
        return err;
    job->what = "out";
    err = sweep_stale(job, spool);
    if (!err) {
        job->what = "timeline";
        err = timeline_read(spool, &progress, ret_timeline);
    }
    if (err)
        spool_close(&spool);
    else
        *ret_spool = spool;
    return err;
}
