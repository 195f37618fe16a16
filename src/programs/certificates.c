#include "programs/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"
#include "os/process.h"

#define PEM_MAX ((size_t)(64 * 1024))

/* A certificate is replaced this long before it ends: several missed tries later it is still good.
 */
static const int64_t RENEW_BEFORE_S = 30 * 24 * 3600;
/* The first name goes without the second when what serves ends so soon: by then the second has
 * failed for weeks. */
static const int64_t LAST_S = 7 * 24 * 3600;
/* uacme looks itself whether the end is near; authorities ask for no more than twice a day. */
static const usec_t CHECK_EVERY = 12 * 3600 * USEC_PER_SEC;
/* After a failure, for instance because DNS does not point here yet. Well below the limits of Let's
 * Encrypt. */
static const usec_t RETRY_AFTER = 3600 * USEC_PER_SEC;

enum acme_step { ACME_IDLE, ACME_ACCOUNT, ACME_ISSUE, ACME_ISSUE_FIRST };

struct certificates {
    struct loop *loop;
    struct certificates_plan plan; /* its strings are ours */
    char *strings[5 + AUTHORITY_HOSTS];
    int directory;
    void (*changed)(void *arg);
    void *arg;
    struct loop_timer timer;
    struct loop_io child; /* fd: pidfd of uacme */
    pid_t pid;
    enum acme_step step;
};

static const char *keep(struct certificates *c, size_t index, const char *text)
{
    c->strings[index] = strdup(text ? text : "");
    return c->strings[index];
}

static int64_t wall_seconds(void)
{
    return clock_wall() / USEC_PER_SEC;
}

/* Whether it covers the hosts for longer than that. */
static bool good_for(int directory, const char *file, const char *const hosts[AUTHORITY_HOSTS],
                     int64_t seconds)
{
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    bool good = file_read(directory, file, &pem) == 0;
    for (size_t i = 0; i < AUTHORITY_HOSTS && good; i++) {
        int64_t ends = 0;
        bool covers = false;
        if (hosts[i][0])
            good = certificate_inspect(buf_slice(&pem), hosts[i], &ends, &covers) == 0 && covers &&
                   ends - seconds > wall_seconds();
    }
    buf_done(&pem);
    return good;
}

static int write_pair(int directory, const char *certificate, struct slice chain, const char *key,
                      struct slice secret)
{
    int err = file_write(directory, key, secret, 0600);
    return err ? err : file_write(directory, certificate, chain, 0644);
}

/* The authority is made once and kept: devices trust it by its certificate. */
static int read_authority(int directory, int64_t wall_s, struct buf *ca, struct buf *ca_key)
{
    int err = file_read(directory, "ca.crt", ca);
    if (!err)
        err = file_read(directory, "ca.key", ca_key);
    if (err != ERR_NOT_FOUND)
        return err;
    buf_clear(ca);
    buf_clear(ca_key);
    err = authority_create("Darasa school authority", wall_s, ca, ca_key);
    return err ? err : write_pair(directory, "ca.crt", buf_slice(ca), "ca.key", buf_slice(ca_key));
}

static int issue_local(int directory, const char *const hosts[AUTHORITY_HOSTS], int64_t wall_s)
{
    struct buf ca, ca_key, chain, key;
    struct buf *const all[] = {&ca, &ca_key, &chain, &key};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], PEM_MAX);
    int err = read_authority(directory, wall_s, &ca, &ca_key);
    if (!err)
        err = authority_issue(buf_slice(&ca), buf_slice(&ca_key), hosts, wall_s, &chain, &key);
    if (!err)
        err = write_pair(directory, "server.crt", buf_slice(&chain), "server.key", buf_slice(&key));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i]->data)
            explicit_bzero(all[i]->data, all[i]->cap);
        buf_done(all[i]);
    }
    return err;
}

static int ensure_local(struct certificates *c, bool *ret_new)
{
    *ret_new = false;
    if (good_for(c->directory, "server.crt", c->plan.hosts, RENEW_BEFORE_S))
        return 0;
    int err = issue_local(c->directory, c->plan.hosts, wall_seconds());
    *ret_new = err == 0;
    return err;
}

/* uacme calls it with: method, type, identifier, token, authorization. */
static int write_hook(struct certificates *c)
{
    struct buf text;
    buf_init(&text, PEM_MAX);
    buf_printf(&text,
               "#!/bin/sh\n"
               "[ \"$2\" = http-01 ] || exit 1\n"
               "case \"$4\" in */* | .*) exit 1 ;; esac\n"
               "case \"$1\" in\n"
               "begin) umask 022; printf %%s \"$5\" >'%s'/\"$4\" ;;\n"
               "done | failed) rm -f '%s'/\"$4\" ;;\n"
               "esac\n",
               c->plan.challenges, c->plan.challenges);
    int err = text.failed || strchr(c->plan.challenges, '\'')
                  ? ERR_FORMAT
                  : file_write(c->directory, "acme-hook", buf_slice(&text), 0700);
    buf_done(&text);
    return err;
}

