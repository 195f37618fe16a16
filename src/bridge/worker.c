#include "bridge/worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "bridge/worker_state.h"
#include "crypto/hash.h"
#include "crypto/random.h"

_Static_assert(sizeof((struct room *)0)->id <= WITNESS_NAME_MAX, "a witness names rooms");
_Static_assert(sizeof((struct endpoint *)0)->id <= WITNESS_NAME_MAX, "and endpoints");

#define HOUSEKEEPING USEC_PER_SEC
/* Waiting to be written to another worker: 400 ms of 20 Mb/s. */
#define PEER_QUEUE_MAX ((size_t)1024 * 1024)
/* A change of the round trip time that signal is told: a quarter, and no less than this. */
#define RTT_STEP (5 * USEC_PER_MSEC)

void worker_set_timer(struct worker *worker, struct loop_timer *timer, usec_t at)
{
    if (loop_timer_set(worker->config.loop, timer, at))
        ++*worker->count.memory; /* input will set it again */
}

/* To fall asleep and wake up costs as much as to forward a message or several. So when more comes
 * in than REST_RATE datagrams a second, which is more than one in such a time, it is read once in
 * REST. */
#define REST 500
#define REST_RATE 3000
#define REST_LOOK (10 * USEC_PER_MSEC)

static void rest(struct worker *worker, usec_t now)
{
    usec_t passed = now - worker->rest_looked;
    if (passed >= REST_LOOK) {
        uint64_t came = *worker->count.received - worker->rest_received;
        worker->resting = came * USEC_PER_SEC >= (uint64_t)passed * REST_RATE;
        worker->rest_looked = now;
        worker->rest_received += came;
    }
    if (worker->resting && !worker->behind && !worker->config.single)
        loop_rest(worker->config.loop, REST);
    worker->behind = false;
}

static void before_sleep(void *arg, usec_t now)
{
    struct worker *worker = arg;
    LIST_EACH(node, &worker->dirty)
    room_drain(LIST_ITEM(node, struct room, dirty), now);
    receive_flush_peers(worker);
    streams_flush(worker, now);
    recording_flush_all(worker, now);
    rest(worker, now);
}

static void on_housekeeping(struct loop_timer *timer, usec_t now)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, housekeeping);
    count_conferences(worker);
    streams_sweep(worker, now);
    worker_set_timer(worker, timer, now + HOUSEKEEPING);
}

int worker_new(const struct worker_config *config, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return ERR_MEMORY;
    worker->config = *config;
    list_init(&worker->dirty);
    list_init(&worker->recordings);
    for (unsigned i = 0; i < WORKER_COUNT_MAX; i++) {
        worker->peers[i] = (struct peer){.worker = worker, .number = i};
        buf_init(&worker->peers[i].batch, WORKER_PASS_MAX);
    }
    loop_timer_init(&worker->housekeeping, on_housekeeping);
    count_start(worker);
    worker->rooms = map_new(WORKER_CONFERENCES_MAX, random_u64());
    worker->by_ufrag = map_new(2 * WORKER_ENDPOINTS_MAX, random_u64());
    worker->by_ssrc = map_new(WORKER_SSRCS_MAX, random_u64());
    worker->routes = map_new(WORKER_ROUTES_MAX, random_u64());
    worker->sender = sender_new();
    worker->streams = streams_new(random_u64());
    bool made = worker->rooms && worker->by_ufrag && worker->by_ssrc && worker->routes &&
                worker->sender && worker->streams;
    int err = made ? 0 : ERR_MEMORY;
    if (err == 0)
        err = dtls_context_new(&worker->dtls);
    if (err == 0)
        err = srtp_engine_new(config->single ? SRTP_OPENSSL : SRTP_BEST, &worker->srtp);
    if (err == 0)
        err = loop_timer_set(config->loop, &worker->housekeeping, 0);
    if (err) {
        worker_free(&worker);
        return err;
    }
    loop_before_sleep(config->loop, before_sleep, worker);
    *ret_worker = worker;
    return 0;
}

int worker_add_socket(struct worker *worker, int fd)
{
    return receive_start(worker, fd);
}

const char *worker_fingerprint(const struct worker *worker)
{
    return dtls_context_fingerprint(worker->dtls);
}

