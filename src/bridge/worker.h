/* One bridge process: sockets, the endpoints it owns, and the way of a packet between them.
 *
 * Demultiplexing: a STUN check names its endpoint by our user fragment, whose first character is
 * the worker's number as a base-36 digit; everything else is found by its path (local and remote
 * address), which was learned from an authenticated check. SO_REUSEPORT gives a client's datagrams
 * to any worker; those of another's endpoint are passed on over the link between the two (see
 * bridge/handover.h), in batches and bounded, and the owner answers from its own socket, which has
 * the same address. The owner claims a path at the other worker only after an authenticated check.
 * A TCP connection names its endpoint in its first frame and goes to the worker that owns it.
 *
 * Per turn: everything is read, decrypted and handed to the conferences; before the loop sleeps,
 * each conference that got something is asked for its packets, receiver by receiver; they are
 * encrypted next to each other and leave as one GSO message per receiver and run of equal sizes. */
#ifndef BRIDGE_WORKER_H
#define BRIDGE_WORKER_H

#include "bridge/conference.h"
#include "bridge/control.h"
#include "bridge/transport.h"
#include "os/loop.h"
#include "os/metrics.h"
#include "os/witness.h"

#define WORKER_COUNT_MAX 36
#define WORKER_SOCKETS_MAX 4
#define WORKER_ENDPOINTS_MAX 4000
#define WORKER_CONFERENCES_MAX 1000

struct worker;

/* What signal wants to know. Called from within the loop; strings are valid during the call. */
struct worker_handler {
    void (*state)(void *arg, const char *conference, const char *endpoint,
                  enum transport_state state, usec_t rtt);
    void (*notice)(void *arg, const char *conference, const struct conference_notice *notice);
    void (*feed)(void *arg, const char *conference, const char *recording, bool attached);
    /* A worker's link ended by `err` (os/link.h). */
    void (*peer_lost)(void *arg, unsigned peer, int err);
    void *arg;
};

struct worker_config {
    struct loop *loop;
    struct metrics *metrics; /* NULL: counts into nowhere */
    struct witness *witness; /* is told whose datagram is being worked on; NULL: nobody is */
    unsigned number;         /* below WORKER_COUNT_MAX */
    uint64_t boot;           /* which process; goes into feeds */
    unsigned slots;          /* as in conference_set_slots; 0: as many as there can be */
    unsigned voices;         /* as in conference_set_voices; 0: as many as usual */
    bool single;             /* one packet per system call, through OpenSSL: to compare with */
    struct worker_handler handler;
};

int worker_new(const struct worker_config *config, struct worker **ret_worker) MUST_USE;
void worker_free(struct worker **worker);
/* Takes a socket made by udp_open. ERR_LIMIT. */
int worker_add_socket(struct worker *worker, int fd) MUST_USE;
/* Takes a listening socket made by tcp_listen: ICE over TCP. ERR_LIMIT, ERR_IO. */
int worker_add_listener(struct worker *worker, int fd) MUST_USE;
/* SHA-256 of this process's certificate, as SDP writes it. */
const char *worker_fingerprint(const struct worker *worker);
/* The link to another worker is there, or there again. Takes the descriptor. */
void worker_link(struct worker *worker, unsigned peer, int fd);
/* A SOCK_SEQPACKET pair with another worker, by which TCP connections go to where their endpoint
 * lives. Takes the descriptor. */
void worker_link_streams(struct worker *worker, unsigned peer, int fd);

/* Begins a full account of what signal wants: what is not applied before SYNC_DONE goes away. */
void worker_sync(struct worker *worker);
/* One message of signal. ERR_LIMIT, ERR_MEMORY: this object could not be made; others are not
 * touched. ERR_FORMAT: credentials, fingerprint or sources make no sense: condemn the sender.
 * ERR_NOT_FOUND: about something that is not here (harmless). */
int worker_apply(struct worker *worker, const struct control_message *message) MUST_USE;
/* Gives every state and notice to the handler again. */
void worker_renotify(struct worker *worker);
/* Where the feed of a recording goes; takes the descriptor. May come before or after the
 * CONFERENCE that wants it. */
void worker_feed(struct worker *worker, const char *recording, int fd);
/* Says good-bye to all endpoints and ends the feeds as far as they can be written. */
void worker_close(struct worker *worker);

#endif
