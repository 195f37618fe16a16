#include "programs/rules.h"

#include <string.h>
#include <unistd.h>

#include "base/units.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define DIRECTORIES 4

struct row {
    const char *program;
    uint32_t allow;
    struct {
        const char *name; /* in settings.directories */
        bool write;
    } directories[DIRECTORIES];
    bool fonts;
    bool foreign; /* not ours: it comes with a loader and libraries */
    uint64_t memory_max;
    uint64_t file_size_max;
    uint32_t files_max;
};

/* Memory limits are what a full school uses several times over: they stop a runaway, not a class.
 * A recorder's file is rotated at 64 MiB. */
static const struct row table[] = {
    {.program = "edge",
     .allow = SANDBOX_ACCEPT | SANDBOX_RECV_FD | SANDBOX_FILES,
     .directories = {{"client", false}, {"jitsi", false}, {"recordings", false}, {"acme", false}},
     .memory_max = 4 * GIB,
     .files_max = 65536},
    {.program = "signal", .allow = SANDBOX_RECV_FD, .memory_max = 4 * GIB, .files_max = 256},
    {.program = "web",
     .allow = SANDBOX_RECV_FD | SANDBOX_FILES | SANDBOX_THREADS,
     .directories = {{"school", true}},
     .memory_max = 4 * GIB,
     .files_max = 256},
    {.program = "bridge",
     .allow = SANDBOX_DATAGRAM | SANDBOX_ACCEPT | SANDBOX_RECV_FD | SANDBOX_SEND_FD,
     .memory_max = 8 * GIB,
     .files_max = 4096},
    {.program = "recorder",
     .allow = SANDBOX_RECV_FD | SANDBOX_FILES | SANDBOX_THREADS,
     .directories = {{"spool", true}},
     .memory_max = 512 * MIB,
     .file_size_max = 128 * MIB,
     .files_max = 32},
    {.program = "render",
     .allow = SANDBOX_RECV_FD | SANDBOX_FILES | SANDBOX_THREADS,
     .directories = {{"spool", false}, {"out", true}},
     .fonts = true,
     .memory_max = 8 * GIB,
     .files_max = 4096},
    /* Two descriptors for each relay that coturn is allowed; addresses for an arena per core. */
    {.program = "turnserver",
     .allow = SANDBOX_FOREIGN | SANDBOX_ACCEPT | SANDBOX_FILES | SANDBOX_THREADS,
     .directories = {{"turn", false}},
     .foreign = true,
     .memory_max = 16 * GIB,
     .file_size_max = 1 * MIB,
     .files_max = 16384},
};

/* All that coturn and its libraries read. */
static const struct sandbox_path foreign_paths[] = {
    {.path = RULES_TURNSERVER, .run = true},
    {.path = "/lib64/ld-linux-x86-64.so.2", .run = true},
    {.path = "/lib/ld-linux-aarch64.so.1", .run = true},
    {.path = "/usr/lib"},
    {.path = "/lib"},
    {.path = "/lib64"},
    {.path = "/etc/ld.so.cache"},
    {.path = "/etc/ssl/openssl.cnf"},
    {.path = "/dev/null", .write = true},
    {.path = "/dev/urandom"},
    {.path = "/sys/devices/system/cpu"},
};

static const char *const font_paths[] = {"/etc/fonts", "/usr/share/fonts", "/usr/share/fontconfig",
                                         "/usr/local/share/fonts", "/var/cache/fontconfig"};

static void add_path(struct rules *rules, struct sandbox_path path)
{
    if (rules->sandbox.path_count < RULES_PATHS)
        rules->paths[rules->sandbox.path_count++] = path;
}

static void fill(const struct row *row, json_t *settings, struct rules *rules)
{
    rules->sandbox = (struct sandbox_rules){.allow = row->allow,
                                            .paths = rules->paths,
                                            .memory_max = row->memory_max,
                                            .file_size_max = row->file_size_max,
                                            .files_max = row->files_max};
    json_t *directories = json_object_get(settings, "directories");
    for (size_t i = 0; i < DIRECTORIES && row->directories[i].name; i++) {
        const char *path =
            json_string_value(json_object_get(directories, row->directories[i].name));
        if (path && path[0] == '/')
            add_path(rules, (struct sandbox_path){path, row->directories[i].write, false});
    }
    for (size_t i = 0; row->fonts && i < ARRAY_LEN(font_paths); i++)
        if (access(font_paths[i], R_OK) == 0)
            add_path(rules, (struct sandbox_path){.path = font_paths[i]});
    for (size_t i = 0; row->foreign && i < ARRAY_LEN(foreign_paths); i++)
        if (access(foreign_paths[i].path, F_OK) == 0)
            add_path(rules, foreign_paths[i]);
    if (row->foreign)
        rules->sandbox.tcp_port =
            (uint16_t)json_integer_value(json_object_get(settings, "turn.port"));
}

int rules_get(const char *program, json_t *settings, struct rules *ret_rules)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(table[i].program, program) == 0) {
            fill(&table[i], settings, ret_rules);
            return 0;
        }
    return ERR_NOT_FOUND;
}
