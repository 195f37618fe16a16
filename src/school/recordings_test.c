#include "school/classes.h"
#include "school/recordings.h"
#include "school/testing.h"

static char asked[400];

static int ask(void *arg, const char *recording, enum recording_job job)
{
    (void)arg;
    (void)snprintf(asked + strlen(asked), sizeof asked - strlen(asked), "%s:%s ", recording,
                   job_name(job));
    return 0;
}

static const char *due(struct sql *sql)
{
    asked[0] = '\0';
    assert_int_equal(recording_jobs_due(sql, ask, NULL), 0);
    return asked;
}

static void report(struct sql *sql, const char *id, enum recording_job job, enum job_state state)
{
    struct job_report r = {.job = job, .state = state, .progress = 500, .reason = ""};
    assert_int_equal(recording_report(sql, id, &r), 0);
}

static enum recording_state state_of(struct sql *sql, const char *id)
{
    struct recording recording;
    assert_int_equal(recording_find(sql, id, &recording), 0);
    return recording.state;
}

static struct class a_class(struct sql *sql)
{
    struct class class = {.title = "Algebra"};
    assert_int_equal(class_create(sql, &class, NOW), 0);
    return class;
}

static void tracks_come_first_longer_jobs_one_at_a_time(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    static const char *const ids[] = {"r1", "r2"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(recording_started(sql, ids[i], class.id, "t", NOW + i), 0);
        assert_int_equal(recording_stopped(sql, ids[i], 1000), 0);
        assert_string_equal(due(sql), "");
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(recording_seen(sql, ids[i], true, NOW), 0);
    assert_string_equal(due(sql), "r1:tracks r2:tracks ");
    assert_string_equal(due(sql), "");
    report(sql, "r1", JOB_TRACKS, JOB_DONE);
    assert_int_equal(state_of(sql, "r1"), RECORDING_READY);
    assert_string_equal(due(sql), "r1:audio ");
    report(sql, "r2", JOB_TRACKS, JOB_DONE);
    assert_string_equal(due(sql), "");
    report(sql, "r1", JOB_AUDIO, JOB_RUNNING);
    /* Web begins anew: what was under way is asked for again. */
    assert_int_equal(recording_jobs_restart(sql), 0);
    assert_string_equal(due(sql), "r1:audio ");
    report(sql, "r1", JOB_AUDIO, JOB_DONE);
    assert_string_equal(due(sql), "r1:mp4 ");
    report(sql, "r1", JOB_MP4, JOB_DONE);
    report(sql, "r1", JOB_MP4, JOB_FAILED); /* a late word */
    assert_string_equal(due(sql), "r2:audio ");
}

static void failures_are_tried_once_more(void **state)
{
    struct sql *sql = *state;
    assert_int_equal(recording_seen(sql, "r1", true, NOW), 0);
    assert_string_equal(due(sql), "r1:tracks ");
    report(sql, "r1", JOB_TRACKS, JOB_FAILED);
    assert_int_equal(state_of(sql, "r1"), RECORDING_PROCESSING);
    assert_string_equal(due(sql), "r1:tracks ");
    report(sql, "r1", JOB_TRACKS, JOB_FAILED);
    assert_int_equal(state_of(sql, "r1"), RECORDING_FAILED);
    assert_string_equal(due(sql), "");
}

static void a_recording_found_first_learns_its_class(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    struct recording recording;
    assert_int_equal(recording_seen(sql, "r1", false, NOW + 7), 0);
    assert_int_equal(recording_started(sql, "r1", class.id, "t", NOW), 0);
    assert_int_equal(recording_find(sql, "r1", &recording), 0);
    assert_string_equal(recording.class, class.id);
    assert_true(recording.started_at == NOW);
    assert_int_equal(recording_delete(sql, "r1"), ERR_STATE);
    assert_int_equal(recording_stopped(sql, "r1", 5), 0);
    assert_int_equal(recording_delete(sql, "r1"), 0);
    bool deleted = false;
    assert_int_equal(recording_deleted(sql, "r1", &deleted), 0);
    assert_true(deleted);
    assert_int_equal(recording_find(sql, "r1", &recording), ERR_NOT_FOUND);
    assert_string_equal(due(sql), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tracks_come_first_longer_jobs_one_at_a_time),
        T(failures_are_tried_once_more),
        T(a_recording_found_first_learns_its_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
