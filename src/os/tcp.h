/* Listening sockets, and what a machine's addresses are. */
#ifndef OS_TCP_H
#define OS_TCP_H

#include <stdbool.h>

#include "base/address.h"

/* A listening, non-blocking socket; `share`: several may have the same address and port and the
 * kernel spreads connections over them (SO_REUSEPORT, same user). Port 0: any; IPv6 sockets are
 * IPv6 only. ERR_EXISTS: in use; ERR_DENIED: a port under 1024 without the right; ERR_UNSUPPORTED:
 * this machine has no such address or family; ERR_IO. */
int tcp_listen(const struct address *local, bool share, int *ret_fd) MUST_USE;
/* A non-blocking connection that is being made; it becomes writable when it stands. For programs
 * without walls only (supervisor, load, tests). ERR_IO. */
int tcp_connect(const struct address *remote, int *ret_fd) MUST_USE;
/* A connection that waits at a listening socket, non-blocking. ERR_AGAIN: none; ERR_LIMIT: no
 * descriptor or memory left, it goes on waiting. */
int tcp_accept(int listener, int *ret_fd) MUST_USE;
/* For small messages that must not be late: sent at once, and refused (EAGAIN) while `unsent` bytes
 * wait in the kernel for their turn. ERR_IO. */
int tcp_make_prompt(int fd, int unsent) MUST_USE;
/* Where a socket is bound, or connected to. ERR_IO. */
int socket_local(int fd, struct address *ret_local) MUST_USE;
int socket_remote(int fd, struct address *ret_remote) MUST_USE;

/* An address of one of our interfaces. */
struct interface_address {
    struct address address; /* port 0 */
    bool loopback;
};
/* Those that are up, without link-local ones, which mean nothing without a zone; at most `max` into
 * ret_list. ERR_IO. */
int interface_addresses(struct interface_address *ret_list, size_t max, size_t *ret_count) MUST_USE;

#endif
