#include "programs/ctl_backup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/backup.h"

struct order {
    const char *data;
    const char *file;
    bool force;
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
        else if (strcmp(argv[i], "--force") == 0)
            order.force = true;
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
    case ERR_STATE:
        return "a Darasa runs with it: stop that first; nothing was changed";
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
    if (read_order(argc, argv, &order) || order.force)
        return 2;
    int err = backup_create(order.data, order.file, &report);
    return tell(order.data, err, &report);
}

int ctl_restore(int argc, char **argv)
{
    struct order order;
    struct backup_report report = {0};
    char data[4000], aside[4096];
    if (read_order(argc, argv, &order))
        return 2;
    struct slice path = slice_str(order.data);
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.len--; /* what is made beside it must not lie in it */
    if (!slice_copy(path, data, sizeof data))
        return tell(order.data, ERR_LIMIT, &report);
    (void)snprintf(aside, sizeof aside, "%s.replaced", data); /* fits */
    int err = backup_restore(order.file, data, order.force ? aside : NULL, &report);
    int status = tell(order.file, err, &report);
    if (!err && order.force && access(aside, F_OK) == 0)
        (void)printf("What was there before is now %s.\n", aside);
    return status;
}
