#include <stdlib.h>

#include "bridge/handover.h"
#include "bridge/worker_state.h"
#include "proto/stun.h"

/* System calls per socket and turn, so that one flood does not hold up the rest. */
#define ROUNDS_MAX 8
/* Media from unknown paths tried by SSRC, per second: each costs a decryption, here or at the
 * other workers. */
#define GUESSES_PER_SEC 500
/* A claim is said again with about every check that comes that way: the other worker may have
 * forgotten it when its table was full. */
#define CLAIM_AGAIN (2 * USEC_PER_SEC)
#define DATAGRAM_MAX 2048

struct arrival {
    struct path path;
    uint8_t *data;
    size_t len;
    int via; /* the worker whose socket got it, WORKER_NO_PEER: ours */
};

static struct slice path_key(const struct path *path)
{
    return slice_of(path, sizeof *path);
}

static void pass_on(struct worker *worker, unsigned number, const struct arrival *in)
{
    struct peer *peer = &worker->peers[number];
    if (in->via != WORKER_NO_PEER || !peer->link || path_is_stream(&in->path) ||
        peer->batch.len + HANDOVER_HEADER + in->len > WORKER_PASS_MAX) {
        ++*worker->count.pass_full;
        return;
    }
    handover_add_datagram(&peer->batch, &in->path, slice_of(in->data, in->len));
    ++*worker->count.passed;
}

void receive_flush_peers(struct worker *worker)
{
    for (size_t i = 0; i < WORKER_COUNT_MAX; i++) {
        struct peer *peer = &worker->peers[i];
        if (peer->batch.len == 0)
            continue;
        if (!peer->link || link_send(peer->link, HANDOVER_DATAGRAMS, 0, buf_slice(&peer->batch)))
            ++*worker->count.pass_full;
        buf_clear(&peer->batch);
    }
}

/* Tells the worker whose socket gets this path that it is ours, or no longer. */
static void tell_peer(struct worker *worker, int via, enum handover_type type,
                      const struct path *path)
{
    struct peer *peer = via == WORKER_NO_PEER ? NULL : &worker->peers[via];
    if (!peer || !peer->link)
        return;
    struct buf buf;
    buf_init(&buf, HANDOVER_HEADER);
    handover_add_path(&buf, path);
    if (buf.failed || link_send(peer->link, (uint16_t)type, 0, buf_slice(&buf)))
        ++*worker->count.pass_full; /* the next datagram that way says it again */
    buf_done(&buf);
}

/* Makes room among the routes: those that their endpoint's ICE has given up. */
static void sweep_routes(struct worker *worker)
{
    struct map_iter iter = {0};
    while (map_next(worker->routes, &iter)) {
        struct route *route = iter.value;
        struct path path;
        memcpy(&path, iter.key.data, sizeof path);
        if (route->endpoint && transport_knows(route->endpoint->transport, &path))
            continue;
        free(map_del(worker->routes, iter.key));
    }
}

static struct route *route_make(struct worker *worker, const struct path *path)
{
    struct route *route = map_get(worker->routes, path_key(path));
    if (route)
        return route;
    if (map_count(worker->routes) >= WORKER_ROUTES_MAX)
        sweep_routes(worker);
    route = calloc(1, sizeof *route);
    if (route && map_put(worker->routes, path_key(path), route)) {
        free(route);
        route = NULL;
    }
    if (!route)
        ++*worker->count.memory;
    return route;
}

static void route_learn(struct endpoint *endpoint, usec_t now, const struct arrival *in)
{
    struct worker *worker = endpoint->worker;
    struct route *route = route_make(worker, &in->path);
    if (!route)
        return;
    bool fresh = route->endpoint != endpoint || route->via != in->via;
    route->endpoint = endpoint;
    route->via = in->via;
    if (in->via != WORKER_NO_PEER && (fresh || now - route->claimed_at >= CLAIM_AGAIN)) {
        route->claimed_at = now;
        tell_peer(worker, in->via, HANDOVER_CLAIM, &in->path);
    }
}

void route_forget_endpoint(struct worker *worker, struct endpoint *endpoint)
{
    struct map_iter iter = {0};
    while (map_next(worker->routes, &iter)) {
        struct route *route = iter.value;
        if (route->endpoint != endpoint)
            continue;
        struct path path;
        memcpy(&path, iter.key.data, sizeof path);
        tell_peer(worker, route->via, HANDOVER_RELEASE, &path);
        free(map_del(worker->routes, iter.key));
    }
}

void route_renew_peer(struct worker *worker, unsigned peer)
{
    usec_t now = loop_now(worker->config.loop);
    struct map_iter iter = {0};
    while (map_next(worker->routes, &iter)) {
        struct route *route = iter.value;
        struct path path;
        memcpy(&path, iter.key.data, sizeof path);
        if (!route->endpoint && route->peer == (int)peer) {
            free(map_del(worker->routes, iter.key));
        } else if (route->via == (int)peer) {
            route->claimed_at = now;
            tell_peer(worker, route->via, HANDOVER_CLAIM, &path);
        }
    }
}

