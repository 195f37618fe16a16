#include "programs/ctl_backup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/backup.h"

struct order {
    const char *data;
    const char *file;
};

/* As the supervisor chooses. */
static const char *usual_data(void)
{
    return geteuid() == 0 ? "/var/lib/darasa" : "data";
}

static int read_order(int argc, char **argv, struct order *ret_order)
{
    struct order order = {.data = usual_data()};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--data") == 0 && i + 1 < argc)
            order.data = argv[++i];
        else if (argv[i][0] == '-' || order.file)
            return ERR_FORMAT;
        else
            order.file = argv[i];
    }
    if (!order.file)
        return ERR_FORMAT;
    *ret_order = order;
    return 0;
}

static const char *sentence(int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return "it is not there";
    case ERR_EXISTS:
        return "it exists and is not empty; nothing was changed";
    case ERR_FORMAT:
        return "this is no backup of Darasa, or it is damaged; nothing was changed";
    case ERR_UNSUPPORTED:
        return "it was made by a newer Darasa; nothing was changed";
    case ERR_LIMIT:
        return "there is no room left on the disk, or a path is too long";
    case ERR_DENIED:
        return "permission denied";
    default:
        return err_name(err);
    }
}

static int tell(const char *what, int err, const struct backup_report *report)
{
    if (err) {
        (void)fprintf(stderr, "darasactl: %s: %s\n", report->where[0] ? report->where : what,
                      sentence(err));
        return 1;
    }
    (void)printf("%llu files, %llu bytes.\n", (unsigned long long)report->files,
                 (unsigned long long)report->bytes);
    return 0;
}

int ctl_backup(int argc, char **argv)
{
    struct order order;
    struct backup_report report;
    if (read_order(argc, argv, &order))
        return 2;
    int err = backup_create(order.data, order.file, &report);
    return tell(order.data, err, &report);
}

int ctl_restore(int argc, char **argv)
{
    struct order order;
    struct backup_report report;
    if (read_order(argc, argv, &order))
        return 2;
    int err = backup_restore(order.file, order.data, &report);
    return tell(order.file, err, &report);
}
