#include "school/recordings.h"

static const char *const job_names[] = {
    [JOB_TRACKS] = "tracks", [JOB_AUDIO] = "audio", [JOB_MP4] = "mp4"};

const char *job_name(enum recording_job job)
{
    return job_names[job];
}

int job_parse(const char *name, enum recording_job *ret_job)
{
    for (size_t i = 0; i < ARRAY_LEN(job_names); i++)
        if (strcmp(job_names[i], name) == 0) {
            *ret_job = (enum recording_job)i;
            return 0;
        }
    return ERR_FORMAT;
}

const char *recording_state_name(enum recording_state state)
{
    static const char *const names[] = {"recording", "processing", "ready", "failed"};
    return names[state];
}

static int create_jobs(struct sql *sql, const char *id)
{
    int err = 0;
    for (int job = 0; job < JOB_COUNT && !err; job++)
        err = sql_exec(sql,
                       "INSERT INTO recording_job(recording, job, state) VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(recording, job) DO NOTHING",
                       SQL_VALUES(sql_str(id), sql_num(job), sql_num(JOB_WAITING)));
    return err;
}

static int create(struct sql *sql, const char *id, const char *class, const char *by, msec_t at)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    /* One that was found on disk first learns here whose it is. */
    err = sql_exec(sql,
                   "INSERT INTO recording(id, class, started_by, started_at, state)"
                   " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE SET"
                   " class=?2, started_by=?3, started_at=?4 WHERE recording.class IS NULL",
                   SQL_VALUES(sql_str(id), sql_str(class), sql_str(by), sql_num(at),
                              sql_num(RECORDING_RUNNING)));
    if (!err)
        err = create_jobs(sql, id);
    return sql_finish(sql, err);
}

int recording_started(struct sql *sql, const char *id, const char *class, const char *by, msec_t at)
{
    return create(sql, id, class, by, at);
}

int recording_stopped(struct sql *sql, const char *id, msec_t duration)
{
    return sql_exec(sql,
                    "UPDATE recording SET duration_ms=?2,"
                    " state=CASE WHEN state=?3 THEN ?4 ELSE state END WHERE id=?1",
                    SQL_VALUES(sql_str(id), sql_num(duration), sql_num(RECORDING_RUNNING),
                               sql_num(RECORDING_PROCESSING)));
}

int recording_seen(struct sql *sql, const char *id, bool finished, msec_t now)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_exec(sql,
                   "INSERT INTO recording(id, started_at, state) VALUES(?1, ?2, ?3)"
                   " ON CONFLICT(id) DO NOTHING",
                   SQL_VALUES(sql_str(id), sql_num(now), sql_num(RECORDING_RUNNING)));
    if (!err)
        err = create_jobs(sql, id);
    if (!err && finished)
        err = sql_exec(
            sql,
            "UPDATE recording SET finished=1,"
            " state=CASE WHEN state=?2 THEN ?3 ELSE state END WHERE id=?1",
            SQL_VALUES(sql_str(id), sql_num(RECORDING_RUNNING), sql_num(RECORDING_PROCESSING)));
    return sql_finish(sql, err);
}

/* The state of the whole follows from the tracks. */
static int settle(struct sql *sql, const char *id)
{
    return sql_exec(
        sql,
        "UPDATE recording SET state=(SELECT CASE WHEN j.state=?2 THEN ?3 WHEN j.state=?4 THEN ?5"
        " ELSE recording.state END FROM recording_job j WHERE j.recording=?1 AND j.job=?6)"
        " WHERE id=?1",
        SQL_VALUES(sql_str(id), sql_num(JOB_DONE), sql_num(RECORDING_READY), sql_num(JOB_FAILED),
                   sql_num(RECORDING_FAILED), sql_num(JOB_TRACKS)));
}

int recording_report(struct sql *sql, const char *id, const struct job_report *report)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    bool failed = report->state == JOB_FAILED;
    /* A late word about a job that is done changes nothing. */
    err = sql_exec(sql,
                   "UPDATE recording_job SET state=CASE WHEN ?3=?6 AND attempts+1<?7 THEN ?8"
                   " ELSE ?3 END, attempts=attempts+(?3=?6), progress=?4, reason=?5"
                   " WHERE recording=?1 AND job=?2 AND state<>?9",
                   SQL_VALUES(sql_str(id), sql_num(report->job), sql_num(report->state),
                              sql_num(failed ? 0 : report->progress),
                              sql_str(report->reason ? report->reason : ""), sql_num(JOB_FAILED),
                              sql_num(JOB_ATTEMPTS_MAX), sql_num(JOB_WAITING), sql_num(JOB_DONE)));
    if (!err)
        err = settle(sql, id);
    return sql_finish(sql, err);
}

int recording_jobs_restart(struct sql *sql)
{
    return sql_exec(sql, "UPDATE recording_job SET state=?1 WHERE state IN (?2, ?3)",
                    SQL_VALUES(sql_num(JOB_WAITING), sql_num(JOB_ASKED), sql_num(JOB_RUNNING)));
}

/* The first waiting job: tracks before all else; of the others only when none is under way and
 * the recording's tracks are done. */
