#include "edge/counters.h"

#define REFUSED(reason) "darasa_edge_refused_total{reason=\"" reason "\"}"

static const char *const NAMES[COUNTERS] = {
    [COUNT_CONNECTIONS] = "darasa_edge_connections",
    [COUNT_SOCKETS] = "darasa_edge_websockets",
    [COUNT_CONNECTIONS_TOTAL] = "darasa_edge_connections_total",
    [COUNT_REQUESTS] = "darasa_edge_requests_total",
    [COUNT_SOCKETS_TOTAL] = "darasa_edge_websockets_total",
    [COUNT_TEXTS_IN] = "darasa_edge_texts_received_total",
    [COUNT_TEXTS_OUT] = "darasa_edge_texts_sent_total",
    [COUNT_BYTES_IN] = "darasa_edge_bytes_received_total",
    [COUNT_BYTES_OUT] = "darasa_edge_bytes_sent_total",
    [COUNT_TLS_RELOADS] = "darasa_edge_tls_reloads_total",
    [COUNT_TLS_RELOADS_FAILED] = "darasa_edge_tls_reloads_failed_total",
    [COUNT_REFUSED_CONNECTIONS] = REFUSED("connections"),
    [COUNT_REFUSED_EVICTED] = REFUSED("evicted"),
    [COUNT_REFUSED_TLS] = REFUSED("tls"),
    [COUNT_REFUSED_REQUEST] = REFUSED("request"),
    [COUNT_REFUSED_TIMEOUT] = REFUSED("timeout"),
    [COUNT_REFUSED_SLOW] = REFUSED("slow"),
    [COUNT_REFUSED_SOCKET] = REFUSED("websocket"),
    [COUNT_REFUSED_SOCKET_IDLE] = REFUSED("websocket_idle"),
    [COUNT_REFUSED_PATH] = REFUSED("path"),
    [COUNT_REFUSED_HEADER] = REFUSED("header"),
    [COUNT_REFUSED_UPSTREAM] = REFUSED("upstream"),
    [COUNT_REFUSED_LATE] = REFUSED("late"),
    [COUNT_REFUSED_ANSWER] = REFUSED("answer"),
};

void counters_init(struct counters *counters, struct metrics *metrics)
{
    for (size_t i = 0; i < COUNTERS; i++)
        counters->at[i] = metrics_counter(metrics, NAMES[i]);
    /* The page outlives a process that was killed; its connections did not. */
    *counters->at[COUNT_CONNECTIONS] = *counters->at[COUNT_SOCKETS] = 0;
}
