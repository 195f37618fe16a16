/* What a process costs, as the kernel counts it. For programs without walls only: reads /proc. */
#ifndef OS_USAGE_H
#define OS_USAGE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/units.h"

struct usage {
    usec_t cpu;      /* user and system, in steps of 10 ms */
    uint64_t memory; /* resident bytes */
};

/* ERR_NOT_FOUND, ERR_IO. */
int usage_of(pid_t pid, struct usage *ret_usage) MUST_USE;
/* Of this process, to the microsecond. */
usec_t usage_own_cpu(void);

#endif
