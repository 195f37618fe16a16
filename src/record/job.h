/* What render makes of a spool. Each job reads `spool`, writes whole files to `out`, and may be
 * killed and run again at any time: what is finished is kept. */
#ifndef RECORD_JOB_H
#define RECORD_JOB_H

#include "record/timeline.h"

/* Larger than any manifest we write. */
#define JOB_MANIFEST_MAX ((size_t)64 * 1024 * 1024)

struct job {
    int spool; /* directories; the caller's */
    int out;
    const json_t *options; /* of the job, may be NULL */
    struct record_progress progress;
    const char *what; /* after a failure: a word for the log; never NULL then */
};

/* One WebM per source and stretch, and manifest.json. ERR_IO (disk), ERR_MEMORY, ERR_CLOSED
 * (asked to stop). */
int job_tracks(struct job *job) MUST_USE;
/* audio.opus and audio.m4a. Errors as above. */
int job_audio(struct job *job) MUST_USE;
/* video.mp4: the speaker view. Errors as above. Options: `fps` (1 to 60), `width` and `height`
 * (even, 160 to 1920), `crf` (10 to 40). */
int job_mp4(struct job *job) MUST_USE;

/* For the jobs: opens the spool and takes the first look at it; progress from 0 to `share`. */
int job_open(struct job *job, double share, struct spool **ret_spool,
             struct timeline **ret_timeline) MUST_USE;
/* Progress of a later part of a job, scaled from 0..1 to from..to. */
struct job_part {
    const struct record_progress *whole;
    double from;
    double to;
};
struct record_progress job_part(struct job_part *part);

#endif
