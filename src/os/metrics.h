/* Counters of one process in a page that the supervisor shares with the admin listener. Adding is
 * one store; nothing is sent. Names follow Prometheus: darasa_bridge_packets_received_total. */
#ifndef OS_METRICS_H
#define OS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define METRICS_NAME_MAX 72
#define METRICS_COUNT_MAX 224
#define METRICS_PAGE_SIZE ((size_t)(METRICS_COUNT_MAX * (METRICS_NAME_MAX + 8) + 64))

struct metrics;

/* Maps a page made by metrics_create; `writable` for its owner, read-only for the admin listener.
 */
int metrics_map(int fd, bool writable, struct metrics **ret_metrics) MUST_USE;
void metrics_unmap(struct metrics **metrics);
/* A fresh page as a memfd with the given process label ("bridge", 0); ERR_IO. */
int metrics_create(const char *program, unsigned number, int *ret_fd) MUST_USE;
/* The place of a counter or gauge, made on first use; never NULL: a full page shares one overflow
 * counter, and metrics == NULL counts into nowhere. `name` may carry labels: x_total{kind="a"}. */
uint64_t *metrics_counter(struct metrics *metrics, const char *name);
/* Appends the page in Prometheus text format 0.0.4, with program and number as labels. */
void metrics_print(const struct metrics *metrics, struct buf *out);

/* Several pages at once, grouped by metric as the format wants it; NULL among them is skipped. Safe
 * against pages written by a hostile process. */
void metrics_print_all(const struct metrics *const *pages, size_t count, struct buf *out);

#endif
