/* darasa-bridge: one worker of the media plane. Wiring only: the supervisor's messages, the link to
 * signal and the links to other workers on one side, bridge/worker.h on the other. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "bridge/worker.h"
#include "crypto/random.h"
#include "os/child.h"
#include "os/link.h"
#include "programs/rules.h"

/* Waiting to be read by signal: everything about a thousand endpoints fits. */
#define SIGNAL_QUEUE_MAX ((size_t)16 * 1024 * 1024)

struct bridge {
    struct child *child;
    struct loop *loop;
    struct worker *worker;
    struct witness *witness;
    struct link *signal; /* NULL: not there */
    unsigned signal_number;
    struct arena *arena; /* of one message */
    char boot[17];
    uint64_t *bad_messages;
};

static void lose_signal(struct bridge *b, int err)
{
    log_warn("signal lost err=%s", err_name(err));
    link_free(&b->signal);
    child_condemn(b->child, "signal", b->signal_number, err);
}

static void tell_signal(struct bridge *b, enum control_type type, json_t *body)
{
    if (!b->signal) { /* it asks again when it comes back */
        json_decref(body);
        return;
    }
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    int err = text ? link_send(b->signal, (uint16_t)type, 0, slice_str(text)) : ERR_MEMORY;
    free(text);
    if (err)
        lose_signal(b, err);
}

static void on_state(void *arg, const char *conference, const char *endpoint,
                     enum transport_state state, usec_t rtt)
{
    static const char *const names[] = {"new", "checking", "connected", "quiet", "failed"};
    log_debug("endpoint conference=%s endpoint=%s state=%s rtt_us=%" PRId64, conference, endpoint,
              names[state], rtt);
    tell_signal(arg, CONTROL_ENDPOINT_STATE,
                control_endpoint_state(conference, endpoint, state, rtt));
}

static void on_notice(void *arg, const char *conference, const struct conference_notice *notice)
{
    enum control_type type = CONTROL_SPEAKER;
    json_t *body = control_notice(conference, notice, &type);
    tell_signal(arg, type, body);
}

static void on_feed(void *arg, const char *conference, const char *recording, bool attached)
{
    log_info("feed conference=%s recording=%s state=%s", conference, recording,
             attached ? "attached" : "lost");
    tell_signal(arg, CONTROL_FEED_STATE, control_feed_state(conference, recording, attached));
}

static void on_peer_lost(void *arg, unsigned peer, int err)
{
    struct bridge *b = arg;
    log_warn("worker lost worker=%u err=%s", peer, err_name(err));
    child_condemn(b->child, "bridge", peer, err);
}

static void signal_frame(void *arg, const struct link_frame *frame)
{
    struct bridge *b = arg;
    struct control_message message;
    arena_reset(b->arena);
    int err = control_parse(frame->type, frame->payload, b->arena, &message);
    if (err == 0)
        err = worker_apply(b->worker, &message);
    switch (err) {
    case 0:
    case ERR_NOT_FOUND:   /* gone already */
    case ERR_UNSUPPORTED: /* of a later version */
        return;
    case ERR_LIMIT:
    case ERR_MEMORY:
        log_error("message not applied type=%u err=%s", frame->type, err_name(err));
        ++*b->bad_messages;
        return;
    default:
        log_error("message makes no sense type=%u err=%s", frame->type, err_name(err));
        ++*b->bad_messages;
        lose_signal(b, ERR_FORMAT);
    }
}

static void signal_closed(void *arg, int err)
{
    lose_signal(arg, err);
}

static void greet_signal(struct bridge *b, unsigned number, int fd)
{
    const struct link_handler handler = {signal_frame, signal_closed, b};
    link_free(&b->signal);
    b->signal_number = number;
    if (link_new(b->loop, fd, SIGNAL_QUEUE_MAX, &handler, &b->signal)) {
        log_error("no link to signal");
        return;
    }
    json_t *candidates = json_object_get(child_settings(b->child), "candidates");
    const struct control_hello hello = {
        .worker = child_number(b->child),
        .boot = b->boot,
        .fingerprint = worker_fingerprint(b->worker),
        .candidates = candidates,
    };
    worker_sync(b->worker);
    tell_signal(b, CONTROL_HELLO, control_hello(&hello));
    worker_renotify(b->worker);
    tell_signal(b, CONTROL_SYNC_DONE, json_object());
}

