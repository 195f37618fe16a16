/* Probes: short clusters of packets sent faster than the estimate, to learn whether more would go
 * through. Decides when and how fast, and what came of it; the caller fills them. A cluster that
 * shows nothing new is paid from a credit of a twentieth of what is sent. */
#ifndef BRIDGE_ESTIMATE_PROBE_H
#define BRIDGE_ESTIMATE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

#define PROBE_FILL_MAX 16384 /* bytes a cluster may take at once */

struct probe {
    enum { PROBE_IDLE, PROBE_SENDING, PROBE_WAITING } state;
    double bps;
    double next; /* follows the one that runs; 0: none */
    bool started;
    usec_t time; /* that it takes at least */
    usec_t begun;
    usec_t ended; /* 0: never */
    usec_t at;    /* the next one, not before */
    usec_t wait;
    uint32_t random;
    bool settled;        /* the way was full once: later ones look only a little further */
    double raise;        /* that a settled way's next result may bring, bit/s */
    usec_t raised_at;    /* the last one that showed something new; 0: none */
    usec_t found_at;     /* the last one ever, or the begin */
    double dropped_from; /* the estimate before it fell; 0: it did not */
    usec_t dropped_at;
    double credit; /* bytes */
    int64_t first; /* number of its first packet */
    int64_t last;  /* one past */
    uint32_t packets;
    uint64_t bytes;
    uint64_t extra; /* bytes sent only for it */
    /* What arrived; the first burst only opens the time. */
    uint32_t told;
    uint64_t told_bytes;
    uint64_t opening_bytes;
    usec_t first_sent, last_sent;
    usec_t opened, closed; /* arrivals */
};

struct probe_input {
    double bps;  /* the estimate */
    double need; /* that would be of use; below the estimate: none */
    bool idle;
    bool blocked;    /* overused, or limited by loss */
    double inherent; /* share the way itself loses */
    usec_t rtt;
    usec_t sway; /* of single packets' delays */
};

/* `seed` keeps those behind one line from probing together. */
void probe_init(struct probe *probe, usec_t now, uint32_t seed);
/* Starts, ends and gives up clusters. `number` is that of the next packet. */
void probe_tick(struct probe *probe, usec_t now, int64_t number, const struct probe_input *input);
/* Bytes to add now so that the cluster goes at its rate; 0: none runs. */
size_t probe_fill(const struct probe *probe, usec_t now);
/* A packet leaves; `extra`: only for the cluster. */
void probe_sent(struct probe *probe, usec_t now, uint32_t size, bool extra);
/* A packet arrived. */
void probe_told(struct probe *probe, int64_t number, usec_t sent, usec_t arrival, uint32_t size);
/* All up to that number were told about: the rate that came through, 0: nothing to learn (yet). */
double probe_result(struct probe *probe, usec_t now, int64_t acked,
                    const struct probe_input *input);
/* There is nothing to send it on. */
void probe_abort(struct probe *probe, usec_t now);
/* The estimate fell from there. */
void probe_dropped(struct probe *probe, usec_t now, double from, double to);
/* Whether a queue may be of its making. */
bool probe_echoes(const struct probe *probe, usec_t now, usec_t rtt);

#endif
