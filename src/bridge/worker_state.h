/* The inside of a worker, shared by worker*.c only. */
#ifndef BRIDGE_WORKER_STATE_H
#define BRIDGE_WORKER_STATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "bridge/backlog.h"
#include "bridge/feed.h"
#include "bridge/feed_out.h"
#include "bridge/worker.h"
#include "os/link.h"
#include "os/udp.h"

/* All paths of all endpoints fit several times. */
#define WORKER_ROUTES_MAX ((size_t)32768)
/* SSRCs announced by all endpoints. */
#define WORKER_SSRCS_MAX ((size_t)65536)
/* Datagrams for another worker that wait for the end of the turn: 100 ms of 20 Mb/s. */
#define WORKER_PASS_MAX ((size_t)256 * 1024)
#define WORKER_NO_PEER (-1)
#define WORKER_MEDIA_COUNTERS 23
#define WORKER_STREAM_ENDS 7

struct room {
    char id[CONTROL_ID_MAX];
    struct worker *worker;
    struct conference *conference;
    struct list endpoints;
    struct list dirty; /* in worker->dirty when it got something this turn */
    struct loop_timer timer;
    unsigned pending; /* packets since the last drain */
    unsigned generation;
    struct recording *recording;
};

struct endpoint {
    char id[CONFERENCE_NAME_MAX];
    char ufrag[ICE_CREDENTIAL_MAX + 1];
    char pwd[ICE_CREDENTIAL_MAX + 1];
    char *ufrag_before; /* the last ICE restart, in by_ufrag too; NULL: none */
    char session[CONTROL_ID_MAX];
    struct worker *worker;
    struct room *room;
    struct witness_entry witness;
    struct list node; /* in room->endpoints */
    struct conference_seat seat;
    struct transport *transport;
    struct loop_timer timer;
    enum transport_state told;
    usec_t told_rtt;
    bool carries; /* as the conference was told */
    unsigned generation;
    uint32_t ssrcs[CONFERENCE_SOURCES_MAX * CONFERENCE_LAYERS_MAX * 2];
    size_t ssrc_count;
};

/* Whose a path is: an endpoint's of ours, or another worker's. */
struct route {
    struct endpoint *endpoint; /* NULL: `peer` */
    int peer;
    int via; /* which worker's socket gets these datagrams; WORKER_NO_PEER: ours */
    usec_t claimed_at;
};

struct peer {
    struct worker *worker;
    unsigned number;
    struct link *link; /* NULL: not there */
    struct buf batch;
};

struct recording {
    struct list node; /* in worker->recordings */
    struct worker *worker;
    char conference[CONTROL_ID_MAX];
    char id[CONTROL_ID_MAX];
    struct feed *feed; /* NULL: its CONFERENCE has not come yet */
    struct feed_out *out;
    int fd; /* that came before the feed; -1 */
    bool attached;
    bool broken;  /* `out` is to be freed */
    usec_t until; /* given up then; USEC_NEVER: wanted */
};

struct receiver_socket {
    struct worker *worker;
    struct udp *udp;
    struct loop_io io;
};

struct worker_counters {
    uint64_t *received; /* datagrams */
    uint64_t *received_bytes;
    uint64_t *sent;
    uint64_t *sent_bytes;
    uint64_t *messages;  /* of GSO: sent / messages is how well packets pack */
    uint64_t *send_full; /* dropped: the socket's buffer is full */
    uint64_t *not_ready; /* dropped: the receiver has no consent or key */
    uint64_t *protect_fail;
    uint64_t *passed; /* to other workers */
    uint64_t *pass_full;
    uint64_t *taken; /* from other workers */
    uint64_t *unknown_ufrag;
    uint64_t *unknown_path;
    uint64_t *refused[16]; /* by transport, per error */
    uint64_t *not_media;   /* what the conference refused */
    uint64_t *endpoints;
    uint64_t *conferences;
    uint64_t *memory; /* allocations refused */
    uint64_t *streams_accepted;
    uint64_t *streams_open;
    uint64_t *stream_ended[WORKER_STREAM_ENDS];
    uint64_t *stream_dropped[BACKLOG_KINDS];
    uint64_t *media[WORKER_MEDIA_COUNTERS];
};

