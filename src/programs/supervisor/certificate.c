/* Hands edge the certificate that programs/certificates.h keeps good. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "programs/certificates.h"
#include "programs/supervisor/supervisor.h"

static void on_changed(void *arg)
{
    certificate_send(arg);
}

static int make(struct supervisor *super, struct certificates **ret_certificates)
{
    char directory[PATH_SIZE + 8];
    char challenges[PATH_SIZE + 8];
    struct buf complaint;
    enum certificates_source source = CERTIFICATES_FILES;
    if (strcmp(super->tls, "local") == 0)
        source = CERTIFICATES_LOCAL;
    else if (strcmp(super->tls, "auto") == 0)
        source = CERTIFICATES_ACME;
    const char *host = config_text(super->config, "host");
    (void)snprintf(directory, sizeof directory, "%s/tls", super->data);
    (void)snprintf(challenges, sizeof challenges, "%s/acme", super->data);
    const struct certificates_plan plan = {
        .source = source,
        .hosts = {host[0] ? host : "localhost", config_switch(super->config, "turn")
                                                    ? config_text(super->config, "turn.host")
                                                    : ""},
        .directory = directory,
        .chain_file = config_text(super->config, "tls.certificate"),
        .key_file = config_text(super->config, "tls.key"),
        .challenges = challenges,
        .acme_url = config_text(super->config, "tls.acme_url"),
    };
    buf_init(&complaint, 4096);
    int err = certificates_new(super->loop, &plan, on_changed, super, &complaint, ret_certificates);
    if (err)
        complain("%.*s.", SLICE_ARG(buf_slice(&complaint)));
    buf_done(&complaint);
    return err;
}

int certificate_open(struct supervisor *super)
{
    return strcmp(super->tls, "off") == 0 ? 0 : make(super, &super->certificates);
}

void certificate_close(struct supervisor *super)
{
    certificates_free(&super->certificates);
}

int certificate_reload(struct supervisor *super)
{
    struct certificates *fresh = NULL;
    if (!super->certificates)
        return 0;
    int err = make(super, &fresh);
    if (err)
        return err;
    certificates_free(&super->certificates);
    super->certificates = fresh;
    return 0;
}

void certificate_send(struct supervisor *super)
{
    int fds[2];
    struct unit *edge = unit_find(super, "edge", 0);
    if (!super->certificates || !edge || super->stopping)
        return;
    int err = certificates_open(super->certificates, &fds[0], &fds[1]);
    if (err) {
        log_error("certificate unreadable err=%s", err_name(err));
        return;
    }
    json_t *message = json_pack("{s:s}", "type", "tls");
    unit_send(edge, message, fds, 2);
    json_decref(message);
    close(fds[0]);
    close(fds[1]);
}
