#include "api/join.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/live.h"
#include "crypto/jwt.h"

#define GRACE (15 * MSEC_PER_MINUTE)
#define WITHOUT_END (12 * MSEC_PER_HOUR)
/* Clocks of one house agree; a token must not be too young after a step back. */
#define NOT_BEFORE_SLACK 60

int64_t join_expiry(const struct class *class, msec_t now)
{
    msec_t until = now + WITHOUT_END;
    if (class->ends_at) {
        until = class->ends_at + GRACE;
        if (until < now + GRACE)
            until = now + GRACE;
    }
    return until / MSEC_PER_SEC;
}

int join_find(struct call *call, const char *id, struct class *ret_class,
              struct join_person *ret_person)
{
    struct sql *sql = call->api->sql;
    const struct person *me = &call->session.person;
    bool in = false, may = false;
    int err = class_find(sql, id, ret_class);
    if (!err)
        err = class_has(sql, id, me->id, &in);
    if (!err)
        err = class_may_manage(sql, id, me, &may);
    if (!err && !in && !may)
        err = ERR_DENIED;
    if (!err)
        *ret_person = (struct join_person){me->id, me->name, may ? JOIN_TEACHER : JOIN_PUPIL};
    return err;
}

int join_find_told(struct call *call, struct class *ret_class, struct join_person *ret_person)
{
    int err = join_find(call, call->parts[0], ret_class, ret_person);
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 404, "unknown-class", "There is no such class for you.");
    if (err == ERR_DENIED)
        return call_fail(call, 403, "not-enrolled", "You are not enrolled in this class.");
    return err ? err : 1;
}

void join_websocket(const char *base, char ret_url[CALL_URL_SIZE])
{
    (void)snprintf(ret_url, CALL_URL_SIZE, "ws%s/xmpp-websocket", base + strlen("http"));
}

/* Every feature a stock client knows, said explicitly: what is left out would get a default. */
static json_t *features_json(const struct class *class, enum join_role role)
{
    static const char *const never[] = {
        "livestreaming",
        "transcription",
        "outbound-call",
        "inbound-call",
        "sip-outbound-call",
        "sip-inbound-call",
        "flip",
        "lobby",
        "room",
        "create-polls",
        "file-upload",
        "list-visitors",
        "live-translation",
        "live-translation-subscribe",
        "branding",
        "calendar",
    };
    bool staff = role == JOIN_TEACHER;
    const struct {
        const char *name;
        bool allowed;
    } some[] = {
        {"recording", staff && (class->policy & POLICY_RECORD)},
        {"moderation", staff},
        /* What pupils may is the policy's, which can change while the token lives: the room judges.
         */
        {"screen-sharing", true},
        {"send-groupchat", true},
        {"send-private-message", true},
    };
    json_t *features = json_object();
    int failed = features == NULL;
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        failed |= json_object_set_new(features, never[i], json_string("false"));
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        failed |= json_object_set_new(features, some[i].name,
                                      json_string(some[i].allowed ? "true" : "false"));
    if (failed) {
        json_decref(features);
        return NULL;
    }
    return features;
}

static const char *role_text(enum join_role role)
{
    static const char *const names[] = {"teacher", "pupil", "guest", "check"};
    return names[role];
}

/* `until`: in seconds since 1970. */
static int mint(struct call *call, const struct class *class, const struct join_person *person,
                int64_t until, char **ret_token)
{
    json_int_t now = call->now.wall / MSEC_PER_SEC;
    struct jwt_key key = {JWT_HS256, call->api->token_secret};
    json_t *claims =
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:{s:{s:s,s:s,s:s,s:s},s:o}}", "iss", "darasa",
                  "aud", "darasa", "sub", "*", "room", class->room, "iat", now, "nbf",
                  (json_int_t)(now - NOT_BEFORE_SLACK), "exp", (json_int_t)until, "context", "user",
                  "id", person->id, "name", person->name, "moderator",
                  person->role == JOIN_TEACHER ? "true" : "false", "role", role_text(person->role),
                  "features", features_json(class, person->role));
    int err = claims ? jwt_sign(claims, &key, NULL, ret_token) : ERR_MEMORY;
    json_decref(claims);
    return err;
}

static json_t *pass_json(struct call *call, const struct class *class,
                         const struct join_person *person, int64_t until)
{
    char websocket[CALL_URL_SIZE], muc[300], focus[300];
    char *token = NULL;
    if (mint(call, class, person, until, &token))
        return NULL;
    join_websocket(call->base, websocket);
    (void)snprintf(muc, sizeof muc, "conference.%s", call->api->domain);
    (void)snprintf(focus, sizeof focus, "focus.%s", call->api->domain);
    json_t *join =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:b},s:o,s:s}", "room", class->room,
                  "title", class->title, "domain", call->api->domain, "muc", muc, "focus", focus,
                  "websocket", websocket, "token", token, "me", "name", person->name, "role",
                  role_text(person->role), "moderator", person->role == JOIN_TEACHER, "policy",
                  policy_json(class->policy), "class", class->id);
    free(token);
    return join;
}

json_t *join_json(struct call *call, const struct class *class, const struct join_person *person)
{
    return pass_json(call, class, person, join_expiry(class, call->now.wall));
}

json_t *join_check_json(struct call *call, const char *room, const char *id, int64_t seconds)
{
    struct class class = {.policy = POLICY_MICROPHONE | POLICY_CAMERA};
    struct join_person person = {id, "", JOIN_CHECK};
    (void)snprintf(class.room, sizeof class.room, "%s", room); /* made to fit */
    return pass_json(call, &class, &person, call->now.wall / MSEC_PER_SEC + seconds);
}

int join_answer(struct call *call, const struct class *class, const struct join_person *person)
{
    if (class->state != CLASS_OPEN)
        return call_fail(call, 409, "not-open", "This class is not open now.");
    return call_json(call, 200, join_json(call, class, person));
}
