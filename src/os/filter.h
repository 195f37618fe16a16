/* The system call filter of os/sandbox.c. */
#ifndef OS_FILTER_H
#define OS_FILTER_H

#include <stdint.h>

#include "base/err.h"

/* Loads the filter for `allow` (enum sandbox_allow); no_new_privs must be set. Success without any
 * filter in builds with sanitizers. ERR_MEMORY, ERR_IO. */
int filter_enter(uint32_t allow) MUST_USE;

#endif