static void peer_frame(void *arg, const struct link_frame *frame)
{
    struct peer *peer = arg;
    struct worker *worker = peer->worker;
    int err = receive_from_peer(worker, peer->number, frame);
    if (err == 0)
        return;
    link_free(&peer->link);
    worker->config.handler.peer_lost(worker->config.handler.arg, peer->number, err);
}

static void peer_closed(void *arg, int err)
{
    struct peer *peer = arg;
    link_free(&peer->link);
    peer->worker->config.handler.peer_lost(peer->worker->config.handler.arg, peer->number, err);
}

void worker_link(struct worker *worker, unsigned number, int fd)
{
    if (number >= WORKER_COUNT_MAX || number == worker->config.number) {
        close(fd);
        return;
    }
    struct peer *peer = &worker->peers[number];
    link_free(&peer->link);
    buf_clear(&peer->batch);
    const struct link_handler handler = {peer_frame, peer_closed, peer};
    if (link_new(worker->config.loop, fd, PEER_QUEUE_MAX, &handler, &peer->link))
        ++*worker->count.memory;
    route_renew_peer(worker, number);
}

static void forget_ssrcs(struct endpoint *endpoint)
{
    struct map *map = endpoint->worker->by_ssrc;
    for (size_t i = 0; i < endpoint->ssrc_count; i++) {
        uint8_t key[4];
        store_u32(key, endpoint->ssrcs[i]);
        if (map_get(map, slice_of(key, sizeof key)) == endpoint)
            map_del(map, slice_of(key, sizeof key));
    }
    endpoint->ssrc_count = 0;
}

static void remember_ssrc(struct endpoint *endpoint, uint32_t ssrc)
{
    uint8_t key[4];
    store_u32(key, ssrc);
    if (ssrc == 0 || endpoint->ssrc_count == ARRAY_LEN(endpoint->ssrcs))
        return;
    if (map_put(endpoint->worker->by_ssrc, slice_of(key, sizeof key), endpoint) == 0)
        endpoint->ssrcs[endpoint->ssrc_count++] = ssrc;
    else
        ++*endpoint->worker->count.memory;
}

static void remember_ssrcs(struct endpoint *endpoint, const struct conference_endpoint *state)
{
    forget_ssrcs(endpoint);
    for (size_t i = 0; i < state->source_count; i++)
        for (unsigned k = 0; k < state->sources[i].layer_count; k++) {
            remember_ssrc(endpoint, state->sources[i].ssrcs[k]);
            remember_ssrc(endpoint, state->sources[i].rtx[k]);
        }
}

static void tell_state(struct endpoint *endpoint, usec_t now)
{
    struct worker *worker = endpoint->worker;
    struct room *room = endpoint->room;
    enum transport_state state = transport_state(endpoint->transport, now);
    usec_t rtt = transport_rtt(endpoint->transport);
    bool carries = state == TRANSPORT_CONNECTED || state == TRANSPORT_QUIET;
    usec_t change = rtt > endpoint->told_rtt ? rtt - endpoint->told_rtt : endpoint->told_rtt - rtt;
    bool moved = change >= usec_max(RTT_STEP, endpoint->told_rtt / 4);
    if (carries != endpoint->carries) {
        endpoint->carries = carries;
        conference_set_connected(room->conference, now, endpoint->seat, carries);
        room_mark(room);
    }
    if (moved)
        conference_set_rtt(room->conference, endpoint->seat, rtt);
    if (state == endpoint->told && !moved)
        return;
    endpoint->told = state;
    endpoint->told_rtt = rtt;
    worker->config.handler.state(worker->config.handler.arg, room->id, endpoint->id, state, rtt);
}

void endpoint_update(struct endpoint *endpoint, usec_t now)
{
    usec_t next = transport_tick(endpoint->transport, now);
    send_control(endpoint);
    tell_state(endpoint, now);
    worker_set_timer(endpoint->worker, &endpoint->timer, next);
}

static void on_endpoint_timer(struct loop_timer *timer, usec_t now)
{
    endpoint_update(CONTAINER_OF(timer, struct endpoint, timer), now);
}

static void on_room_timer(struct loop_timer *timer, usec_t now)
{
    room_mark(CONTAINER_OF(timer, struct room, timer));
}

