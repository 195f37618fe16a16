/* One class over one network, in virtual time: prints its figures as one line of JSON.
 *
 * usage: bench-networks steps|loss|bursts|shared|download|poor SEED RAW-FILE */
#include <stdlib.h>
#include <string.h>

#include "networks.h"

#define LESSON (45 * 60 * USEC_PER_SEC)

static double seconds(usec_t time)
{
    return (double)time / USEC_PER_SEC;
}

static void steps(uint64_t seed, FILE *raw)
{
    struct networks_step all[NETWORKS_STEPS];
    networks_steps(seed, raw, all);
    for (int i = 0; i < NETWORKS_STEPS; i++)
        printf("%s{\"rate\": %.0f, \"settled\": %.2f, \"freeze\": %.2f, \"picture\": %.2f, "
               "\"silence\": %.2f, \"concealed\": %.2f}%s",
               i == 0 ? "{\"steps\": [" : ", ", (double)all[i].rate_bps / 1000,
               seconds(all[i].settled), seconds(all[i].freeze), seconds(all[i].picture),
               seconds(all[i].silence), all[i].concealed, i == NETWORKS_STEPS - 1 ? "]}\n" : "");
}

static void lossy(uint64_t seed, double burst, FILE *raw)
{
    struct networks_lossy s;
    networks_lossy(seed, burst, raw, &s);
    printf("{\"frames\": %.1f, \"layer\": %d, \"freeze\": %.2f, \"frozen\": %.2f, "
           "\"silence\": %.2f, \"concealed\": %.2f}\n",
           s.frames, s.layer, seconds(s.freeze), s.frozen, seconds(s.silence), s.concealed);
}

static void shared(uint64_t seed, bool download, FILE *raw)
{
    struct networks_shared s;
    networks_shared(seed, download, raw, &s);
    printf("{\"least\": %.0f, \"most\": %.0f, \"mean\": %.0f, \"full\": %.0f, \"rival\": %.0f, "
           "\"concealed\": %.2f, \"queue\": %.2f, \"queue_full\": %.2f, \"together\": %.3f}\n",
           s.least, s.most, s.mean, s.full, s.rival, s.concealed, seconds(s.queue),
           seconds(s.queue_full), s.together);
}

static void poor(uint64_t seed, FILE *raw)
{
    struct networks_poor s;
    networks_poor(seed, LESSON, raw, &s);
    printf("{\"concealed\": %.2f, \"back\": [%.2f, %.2f, %.2f], \"down\": %.3f, \"up\": %.3f, "
           "\"probes\": %.2f}\n",
           s.concealed, seconds(s.back[0]), seconds(s.back[1]), seconds(s.back[2]),
           (double)s.down / 1e6, (double)s.up / 1e6, s.probes);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *what = argv[1];
    uint64_t seed = strtoull(argv[2], NULL, 10);
    FILE *raw = fopen(argv[3], "w");
    if (!raw)
        return 1;
    if (strcmp(what, "steps") == 0)
        steps(seed, raw);
    else if (strcmp(what, "loss") == 0 || strcmp(what, "bursts") == 0)
        lossy(seed, what[0] == 'b' ? 3 : 1, raw);
    else if (strcmp(what, "shared") == 0 || strcmp(what, "download") == 0)
        shared(seed, what[0] == 'd', raw);
    else if (strcmp(what, "poor") == 0)
        poor(seed, raw);
    else
        return 2;
    return fclose(raw) == 0 ? 0 : 1;
}
