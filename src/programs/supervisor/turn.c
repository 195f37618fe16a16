/* coturn as a child of the house: its configuration and its life.
 *
 * It speaks none of our languages, so that its walls (programs/rules.c) are put up before it is
 * started, around another user of its own without a way back. What it may relay to is the bridge's
 * addresses and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"
#include "os/process.h"
#include "os/tcp.h"
#include "programs/rules.h"
#include "programs/supervisor/supervisor.h"

#define PROGRAM RULES_TURNSERVER
#define USER "turnserver"
#define ADDRESSES_MAX 32
#define CONFIG_MAX ((size_t)(16 * 1024))
/* After it ended: pauses double up to the longer one; a minute of life makes up for it. */
#define PAUSE_MIN USEC_PER_SEC
#define PAUSE_MAX (60 * USEC_PER_SEC)
#define LONG_LIFE (60 * USEC_PER_SEC)
/* A browser asks for a relay per way (UDP, TCP, TLS), address family and generation of ICE. */
#define ALLOCATIONS_PER_PERSON 24
#define ALLOCATIONS 6000
/* Bytes a second: more than anybody's share of a class. */
#define SPEED_MAX 1000000

struct turn {
    struct supervisor *super;
    struct address inside; /* where turn_connect finds it */
    int directory;         /* DATA/turn: ours, readable for its group */
    uid_t uid;             /* (uid_t)-1: we are no root, it is who we are */
    gid_t gid;
    pid_t pid; /* 0: not running */
    struct loop_io exit_io;
    struct loop_timer again;
    usec_t started;
    usec_t pause;
};

static int write_file(struct turn *turn, const char *name, struct slice text)
{
    int err = file_write(turn->directory, name, text, 0640);
    if (!err && turn->uid != (uid_t)-1 &&
        fchownat(turn->directory, name, 0, turn->gid, AT_SYMLINK_NOFOLLOW) < 0)
        err = ERR_IO;
    return err;
}

static void put_address(struct buf *text, const char *key, const struct address *address)
{
    char ip[ADDRESS_TEXT_MAX];
    struct address plain = *address;
    plain.port = 0;
    address_format(&plain, ip); /* "1.2.3.4:0" or "[::1]:0" */
    struct slice s = slice_str(ip);
    bool v6 = ip[0] == '[';
    s = slice_sub(s, v6, s.len - (v6 ? 4 : 2));
    buf_printf(text, "%s=%.*s\n", key, SLICE_ARG(s));
}

/* Whom it relays for without a wish gets a relay of the family by which he came: one that we have.
 */
static struct address inside_address(const struct supervisor *super, const struct address *local,
                                     size_t count)
{
    uint16_t port = (uint16_t)config_number(super->config, "turn.port");
    bool v4 = count == 0;
    for (size_t i = 0; i < count; i++)
        v4 |= address_is_v4(&local[i]);
    struct address v6 = {.ip = {[15] = 1}, .port = port};
    return v4 ? address_v4(127, 0, 0, 1, port) : v6;
}

static void put_addresses(struct turn *turn, struct buf *text)
{
    struct supervisor *super = turn->super;
    struct address local[ADDRESSES_MAX];
    size_t count = ports_media_addresses(super, local, ADDRESSES_MAX);
    turn->inside = inside_address(super, local, count);
    json_t *item;
    size_t i;
    /* What is both denied and allowed is allowed. */
    buf_add_str(text, "denied-peer-ip=0.0.0.0-255.255.255.255\n"
                      "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n");
    put_address(text, "listening-ip", &turn->inside);
    for (size_t k = 0; k < count; k++) {
        put_address(text, "listening-ip", &local[k]);
        put_address(text, "relay-ip", &local[k]);
        put_address(text, "allowed-peer-ip", &local[k]);
    }
    json_array_foreach(config_list(super->config, "media.public_address"), i, item)
    {
        struct address address;
        if (address_parse(json_string_value(item), 0, &address) == 0)
            put_address(text, "allowed-peer-ip", &address);
    }
}