static void forget_ufrag_before(struct endpoint *endpoint)
{
    if (endpoint->ufrag_before)
        map_del(endpoint->worker->by_ufrag, slice_str(endpoint->ufrag_before));
    free(endpoint->ufrag_before);
    endpoint->ufrag_before = NULL;
}

static void drop_transport(struct endpoint *endpoint)
{
    struct worker *worker = endpoint->worker;
    if (!endpoint->transport)
        return;
    transport_close(endpoint->transport);
    send_control(endpoint);
    route_forget_endpoint(worker, endpoint);
    if (map_get(worker->by_ufrag, slice_str(endpoint->ufrag)) == endpoint)
        map_del(worker->by_ufrag, slice_str(endpoint->ufrag));
    forget_ufrag_before(endpoint);
    loop_timer_clear(worker->config.loop, &endpoint->timer);
    transport_free(&endpoint->transport);
}

static void endpoint_free(struct endpoint *endpoint, usec_t now)
{
    drop_transport(endpoint);
    forget_ssrcs(endpoint);
    conference_del(endpoint->room->conference, now, endpoint->seat);
    room_mark(endpoint->room);
    list_remove(&endpoint->node);
    endpoint->worker->endpoint_count--;
    hash_wipe(endpoint, sizeof *endpoint);
    free(endpoint);
}

static void room_free(struct room *room, usec_t now)
{
    LIST_EACH(node, &room->endpoints)
    endpoint_free(LIST_ITEM(node, struct endpoint, node), now);
    recording_end(room, now);
    list_remove(&room->dirty);
    loop_timer_clear(room->worker->config.loop, &room->timer);
    count_retire(room);
    map_del(room->worker->rooms, slice_str(room->id));
    conference_free(&room->conference);
    free(room);
}

void worker_free(struct worker **pointer)
{
    struct worker *worker = *pointer;
    if (!worker)
        return;
    usec_t now = loop_now(worker->config.loop);
    struct map_iter iter = {0};
    while (worker->rooms && map_next(worker->rooms, &iter))
        room_free(iter.value, now);
    recording_free_all(worker);
    streams_free(worker);
    for (size_t i = 0; i < WORKER_COUNT_MAX; i++) {
        link_free(&worker->peers[i].link);
        buf_done(&worker->peers[i].batch);
    }
    iter = (struct map_iter){0};
    while (worker->routes && map_next(worker->routes, &iter))
        free(iter.value);
    for (size_t i = 0; i < worker->socket_count; i++) {
        loop_unwatch(worker->config.loop, &worker->sockets[i].io);
        udp_free(&worker->sockets[i].udp);
    }
    loop_timer_clear(worker->config.loop, &worker->housekeeping);
    map_free(&worker->rooms);
    map_free(&worker->by_ufrag);
    map_free(&worker->by_ssrc);
    map_free(&worker->routes);
    sender_free(&worker->sender);
    dtls_context_free(&worker->dtls);
    srtp_engine_free(&worker->srtp);
    free(worker);
    *pointer = NULL;
}

static struct room *room_make(struct worker *worker, const char *id)
{
    struct room *room = map_get(worker->rooms, slice_str(id));
    if (room)
        return room;
    room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    (void)slice_copy(slice_str(id), room->id, sizeof room->id); /* same size */
    room->worker = worker;
    list_init(&room->endpoints);
    list_init(&room->dirty);
    loop_timer_init(&room->timer, on_room_timer);
    room->conference = conference_new(random_u64());
    if (room->conference && worker->config.slots > 0)
        conference_set_slots(room->conference, worker->config.slots);
    if (room->conference && worker->config.voices > 0)
        conference_set_voices(room->conference, worker->config.voices);
    if (!room->conference || map_put(worker->rooms, slice_str(id), room)) {
        conference_free(&room->conference);
        free(room);
        return NULL;
    }
    return room;
}

static struct endpoint *endpoint_find(struct room *room, const char *id)
{
    LIST_EACH(node, &room->endpoints)
    {
        struct endpoint *endpoint = LIST_ITEM(node, struct endpoint, node);
        if (strcmp(endpoint->id, id) == 0)
            return endpoint;
    }
    return NULL;
}

