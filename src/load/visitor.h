/* The signalling of one participant, as a browser with Jitsi's client does it: sign in, enter a
 * room, answer the focus' offer, say on the bridge channel what is wished. No sockets or clocks:
 * texts of the two WebSockets come in, texts and news go to the handler. */
#ifndef LOAD_VISITOR_H
#define LOAD_VISITOR_H

#include <stdbool.h>

#include "base/address.h"
#include "base/err.h"
#include "base/slice.h"

#define VISITOR_LAYERS 3
#define VISITOR_TEXT 256

struct visitor;

/* What the focus offered; texts are valid during the call. */
struct visitor_offer {
    struct slice ufrag, pwd;
    struct slice hash, fingerprint;
    struct address candidate; /* the first over UDP and IPv4 */
    struct slice channel;     /* URL of the bridge channel */
};

struct visitor_handler {
    void (*send)(void *arg, struct slice text); /* to the XMPP socket */
    void (*send_channel)(void *arg, struct slice text);
    void (*bound)(void *arg);
    void (*offer)(void *arg, const struct visitor_offer *offer);
    void (*accepted)(void *arg);
    /* What the bridge wishes of our camera: -1 any, 0 none. */
    void (*height)(void *arg, int height);
    void (*failed)(void *arg, const char *why);
    void *arg;
};

/* What it says of itself in the session-accept; strings live as long as the visitor. */
struct visitor_config {
    const char *domain;
    const char *room;
    const char *ufrag;
    const char *pwd;
    const char *fingerprint; /* sha-256 */
    bool audio;
    bool video;
    uint32_t audio_ssrc;
    uint32_t video_ssrcs[VISITOR_LAYERS]; /* low to high */
    uint32_t video_rtx[VISITOR_LAYERS];
    struct visitor_handler handler;
};

/* What it wishes to see. */
struct visitor_wishes {
    const char *stage; /* endpoint on stage; NULL: none */
    int stage_height;
    int tiles; /* how many others */
    int tile_height;
    int64_t bandwidth; /* assumed by the bridge; -1: as it estimates */
};

/* NULL: memory is short. */
struct visitor *visitor_new(const struct visitor_config *config);
void visitor_free(struct visitor **visitor);
/* The XMPP socket is open. */
void visitor_start(struct visitor *visitor);
void visitor_input(struct visitor *visitor, struct slice text);
/* Once accepted: asks for a recording, as the button of who may does. */
void visitor_record(struct visitor *visitor);
void visitor_channel_open(struct visitor *visitor, const struct visitor_wishes *wishes);
void visitor_channel_input(struct visitor *visitor, struct slice text);
/* The endpoint's name, empty before it is bound. */
const char *visitor_endpoint(const struct visitor *visitor);

#endif
