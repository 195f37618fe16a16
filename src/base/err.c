#include "base/err.h"

const char *err_name(int err)
{
    static const char *const names[] = {
        "ok",     "memory", "format", "limit",       "again", "closed",  "not-found",
        "exists", "denied", "io",     "unsupported", "auth",  "timeout", "state",
    };
    const int count = (int)(sizeof names / sizeof names[0]);
    if (err > 0 || -err >= count)
        return "unknown";
    return names[-err];
}