static void on_link(void *arg, const char *peer, unsigned number, int fd)
{
    struct bridge *b = arg;
    if (strcmp(peer, "signal") == 0)
        greet_signal(b, number, fd);
    else if (strcmp(peer, "bridge") == 0)
        worker_link(b->worker, number, fd);
    else if (strcmp(peer, "bridge-tcp") == 0)
        worker_link_streams(b->worker, number, fd);
    else
        close(fd);
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds,
                       size_t fd_count)
{
    struct bridge *b = arg;
    const char *recording = json_string_value(json_object_get(message, "recording"));
    size_t used = 0;
    if (strcmp(type, "feed") == 0 && recording && strlen(recording) < CONTROL_ID_MAX &&
        fd_count > 0) {
        worker_feed(b->worker, recording, fds[0]);
        used = 1;
    }
    for (size_t i = used; i < fd_count; i++)
        close(fds[i]);
}

static void on_stop(void *arg)
{
    struct bridge *b = arg;
    worker_close(b->worker);
    loop_stop(b->loop);
}

static int map_witness(struct bridge *b)
{
    int fd = child_fd(b->child, "witness", 0);
    if (fd < 0)
        return 0;
    int err = witness_map(fd, &b->witness);
    close(fd);
    return err;
}

static int start(struct bridge *b)
{
    *b = (struct bridge){.child = child_start("bridge"), .loop = loop_new()};
    uint64_t boot = random_u64();
    (void)snprintf(b->boot, sizeof b->boot, "%016" PRIx64, boot);
    b->arena = arena_new(CONTROL_ARENA_MAX);
    b->bad_messages = metrics_counter(child_metrics(b->child), "darasa_bridge_bad_messages_total");
    if (!b->loop || !b->arena)
        return ERR_MEMORY;
    int err = map_witness(b);
    if (err)
        return err;
    const struct worker_config config = {
        .loop = b->loop,
        .metrics = child_metrics(b->child),
        .witness = b->witness,
        .number = child_number(b->child),
        .boot = boot,
        .slots =
            (unsigned)json_integer_value(json_object_get(child_settings(b->child), "media.slots")),
        .voices =
            (unsigned)json_integer_value(json_object_get(child_settings(b->child), "media.voices")),
        .single = json_is_false(json_object_get(child_settings(b->child), "media.batching")),
        .handler = {on_state, on_notice, on_feed, on_peer_lost, b},
    };
    err = worker_new(&config, &b->worker);
    for (unsigned i = 0; err == 0; i++) {
        int fd = child_fd(b->child, "udp", i);
        if (fd < 0)
            break;
        err = worker_add_socket(b->worker, fd);
    }
    for (unsigned i = 0; err == 0; i++) {
        int fd = child_fd(b->child, "tcp", i);
        if (fd < 0)
            break;
        err = worker_add_listener(b->worker, fd);
    }
    return err;
}

int main(void)
{
    struct bridge b;
    struct rules rules;
    int err = start(&b);
    if (err == 0)
        err = rules_get("bridge", child_settings(b.child), &rules);
    if (err) {
        log_error("start failed err=%s", err_name(err));
        return 1;
    }
    const struct child_handler handler = {on_link, on_message, on_stop, &b};
    child_enter(b.child, b.loop, &rules.sandbox, &handler);
    child_ready(b.child);
    err = loop_run(b.loop);
    worker_free(&b.worker);
    witness_unmap(&b.witness);
    link_free(&b.signal);
    child_free(&b.child);
    arena_free(&b.arena);
    loop_free(&b.loop);
    return err ? 1 : 0;
}
