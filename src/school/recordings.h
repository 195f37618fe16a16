/* Recordings: recording -> processing -> ready, or failed. `ready` means that the tracks play; the
 * audio and the video file follow. The files themselves belong to other programs. */
#ifndef SCHOOL_RECORDINGS_H
#define SCHOOL_RECORDINGS_H

#include "school/people.h"

enum recording_state {
    RECORDING_RUNNING,
    RECORDING_PROCESSING,
    RECORDING_READY,
    RECORDING_FAILED,
};

/* In the order of work. */
enum recording_job { JOB_TRACKS, JOB_AUDIO, JOB_MP4, JOB_COUNT };

enum job_state { JOB_WAITING, JOB_ASKED, JOB_RUNNING, JOB_DONE, JOB_FAILED };

/* A job that failed is tried once more, then left. */
#define JOB_ATTEMPTS_MAX 2

struct recording {
    char id[ID_SIZE];
    char class[ID_SIZE]; /* "": found on disk, nobody knows whose */
    char class_title[TEXT_SIZE];
    msec_t started_at;
    msec_t duration; /* milliseconds; 0: not known */
    enum recording_state state;
    bool finished; /* its last byte is on disk */
    struct {
        enum job_state state;
        unsigned progress; /* thousandths */
    } jobs[JOB_COUNT];
};

struct job_report {
    enum recording_job job;
    enum job_state state; /* JOB_RUNNING, JOB_DONE or JOB_FAILED */
    unsigned progress;    /* thousandths */
    const char *reason;
};

typedef int (*recording_visit)(void *arg, const struct recording *recording);
typedef int (*job_visit)(void *arg, const char *recording, enum recording_job job);

/* "tracks", "audio", "mp4". */
const char *job_name(enum recording_job job);
/* ERR_FORMAT. */
int job_parse(const char *name, enum recording_job *ret_job) MUST_USE;
const char *recording_state_name(enum recording_state state);

/* Signal's events; repeated ones change nothing. */
int recording_started(struct sql *sql, const char *id, const char *class, const char *by,
                      msec_t at) MUST_USE;
int recording_stopped(struct sql *sql, const char *id, msec_t duration) MUST_USE;
/* The supervisor's view of the disk: one that nobody writes any more goes to processing, unknown
 * ones are taken in without a class. */
int recording_seen(struct sql *sql, const char *id, bool finished, msec_t now) MUST_USE;
int recording_report(struct sql *sql, const char *id, const struct job_report *report) MUST_USE;
/* Nothing asked for before counts any more: asks again. After a restart. */
int recording_jobs_restart(struct sql *sql) MUST_USE;
/* Jobs to ask for now, and marks them asked: tracks as soon as a recording is finished; of the
 * longer jobs one at a time over all recordings. */
int recording_jobs_due(struct sql *sql, job_visit visit, void *arg) MUST_USE;

/* ERR_NOT_FOUND. */
int recording_find(struct sql *sql, const char *id, struct recording *ret_recording) MUST_USE;
/* Newest first, at most 1000: all for an administrator, else of the classes the person is in. */
int recording_each(struct sql *sql, const struct person *viewer, recording_visit visit,
                   void *arg) MUST_USE;
/* ERR_STATE: still recording. What it was stays known, so that a file found later is removed. */
int recording_delete(struct sql *sql, const char *id) MUST_USE;
int recording_deleted(struct sql *sql, const char *id, bool *ret_deleted) MUST_USE;

#endif
