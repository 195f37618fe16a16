/* darasactl: the administrator's command line. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "os/file.h"
#include "programs/config.h"
#include "programs/ctl_backup.h"

#define CONFIG_SIZE_MAX ((size_t)(1024 * 1024))

struct command {
    const char *words[2]; /* the second may be NULL */
    const char *arguments;
    const char *text;
    int (*run)(int argc, char **argv); /* without the command's words; returns the exit status */
};

static int config_check_file(int argc, char **argv)
{
    struct config *config = NULL;
    struct buf text;
    struct buf complaint;
    if (argc != 1)
        return 2;
    buf_init(&text, CONFIG_SIZE_MAX);
    buf_init(&complaint, 4096);
    int err = file_read(AT_FDCWD, argv[0], &text);
    if (err)
        (void)fprintf(stderr, "darasactl: cannot read %s: %s\n", argv[0], err_name(err));
    else
        err = config_new(&config);
    if (!err)
        err = config_parse(config, buf_slice(&text), &complaint);
    if (!err)
        err = config_check(config, &complaint);
    if (complaint.len > 0)
        (void)fprintf(stderr, "%s: %.*s\n", argv[0], SLICE_ARG(buf_slice(&complaint)));
    else if (!err)
        (void)printf("%s is fine.\n", argv[0]);
    config_free(&config);
    buf_done(&text);
    buf_done(&complaint);
    return err ? 1 : 0;
}

static int config_print_all(int argc, char **argv)
{
    struct buf out;
    (void)argv;
    if (argc != 0)
        return 2;
    buf_init(&out, CONFIG_SIZE_MAX);
    config_print(&out);
    bool ok = !out.failed && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_done(&out);
    return ok ? 0 : 1;
}

static const struct command commands[] = {
    {{"config", "check"}, "FILE", "Says whether a configuration file is right.", config_check_file},
    {{"config", "print"}, "", "Prints every key with its meaning and default.", config_print_all},
    {{"backup", NULL},
     "[--data DIR] FILE",
     "Writes the whole data directory into one file; may run at any time.",
     ctl_backup},
    {{"restore", NULL},
     "[--data DIR] [--force] FILE",
     "Brings a backup back into a data directory that is empty or not there; with --force, one "
     "that is full is renamed to "
     "DIR.replaced before.",
     ctl_restore},
};

static int usage(void)
{
    (void)fprintf(stderr, "usage:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *c = &commands[i];
        (void)fprintf(stderr, "  darasactl %s%s%s%s%s\n      %s\n", c->words[0],
                      c->words[1] ? " " : "", c->words[1] ? c->words[1] : "",
                      c->arguments[0] ? " " : "", c->arguments, c->text);
    }
    return 2;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int words = commands[i].words[1] ? 2 : 1;
        if (argc <= words || strcmp(argv[1], commands[i].words[0]) != 0 ||
            (words == 2 && strcmp(argv[2], commands[i].words[1]) != 0))
            continue;
        int status = commands[i].run(argc - 1 - words, argv + 1 + words);
        return status == 2 ? usage() : status;
    }
    return usage();
}
