/* darasa-render: one job over one recording, then the end. docs/record.md. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libavutil/log.h>

#include "base/log.h"
#include "os/child.h"
#include "programs/rules.h"
#include "record/job.h"

/* How often the supervisor hears of progress, and is listened to. */
#define PROGRESS_STEP (500 * USEC_PER_MSEC)
#define LISTEN_STEP (100 * USEC_PER_MSEC)
/* Live classes come first. */
#define NICE 10

struct render {
    struct child *child;
    struct loop *loop;
    usec_t listened;
    usec_t told;
    bool stopped;
};

static int tell_progress(void *arg, double done)
{
    struct render *render = arg;
    usec_t now = clock_monotonic();
    if (now - render->listened < LISTEN_STEP)
        return 0;
    render->listened = now;
    if (now - render->told >= PROGRESS_STEP) {
        render->told = now;
        json_t *message = json_pack("{s:s,s:f}", "type", "progress", "done", done);
        if (!message || child_send(render->child, message, NULL, 0) != 0)
            log_debug("progress was not told");
        json_decref(message);
    }
    if (loop_turn(render->loop, 0) != 0)
        return ERR_IO;
    return render->stopped ? ERR_CLOSED : 0;
}

static void on_stop(void *arg)
{
    struct render *render = arg;
    render->stopped = true;
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds,
                       size_t fd_count)
{
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void tell_trouble(struct render *render, int err)
{
    json_t *message =
        json_pack("{s:s,s:s}", "type", "trouble", "reason", err == ERR_IO ? "disk" : err_name(err));
    if (!message || child_send(render->child, message, NULL, 0) != 0)
        log_warn("the supervisor does not listen");
    json_decref(message);
}

static int run_job(const char *name, struct job *job)
{
    static const struct {
        const char *name;
        int (*run)(struct job *);
    } jobs[] = {{"tracks", job_tracks}, {"audio", job_audio}, {"mp4", job_mp4}};
    for (size_t i = 0; name && i < ARRAY_LEN(jobs); i++) {
        if (strcmp(name, jobs[i].name) == 0)
            return jobs[i].run(job);
    }
    job->what = "unknown job";
    return ERR_UNSUPPORTED;
}

int main(void)
{
    struct render render = {.child = child_start("render"), .loop = loop_new()};
    json_t *settings = child_settings(render.child);
    struct job job = {.spool = child_fd(render.child, "spool", 0),
                      .out = child_fd(render.child, "out", 0),
                      .options = json_object_get(settings, "options"),
                      .progress = {tell_progress, &render}};
    const char *recording = json_string_value(json_object_get(settings, "recording"));
    const char *name = json_string_value(json_object_get(settings, "job"));
    struct rules rules;
    av_log_set_level(AV_LOG_QUIET);
    if (!render.loop || job.spool < 0 || job.out < 0 || rules_get("render", settings, &rules)) {
        log_error("start failed what=\"descriptors or rules\"");
        return 1;
    }
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* without it, it is only less polite */
    const struct child_handler handler = {.message = on_message, .stop = on_stop, .arg = &render};
    child_enter(render.child, render.loop, &rules.sandbox, &handler);
    child_ready(render.child);
    int err = run_job(name, &job);
    if (err)
        tell_trouble(&render, err);
    if (err)
        log_error("job failed recording=%s job=%s what=\"%s\" err=%s", recording ? recording : "",
                  name ? name : "", job.what, err_name(err));
    else
        log_info("job done recording=%s job=%s", recording ? recording : "", name);
    child_free(&render.child);
    loop_free(&render.loop);
    return err ? 1 : 0;
}
