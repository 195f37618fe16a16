/* The bridge's side of its link to signal (docs/bus.md, "signal - bridge"): frames into structs,
 * notices into JSON. No I/O. */
#ifndef BRIDGE_CONTROL_H
#define BRIDGE_CONTROL_H

#include <jansson.h>

#include "base/arena.h"
#include "bridge/conference.h"
#include "bridge/transport.h"

#define CONTROL_ID_MAX 64 /* of a conference or recording, with its NUL */
/* Of one frame's payload; a thousand constraints fit many times. */
#define CONTROL_PAYLOAD_MAX ((size_t)1024 * 1024)
#define CONTROL_ARENA_MAX ((size_t)4 * 1024 * 1024)

enum control_type {
    CONTROL_HELLO = 1,
    CONTROL_CONFERENCE = 2,
    CONTROL_ENDPOINT = 3,
    CONTROL_ENDPOINT_GONE = 4,
    CONTROL_CONFERENCE_GONE = 5,
    CONTROL_SYNC_DONE = 6,
    CONTROL_EVENT = 7,
    CONTROL_ENDPOINT_STATE = 20,
    CONTROL_SOURCE_MAPS = 21,
    CONTROL_FORWARDED = 22,
    CONTROL_SPEAKER = 23,
    CONTROL_SENDER_CONSTRAINTS = 24,
    CONTROL_CONNECTION_STATS = 25,
    CONTROL_FEED_STATE = 26,
};

struct control_ice {
    struct slice
        session; /* other credentials of ours in the same one: an ICE restart; may be empty */
    struct slice ufrag;
    struct slice pwd;
    struct slice remote_ufrag; /* empty until session-accept */
    struct slice remote_pwd;
    struct slice hash; /* of the fingerprint; empty until session-accept */
    struct slice value;
};

/* One frame from signal; slices and arrays lie in the arena. */
struct control_message {
    enum control_type type;
    char conference[CONTROL_ID_MAX];
    char recording[CONTROL_ID_MAX]; /* CONFERENCE: empty when not recorded */
    bool paused;
    enum profile profile; /* CONFERENCE */
    char endpoint[CONFERENCE_NAME_MAX];
    struct control_ice ice;                    /* ENDPOINT */
    struct conference_endpoint endpoint_state; /* ENDPOINT */
    struct slice event;                        /* EVENT: JSON */
};

/* ERR_FORMAT: makes no sense, condemn the sender; ERR_UNSUPPORTED: a type we do not know, ignore
 * it; ERR_LIMIT, ERR_MEMORY. */
int control_parse(uint16_t type, struct slice payload, struct arena *arena,
                  struct control_message *ret_message) MUST_USE;

struct control_hello {
    unsigned worker;
    const char *boot;
    const char *fingerprint; /* SHA-256 */
    json_t *candidates;      /* array, borrowed */
};

/* New references; NULL when memory is short. */
json_t *control_hello(const struct control_hello *hello);
json_t *control_endpoint_state(const char *conference, const char *endpoint,
                               enum transport_state state, usec_t rtt);
json_t *control_feed_state(const char *conference, const char *recording, bool attached);
/* Also says under which type to send it. */
json_t *control_notice(const char *conference, const struct conference_notice *notice,
                       enum control_type *ret_type);

#endif
