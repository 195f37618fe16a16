/* Where edge's certificate comes from. What is made or renewed is made by the script
 * darasa-certificate, which knows openssl and uacme; we only hand files on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "os/process.h"
#include "programs/supervisor/supervisor.h"

/* The first certificate of a fresh house: two keys and two signatures. */
#define FIRST_WAIT_MS 30000
/* Twice a day, as ACME clients are asked to; the first time when edge answers the challenge. */
#define FIRST_RENEWAL (5 * USEC_PER_SEC)
#define RENEWAL (12 * 3600 * USEC_PER_SEC)

struct certificate {
    struct supervisor *super;
    char chain[PATH_SIZE + 64];
    char key[PATH_SIZE + 64];
    struct loop_timer renew;
    struct loop_io helper; /* its pidfd */
    pid_t pid;
    struct timespec sent; /* time of the chain that edge has */
};

static bool ours(const struct supervisor *super)
{
    return strcmp(super->tls, "local") == 0 || strcmp(super->tls, "auto") == 0;
}

static void find_files(struct certificate *c)
{
    const struct supervisor *super = c->super;
    if (ours(super)) {
        (void)snprintf(c->chain, sizeof c->chain, "%s/tls/certificate.pem", super->data);
        (void)snprintf(c->key, sizeof c->key, "%s/tls/key.pem", super->data);
    } else {
        (void)snprintf(c->chain, sizeof c->chain, "%s",
                       config_text(super->config, "tls.certificate"));
        (void)snprintf(c->key, sizeof c->key, "%s", config_text(super->config, "tls.key"));
    }
}

static int start_helper(struct certificate *c, const char *mode)
{
    const struct supervisor *super = c->super;
    char script[PATH_SIZE + 64];
    char tls[PATH_SIZE + 64];
    char acme[PATH_SIZE + 64];
    (void)snprintf(script, sizeof script, "%s/darasa-certificate", super->programs);
    (void)snprintf(tls, sizeof tls, "%s/tls", super->data);
    (void)snprintf(acme, sizeof acme, "%s/acme", super->data);
    const char *const argv[] = {script, mode, config_text(super->config, "host"),
                                tls,    acme, config_text(super->config, "tls.acme_url"),
                                NULL};
    const struct process_options options = {.control = -1, .low_priority = true};
    return process_spawn(script, argv, &options, &c->pid, &c->helper.fd);
}

static int end_helper(struct certificate *c)
{
    int status = 0;
    if (process_reap(c->pid, &status) == ERR_AGAIN)
        return ERR_AGAIN;
    loop_unwatch(c->super->loop, &c->helper);
    close(c->helper.fd);
    c->helper.fd = -1;
    c->pid = 0;
    return status == 0 ? 0 : ERR_IO;
}

static void on_helper(struct loop_io *io, uint32_t events)
{
    struct certificate *c = CONTAINER_OF(io, struct certificate, helper);
    struct stat st;
    (void)events;
    int err = end_helper(c);
    if (err == ERR_AGAIN)
        return;
    if (err)
        log_error("certificate not renewed; the one there is stays in use");
    else if (stat(c->chain, &st) == 0 &&
             (st.st_mtim.tv_sec != c->sent.tv_sec || st.st_mtim.tv_nsec != c->sent.tv_nsec))
        certificate_send(c->super);
}

static void on_renew(struct loop_timer *timer, usec_t now)
{
    struct certificate *c = CONTAINER_OF(timer, struct certificate, renew);
    struct supervisor *super = c->super;
    if (loop_timer_set(super->loop, timer, now + RENEWAL) < 0)
        log_error("no memory for a timer");
    if (c->pid > 0 || super->stopping)
        return;
    int err = start_helper(c, super->tls);
    if (!err && loop_watch(super->loop, &c->helper, LOOP_READ) < 0)
        err = ERR_IO;
    if (err)
        log_error("certificate helper failed err=%s", err_name(err));
}

bool certificate_there(const struct supervisor *super)
{
    const struct certificate *c = super->certificate;
    return !c || (access(c->chain, R_OK) == 0 && access(c->key, R_OK) == 0);
}

/* A self-made one first, so that edge can serve whatever ACME says. */
static int make_first(struct certificate *c)
{
    if (certificate_there(c->super))
        return 0;
    int err = start_helper(c, "local");
    struct pollfd p = {.fd = c->helper.fd, .events = POLLIN};
    if (!err && poll(&p, 1, FIRST_WAIT_MS) == 1)
        err = end_helper(c);
    return err;
}

int certificate_open(struct supervisor *super)
{
    if (strcmp(super->tls, "off") == 0)
        return 0;
    struct certificate *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_MEMORY;
    c->super = super;
    c->helper = (struct loop_io){.fd = -1, .ready = on_helper};
    loop_timer_init(&c->renew, on_renew);
    super->certificate = c;
    find_files(c);
    int err = ours(super) ? make_first(c) : 0;
    if (err || !certificate_there(super)) {
        complain(ours(super) ? "no certificate could be made in %s; is openssl installed?"
                             : "cannot read the certificate %s or its key.",
                 c->chain);
        return ERR_NOT_FOUND;
    }
    if (!ours(super))
        return 0;
    return loop_timer_set(super->loop, &c->renew, loop_now(super->loop) + FIRST_RENEWAL);
}

void certificate_close(struct supervisor *super)
{
    struct certificate *c = super->certificate;
    if (!c)
        return;
    loop_timer_clear(super->loop, &c->renew);
    if (c->pid > 0) {
        (void)kill(c->pid, SIGTERM); /* ours and not yet waited for */
        loop_unwatch(super->loop, &c->helper);
        close(c->helper.fd);
    }
    free(c);
    super->certificate = NULL;
}

void certificate_send(struct supervisor *super)
{
    struct certificate *c = super->certificate;
    struct unit *edge = unit_find(super, "edge", 0);
    struct stat st;
    if (!c || !edge)
        return;
    find_files(c);
    int fds[2] = {open(c->chain, O_RDONLY | O_CLOEXEC), open(c->key, O_RDONLY | O_CLOEXEC)};
    if (fds[0] >= 0 && fds[1] >= 0 && fstat(fds[0], &st) == 0) {
        json_t *message = json_pack("{s:s}", "type", "tls");
        unit_send(edge, message, fds, 2);
        json_decref(message);
        c->sent = st.st_mtim;
    } else {
        log_error("certificate unreadable error=\"%m\"");
    }
    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
