/* The edge's own counters and gauges, by name in the process's page. */
#ifndef EDGE_COUNTERS_H
#define EDGE_COUNTERS_H

#include "os/metrics.h"

enum counter {
    COUNT_CONNECTIONS,       /* gauge */
    COUNT_SOCKETS,           /* gauge: WebSockets that are open */
    COUNT_CONNECTIONS_TOTAL, /* accepted */
    COUNT_REQUESTS,
    COUNT_SOCKETS_TOTAL,
    COUNT_TEXTS_IN,
    COUNT_TEXTS_OUT,
    COUNT_BYTES_IN,
    COUNT_BYTES_OUT,
    COUNT_TLS_RELOADS,
    COUNT_TLS_RELOADS_FAILED,
    COUNT_REFUSED_CONNECTIONS, /* too many, none could be spared */
    COUNT_REFUSED_EVICTED,     /* an idle one made room */
    COUNT_REFUSED_TLS,         /* broken handshake or records */
    COUNT_REFUSED_REQUEST,     /* 4xx of ours before any route: malformed, too large */
    COUNT_REFUSED_TIMEOUT,     /* request or handshake not in on time */
    COUNT_REFUSED_SLOW,        /* did not read what was sent */
    COUNT_REFUSED_SOCKET,      /* protocol error, oversize, not UTF-8 */
    COUNT_REFUSED_SOCKET_IDLE, /* heard nothing for too long */
    COUNT_REFUSED_PATH,        /* a path that no file may have */
    COUNT_REFUSED_HEADER,      /* a header field that is not UTF-8, left out */
    COUNT_REFUSED_UPSTREAM,    /* 503: signal or web missing or full */
    COUNT_REFUSED_LATE,        /* 504: signal or web too slow */
    COUNT_REFUSED_ANSWER,      /* a frame from signal or web that made no sense */
    COUNTERS
};

struct counters {
    uint64_t *at[COUNTERS];
};

/* `metrics` may be NULL: counts into nowhere. */
void counters_init(struct counters *counters, struct metrics *metrics);

static inline void count_add(const struct counters *counters, enum counter which, uint64_t n)
{
    *counters->at[which] += n;
}

static inline void count_sub(const struct counters *counters, enum counter which, uint64_t n)
{
    *counters->at[which] -= n;
}

#endif