static void again_in(struct certificates *c, usec_t wait)
{
    if (loop_timer_set(c->loop, &c->timer, loop_now(c->loop) + wait))
        log_error("certificates timer=failed");
}

static void start_step(struct certificates *c, enum acme_step step)
{
    char conf[512], hook[512];
    const char *argv[16] = {"uacme", "-y", "-c", conf};
    size_t n = 4;
    (void)snprintf(conf, sizeof conf, "%s/acme", c->plan.directory);
    (void)snprintf(hook, sizeof hook, "%s/acme-hook", c->plan.directory);
    if (c->plan.acme_url[0]) {
        argv[n++] = "-a";
        argv[n++] = c->plan.acme_url;
    }
    if (step != ACME_ACCOUNT) {
        argv[n++] = "-t";
        argv[n++] = "EC";
        argv[n++] = "-h";
        argv[n++] = hook;
        argv[n++] = "issue";
        for (size_t i = 0; i < (step == ACME_ISSUE ? AUTHORITY_HOSTS : 1); i++)
            if (c->plan.hosts[i][0])
                argv[n++] = c->plan.hosts[i];
    } else {
        argv[n++] = "new";
    }
    argv[n] = NULL;
    const struct process_options options = {.control = -1, .low_priority = true};
    int err = process_spawn("/usr/bin/uacme", argv, &options, &c->pid, &c->child.fd);
    if (!err)
        err = loop_watch(c->loop, &c->child, LOOP_READ);
    if (err) {
        log_error("certificates acme=not-started error=%s", err_name(err));
        c->step = ACME_IDLE;
        again_in(c, RETRY_AFTER);
        return;
    }
    c->step = step;
}

/* An authority refuses both names when one of them does not lead here: pages must not wait for the
 * relay's. */
static bool must_go_alone(const struct certificates *c)
{
    char chain[320];
    const char *const first[AUTHORITY_HOSTS] = {c->plan.hosts[0], ""};
    (void)snprintf(chain, sizeof chain, "acme/%s/cert.pem", c->plan.hosts[0]);
    return c->plan.hosts[1][0] && !good_for(c->directory, chain, first, LAST_S);
}

/* uacme: 0 done, 1 nothing to do yet (certificate still good, or account there), 2 failed. */
static void step_ended(struct loop_io *io, uint32_t events)
{
    struct certificates *c = CONTAINER_OF(io, struct certificates, child);
    int status = 0;
    if (process_reap(c->pid, &status) == ERR_AGAIN)
        return;
    loop_unwatch(c->loop, io);
    (void)close(io->fd); /* a pidfd has nothing to flush */
    io->fd = -1;
    enum acme_step step = c->step;
    c->step = ACME_IDLE;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
    if (step == ACME_ACCOUNT && code <= 1) {
        start_step(c, ACME_ISSUE);
        return;
    }
    log_info("certificates acme=%s host=%s also=%s",
             code == 0   ? "issued"
             : code == 1 ? "still-good"
                         : "failed",
             c->plan.hosts[0], step == ACME_ISSUE ? c->plan.hosts[1] : "");
    if (step == ACME_ISSUE && code > 1 && must_go_alone(c)) {
        start_step(c, ACME_ISSUE_FIRST);
        return;
    }
    again_in(c, code <= 1 && step == ACME_ISSUE ? CHECK_EVERY : RETRY_AFTER);
    if (code == 0)
        c->changed(c->arg);
}

static void check(struct loop_timer *timer, usec_t now)
{
    struct certificates *c = CONTAINER_OF(timer, struct certificates, timer);
    if (c->plan.source == CERTIFICATES_ACME && c->step == ACME_IDLE) {
        struct stat st;
        bool account = fstatat(c->directory, "acme/private/key.pem", &st, 0) == 0;
        start_step(c, account ? ACME_ISSUE : ACME_ACCOUNT);
        return;
    }
    bool fresh = false;
    if (c->plan.source == CERTIFICATES_LOCAL && ensure_local(c, &fresh))
        log_error("certificates local=failed");
    again_in(c, CHECK_EVERY);
    if (fresh)
        c->changed(c->arg);
}