static void keep_credentials(struct endpoint *endpoint, const struct control_ice *ice)
{
    (void)slice_copy(ice->ufrag, endpoint->ufrag, sizeof endpoint->ufrag); /* ICE has measured */
    (void)slice_copy(ice->pwd, endpoint->pwd, sizeof endpoint->pwd);
    if (!slice_copy(ice->session, endpoint->session, sizeof endpoint->session))
        endpoint->session[0] = 0; /* one that cannot be kept has no restarts */
}

/* A session-initiate of its own has credentials of its own: everything about the way is new. */
static int new_transport(struct endpoint *endpoint, usec_t now, const struct control_ice *ice)
{
    struct worker *worker = endpoint->worker;
    drop_transport(endpoint);
    endpoint->told = TRANSPORT_NEW;
    endpoint->told_rtt = 0;
    if (endpoint->carries) {
        endpoint->carries = false;
        conference_set_connected(endpoint->room->conference, now, endpoint->seat, false);
    }
    const struct transport_config config = {
        .dtls = worker->dtls,
        .srtp = worker->srtp,
        .ufrag = ice->ufrag,
        .pwd = ice->pwd,
        .tie_breaker = random_u64(),
        .seed = random_u64(),
    };
    int err = transport_new(&config, &endpoint->transport);
    if (err)
        return err;
    keep_credentials(endpoint, ice);
    err = map_put(worker->by_ufrag, slice_str(endpoint->ufrag), endpoint);
    if (err)
        transport_free(&endpoint->transport);
    return err;
}

/* The peer may come by the old credentials for a while (ice_restart). */
static int restart_ice(struct endpoint *endpoint, const struct control_ice *ice)
{
    struct map *by_ufrag = endpoint->worker->by_ufrag;
    char *before = strdup(endpoint->ufrag);
    int err = before ? transport_restart(endpoint->transport, ice->ufrag, ice->pwd) : ERR_MEMORY;
    if (err) {
        free(before);
        return err;
    }
    if (!transport_answers_to(endpoint->transport, slice_str(before))) {
        map_del(by_ufrag, slice_str(before));
        free(before);
    } else {
        forget_ufrag_before(endpoint);
        endpoint->ufrag_before = before;
    }
    keep_credentials(endpoint, ice);
    return map_put(by_ufrag, ice->ufrag, endpoint);
}

/* Other credentials of ours: a restart within the session, or a session of its own. */
static int renew(struct endpoint *endpoint, usec_t now, const struct control_ice *ice)
{
    struct endpoint *other = map_get(endpoint->worker->by_ufrag, ice->ufrag);
    if (other && other != endpoint)
        return ERR_FORMAT;
    bool same_session = endpoint->transport && !transport_over(endpoint->transport) &&
                        ice->session.len > 0 && slice_eq_str(ice->session, endpoint->session);
    if (same_session && !slice_eq_str(ice->ufrag, endpoint->ufrag))
        return restart_ice(endpoint, ice);
    return new_transport(endpoint, now, ice);
}

static int apply_ice(struct endpoint *endpoint, usec_t now, const struct control_ice *ice)
{
    int err = 0;
    if (!endpoint->transport || !slice_eq_str(ice->ufrag, endpoint->ufrag) ||
        !slice_eq_str(ice->pwd, endpoint->pwd))
        err = renew(endpoint, now, ice);
    if (err == 0 && ice->hash.len > 0)
        err = transport_set_fingerprint(endpoint->transport, ice->hash, ice->value);
    if (err == 0 && ice->remote_ufrag.len > 0)
        err = transport_set_remote(endpoint->transport, now, ice->remote_ufrag, ice->remote_pwd);
    if (err == 0)
        endpoint_update(endpoint, now);
    return err;
}