void route_forget_stream(struct worker *worker, usec_t now, const struct path *path)
{
    struct route *route = map_del(worker->routes, path_key(path));
    if (!route)
        return;
    struct endpoint *endpoint = route->endpoint;
    free(route);
    if (endpoint) {
        transport_path_gone(endpoint->transport, now, path);
        endpoint_update(endpoint, now);
    }
}

bool route_has_endpoint(const struct worker *worker, const struct path *path)
{
    const struct route *route = map_get(worker->routes, path_key(path));
    return route && route->endpoint && transport_knows(route->endpoint->transport, path);
}

static void count_refusal(struct worker *worker, int err)
{
    size_t at = (size_t)-err;
    if (at < ARRAY_LEN(worker->count.refused))
        ++*worker->count.refused[at];
}

static void input_media(struct endpoint *endpoint, usec_t now, const struct transport_media *media)
{
    struct room *room = endpoint->room;
    int err = media->kind == TRANSPORT_RTP
                  ? conference_input_rtp(room->conference, now, endpoint->seat, media->packet)
                  : conference_input_rtcp(room->conference, now, endpoint->seat, media->packet);
    if (err)
        ++*endpoint->worker->count.not_media;
    room_mark(room);
    if (++room->pending >= CONFERENCE_BATCH) {
        witness_clear(endpoint->worker->config.witness); /* the others' packets now */
        room_drain(room, now);
    }
}

/* Most sound of a large class: that of people who are silent, or not the loudest. */
static bool pass_by(struct endpoint *endpoint, usec_t now, const struct arrival *in)
{
    struct slice datagram = slice_of(in->data, in->len), packet;
    if (endpoint->told != TRANSPORT_CONNECTED || !conference_is_sound(datagram) ||
        !transport_peek(endpoint->transport, now, &in->path, datagram, &packet) ||
        !conference_pass_rtp(endpoint->room->conference, now, endpoint->seat, packet))
        return false;
    transport_pass(endpoint->transport, now, datagram);
    return true;
}

static void work_on(struct endpoint *endpoint, usec_t now, const struct arrival *in)
{
    struct worker *worker = endpoint->worker;
    struct transport_media media;
    if (pass_by(endpoint, now, in))
        return;
    int err = transport_input(endpoint->transport, now, &in->path, in->data, in->len, &media);
    if (err)
        count_refusal(worker, err);
    if (media.kind != TRANSPORT_NOTHING) {
        if (endpoint->told != TRANSPORT_CONNECTED)
            endpoint_update(endpoint, now); /* it is back before its timer noticed */
        input_media(endpoint, now, &media);
        send_control(endpoint); /* a check, should it come from elsewhere now */
        return;
    }
    if (err == 0 && transport_knows(endpoint->transport, &in->path))
        route_learn(endpoint, now, in);
    endpoint_update(endpoint, now);
}

static void input_endpoint(struct endpoint *endpoint, usec_t now, const struct arrival *in)
{
    struct witness *witness = endpoint->worker->config.witness;
    witness_note(witness, &endpoint->witness);
    work_on(endpoint, now, in);
    witness_clear(witness);
}

/* WORKER_NO_PEER: no worker has such a number. */
static int owner_of(struct slice ufrag)
{
    uint8_t c = ufrag.len > 0 ? ufrag.data[0] : 0;
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : WORKER_NO_PEER;
}

int receive_owner(struct slice datagram)
{
    struct stun_message message;
    if (!stun_looks_like(datagram) || stun_parse(datagram, &message))
        return WORKER_NO_PEER;
    return owner_of(stun_local_ufrag(&message));
}

/* True when the datagram was dealt with. */
static bool input_check(struct worker *worker, usec_t now, const struct arrival *in)
{
    struct stun_message message;
    if (stun_parse(slice_of(in->data, in->len), &message) || message.username.len == 0)
        return false;
    struct slice ufrag = stun_local_ufrag(&message);
    int owner = owner_of(ufrag);
    struct endpoint *endpoint = map_get(worker->by_ufrag, ufrag);
    if (endpoint)
        input_endpoint(endpoint, now, in);
    else if (owner >= 0 && owner != (int)worker->config.number)
        pass_on(worker, (unsigned)owner, in);
    else
        ++*worker->count.unknown_ufrag;
    return true;
}

/* Whether it may be media of somebody whose NAT changed its mind, and we still have time to see. */
static bool may_guess(struct worker *worker, usec_t now, const struct arrival *in)
{
    if (in->len < 12 || in->data[0] >> 6 != 2 || path_is_stream(&in->path))
        return false;
    if (now - worker->guess_since >= USEC_PER_SEC) {
        worker->guess_since = now;
        worker->guesses = 0;
    }
    return worker->guesses++ < GUESSES_PER_SEC;
}

/* Media from a path nobody claimed: after a NAT changed its mind media comes before the next check.
 * Whoever announced that SSRC, here or at another worker, is asked; only genuine packets get
 * through, and a claim follows. */
