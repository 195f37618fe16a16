/* Measuring somebody's line before a class: a token for a room of their own, in which signal lets
 * two ends of the same person be for less than a minute (docs/room.md). The class says who may; it
 * need not be open yet. */
#include <stdio.h>
#include <string.h>

#include "api/join.h"
#include "api/routes.h"
#include "crypto/random.h"

#define NAME_LETTERS 20
/* Signal takes it as long after it was made, whatever it says. */
#define TOKEN_SECONDS 60

/* Who finds the line bad tries again a few times. */
static const struct limit_rule per_person = {'p', 6, 3 * 60 * USEC_PER_SEC};
/* A school behind one address begins its lesson. */
static const struct limit_rule per_address = {'q', 40, 60 * USEC_PER_SEC};
/* A measurement takes a megabit a second for ten seconds: all of them together, little of a
 * server's line. */
static const struct limit_rule everybody = {'r', 60, 60 * USEC_PER_SEC};

static usec_t longest_wait(struct call *call, struct slice person)
{
    const struct limits *limits = call->api->limits;
    usec_t now = call->now.mono;
    usec_t waits[] = {person.len > 0 ? limits_wait(limits, &per_person, person, now) : 0,
                      limits_wait(limits, &per_address, call->address, now),
                      limits_wait(limits, &everybody, SLICE("all"), now)};
    usec_t longest = 0;
    for (size_t i = 0; i < ARRAY_LEN(waits); i++)
        if (waits[i] > longest)
            longest = waits[i];
    return longest;
}

/* `id`: of the person; "" for guests, who are told apart by address only. */
static int answer(struct call *call, const struct class *class, const char *id)
{
    char name[NAME_LETTERS + 8] = "check-", who[ID_SIZE] = "guest-";
    if (class->state == CLASS_ENDED)
        return call_fail(call, 409, "not-open", "This class is over.");
    usec_t wait = longest_wait(call, slice_str(id));
    if (wait > 0)
        return call_wait(call, 429, "wait", "Too many measurements: wait a little.", wait);
    limits_count(call->api->limits, &per_address, call->address, call->now.mono);
    limits_count(call->api->limits, &everybody, SLICE("all"), call->now.mono);
    if (*id) {
        limits_count(call->api->limits, &per_person, slice_str(id), call->now.mono);
        (void)snprintf(who, sizeof who, "%s", id); /* of the same size */
    } else {
        random_alnum(who + strlen(who), 12);
    }
    random_hex(name + strlen(name), NAME_LETTERS);
    return call_json(call, 200, join_check_json(call, name, who, TOKEN_SECONDS));
}

int api_class_check(struct call *call)
{
    struct class class;
    struct join_person person;
    int err = join_find_told(call, &class, &person);
    return err == 1 ? answer(call, &class, person.id) : err;
}

int api_guest_check(struct call *call)
{
    struct class class;
    int err = guest_find(call, &class);
    return err == 1 ? answer(call, &class, "") : err;
}
