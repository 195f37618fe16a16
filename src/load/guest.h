/* One participant: its two WebSockets, its transport, what it sends and what it hears. For crowd.c
 * and guest*.c only. */
#ifndef LOAD_GUEST_H
#define LOAD_GUEST_H

#include "bridge/feedback.h"
#include "bridge/transport.h"
#include "load/crowd.h"
#include "load/trace.h"
#include "load/visitor.h"
#include "load/websocket.h"
#include "os/udp.h"

#define GUEST_STREAMS (TRACE_LAYERS + 1) /* the last one is sound */
#define OUTLET_PACKETS 256
#define OUTLET_PACKET_MAX 1500
/* One of so many media packets is decrypted. */
#define GUEST_SAMPLE 64

/* Datagrams on their way out, until the turn ends or it is full. */
struct outlet {
    struct udp *udp;
    struct udp_datagram datagrams[OUTLET_PACKETS];
    size_t count;
    uint8_t bytes[OUTLET_PACKETS][OUTLET_PACKET_MAX];
    uint64_t full; /* dropped: the socket took no more */
};

struct guest;

/* What all guests share. */
struct guest_world {
    struct loop *loop;
    const struct crowd_config *config;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    struct outlet outlet;
    struct tally_sum sum;
    uint64_t sent;
    uint64_t asked_again;
    uint64_t sampled;
    uint64_t unreadable;
    void (*changed)(void *arg, struct guest *guest); /* bound, connected or failed */
    void *arg;
};

struct guest_stream {
    uint32_t ssrc;
    uint32_t rtx;
    uint16_t sequence;
    uint32_t timestamp;
    usec_t at; /* when the last packet was sent */
    uint32_t packets;
    uint32_t octets;
};

struct guest {
    struct guest_world *world;
    unsigned number; /* in the room */
    char room[64];
    const char *token; /* NULL: the room is open to all */
    const char *stage; /* the room's first endpoint */
    struct address local;
    char ufrag[9];
    char pwd[25];
    struct visitor *visitor;
    struct websocket *xmpp;
    struct websocket *channel;
    struct transport *transport;
    struct loop_timer timer;
    struct trace trace;
    bool sending;
    struct guest_stream streams[GUEST_STREAMS];
    uint16_t transport_sequence;
    struct feedback feedback;
    usec_t report_at;
    usec_t feedback_at;
    uint32_t own_ssrc; /* of reports */
    struct tally tally;
    uint32_t heard;
    usec_t began_at;     /* 0: not yet */
    usec_t connected_at; /* 0: not yet */
    bool bound;
    const char *failed; /* why; NULL */
};

/* guest.c: coming and going, and signalling */
void guest_init(struct guest *guest, struct guest_world *world, unsigned index);
void guest_done(struct guest *guest);
/* ERR_IO, ERR_MEMORY. */
int guest_start(struct guest *guest, usec_t now) MUST_USE;
void guest_fail(struct guest *guest, const char *why);
/* Its server is known. */
void guest_connect(struct guest *guest, usec_t now, const struct visitor_offer *offer);
/* After whatever happened to its transport: sends what it wants to, sets the timer. */
void guest_update(struct guest *guest, usec_t now);

/* guest_media.c: packets */
void guest_input(struct guest *guest, usec_t now, const struct udp_datagram *datagram);
/* Sends media and reports that are due; returns when the next are. */
usec_t guest_send_due(struct guest *guest, usec_t now);
void outlet_flush(struct outlet *outlet);

#endif