static int write_config(struct turn *turn)
{
    struct supervisor *super = turn->super;
    struct buf text;
    buf_init(&text, CONFIG_MAX);
    buf_printf(
        &text,
        "listening-port=%d\n"
        "realm=%s\n"
        "use-auth-secret\n"
        "static-auth-secret=%s\n"
        "allocation-default-address-family=keep\n"
        "fingerprint\n"
        "stale-nonce=600\n"
        "user-quota=%d\n"
        "total-quota=%d\n"
        "max-bps=%d\n"
        "no-cli\nno-tls\nno-dtls\nno-tcp-relay\nno-multicast-peers\nno-rfc5780\n"
        "no-stun-backward-compatibility\nno-software-attribute\n"
        "no-stdout-log\nsimple-log\nlog-file=/dev/null\npidfile=/dev/null\nuserdb=%s/turn/none\n",
        (int)config_number(super->config, "turn.port"), config_text(super->config, "host"),
        super->turn_secret, ALLOCATIONS_PER_PERSON, ALLOCATIONS, SPEED_MAX, super->data);
    put_addresses(turn, &text);
    int err = text.failed ? ERR_MEMORY : write_file(turn, "turnserver.conf", buf_slice(&text));
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_done(&text);
    return err;
}

static void again_in(struct turn *turn, usec_t wait)
{
    if (loop_timer_set(turn->super->loop, &turn->again, loop_now(turn->super->loop) + wait))
        log_error("turn timer=failed");
}

static json_t *wall_settings(struct supervisor *super)
{
    char directory[PATH_SIZE + 8];
    (void)snprintf(directory, sizeof directory, "%s/turn", super->data);
    return json_pack("{s:i,s:{s:s}}", "turn.port", (int)config_number(super->config, "turn.port"),
                     "directories", "turn", directory);
}

static int start(struct turn *turn)
{
    char config[PATH_SIZE + 32];
    (void)snprintf(config, sizeof config, "%s/turn/turnserver.conf", turn->super->data);
    const char *const argv[] = {PROGRAM, "-c", config, NULL};
    struct rules walls;
    json_t *settings = wall_settings(turn->super);
    int err = settings ? rules_get("turnserver", settings, &walls) : ERR_MEMORY;
    const struct process_options options = {.control = -1,
                                            .silent = true, /* its lines hold addresses */
                                            .change_user = turn->uid != (uid_t)-1,
                                            .uid = turn->uid,
                                            .gid = turn->gid,
                                            .walls = &walls.sandbox};
    turn->started = loop_now(turn->super->loop);
    if (!err)
        err = process_spawn(PROGRAM, argv, &options, &turn->pid, &turn->exit_io.fd);
    json_decref(settings);
    if (!err)
        err = loop_watch(turn->super->loop, &turn->exit_io, LOOP_READ);
    if (err)
        log_error("start failed program=turnserver err=%s", err_name(err));
    else
        log_info("started program=turnserver pid=%d", (int)turn->pid);
    return err;
}

static void on_again(struct loop_timer *timer, usec_t now)
{
    struct turn *turn = CONTAINER_OF(timer, struct turn, again);
    (void)now;
    if (!turn->super->stopping && turn->pid == 0 && start(turn))
        again_in(turn, PAUSE_MAX);
}

