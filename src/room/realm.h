/* All live classes of one installation as one state machine: rooms, members, focus, the bridge
 * channel, recording. Frames of docs/bus.md come in, frames come out of realm_take; no sockets,
 * files or clocks. After every turn: realm_save into the journal, then realm_take until empty, so
 * that nothing reaches a client that a successor would not know.
 * Wire protocol: Jitsi Meet's (docs/room.md). */
#ifndef ROOM_REALM_H
#define ROOM_REALM_H

#include "xmpp/server.h"

struct realm;

struct realm_config {
    const char *domain; /* "meet.example": also names conference., focus., auth., metadata. */
    /* "wss://meet.example": for clients whose own connection does not say how it came. Or NULL. */
    const char *websocket;
    bool open_rooms;      /* any name may be opened by a conference request */
    bool anonymous;       /* without a token */
    size_t occupants_max; /* of one room; at most 1000 */
    size_t rooms_max;
    size_t sessions_max;
    const char *codecs; /* of video, allowed, most preferred first: "vp8 vp9 h264 av1" */
    struct token_config tokens;
    struct ids ids;
    json_t *services; /* XEP-0215, may be NULL */
    uint64_t seed;
};

enum realm_counter {
    REALM_JOINS,
    REALM_LEAVES,
    REALM_JOINS_REFUSED,
    REALM_OFFERS,
    REALM_ACCEPTS,
    REALM_RESTARTS,
    REALM_RESTARTS_REFUSED,
    REALM_ICE_RESTARTS,
    REALM_SESSIONS_RENEWED,
    REALM_SOURCES_REFUSED,
    REALM_RIGHTS_REFUSED,
    REALM_CHANNELS,
    REALM_CHANNELS_REFUSED,
    REALM_CHANNEL_MALFORMED,
    REALM_CHANNEL_LIMITED,
    REALM_BRIDGES_LOST,
    REALM_SUSPECTS,
    REALM_BUS_MALFORMED,
    REALM_EVENTS_DROPPED,
    REALM_CLIENT_ERRORS,
    REALM_COUNTERS
};
extern const char *const realm_counter_names[REALM_COUNTERS];

struct realm *realm_new(const struct realm_config *config);
void realm_free(struct realm **realm);
/* Takes over what may change while running: tokens, occupants_max, open_rooms, anonymous. The old
 * configuration's strings are not needed any more. */
void realm_configure(struct realm *realm, const struct realm_config *config);
/* The time of everything that follows: monotonic, and wall time in ms. Call before any input. */
void realm_clock(struct realm *realm, usec_t now, int64_t wall_ms);

/* A frame from that program. ERR_FORMAT: it makes no sense, the sender is condemned. */
int realm_input_edge(struct realm *realm, uint16_t type, uint64_t id,
                     struct slice payload) MUST_USE;
int realm_input_web(struct realm *realm, uint16_t type, uint64_t id, struct slice payload) MUST_USE;
int realm_input_bridge(struct realm *realm, unsigned number, uint16_t type,
                       struct slice payload) MUST_USE;
/* The supervisor's message "recorder". */
void realm_input_recorder(struct realm *realm, json_t *message);
/* The supervisor's message "crash": a worker died of somebody's bytes. */
void realm_input_crash(struct realm *realm, json_t *message);
/* Links coming and going. */
void realm_edge_lost(struct realm *realm);
void realm_web_up(struct realm *realm);
void realm_web_lost(struct realm *realm);
void realm_bridge_lost(struct realm *realm, unsigned number);

/* Does what is due; returns when to call it next, USEC_NEVER when nothing is. */
usec_t realm_tick(struct realm *realm);
/* The oldest frame that waits to go out; valid until the next call. */
bool realm_take(struct realm *realm, struct outbox_frame *ret_frame);

/* Writes what changed since the last call, as one group. On failure (the journal is full) all is
 * written anew some seconds later. */
int realm_save(struct realm *realm, const struct keeper *keeper) MUST_USE;
/* Takes over from a predecessor: every pair of its journal, then realm_loaded. */
void realm_load(struct realm *realm, struct slice key, struct slice value);
void realm_loaded(struct realm *realm);

struct realm_gauges {
    size_t sessions;
    size_t rooms;
    size_t occupants;
    size_t events_waiting;
    size_t workers;
    uint64_t frames_dropped; /* since the start: others do not take what we send */
};
struct realm_gauges realm_gauges(const struct realm *realm);
const uint64_t *realm_counters(const struct realm *realm);
const uint64_t *realm_xmpp_counters(const struct realm *realm);

#endif
