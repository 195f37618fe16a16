/* Listening sockets, and what a machine's addresses are. */
#ifndef OS_TCP_H
#define OS_TCP_H

#include <stdbool.h>

#include "base/address.h"

/* A listening, non-blocking socket. Port 0: any; IPv6 sockets are IPv6 only. ERR_EXISTS: in use;
 * ERR_DENIED: a port under 1024 without the right; ERR_UNSUPPORTED: this machine has no such
 * address or family; ERR_IO. */
int tcp_listen(const struct address *local, int *ret_fd) MUST_USE;
/* A non-blocking connection that is being made; it becomes writable when it stands. For programs
 * without walls only (load, tests). ERR_IO. */
int tcp_connect(const struct address *remote, int *ret_fd) MUST_USE;
/* Where a socket is bound. ERR_IO. */
int socket_local(int fd, struct address *ret_local) MUST_USE;

/* An address of one of our interfaces. */
struct interface_address {
    struct address address; /* port 0 */
    bool loopback;
};
/* Those that are up, without link-local ones, which mean nothing without a zone; at most `max` into
 * ret_list. ERR_IO. */
int interface_addresses(struct interface_address *ret_list, size_t max, size_t *ret_count) MUST_USE;

#endif