struct sender;
struct streams;

struct worker {
    struct worker_config config;
    struct worker_counters count;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    struct receiver_socket sockets[WORKER_SOCKETS_MAX];
    size_t socket_count;
    struct peer peers[WORKER_COUNT_MAX];
    struct map *rooms;    /* id -> room */
    struct map *by_ufrag; /* ours -> endpoint; with those before an ICE restart */
    size_t endpoint_count;
    struct map *by_ssrc; /* as announced -> endpoint; last one wins */
    struct map *routes;  /* path -> route */
    struct list dirty;
    struct list recordings;
    struct sender *sender;
    struct streams *streams;
    struct loop_timer housekeeping;
    unsigned generation;
    uint64_t retired[WORKER_MEDIA_COUNTERS]; /* by conferences that are gone */
    usec_t guess_since; /* unknown media tried by SSRC in the second that began here */
    unsigned guesses;
    bool resting; /* so much comes in that it is read at intervals, */
    bool behind;  /* but not all of it was read this turn */
    usec_t rest_looked;
    uint64_t rest_received; /* datagrams until then */
};

/* worker.c */
void worker_set_timer(struct worker *worker, struct loop_timer *timer, usec_t at);
/* Reacts to whatever input, tick or news did to the transport: datagrams, state, timer. */
void endpoint_update(struct endpoint *endpoint, usec_t now);

/* worker_count.c */
void count_start(struct worker *worker);
/* Sums up what the conferences counted; a few times a minute is enough. */
void count_conferences(struct worker *worker);
/* Keeps what a conference counted before it goes. */
void count_retire(struct room *room);

/* worker_receive.c */
int receive_start(struct worker *worker, int fd) MUST_USE;
/* ERR_FORMAT: the other worker does not make sense. */
int receive_from_peer(struct worker *worker, unsigned peer,
                      const struct link_frame *frame) MUST_USE;
void receive_flush_peers(struct worker *worker);
void route_forget_endpoint(struct worker *worker, struct endpoint *endpoint);
/* Its link is new and so may be the worker: forgets what it owned, claims again what is ours. */
void route_renew_peer(struct worker *worker, unsigned peer);

/* The worker that a check's user fragment names; WORKER_NO_PEER: none, or it is no check. */
int receive_owner(struct slice datagram);
/* A datagram of a connection of ours; decrypted in place. */
void receive_from_stream(struct worker *worker, usec_t now, const struct path *path, uint8_t *data,
                         size_t len);
/* Whether an endpoint of ours has shown itself on this path. */
bool route_has_endpoint(const struct worker *worker, const struct path *path);
/* Its connection is gone. */
void route_forget_stream(struct worker *worker, usec_t now, const struct path *path);

/* worker_stream.c: ICE over TCP (RFC 6544, passive) */
struct streams *streams_new(uint64_t seed);
void streams_free(struct worker *worker);
/* One message for a path that is a stream; what does not fit is dropped and counted. */
void stream_send(struct worker *worker, const struct udp_datagram *out);
/* At the end of a turn: writes what was sent. */
void streams_flush(struct worker *worker, usec_t now);
/* A few times a minute, or more often: ends what nobody uses. */
void streams_sweep(struct worker *worker, usec_t now);

/* worker_send.c */
struct sender *sender_new(void);
void sender_free(struct sender **sender);
void send_control(struct endpoint *endpoint);
/* Ticks the conference, gives its notices away, encrypts and sends its packets. */
void room_drain(struct room *room, usec_t now);
void room_mark(struct room *room);

/* worker_record.c */
void recording_want(struct room *room, usec_t now, const char *id, bool paused);
void recording_end(struct room *room, usec_t now);
void recording_flush_all(struct worker *worker, usec_t now);
void recording_free_all(struct worker *worker);

#endif
