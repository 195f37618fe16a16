/* Private to xmpp/: connections, and the server's own state. */
#ifndef XMPP_INNER_H
#define XMPP_INNER_H

#include "base/map.h"
#include "xmpp/server.h"

/* Time from opening the socket to being bound. */
#define CONN_SETUP_TIME (30 * USEC_PER_SEC)
/* A client says something every 10 s (ping); a socket silent that long is dead. */
#define CONN_SILENCE_TIME (120 * USEC_PER_SEC)
/* How long a session waits for its client: at least 60 s, and some for a slow handshake. */
#define SESSION_RESUME_TIME (70 * USEC_PER_SEC)
#define CONN_AUTH_TRIES 3

enum conn_state { CONN_OPEN, CONN_AUTH, CONN_REOPEN, CONN_BIND, CONN_BOUND };

struct conn {
    uint64_t id;
    enum conn_state state;
    struct session *session;
    unsigned auth_tries;
    bool resume_only; /* its token is not of this time */
    usec_t opened_at;
    char host[256];
    bool secure;
    bool plain;
    char tenant[128];
    char *query;
    json_t *claims;
    struct token token;
    struct list link;
};

struct xmpp {
    struct xmpp_config config;
    struct outbox *outbox;
    struct xmpp_upper upper;
    usec_t now;
    int64_t wall_ms;
    usec_t next_sweep;
    struct arena *arena;
    struct buf scratch;
    struct xml_writer writer;
    struct map *conns; /* by id, 8 bytes */
    struct list conn_list;
    struct map *by_jid;
    struct map *by_nick;
    struct map *by_sm;
    struct map *by_handle;
    struct list sessions;
    struct list dirty;
    struct list doomed;
    struct buf forgotten; /* handles of ended sessions, 4 bytes each */
    uint32_t next_handle;
    struct text_pool texts;
    struct map *loaded_texts; /* while loading: id -> text */
    struct buf fanout;        /* connection ids of the frame being built */
    uint64_t counters[XMPP_COUNTERS];
};

/* conn.c */
void conn_write(struct xmpp *x, struct conn *c, struct slice text);
/* Sends a stream error and closes; the session, if any, ends. */
void conn_fail(struct xmpp *x, struct conn *c, const char *condition);
/* <close/>, then the socket. */
void conn_close(struct xmpp *x, struct conn *c);
void conn_free(struct xmpp *x, struct conn *c);
struct conn *conn_find(const struct xmpp *x, uint64_t id);

/* negotiate.c: everything before a session is bound or resumed. */
void negotiate_input(struct xmpp *x, struct conn *c, const struct xml_node *node);

/* session.c */
struct session *session_new(struct xmpp *x, const char *jid, uint32_t handle);
/* Tells the room, forgets it. */
void session_end(struct xmpp *x, struct session *s);
void session_free(struct xmpp *x, struct session *s);
void session_dirty(struct xmpp *x, struct session *s, bool record);
void session_attach(struct xmpp *x, struct session *s, struct conn *c);
/* Its socket is gone: waits for a resume, or ends. */
void session_detach(struct xmpp *x, struct session *s);
void session_input(struct xmpp *x, struct conn *c, const struct xml_node *node);
/* All that waits for an acknowledgement goes out again. */
void session_resend(struct xmpp *x, struct session *s);

/* disco.c: true when the domain answered. */
bool disco_answer(struct xmpp *x, struct session *s, const struct xml_node *iq);

#endif
