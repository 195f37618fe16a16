/* For tests: a realm in virtual time with scripted clients, bridge workers, web and a journal.
 * Every frame towards a client is checked to be one well-formed stanza. */
#ifndef ROOM_TESTING_H
#define ROOM_TESTING_H

#include "base/check.h"
#include "room/realm.h"

#define WORLD_CLIENTS 512
#define WORLD_FRAMES 4096
#define WORLD_KEY "0123456789abcdef0123456789abcdef"

/* A socket of a browser: XMPP or the bridge channel. */
struct client {
    struct world *world;
    uint64_t conn;
    char **inbox; /* what came and was not looked at yet */
    size_t count;
    size_t cap;
    bool open; /* accepted and not closed */
    bool refused;
    int close_code;
    char jid[128];
    char nick[9];
    char sm[33];
    char sid[17];
    char bridge_session[17];
    char channel_url[512];
    bool rewriting;
    bool early_maps;
    bool red; /* its answer keeps redundant audio */
    bool json;
    uint32_t handled; /* stanzas that came since enable */
    uint32_t ssrc;    /* its first */
};

struct seen {
    enum outbox_peer peer;
    unsigned number;
    uint16_t type;
    uint64_t id;
    json_t *body;
    char *text; /* after the head, for HTTP */
};

struct pair {
    char *key;
    size_t key_len;
    char *value;
    size_t value_len;
};

struct world {
    struct realm *realm;
    struct realm_config config;
    usec_t now;
    int64_t wall_ms;
    uint64_t next_conn;
    uint32_t random;
    struct client clients[WORLD_CLIENTS];
    size_t client_count;
    struct seen seen[WORLD_FRAMES]; /* frames to bridge, web, supervisor, and HTTP answers */
    size_t seen_count;
    struct pair *pairs; /* the journal */
    size_t pair_count;
    size_t pair_cap;
    size_t bytes_out;
    bool quiet; /* do not keep frames for others than clients */
};

/* Open rooms and anonymous users unless `strict`. */
struct world *world_new(bool strict);
void world_free(struct world **world);
/* Lets time pass, in steps of a quarter of a second. */
void world_run(struct world *w, usec_t time);
/* Takes all frames out; after every input this happens by itself. */
void world_pump(struct world *w);
/* The process dies and its successor reads the journal; all sockets are gone. */
void world_restart(struct world *w);

void world_bridge_up(struct world *w, unsigned number, const char *boot);
void world_bridge(struct world *w, unsigned number, uint16_t type, const char *text);
void world_web(struct world *w, uint16_t type, uint64_t id, const char *text);
/* The oldest frame to that peer of that type whose JSON holds `part` (NULL: any), taken out;
 * borrowed until the next frame. NULL: none. */
struct seen *world_take(struct world *w, enum outbox_peer peer, uint16_t type, const char *part);
/* The newest of them, which stays. */
struct seen *world_last(struct world *w, enum outbox_peer peer, uint16_t type, const char *part);
void world_forget(struct world *w);
char *world_token(struct world *w, const char *id, const char *name, const char *role,
                  const char *features, const char *room);

struct client *client_open(struct world *w, const char *path, const char *query, bool xmpp);
void client_send(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The oldest unread message that holds all parts (end with NULL), taken out of the inbox; valid
 * until the next call. Fails the test when there is none. */
const char *client_expect(struct client *c, ...);
/* Fails when an unread message holds all parts. */
void client_never(struct client *c, ...);
size_t client_unread(const struct client *c, const char *part);
void client_forget(struct client *c);
void client_vanish(struct client *c);
/* Until bound and stream management enabled; `token` may be NULL. */
struct client *client_login(struct world *w, const char *token);
/* Conference request and join presence; answers the caps query when asked. */
void client_join(struct client *c, const char *room);
/* Takes the session-initiate, answers with audio and simulcast video. */
void client_accept(struct client *c, const char *room);
/* The same on a new socket, its stream resumed: what `old` was is over. */
struct client *client_back(struct world *w, struct client *old);
/* login, join, accept, all read. */
struct client *client_enter(struct world *w, const char *room, const char *token, bool rewriting);
struct client *client_channel(struct client *c);
/* The value of an attribute: what follows `before` up to the quote. */
void cut_after(const char *text, const char *before, char *out, size_t size);

#endif
