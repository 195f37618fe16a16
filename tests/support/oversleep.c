/* What the machine's scheduling alone does to a program: oversleep SECONDS asks to be woken every 2
 * ms for so long and prints how late the latest wake-up was, in milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"

#define NAP (2 * USEC_PER_MSEC)

static usec_t monotonic(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long seconds = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    if (seconds <= 0 || seconds > 3600 || *end != '\0') {
        (void)fprintf(stderr, "usage: oversleep SECONDS\n");
        return 2;
    }
    usec_t worst = 0;
    usec_t until = monotonic() + seconds * USEC_PER_SEC;
    for (usec_t before = monotonic(); before < until;) {
        const struct timespec nap = {.tv_nsec = NAP * 1000};
        (void)nanosleep(&nap, NULL); /* cut short by a signal: the next one counts */
        usec_t now = monotonic();
        worst = usec_max(worst, now - before - NAP);
        before = now;
    }
    printf("%.1f\n", (double)worst / USEC_PER_MSEC);
    return 0;
}
