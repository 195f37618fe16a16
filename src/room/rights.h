/* What a person may do in a class: the token and the room's policy, the stricter wins. */
#ifndef ROOM_RIGHTS_H
#define ROOM_RIGHTS_H

#include "xmpp/token.h"

/* For pupils and guests; staff is not bound by it, but for `record`. */
struct policy {
    bool microphone;
    bool camera;
    bool screen;
    bool chat;
    bool private_chat;
    bool record; /* whether this class may be recorded at all */
};

struct rights {
    bool moderate;
    bool microphone;
    bool camera;
    bool screen;
    bool chat;
    bool private_chat;
    bool record;
};

/* The token itself makes its bearer a moderator. */
bool rights_staff(const struct token *token);
/* `granted`: a moderator made this person one. */
struct rights rights_of(const struct token *token, bool granted, const struct policy *policy);
/* The effective value of one of Jitsi's features, for the permissions element. */
bool rights_feature(const struct token *token, const struct rights *rights,
                    enum token_feature feature);

#endif