static int apply_endpoint(struct worker *worker, usec_t now, const struct control_message *message)
{
    struct room *room = room_make(worker, message->conference);
    if (!room)
        return ERR_LIMIT;
    struct endpoint *endpoint = endpoint_find(room, message->endpoint);
    bool fresh = !endpoint;
    if (fresh && worker->endpoint_count == WORKER_ENDPOINTS_MAX)
        return ERR_LIMIT;
    if (fresh) {
        endpoint = calloc(1, sizeof *endpoint);
        if (!endpoint)
            return ERR_MEMORY;
        endpoint->worker = worker;
        endpoint->room = room;
        memcpy(endpoint->id, message->endpoint, sizeof endpoint->id);
        memcpy(endpoint->witness.where, room->id, sizeof room->id);
        memcpy(endpoint->witness.who, endpoint->id, sizeof endpoint->id);
        list_init(&endpoint->node);
        loop_timer_init(&endpoint->timer, on_endpoint_timer);
    }
    int err =
        conference_put(room->conference, now, &message->endpoint_state, endpoint, &endpoint->seat);
    if (err) {
        if (fresh)
            free(endpoint);
        return err;
    }
    if (fresh) {
        list_append(&room->endpoints, &endpoint->node);
        worker->endpoint_count++;
    }
    room->generation = endpoint->generation = worker->generation;
    room_mark(room);
    err = apply_ice(endpoint, now, &message->ice);
    if (err == 0)
        remember_ssrcs(endpoint, &message->endpoint_state);
    else
        endpoint_free(endpoint, now);
    return err;
}

void worker_sync(struct worker *worker)
{
    worker->generation++;
}

static void sweep(struct worker *worker, usec_t now)
{
    struct map_iter iter = {0};
    while (map_next(worker->rooms, &iter)) {
        struct room *room = iter.value;
        if (room->generation != worker->generation) {
            room_free(room, now);
            continue;
        }
        LIST_EACH(node, &room->endpoints)
        {
            struct endpoint *endpoint = LIST_ITEM(node, struct endpoint, node);
            if (endpoint->generation != worker->generation)
                endpoint_free(endpoint, now);
        }
    }
}

static int apply_to_room(struct worker *worker, usec_t now, const struct control_message *message)
{
    struct room *room = map_get(worker->rooms, slice_str(message->conference));
    if (!room)
        return ERR_NOT_FOUND;
    if (message->type == CONTROL_CONFERENCE_GONE) {
        room_free(room, now);
        return 0;
    }
    if (message->type == CONTROL_EVENT) {
        conference_event(room->conference, now, message->event);
        return 0;
    }
    struct endpoint *endpoint = endpoint_find(room, message->endpoint);
    if (!endpoint)
        return ERR_NOT_FOUND;
    endpoint_free(endpoint, now);
    return 0;
}

int worker_apply(struct worker *worker, const struct control_message *message)
{
    usec_t now = loop_now(worker->config.loop);
    struct room *room;
    switch (message->type) {
    case CONTROL_CONFERENCE:
        room = room_make(worker, message->conference);
        if (!room)
            return ERR_LIMIT;
        room->generation = worker->generation;
        conference_set_profile(room->conference, message->profile);
        recording_want(room, now, message->recording, message->paused);
        return 0;
    case CONTROL_ENDPOINT:
        return apply_endpoint(worker, now, message);
    case CONTROL_SYNC_DONE:
        sweep(worker, now);
        return 0;
    case CONTROL_ENDPOINT_GONE:
    case CONTROL_CONFERENCE_GONE:
    case CONTROL_EVENT:
        return apply_to_room(worker, now, message);
    default:
        return ERR_UNSUPPORTED;
    }
}

void worker_renotify(struct worker *worker)
{
    const struct worker_handler *handler = &worker->config.handler;
    struct map_iter iter = {0};
    while (map_next(worker->rooms, &iter)) {
        struct room *room = iter.value;
        LIST_EACH(node, &room->endpoints)
        {
            struct endpoint *endpoint = LIST_ITEM(node, struct endpoint, node);
            handler->state(handler->arg, room->id, endpoint->id, endpoint->told,
                           endpoint->told_rtt);
        }
        if (room->recording)
            handler->feed(handler->arg, room->id, room->recording->id, room->recording->attached);
        conference_renotify(room->conference);
        room_drain(room, loop_now(worker->config.loop));
    }
}

void worker_close(struct worker *worker)
{
    usec_t now = loop_now(worker->config.loop);
    struct map_iter iter = {0};
    while (map_next(worker->rooms, &iter))
        room_free(iter.value, now);
    recording_flush_all(worker, now);
}
