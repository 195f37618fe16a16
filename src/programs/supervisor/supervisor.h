/* Inside the supervisor: one struct per child (unit), and what starts, joins and replaces them. */
#ifndef PROGRAMS_SUPERVISOR_H
#define PROGRAMS_SUPERVISOR_H

#include <jansson.h>
#include <sys/types.h>

#include "base/list.h"
#include "os/control.h"
#include "os/loop.h"
#include "os/metrics.h"
#include "os/witness.h"
#include "programs/config.h"

#define WORKERS_MAX 35
#define LISTENERS_MAX 8
#define PATH_SIZE 4096

struct supervisor;
struct unit;
struct recordings;
struct renders;
struct certificates;
struct turn;

/* What goes into a start message. */
struct start {
    json_t *settings;
    json_t *names;
    int fds[CONTROL_FDS];
    bool owned[CONTROL_FDS]; /* closed after sending */
    size_t count;
};

/* What differs between the programs. */
struct kind {
    const char *program;
    bool low_priority;
    bool watched; /* has a loop that answers pings */
    /* Adds descriptors and settings; an error fails the start. */
    int (*dress)(struct unit *unit, struct start *start);
    void (*ready)(struct unit *unit);
    void (*message)(struct unit *unit, const char *type, json_t *message);
    /* It died by its own fault; what it was given is still there. */
    void (*crashed)(struct unit *unit);
    /* It ended; NULL: it is one of the house and started again. */
    void (*ended)(struct unit *unit, int status);
};

struct unit {
    struct supervisor *super;
    const struct kind *kind;
    unsigned number;
    void *owner; /* for kinds with `ended` */
    struct list node;
    pid_t pid; /* 0: not running */
    struct loop_io exit_io;
    struct control *control;
    struct loop_timer again; /* starts it, after a pause */
    struct loop_timer watch;
    usec_t started;
    usec_t lived; /* in its last life */
    usec_t heard;
    unsigned crashes;  /* deaths in a row right after the start, by its own fault */
    unsigned failures; /* all of that kind since it last lived for a minute */
    bool killed;       /* by us: it hung, or was condemned */
    bool ready;
    int metrics_fd;
    int witness_fd; /* bridge: whose datagram it works on; -1: none */
    int udp[4];     /* bridge: IPv4, IPv6, and both at the inner port; -1: none */
    int tcp[2];
};

struct listener {
    const char *name; /* "http", "https", "admin" */
    int fd;
    struct address at;
};

struct supervisor {
    struct loop *loop;
    struct config *config;
    json_t *overrides; /* [[key, value]] of the command line: set again after a reload */
    const char *config_file;
    bool demo;
    char data[PATH_SIZE];
    char programs[PATH_SIZE];
    char client[PATH_SIZE];
    char jitsi[PATH_SIZE];
    int data_fd;
    char url[512];
    const char *tls; /* "off", "auto", "local", "files" */
    char token_secret[65];
    char turn_secret[65]; /* "": no relay */
    char run[33];         /* names this start of the house: docs/bus.md */
    json_t *issuers;
    uid_t child_uid; /* who owns what children write; (uid_t)-1: nobody else */
    gid_t child_gid;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    unsigned workers;
    uint16_t media_port;
    uint16_t inner_port;     /* 0: media_port serves private addresses too */
    uint16_t media_tcp_port; /* 0: no ICE over TCP */
    int journal_fd;
    struct list units;
    struct recordings *recordings;
    struct renders *renders;
    struct certificates *certificates; /* NULL: no TLS */
    struct turn *turn;                 /* NULL: no relay */
    json_t *links;                     /* of web, until printed */
    bool announced;
    bool stopping;
    int status;
    struct metrics *metrics;
    int metrics_fd;
};

/* Prints one sentence for whoever started us. */
void complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* units.c: the life of children */
int unit_new(struct supervisor *super, const struct kind *kind, unsigned number, void *owner,
             struct unit **ret_unit) MUST_USE;
/* Also ends it, at once, when it runs. */
void unit_free(struct unit **unit);
/* Now. On failure it is tried again when it is one of the house. ERR_NOT_FOUND: no such program. */
int unit_start(struct unit *unit) MUST_USE;
void unit_kill(struct unit *unit, const char *why);
/* Drops what cannot be sent, with a line in the log: the receiver is dying then. */
void unit_send(struct unit *unit, json_t *message, const int *fds, size_t fd_count);
/* NULL: no such unit, or it does not run. */
struct unit *unit_find(struct supervisor *super, const char *program, unsigned number);
/* Again, after a pause that grows with deaths right after the start; false: too many of them. */
bool unit_again(struct unit *unit);
int start_add(struct start *start, const char *name, int fd, bool owned) MUST_USE;
/* A directory below the data directory, as a descriptor and, for Landlock, as a path. */
int start_add_data(struct unit *unit, struct start *start, const char *name,
                   const char *below) MUST_USE;
