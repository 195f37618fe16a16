/* People without an account, where a class lets them in. */
#include <stdio.h>

#include "api/join.h"
#include "api/routes.h"
#include "crypto/random.h"

#define GUEST_LETTERS 12
/* A link that got out fills no class with names. */
static const struct limit_rule per_room = {'g', 120, 60 * USEC_PER_SEC};

static int find_room(struct call *call, struct class *ret_class)
{
    int err = class_by_room(call->api->sql, call->parts[0], ret_class);
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 404, "unknown-room", "There is no class behind this link.");
    return err ? err : 1;
}

int guest_find(struct call *call, struct class *ret_class)
{
    int err = find_room(call, ret_class);
    if (err == 1 && !ret_class->guests)
        return call_fail(call, 403, "no-guests", "This class is for those enrolled only.");
    return err;
}

int api_guest_get(struct call *call)
{
    struct class class;
    int err = find_room(call, &class);
    if (err != 1)
        return err;
    /* Without guests the link says nothing but that. */
    return call_json(call, 200,
                     json_pack("{s:s,s:b,s:b}", "title", class.guests ? class.title : "", "open",
                               class.state == CLASS_OPEN, "guests", (int)class.guests));
}

int api_guest_join(struct call *call)
{
    char name[TEXT_SIZE] = "", id[ID_SIZE] = "guest-";
    struct class class;
    int err = guest_find(call, &class);
    if (err != 1)
        return err;
    err = field_text(call, "name", name, NULL);
    if (err)
        return err;
    if (!name[0])
        return call_fail_field(call, "name", "Say who you are.");
    usec_t wait = limits_wait(call->api->limits, &per_room, slice_str(class.room), call->now.mono);
    if (wait > 0)
        return call_wait(call, 429, "wait", "Too many guests at once: wait a little.", wait);
    limits_count(call->api->limits, &per_room, slice_str(class.room), call->now.mono);
    random_alnum(id + strlen(id), GUEST_LETTERS);
    struct join_person person = {id, name, JOIN_GUEST};
    return join_answer(call, &class, &person);
}
