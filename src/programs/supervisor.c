/* darasa serve: opens, starts, joins and replaces the programs of the house; never reads a byte
 * from the network itself. docs/programs.md. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"
#include "os/process.h"
#include "programs/supervisor/supervisor.h"

#define CONFIG_SIZE_MAX ((size_t)(1024 * 1024))
#define EXIT_USAGE 2
#define COMPLAINT_SIZE 2048

struct signals {
    struct loop_io io;
    struct supervisor *super;
};

void complain(const char *fmt, ...)
{
    /* In one piece: the children write to the same place. */
    char text[COMPLAINT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); /* a longer one is cut */
    va_end(args);
    (void)fprintf(stderr, "darasa: %s\n", text);
}

static void usage(void)
{
    (void)fprintf(
        stderr,
        "usage: darasa serve [--config FILE] [--data DIR] [--port N] [--host NAME]\n"
        "                    [--public-address ADDR ...] [--tls off|auto|local|CERT,KEY]\n"
        "                    [--turn] [--client DIR] [--jitsi-web DIR] [--demo]\n"
        "                    [--set KEY=VALUE ...]\n"
        "Every KEY: darasactl config print\n"
        "       darasa load ...    many participants, to measure with: darasa load --help\n");
}

static int override(struct supervisor *super, const char *key, const char *value)
{
    json_t *pair = json_pack("[s,s]", key, value);
    return json_array_append_new(super->overrides, pair) < 0 ? ERR_FORMAT : 0;
}

static int override_tls(struct supervisor *super, const char *value)
{
    const char *comma = strchr(value, ',');
    char certificate[PATH_SIZE];
    if (!comma)
        return override(super, "tls", value);
    if (!slice_copy(slice_of(value, (size_t)(comma - value)), certificate, sizeof certificate))
        return ERR_FORMAT;
    int err = override(super, "tls", "files");
    if (!err)
        err = override(super, "tls.certificate", certificate);
    return err ? err : override(super, "tls.key", comma + 1);
}

static int override_set(struct supervisor *super, const char *value)
{
    const char *equal = strchr(value, '=');
    char key[128];
    if (!equal || !slice_copy(slice_of(value, (size_t)(equal - value)), key, sizeof key))
        return ERR_FORMAT;
    return override(super, key, equal + 1);
}

static int set_config_file(struct supervisor *super, const char *value)
{
    super->config_file = value;
    return 0;
}

/* Some are keys of the configuration under another name. "port" is one of two. */
static const struct option {
    const char *name;
    const char *key;
    int (*set)(struct supervisor *super, const char *value);
} options[] = {
    {"--data", "data", NULL},
    {"--host", "host", NULL},
    {"--public-address", "media.public_address", NULL},
    {"--client", "client", NULL},
    {"--jitsi-web", "jitsi_web", NULL},
    {"--port", "port", NULL},
    {"--tls", NULL, override_tls},
    {"--set", NULL, override_set},
    {"--config", NULL, set_config_file},
};

static int parse_option(struct supervisor *super, const char *name, const char *value)
{
    const struct option *option = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strcmp(name, options[i].name) == 0)
            option = &options[i];
    int err = ERR_FORMAT;
    if (option && value)
        err = option->key ? override(super, option->key, value) : option->set(super, value);
    if (err && option)
        complain("%s needs %s value.", name, value ? "another" : "a");
    else if (err)
        complain("cannot understand %s.", name);
    return err;
}

static int parse_arguments(struct supervisor *super, int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "serve") != 0)
        return ERR_FORMAT;
    for (int i = 2; i < argc; i++) {
        char name[64];
        const char *equal = strchr(argv[i], '=');
        if (strcmp(argv[i], "--demo") == 0) {
            super->demo = true;
            continue;
        }
        if (strcmp(argv[i], "--turn") == 0) {
            int err = override(super, "turn", "yes");
            if (err)
                return err;
            continue;
        }
        size_t len = equal ? (size_t)(equal - argv[i]) : strlen(argv[i]);
        if (!slice_copy(slice_of(argv[i], len), name, sizeof name))
            return ERR_FORMAT;
        const char *value = equal ? equal + 1 : NULL;
        if (!equal && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
            value = argv[++i];
        int err = parse_option(super, name, value);
        if (err)
            return err;
    }
    return 0;
}

/* The riddle "default" solved. */
static const char *tls_mode(const struct config *config)
{
    static const char *const modes[] = {"off", "auto", "local", "files"};
    const char *text = config_text(config, "tls");
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(text, modes[i]) == 0)
            return modes[i];
    return config_text(config, "host")[0] ? "local" : "off";
}

static int apply_overrides(struct supervisor *super, struct config *config, struct buf *complaint)
{
    json_t *pair;
    size_t i;
    const char *port = NULL;
    json_array_foreach(super->overrides, i, pair)
    {
        const char *key = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        if (strcmp(key, "port") == 0) {
            port = value;
            continue;
        }
        int err = config_set(config, key, slice_str(value), complaint);
        if (err)
            return err;
    }
    if (!port)
        return 0;
    bool tls = strcmp(tls_mode(config), "off") != 0;
    return config_set(config, tls ? "listen.https" : "listen.http", slice_str(port), complaint);
}