/* Polite, then less so; when the last one is gone the loop stops. */
void units_stop(struct supervisor *super);

/* links.c: who may talk to whom */
bool link_allowed(const char *a, const char *b);
/* Fresh links between `unit` and all its peers that run. */
void links_make(struct unit *unit);

/* house.c: the programs that always run */
extern const struct kind kind_edge, kind_signal, kind_web, kind_bridge;
int house_start(struct supervisor *super) MUST_USE;
void house_reload(struct supervisor *super);
/* Prints the ready line once everybody serves. */
void house_announce(struct supervisor *super);
/* Gives edge the pages to show. */
void house_show_metrics(struct supervisor *super, const char *program, unsigned number, int fd);
void house_hide_metrics(struct supervisor *super, const char *program, unsigned number);
/* Settings that hold for every program, and its own keys; NULL: no memory. */
json_t *house_settings(struct supervisor *super, const char *program) MUST_USE;

/* Below, browsers take few ports, and at private addresses none. */
#define PORTS_FREE 1024

/* ports.c: sockets and addresses. They complain themselves. */
int ports_open(struct supervisor *super) MUST_USE;
/* Sockets of a bridge worker into fds (IPv4, IPv6, and at the inner port), -1 where there is none.
 */
int ports_open_media(struct supervisor *super, int fds[4]) MUST_USE;
/* Its listening sockets, once those of media are open. */
int ports_open_media_tcp(struct supervisor *super, int fds[2]) MUST_USE;
json_t *ports_candidates(struct supervisor *super) MUST_USE;
/* The port of the listener with that name; 0: there is none. */
uint16_t ports_of(const struct supervisor *super, const char *name);
/* The addresses at which media is let in, without those of loopback; at most `max`. */
size_t ports_media_addresses(struct supervisor *super, struct address *ret_list, size_t max);

/* data.c: directories and secrets. They complain themselves. */
int data_open(struct supervisor *super) MUST_USE;
int data_load_secrets(struct supervisor *super) MUST_USE;
/* Makes the directory below the data directory, for the children. */
int data_make(struct supervisor *super, const char *name) MUST_USE;
int data_find_programs(struct supervisor *super) MUST_USE;
/* Goes on as another program of the house; returns when that cannot be, after a complaint. */
void data_become(const char *name, char **argv);

/* recordings.c */
int recordings_open(struct supervisor *super) MUST_USE;
void recordings_close(struct supervisor *super);
void recordings_start(struct supervisor *super, json_t *message);
void recordings_stop(struct supervisor *super, json_t *message);
void recordings_remove(struct supervisor *super, json_t *message);
/* Bridge worker `number` is a new process: it gets its feeds again. */
void recordings_feed_worker(struct supervisor *super, unsigned number);
/* Tells a new signal the state of every recording under way. */
void recordings_tell_signal(struct supervisor *super);
/* Tells web what lies on disk. */
void recordings_tell_web(struct supervisor *super);
bool recordings_finished(struct supervisor *super, const char *recording);
/* A UUID in lower case: safe as a file name. */
bool recording_name_ok(const char *name);

/* renders.c */
int renders_open(struct supervisor *super) MUST_USE;
void renders_close(struct supervisor *super);
void renders_ask(struct supervisor *super, json_t *message);
/* Forgets what waits, and stops what runs, for a recording that goes away. */
void renders_forget(struct supervisor *super, const char *recording);

/* turn.c: coturn, when it is wanted. It complains itself. */
int turn_open(struct supervisor *super) MUST_USE;
void turn_close(struct supervisor *super);
/* Sends edge a connection to it, or a word that there is none. */
void turn_connect(struct unit *edge);
/* What clients are told of it, as xmpp wants it (XEP-0215); NULL: no memory. */
json_t *turn_services(struct supervisor *super) MUST_USE;

/* certificate.c: when TLS is on */
int certificate_open(struct supervisor *super) MUST_USE;
void certificate_close(struct supervisor *super);
/* After a reload of the configuration; on failure the old one stays in use. */
int certificate_reload(struct supervisor *super) MUST_USE;
/* Gives edge chain and key. */
void certificate_send(struct supervisor *super);

#endif