static void on_exit_io(struct loop_io *io, uint32_t events)
{
    struct turn *turn = CONTAINER_OF(io, struct turn, exit_io);
    int status = 0;
    (void)events;
    if (process_reap(turn->pid, &status) == ERR_AGAIN)
        return;
    loop_unwatch(turn->super->loop, io);
    close(io->fd);
    io->fd = -1;
    turn->pid = 0;
    bool lived = loop_now(turn->super->loop) - turn->started >= LONG_LIFE;
    turn->pause = lived ? PAUSE_MIN : usec_min(2 * turn->pause, PAUSE_MAX);
    log_warn("ended program=turnserver status=%d signal=%d",
             WIFEXITED(status) ? WEXITSTATUS(status) : -1,
             WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    again_in(turn, turn->pause);
}

/* Debian's own service of the package is the usual reason why its port is taken. */
static int check_port(struct supervisor *super)
{
    struct address at = address_v4(0, 0, 0, 0, (uint16_t)config_number(super->config, "turn.port"));
    int fd;
    int err = tcp_listen(&at, false, &fd);
    if (!err)
        close(fd);
    else
        complain("cannot listen on port %u (turn.port)%s.", at.port,
                 err == ERR_EXISTS ? ": another program uses it; a coturn of the system's own is "
                                     "stopped by systemctl disable --now coturn"
                                   : "");
    return err;
}

static int make_directory(struct turn *turn)
{
    struct supervisor *super = turn->super;
    const struct passwd *user = geteuid() == 0 ? getpwnam(USER) : NULL;
    turn->uid = user ? user->pw_uid : super->child_uid;
    turn->gid = user ? user->pw_gid : super->child_gid;
    if (mkdirat(super->data_fd, "turn", 0750) < 0 && errno != EEXIST)
        return ERR_IO;
    int err = dir_open(super->data_fd, "turn", &turn->directory);
    if (!err && turn->uid != (uid_t)-1 && fchown(turn->directory, 0, turn->gid) < 0)
        err = ERR_IO;
    return err;
}

int turn_open(struct supervisor *super)
{
    if (!config_switch(super->config, "turn"))
        return 0;
    if (access(PROGRAM, X_OK) != 0) {
        complain("turn needs the program turnserver (Debian package coturn).");
        return ERR_NOT_FOUND;
    }
    int err = check_port(super);
    if (err)
        return err;
    struct turn *turn = calloc(1, sizeof *turn);
    if (!turn)
        return ERR_MEMORY;
    *turn = (struct turn){.super = super,
                          .directory = -1,
                          .exit_io = {.fd = -1, .ready = on_exit_io},
                          .pause = PAUSE_MIN};
    loop_timer_init(&turn->again, on_again);
    super->turn = turn;
    err = make_directory(turn);
    if (!err)
        err = write_config(turn);
    if (!err)
        err = start(turn);
    if (err)
        complain("cannot start turnserver: %s.", err_name(err));
    return err;
}

void turn_close(struct supervisor *super)
{
    struct turn *turn = super->turn;
    if (!turn)
        return;
    loop_timer_clear(super->loop, &turn->again);
    if (turn->pid > 0) {
        (void)kill(turn->pid, SIGKILL); /* it keeps nothing; ours, not yet waited for */
        (void)waitpid(turn->pid, NULL, 0);
        loop_unwatch(super->loop, &turn->exit_io);
        close(turn->exit_io.fd);
    }
    if (turn->directory >= 0)
        close(turn->directory);
    free(turn);
    super->turn = NULL;
}

/* Connections of clients by TLS come to edge, which cannot make one to here. */
void turn_connect(struct unit *edge)
{
    struct supervisor *super = edge->super;
    int fd = -1;
    if (super->turn && tcp_connect(&super->turn->inside, &fd) < 0)
        log_warn("relay not reached");
    json_t *message = json_pack("{s:s}", "type", "relay");
    unit_send(edge, message, &fd, fd >= 0);
    json_decref(message);
    if (fd >= 0)
        close(fd);
}

static json_t *service(struct supervisor *super, const char *type, uint16_t port,
                       const char *transport)
{
    const char *name = config_text(super->config, "turn.host");
    return json_pack("{s:s,s:s,s:i,s:s,s:s,s:I}", "type", type, "host",
                     name[0] ? name : config_text(super->config, "host"), "port", (int)port,
                     "transport", transport, "secret", super->turn_secret, "lifetime",
                     (json_int_t)config_number(super->config, "turn.lifetime"));
}

json_t *turn_services(struct supervisor *super)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    if (super->turn) {
        uint16_t port = (uint16_t)config_number(super->config, "turn.port");
        uint16_t https = ports_of(super, "https");
        ok = ok && json_array_append_new(list, service(super, "turn", port, "udp")) == 0;
        ok = ok && json_array_append_new(list, service(super, "turn", port, "tcp")) == 0;
        if (https > 0)
            ok = ok && json_array_append_new(list, service(super, "turns", https, "tcp")) == 0;
    }
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}
