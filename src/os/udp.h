/* UDP in batches: many datagrams per system call, GRO on the way in, GSO on the way out, answers
 * leave from exactly the address that was asked (IP_PKTINFO, RFC 3542 section 6). */
#ifndef OS_UDP_H
#define OS_UDP_H

#include <stdbool.h>

#include "base/address.h"

/* Room in the kernel for a burst of key frames to everybody; asked for, not guaranteed. */
#define UDP_BUFFER ((size_t)(8 * 1024 * 1024))
/* The most that one GSO message holds: datagrams, and bytes. */
#define UDP_SEGMENTS_MAX 60
#define UDP_MESSAGE_MAX ((size_t)65000)

struct udp;

struct udp_datagram {
    struct path
        path; /* local: port is the socket's; an all-zero IP on sending lets the kernel choose */
    struct slice data; /* received: valid until the next udp_receive */
    /* Sending: 0: one datagram; else `data` is datagrams of this many bytes each, the last one may
     * be shorter; at most UDP_SEGMENTS_MAX and UDP_MESSAGE_MAX. Received: always 0. */
    uint16_t segment;
};

struct udp_counts {
    uint64_t dropped; /* datagrams the system refused one by one: no route, too large, firewall */
    uint64_t receive_fail; /* truncated or without a source */
    bool gso;              /* still in use */
};

enum udp_flags {
    UDP_SHARE = 1, /* several may have the same address and port (SO_REUSEPORT, same user) */
    /* Reached from this machine only, under any of its addresses: Firefox does not speak to
     * 127.0.0.1 from another address. */
    UDP_THIS_MACHINE = 2,
};

/* A non-blocking bound socket with every option set, fit to be handed to another process; `flags`
 * of enum udp_flags. Port 0: any. An IPv6 socket is IPv6 only. ERR_EXISTS: in use;
 * ERR_UNSUPPORTED: this machine has no such address or family; ERR_IO: errno tells. */
int udp_open(const struct address *local, unsigned flags, int *ret_fd) MUST_USE;
/* Takes a descriptor made by udp_open, also from another process. */
int udp_new(int fd, struct udp **ret_udp) MUST_USE;
void udp_free(struct udp **udp);
int udp_fd(const struct udp *udp);
/* From now on one datagram per system call, without segments. */
void udp_set_single(struct udp *udp);
/* The address it is bound to. */
const struct address *udp_local(const struct udp *udp);
/* One system call; what GRO joined is taken apart. ERR_AGAIN: nothing there. The array and the
 * bytes are valid until the next call; the bytes may be written to (decrypted in place). */
int udp_receive(struct udp *udp, const struct udp_datagram **ret_datagrams,
                size_t *ret_count) MUST_USE;
/* Whether the last udp_receive took all there was then: another would mostly find nothing. */
bool udp_drained(const struct udp *udp);
/* Sends in order. Returns how many were dealt with (sent, or refused for good and counted in
 * udp_counts): fewer than `count` when the socket's buffer is full; the rest may be offered again
 * when it is writable. All must be of the socket's family; others are counted as dropped. */
size_t udp_send(struct udp *udp, const struct udp_datagram *datagrams, size_t count) MUST_USE;
struct udp_counts udp_counts(const struct udp *udp);
/* Datagrams that the kernel dropped because nobody took them in time; one system call. */
uint32_t udp_drops(const struct udp *udp);

#endif
