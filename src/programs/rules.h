/* The walls of every program in one table: what it may do once it serves, and which directories it
 * may open files below. tests/sandbox proves each denial with these very rules. */
#ifndef PROGRAMS_RULES_H
#define PROGRAMS_RULES_H

#include <jansson.h>

#include "os/sandbox.h"

#define RULES_PATHS 16
/* coturn, as Debian has it. */
#define RULES_TURNSERVER "/usr/bin/turnserver"

struct rules {
    struct sandbox_rules sandbox; /* points into `paths` */
    struct sandbox_path paths[RULES_PATHS];
};

/* The rules of "edge", "signal", "web", "bridge", "recorder", "render" or "turnserver". Directories
 * come from `settings`: the object "directories" {name: absolute path}, of which each program only
 * sees those in its row of the table; the paths stay borrowed from it. A directory that is not
 * configured is not opened. ret_rules must stay where it is until sandbox_enter. ERR_NOT_FOUND: no
 * such program.
 */
int rules_get(const char *program, json_t *settings, struct rules *ret_rules) MUST_USE;

#endif
