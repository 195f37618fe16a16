/* What a browser needs to enter a class: addresses and a token that carries the rights. */
#ifndef API_JOIN_H
#define API_JOIN_H

#include "api/call.h"

enum join_role { JOIN_TEACHER, JOIN_PUPIL, JOIN_GUEST, JOIN_CHECK };

struct join_person {
    const char *id;
    const char *name;
    enum join_role role;
};

/* As whom the one signed in may enter this class. ERR_NOT_FOUND: there is none; ERR_DENIED: not
 * theirs. `ret_person` points into call->session. */
int join_find(struct call *call, const char *id, struct class *ret_class,
              struct join_person *ret_person) MUST_USE;
/* The same for the class named by the path's first part, with the answer when there is none. 1: go
 * on; 0: answered; negative: an error. */
int join_find_told(struct call *call, struct class *ret_class,
                   struct join_person *ret_person) MUST_USE;
/* The class that the guests' link in the path's first part leads to; 403 where it takes none. 1: go
 * on; 0: answered; negative: an error. */
int guest_find(struct call *call, struct class *ret_class) MUST_USE;
/* A Join as a new reference for measuring a line in a room of that name; `id` is the person's. NULL
 * without memory. */
json_t *join_check_json(struct call *call, const char *room, const char *id, int64_t seconds);
/* The Join of docs/api.md as a new reference; NULL without memory. */
json_t *join_json(struct call *call, const struct class *class, const struct join_person *person);
/* The same answered: 409 when the class is not open. */
int join_answer(struct call *call, const struct class *class,
                const struct join_person *person) MUST_USE;
/* Until when a token made now is good, in seconds since 1970: a quarter of an hour after the
 * planned end (or after now, when a class runs over), twelve hours without one. */
int64_t join_expiry(const struct class *class, msec_t now);
/* "wss://host/xmpp-websocket" for a base of http(s). */
void join_websocket(const char *base, char ret_url[CALL_URL_SIZE]);

#endif
