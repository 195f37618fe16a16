#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "programs/supervisor/supervisor.h"

/* The security architecture of the house: whoever is not in this list cannot exchange a byte. */
bool link_allowed(const char *a, const char *b)
{
    static const char *const pairs[][2] = {
        {"edge", "signal"},   {"edge", "web"},      {"signal", "web"},
        {"signal", "bridge"}, {"bridge", "bridge"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if ((strcmp(a, pairs[i][0]) == 0 && strcmp(b, pairs[i][1]) == 0) ||
            (strcmp(b, pairs[i][0]) == 0 && strcmp(a, pairs[i][1]) == 0))
            return true;
    return false;
}

static void tell(struct unit *unit, const char *name, const struct unit *peer, int fd)
{
    json_t *message =
        json_pack("{s:s,s:s,s:i}", "type", "link", "peer", name, "number", (int)peer->number);
    unit_send(unit, message, &fd, 1);
    json_decref(message);
}

static void join(struct unit *a, const char *a_name, struct unit *b, const char *b_name, int type)
{
    int ends[2];
    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        log_error("link failed a=%s b=%s error=\"%m\"", a->kind->program, b->kind->program);
        return;
    }
    tell(a, b_name, b, ends[0]);
    tell(b, a_name, a, ends[1]);
    close(ends[0]);
    close(ends[1]);
}

void links_make(struct unit *unit)
{
    LIST_EACH(node, &unit->super->units)
    {
        struct unit *peer = LIST_ITEM(node, struct unit, node);
        const char *a = unit->kind->program, *b = peer->kind->program;
        if (peer == unit || peer->pid <= 0 || !peer->control || !link_allowed(a, b))
            continue;
        join(unit, a, peer, b, SOCK_STREAM);
        if (unit->kind == &kind_bridge && peer->kind == &kind_bridge)
            join(unit, "bridge-tcp", peer, "bridge-tcp", SOCK_SEQPACKET);
    }
}