static int prepare(struct certificates *c, struct buf *complaint)
{
    if (c->plan.source == CERTIFICATES_FILES) {
        int chain, key;
        int err = certificates_open(c, &chain, &key);
        if (err) {
            buf_printf(complaint, "cannot read %s and %s (%s)", c->plan.chain_file,
                       c->plan.key_file, err_name(err));
            return err;
        }
        (void)close(chain); /* only looked whether they open */
        (void)close(key);
        return 0;
    }
    int err = dir_make(c->plan.directory, 0755);
    if (!err)
        err = dir_open(AT_FDCWD, c->plan.directory, &c->directory);
    bool fresh;
    if (!err)
        err = ensure_local(c, &fresh);
    if (!err && c->plan.source == CERTIFICATES_ACME) {
        err = dir_make(c->plan.challenges, 0755);
        if (!err)
            err = write_hook(c);
        if (!err && access("/usr/bin/uacme", X_OK) != 0) {
            buf_add_str(complaint, "tls = auto needs the program uacme (Debian package uacme)");
            return ERR_NOT_FOUND;
        }
    }
    if (err)
        buf_printf(complaint, "cannot keep certificates in %s (%s)", c->plan.directory,
                   err_name(err));
    return err;
}

int certificates_new(struct loop *loop, const struct certificates_plan *plan,
                     void (*changed)(void *arg), void *arg, struct buf *complaint,
                     struct certificates **ret_certificates)
{
    struct certificates *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_MEMORY;
    c->loop = loop;
    c->changed = changed;
    c->arg = arg;
    c->directory = -1;
    c->child = (struct loop_io){.fd = -1, .ready = step_ended};
    loop_timer_init(&c->timer, check);
    c->plan = (struct certificates_plan){
        .source = plan->source,
        .hosts = {keep(c, 0, plan->hosts[0]), keep(c, 6, plan->hosts[1])},
        .directory = keep(c, 1, plan->directory),
        .chain_file = keep(c, 2, plan->chain_file),
        .key_file = keep(c, 3, plan->key_file),
        .challenges = keep(c, 4, plan->challenges),
        .acme_url = keep(c, 5, plan->acme_url),
    };
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(c->strings); i++)
        err = c->strings[i] ? err : ERR_MEMORY;
    if (!err)
        err = prepare(c, complaint);
    /* ACME needs the challenge answered by edge: a moment later everything serves. */
    if (!err && plan->source != CERTIFICATES_FILES)
        err =
            loop_timer_set(loop, &c->timer,
                           clock_monotonic() + (plan->source == CERTIFICATES_ACME ? 3 * USEC_PER_SEC
                                                                                  : CHECK_EVERY));
    if (err) {
        certificates_free(&c);
        return err;
    }
    *ret_certificates = c;
    return 0;
}

void certificates_free(struct certificates **certificates)
{
    struct certificates *c = *certificates;
    if (!c)
        return;
    loop_timer_clear(c->loop, &c->timer);
    if (c->child.fd >= 0) {
        loop_unwatch(c->loop, &c->child);
        (void)close(c->child.fd);
        (void)kill(c->pid, SIGTERM); /* our own child, not reaped yet: the number is still its */
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ; /* it catches no signal, so this is a moment */
    }
    if (c->directory >= 0)
        (void)close(c->directory);
    for (size_t i = 0; i < ARRAY_LEN(c->strings); i++)
        free(c->strings[i]);
    free(c);
    *certificates = NULL;
}

static int open_pair(int directory, const char *chain, const char *key, int *ret_chain_fd,
                     int *ret_key_fd)
{
    int chain_fd = openat(directory, chain, O_RDONLY | O_CLOEXEC);
    int key_fd = chain_fd < 0 ? -1 : openat(directory, key, O_RDONLY | O_CLOEXEC);
    if (key_fd < 0) {
        int err = errno == ENOENT ? ERR_NOT_FOUND : errno == EACCES ? ERR_DENIED : ERR_IO;
        if (chain_fd >= 0)
            (void)close(chain_fd);
        return err;
    }
    *ret_chain_fd = chain_fd;
    *ret_key_fd = key_fd;
    return 0;
}

int certificates_open(const struct certificates *c, int *ret_chain_fd, int *ret_key_fd)
{
    if (c->plan.source == CERTIFICATES_FILES)
        return open_pair(AT_FDCWD, c->plan.chain_file, c->plan.key_file, ret_chain_fd, ret_key_fd);
    if (c->plan.source == CERTIFICATES_ACME) {
        char chain[320], key[320];
        (void)snprintf(chain, sizeof chain, "acme/%s/cert.pem", c->plan.hosts[0]);
        (void)snprintf(key, sizeof key, "acme/private/%s/key.pem", c->plan.hosts[0]);
        int err = open_pair(c->directory, chain, key, ret_chain_fd, ret_key_fd);
        if (err != ERR_NOT_FOUND)
            return err;
    }
    return open_pair(c->directory, "server.crt", "server.key", ret_chain_fd, ret_key_fd);
}

void certificates_refresh(struct certificates *c)
{
    if (c->step == ACME_IDLE && c->plan.source != CERTIFICATES_FILES)
        again_in(c, 0);
    c->changed(c->arg);
}