static int load_config(struct supervisor *super, struct config **ret_config)
{
    struct config *config = NULL;
    struct buf text;
    struct buf complaint;
    buf_init(&text, CONFIG_SIZE_MAX);
    buf_init(&complaint, 4096);
    int err = config_new(&config);
    if (!err && super->config_file) {
        err = file_read(AT_FDCWD, super->config_file, &text);
        if (err)
            buf_printf(&complaint, "cannot be read: %s", err_name(err));
        else
            err = config_parse(config, buf_slice(&text), &complaint);
        if (err)
            complain("%s: %.*s.", super->config_file, SLICE_ARG(buf_slice(&complaint)));
    }
    if (!err) {
        err = apply_overrides(super, config, &complaint);
        if (!err)
            err = config_check(config, &complaint);
        if (err)
            complain("%.*s.", SLICE_ARG(buf_slice(&complaint)));
    }
    buf_done(&text);
    buf_done(&complaint);
    if (err)
        config_free(&config);
    else
        *ret_config = config;
    return err;
}

static void apply_log_level(const struct supervisor *super)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], config_text(super->config, "log.level")) == 0)
            log_init("supervisor", (enum log_level)i);
}

/* What listens keeps listening as it was: that needs a restart. */
static void reload(struct supervisor *super)
{
    struct config *config = NULL;
    if (load_config(super, &config) < 0) {
        log_error("configuration not reloaded: the old one stays");
        return;
    }
    if (strcmp(tls_mode(config), super->tls) != 0) {
        log_error("tls cannot be switched without a restart: the old configuration stays");
        config_free(&config);
        return;
    }
    struct config *old = super->config;
    super->config = config;
    if (data_load_secrets(super) < 0 || certificate_reload(super) < 0) {
        super->config = old;
        config_free(&config);
        return;
    }
    config_free(&old);
    apply_log_level(super);
    house_reload(super);
    log_info("configuration reloaded");
}

static void on_signal(struct loop_io *io, uint32_t events)
{
    struct signals *signals = CONTAINER_OF(io, struct signals, io);
    int number;
    (void)events;
    while (signals_next(io->fd, &number) == 0) {
        if (number == SIGHUP)
            reload(signals->super);
        else
            units_stop(signals->super);
    }
}

static unsigned count_workers(const struct supervisor *super)
{
    int64_t wish = config_number(super->config, "media.workers");
    cpu_set_t cores;
    if (wish == 0 && sched_getaffinity(0, sizeof cores, &cores) == 0)
        wish = CPU_COUNT(&cores);
    if (wish < 1)
        wish = 1;
    return wish > WORKERS_MAX ? WORKERS_MAX : (unsigned)wish;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* children take less where they need less */
}

static int open_house(struct supervisor *super)
{
    super->tls = tls_mode(super->config);
    super->workers = count_workers(super);
    super->media_port = (uint16_t)config_number(super->config, "media.port");
    if (super->media_port > 0 && super->media_port < PORTS_FREE)
        super->inner_port = (uint16_t)config_number(super->config, "media.inner_port");
    int err = data_find_programs(super);
    if (!err)
        err = data_open(super);
    if (!err)
        err = data_load_secrets(super);
    if (!err)
        err = certificate_open(super);
    if (!err)
        err = ports_open(super);
    if (!err)
        err = metrics_create("supervisor", 0, &super->metrics_fd);
    if (!err)
        err = metrics_map(super->metrics_fd, true, &super->metrics);
    if (!err)
        err = recordings_open(super);
    if (!err)
        err = renders_open(super);
    if (!err)
        err = turn_open(super);
    return err ? err : house_start(super);
}

static void close_house(struct supervisor *super)
{
    super->stopping = true;
    if (super->recordings)
        recordings_close(super);
    renders_close(super);
    turn_close(super);
    LIST_EACH(node, &super->units)
    {
        struct unit *unit = LIST_ITEM(node, struct unit, node);
        unit_free(&unit);
    }
    certificate_close(super);
    for (size_t i = 0; i < super->listener_count; i++)
        close(super->listeners[i].fd);
    metrics_unmap(&super->metrics);
    const int fds[] = {super->metrics_fd, super->journal_fd, super->data_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    json_decref(super->links);
    json_decref(super->issuers);
    json_decref(super->overrides);
    config_free(&super->config);
    explicit_bzero(super->token_secret, sizeof super->token_secret);
    explicit_bzero(super->turn_secret, sizeof super->turn_secret);
}

static int serve(struct supervisor *super)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct signals signals = {.io = {.ready = on_signal}, .super = super};
    if (signals_open(numbers, ARRAY_LEN(numbers), &signals.io.fd) < 0 ||
        loop_watch(super->loop, &signals.io, LOOP_READ) < 0) {
        complain("no signals: %s.", strerror(errno));
        return 1;
    }
    int err = open_house(super);
    if (!err)
        err = loop_run(super->loop);
    close_house(super);
    loop_unwatch(super->loop, &signals.io);
    close(signals.io.fd);
    return err ? 1 : super->status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "load") == 0) {
        data_become("load", argv + 1);
        return 1;
    }
    static struct supervisor super = {.data_fd = -1, .journal_fd = -1, .metrics_fd = -1};
    list_init(&super.units);
    super.overrides = json_array();
    super.loop = loop_new();
    if (!super.overrides || !super.loop)
        return 1;
    if (parse_arguments(&super, argc, argv) < 0) {
        usage();
        return EXIT_USAGE;
    }
    if (load_config(&super, &super.config) < 0)
        return EXIT_USAGE;
    (void)signal(SIGPIPE, SIG_IGN); /* never fails for it */
    (void)umask(022);               /* never fails */
    raise_file_limit();
    apply_log_level(&super);
    int status = serve(&super);
    loop_free(&super.loop);
    return status;
}
