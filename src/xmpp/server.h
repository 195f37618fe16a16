/* The XMPP side of the house: WebSocket connections that become sessions (RFC 7395, SASL, bind,
 * XEP-0198), and what the domain itself answers. Stanzas for anybody else go to the room above.
 * A state machine: texts come in, frames go to the outbox, time is what xmpp_clock was told. */
#ifndef XMPP_SERVER_H
#define XMPP_SERVER_H

#include <jansson.h>

#include "base/units.h"
#include "proto/xml.h"
#include "xmpp/bucket.h"
#include "xmpp/ids.h"
#include "xmpp/jid.h"
#include "xmpp/keeper.h"
#include "xmpp/outbox.h"
#include "xmpp/sm.h"
#include "xmpp/token.h"

struct xmpp;

/* A bound user. Fields are for reading by those above; `upper` is theirs. */
struct session {
    uint32_t handle; /* its name in the journal */
    char jid[128];   /* full */
    char nick[9];    /* first 8 digits of the node, unique: the endpoint's name */
    char host[256];  /* as the client called us */
    bool secure;     /* its page came by https */
    bool plain;      /* its page came by http; neither: it has no page */
    struct token token;
    json_t *claims; /* NULL: no token */
    uint64_t conn;  /* 0: socket lost, waiting for a resume */
    struct sm sm;
    char sm_id[33];
    usec_t lost_at;
    usec_t heard_at;
    struct bucket stanzas;
    const char *doom; /* stream error condition with which it will end */
    bool record_dirty;
    bool queue_dirty;
    bool recorded;
    struct list link;
    struct list dirty;
    struct list doomed;
    void *upper;
};

struct xmpp_upper {
    /* An iq, presence or message not meant for the domain. */
    void (*stanza)(void *arg, struct session *session, const struct xml_node *stanza);
    /* The session is over and will be freed. */
    void (*ended)(void *arg, struct session *session);
    void *arg;
};

struct xmpp_component {
    const char *type; /* of the disco identity */
    const char *address;
};

struct xmpp_config {
    const char *domain;
    bool anonymous; /* users without token may come in */
    struct token_config tokens;
    struct ids ids;
    const struct xmpp_component *components;
    size_t component_count;
    /* XEP-0215: array of {type,host,port,transport,secret,lifetime}; or NULL. Who asks gets
     * credentials of his own, good for `lifetime` seconds, made with the secret as TURN servers
     * with a shared one expect (draft-uberti-behave-turn-rest). */
    json_t *services;
    size_t sessions_max;
    uint64_t seed;
};

enum xmpp_counter {
    XMPP_OPENED,
    XMPP_BOUND,
    XMPP_RESUMED,
    XMPP_RESUME_FAILED,
    XMPP_AUTH_FAILED,
    XMPP_MALFORMED,
    XMPP_STANZAS,
    XMPP_STREAM_ERRORS,
    XMPP_LOST,
    XMPP_COUNTERS
};
extern const char *const xmpp_counter_names[XMPP_COUNTERS];

/* The configuration's strings and the outbox outlive it. */
struct xmpp *xmpp_new(const struct xmpp_config *config, struct outbox *outbox,
                      const struct xmpp_upper *upper);
void xmpp_free(struct xmpp **xmpp);
/* From now on these tokens are good. */
void xmpp_configure(struct xmpp *xmpp, const struct token_config *tokens, bool anonymous);
/* Monotonic time, and wall time in ms, of all that follows. */
void xmpp_clock(struct xmpp *xmpp, usec_t now, int64_t wall_ms);

/* A WebSocket of subprotocol xmpp; `open` as in docs/bus.md WS_OPEN. */
void xmpp_opened(struct xmpp *xmpp, uint64_t conn, json_t *open, struct slice tenant);
bool xmpp_has(const struct xmpp *xmpp, uint64_t conn);
void xmpp_input(struct xmpp *xmpp, uint64_t conn, struct slice text);
void xmpp_closed(struct xmpp *xmpp, uint64_t conn);
/* All sockets are gone at once: edge is. */
void xmpp_closed_all(struct xmpp *xmpp);
/* Ends what has to end. Returns when to call it next. */
usec_t xmpp_tick(struct xmpp *xmpp);
/* Ends sessions found wanting since the last call. To be called after every input. */
void xmpp_settle(struct xmpp *xmpp);

/* Building a stanza: begin, write with the writer, then send or take it. One at a time. */
struct xml_writer *xmpp_begin(struct xmpp *xmpp);
struct xml_writer *xmpp_begin_stanza(struct xmpp *xmpp, const char *name, const char *type,
                                     const char *from, const char *to, struct slice id);
void xmpp_finish(struct xmpp *xmpp, struct session *session);
/* NULL when it could not be built. The caller owns the reference. */
struct text *xmpp_take(struct xmpp *xmpp);
/* An answer to a get or set: the stanza open for children; then xml_close and xmpp_finish. */
struct xml_writer *xmpp_begin_result(struct xmpp *xmpp, const struct session *session,
                                     const struct xml_node *iq);
void xmpp_result(struct xmpp *xmpp, struct session *session, const struct xml_node *iq);
/* The error answer to any stanza. `text` may be NULL. Nothing is sent about errors and results. */
void xmpp_error(struct xmpp *xmpp, struct session *session, const struct xml_node *stanza,
                const char *type, const char *condition, const char *text);
/* As xmpp_error, open for further children in <error/>; the caller closes twice and finishes. */
struct xml_writer *xmpp_begin_error(struct xmpp *xmpp, const struct session *session,
                                    const struct xml_node *stanza, const char *type,
                                    const char *condition, const char *text);

void xmpp_send(struct xmpp *xmpp, struct session *session, struct text *text);
/* One text to many: the sockets in one frame. */
void xmpp_send_many(struct xmpp *xmpp, struct session *const *sessions, size_t count,
                    struct text *text);
struct text_pool *xmpp_texts(struct xmpp *xmpp);
/* Ends the session with a stream error soon: at xmpp_settle. */
void xmpp_doom(struct xmpp *xmpp, struct session *session, const char *condition);
struct session *xmpp_find(const struct xmpp *xmpp, struct slice full_jid);
struct session *xmpp_by_handle(const struct xmpp *xmpp, uint32_t handle);
size_t xmpp_count(const struct xmpp *xmpp);
const uint64_t *xmpp_counters(const struct xmpp *xmpp);

/* Whether anything changed since it was last saved. */
bool xmpp_unsaved(const struct xmpp *xmpp);
/* Writes what changed, inside a group of the caller's; then xmpp_saved says what became of it. */
int xmpp_save(struct xmpp *xmpp, const struct keeper *keeper) MUST_USE;
/* Not taken: everything is to be written again. */
void xmpp_saved(struct xmpp *xmpp, bool taken);
/* One pair of a predecessor's journal; false: not ours. Texts may come after the queues. */
bool xmpp_load(struct xmpp *xmpp, struct slice key, struct slice value);
/* All pairs were given: sessions wait for their clients from now on. */
void xmpp_loaded(struct xmpp *xmpp);

#endif