static void input_unknown(struct worker *worker, usec_t now, const struct arrival *in)
{
    ++*worker->count.unknown_path;
    if (!may_guess(worker, now, in))
        return;
    struct endpoint *endpoint = map_get(worker->by_ssrc, slice_of(in->data + 8, 4));
    if (!endpoint) {
        for (unsigned i = 0; in->via == WORKER_NO_PEER && i < WORKER_COUNT_MAX; i++)
            if (worker->peers[i].link)
                pass_on(worker, i, in);
        return;
    }
    struct transport_media media;
    if (transport_input(endpoint->transport, now, &in->path, in->data, in->len, &media) == 0 &&
        media.kind != TRANSPORT_NOTHING) {
        /* Not before it is known to be genuine: anybody can write that SSRC. */
        witness_note(worker->config.witness, &endpoint->witness);
        route_learn(endpoint, now, in); /* the answer to our check has no name in it */
        endpoint_update(endpoint, now);
        input_media(endpoint, now, &media);
        witness_clear(worker->config.witness);
    }
}

static void input(struct worker *worker, usec_t now, const struct arrival *in)
{
    ++*worker->count.received;
    *worker->count.received_bytes += in->len;
    if (stun_looks_like(slice_of(in->data, in->len)) && input_check(worker, now, in))
        return;
    const struct route *route = map_get(worker->routes, path_key(&in->path));
    if (route && route->endpoint)
        input_endpoint(route->endpoint, now, in);
    else if (route)
        pass_on(worker, (unsigned)route->peer, in);
    else
        input_unknown(worker, now, in);
}

void receive_from_stream(struct worker *worker, usec_t now, const struct path *path, uint8_t *data,
                         size_t len)
{
    struct arrival in = {.path = *path, .data = data, .len = len, .via = WORKER_NO_PEER};
    input(worker, now, &in);
}

static void on_socket(struct loop_io *io, uint32_t events)
{
    struct receiver_socket *socket = CONTAINER_OF(io, struct receiver_socket, io);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        const struct udp_datagram *datagrams;
        size_t count = 0;
        if (udp_receive(socket->udp, &datagrams, &count))
            return;
        /* Once per batch: arrival times matter to congestion control, and a turn may be long. */
        usec_t now = clock_monotonic();
        for (size_t i = 0; i < count; i++) {
            struct arrival in = {
                .path = datagrams[i].path,
                .data = (uint8_t *)(uintptr_t)datagrams[i].data.data, /* ours to write to */
                .len = datagrams[i].data.len,
                .via = WORKER_NO_PEER,
            };
            input(socket->worker, now, &in);
        }
        if (udp_drained(socket->udp))
            return; /* what came since wakes us again */
    }
    socket->worker->behind = true;
}

int receive_start(struct worker *worker, int fd)
{
    if (worker->socket_count == WORKER_SOCKETS_MAX)
        return ERR_LIMIT;
    struct receiver_socket *socket = &worker->sockets[worker->socket_count];
    int err = udp_new(fd, &socket->udp);
    if (err)
        return err;
    if (worker->config.single)
        udp_set_single(socket->udp);
    socket->worker = worker;
    socket->io = (struct loop_io){.fd = udp_fd(socket->udp), .ready = on_socket};
    err = loop_watch(worker->config.loop, &socket->io, LOOP_READ);
    if (err) {
        udp_free(&socket->udp);
        return err;
    }
    worker->socket_count++;
    return 0;
}

static int take_datagrams(struct worker *worker, unsigned peer, struct slice payload)
{
    usec_t now = clock_monotonic();
    struct reader reader = reader_of(payload);
    uint8_t bytes[DATAGRAM_MAX]; /* decrypted in place */
    struct path path;
    struct slice datagram;
    while (handover_next_datagram(&reader, &path, &datagram)) {
        if (datagram.len > sizeof bytes)
            continue;
        ++*worker->count.taken;
        memcpy(bytes, datagram.data, datagram.len);
        struct arrival in = {.path = path, .data = bytes, .len = datagram.len, .via = (int)peer};
        input(worker, now, &in);
    }
    return reader.failed ? ERR_FORMAT : 0;
}

static int take_paths(struct worker *worker, unsigned peer, bool claim, struct slice payload)
{
    struct reader reader = reader_of(payload);
    struct path path;
    while (handover_next_path(&reader, &path)) {
        struct route *route = map_get(worker->routes, path_key(&path));
        if (!claim) {
            if (route && !route->endpoint && route->peer == (int)peer)
                free(map_del(worker->routes, path_key(&path)));
            continue;
        }
        route = route_make(worker, &path);
        if (route)
            *route = (struct route){.peer = (int)peer, .via = WORKER_NO_PEER};
    }
    return reader.failed ? ERR_FORMAT : 0;
}

int receive_from_peer(struct worker *worker, unsigned peer, const struct link_frame *frame)
{
    switch (frame->type) {
    case HANDOVER_DATAGRAMS:
        return take_datagrams(worker, peer, frame->payload);
    case HANDOVER_CLAIM:
        return take_paths(worker, peer, true, frame->payload);
    case HANDOVER_RELEASE:
        return take_paths(worker, peer, false, frame->payload);
    default:
        return 0;
    }
}