static int next_due(struct sql *sql, char id[ID_SIZE], enum recording_job *ret_job)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(
        sql,
        "SELECT j.recording, j.job FROM recording_job j JOIN recording r ON r.id=j.recording"
        " WHERE r.finished=1 AND r.deleted=0 AND j.state=?1 AND (j.job=?2 OR"
        " (r.state=?3 AND NOT EXISTS(SELECT 1 FROM recording_job o JOIN recording q"
        " ON q.id=o.recording WHERE o.job<>?2 AND o.state IN (?4, ?5) AND q.deleted=0)))"
        " ORDER BY j.job<>?2, r.started_at, j.job LIMIT 1",
        SQL_VALUES(sql_num(JOB_WAITING), sql_num(JOB_TRACKS), sql_num(RECORDING_READY),
                   sql_num(JOB_ASKED), sql_num(JOB_RUNNING)),
        &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1) {
        int64_t job = sql_get_num(rows, 1);
        sql_get_str(rows, 0, id, ID_SIZE);
        *ret_job = job == JOB_MP4 ? JOB_MP4 : job == JOB_AUDIO ? JOB_AUDIO : JOB_TRACKS;
    }
    sql_end(&rows);
    return err;
}

int recording_jobs_due(struct sql *sql, job_visit visit, void *arg)
{
    char id[ID_SIZE];
    enum recording_job job = JOB_TRACKS;
    int err;
    while ((err = next_due(sql, id, &job)) == 1) {
        err = sql_exec(sql, "UPDATE recording_job SET state=?3 WHERE recording=?1 AND job=?2",
                       SQL_VALUES(sql_str(id), sql_num(job), sql_num(JOB_ASKED)));
        if (!err)
            err = visit(arg, id, job);
        if (err)
            break;
    }
    return err;
}

#define RECORDING_SELECT                                                                           \
    "SELECT r.id, r.class, c.title, r.started_at, r.duration_ms, r.state, r.finished,"             \
    " t.state, t.progress, a.state, a.progress, m.state, m.progress FROM recording r"              \
    " LEFT JOIN class c ON c.id=r.class"                                                           \
    " JOIN recording_job t ON t.recording=r.id AND t.job=0"                                        \
    " JOIN recording_job a ON a.recording=r.id AND a.job=1"                                        \
    " JOIN recording_job m ON m.recording=r.id AND m.job=2 WHERE r.deleted=0"

static void read_recording(struct sql_rows *rows, struct recording *ret_recording)
{
    int64_t state = sql_get_num(rows, 5);
    *ret_recording = (struct recording){
        .started_at = sql_get_num(rows, 3),
        .duration = sql_get_num(rows, 4),
        .state = state >= RECORDING_RUNNING && state <= RECORDING_READY
                     ? (enum recording_state)state
                     : RECORDING_FAILED,
        .finished = sql_get_num(rows, 6) != 0,
    };
    sql_get_str(rows, 0, ret_recording->id, ID_SIZE);
    sql_get_str(rows, 1, ret_recording->class, ID_SIZE);
    sql_get_str(rows, 2, ret_recording->class_title, TEXT_SIZE);
    for (int job = 0; job < JOB_COUNT; job++) {
        int64_t at = sql_get_num(rows, 7 + 2 * job);
        ret_recording->jobs[job].state =
            at >= JOB_WAITING && at <= JOB_DONE ? (enum job_state)at : JOB_FAILED;
        ret_recording->jobs[job].progress = (unsigned)sql_get_num(rows, 8 + 2 * job);
    }
}

int recording_find(struct sql *sql, const char *id, struct recording *ret_recording)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql, RECORDING_SELECT " AND r.id=?1", SQL_VALUES(sql_str(id)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1)
        read_recording(rows, ret_recording);
    sql_end(&rows);
    return err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
}

int recording_each(struct sql *sql, const struct person *viewer, recording_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(
        sql,
        RECORDING_SELECT
        " AND (?2=1 OR (c.deleted=0 AND (EXISTS(SELECT 1 FROM class_person e WHERE e.class=c.id"
        " AND e.person=?1 AND e.excluded=0) OR (EXISTS(SELECT 1 FROM course_person cp"
        " WHERE cp.course=c.course AND cp.person=?1) AND NOT EXISTS(SELECT 1 FROM class_person x"
        " WHERE x.class=c.id AND x.person=?1 AND x.excluded=1)))))"
        " ORDER BY r.started_at DESC, r.id LIMIT 1000",
        SQL_VALUES(sql_str(viewer->id), sql_num(viewer->role == ROLE_ADMIN)), &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        struct recording recording;
        read_recording(rows, &recording);
        err = visit(arg, &recording);
    }
    sql_end(&rows);
    return err;
}

int recording_delete(struct sql *sql, const char *id)
{
    int err = sql_exec(sql, "UPDATE recording SET deleted=1 WHERE id=?1 AND state<>?2",
                       SQL_VALUES(sql_str(id), sql_num(RECORDING_RUNNING)));
    return !err && sql_changes(sql) == 0 ? ERR_STATE : err;
}

int recording_deleted(struct sql *sql, const char *id, bool *ret_deleted)
{
    int64_t count = 0;
    int err = sql_one_num(sql, "SELECT COUNT(*) FROM recording WHERE id=?1 AND deleted=1",
                          SQL_VALUES(sql_str(id)), &count);
    if (!err)
        *ret_deleted = count > 0;
    return err;
}
