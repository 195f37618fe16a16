/* The links to signal and web, and those who wait for their word. */
#include "edge/edge_parts.h"
#include "edge/ws.h"

/* How often it is looked whether signal has caught up. */
#define RESUME_TIME (10 * USEC_PER_MSEC)

static struct slice id_key(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

static struct waiter *find(struct edge *edge, uint64_t id, enum edge_peer peer)
{
    struct waiter *waiter = map_get(edge->waiting, id_key(&id));
    return waiter && waiter->peer == peer ? waiter : NULL;
}

static int add(struct edge *edge, struct waiter *waiter, enum edge_peer peer, uint64_t *ret_id)
{
    uint64_t id = edge->next_id++;
    int err = map_put(edge->waiting, id_key(&id), waiter);
    if (err)
        return err;
    waiter->id = id;
    waiter->peer = peer;
    list_append(&edge->upstream[peer].waiters, &waiter->node);
    *ret_id = id;
    return 0;
}

/* 0 when it was not waiting. */
static uint64_t take_out(struct edge *edge, struct waiter *waiter)
{
    uint64_t id = waiter->id;
    if (id == 0)
        return 0;
    (void)map_del(edge->waiting, id_key(&id)); /* it is `waiter` */
    list_remove(&waiter->node);
    waiter->id = 0;
    return id;
}

static void send_close(struct edge *edge, uint64_t id, unsigned code, struct slice reason)
{
    struct link *link = edge->upstream[EDGE_SIGNAL].link;
    buf_clear(&edge->scratch);
    /* A full link is on its way to be lost, and then signal forgets all of them. */
    if (link && (bus_put_close(code, reason, &edge->scratch) < 0 ||
                 link_send(link, BUS_WS_CLOSE, id, buf_slice(&edge->scratch)) < 0))
        count_add(&edge->counters, COUNT_REFUSED_UPSTREAM, 1);
}

void upstream_forget(struct edge *edge, struct waiter *waiter)
{
    struct link *link = edge->upstream[waiter->peer].link;
    uint64_t id = take_out(edge, waiter);
    if (id && link && link_send(link, BUS_HTTP_GONE, id, (struct slice){0}) < 0)
        count_add(&edge->counters, COUNT_REFUSED_UPSTREAM, 1); /* it only would have saved work */
}

static void fail_waiter(struct edge *edge, struct waiter *waiter)
{
    (void)take_out(edge, waiter);
    if (waiter->kind == WAITER_PAGE) {
        page_part(edge, waiter, NULL);
    } else if (waiter->kind == WAITER_EXCHANGE) {
        edge_refuse_upstream(edge, CONTAINER_OF(waiter, struct exchange, waiter));
    } else {
        struct conn *conn = conn_of_waiter(waiter);
        if (conn_exchange(conn))
            edge_refuse_upstream(edge, conn_exchange(conn));
        else
            conn_drop(conn); /* no close frame: the client is to resume */
    }
}

static void lose(struct edge *edge, enum edge_peer peer, int err)
{
    struct upstream *upstream = &edge->upstream[peer];
    link_free(&upstream->link);
    while (!list_empty(&upstream->waiters))
        fail_waiter(edge, LIST_ITEM(upstream->waiters.next, struct waiter, node));
    if (edge->handler.lost)
        edge->handler.lost(edge->handler.arg, peer, err);
}

static void on_http_response(struct edge *edge, struct waiter *waiter, struct slice payload)
{
    struct bus_response head;
    struct response spare, *response = &spare;
    if (waiter->kind == WAITER_SOCKET) {
        lose(edge, waiter->peer, ERR_FORMAT);
        return;
    }
    if (waiter->kind == WAITER_EXCHANGE)
        response = &CONTAINER_OF(waiter, struct exchange, waiter)->response;
    else
        response_init(&spare);
    int err = bus_read_response(payload, response, &head);
    if (err) {
        count_add(&edge->counters, COUNT_REFUSED_ANSWER, 1);
        if (waiter->kind == WAITER_EXCHANGE) {
            response_done(response);
            response_init(response);
        }
        lose(edge, waiter->peer, ERR_FORMAT);
    } else if (waiter->kind == WAITER_EXCHANGE) {
        (void)take_out(edge, waiter);
        edge_answer(edge, CONTAINER_OF(waiter, struct exchange, waiter), head.file);
    } else {
        (void)take_out(edge, waiter);
        page_part(edge, waiter, response);
    }
    if (response == &spare)
        response_done(&spare);
}

static int on_accept(struct edge *edge, struct waiter *waiter, struct slice payload)
{
    char protocol[BUS_WORD_SIZE] = "";
    struct conn *conn = conn_of_waiter(waiter);
    struct exchange *exchange = conn_exchange(conn);
    (void)edge;
    if (!exchange || bus_read_accept(payload, protocol) < 0)
        return ERR_FORMAT;
    struct slice offer = fields_get(&exchange->request.fields, "sec-websocket-extensions");
    conn_accept(conn, slice_str(protocol), deflate_offered(offer));
    return 0;
}

static int on_refuse(struct edge *edge, struct waiter *waiter, struct slice payload)
{
    unsigned status = 0;
    struct exchange *exchange = conn_exchange(conn_of_waiter(waiter));
    if (!exchange || bus_read_refuse(payload, &status) < 0)
        return ERR_FORMAT;
    (void)take_out(edge, waiter);
    edge_refuse(edge, exchange, status);
    return 0;
}

static int on_text(struct edge *edge, struct waiter *waiter, struct slice payload)
{
    (void)edge;
    struct conn *conn = conn_of_waiter(waiter);
    if (conn_exchange(conn) || payload.len > WS_TEXT_MAX)
        return ERR_FORMAT;
    conn_send_text(conn, payload);
    return 0;
}

static int on_close(struct edge *edge, struct waiter *waiter, struct slice payload)
{
    unsigned code = 0;
    char reason[128];
    struct conn *conn = conn_of_waiter(waiter);
    if (bus_read_close(payload, &code, reason) < 0)
        return ERR_FORMAT;
    (void)take_out(edge, waiter);
    if (conn_exchange(conn))
        edge_refuse(edge, conn_exchange(conn), 403);
    else
        conn_close(conn, code, slice_str(reason));
    return 0;
}

/* The frame in the form that this connection speaks, made when the first one needs it. */
static struct slice frame_for(struct edge *edge, struct conn *conn, struct slice text)
{
    bool packs = conn_deflates(conn) && text.len >= CONN_PACK_MIN;
    struct buf *frame = packs ? &edge->packed : &edge->plain;
    if (frame->len > 0)
        return buf_slice(frame);
    if (packs) {
        struct buf small;
        buf_init(&small, text.len + 65536);
        if (deflate_compress(conns_deflate(edge->conns), text, &small) == 0 && small.len < text.len)
            ws_put_packed(frame, buf_slice(&small));
        else
            ws_put_text(frame, text);
        buf_done(&small);
    } else {
        ws_put_text(frame, text);
    }
    return buf_slice(frame);
}

static int on_text_many(struct edge *edge, struct slice payload)
{
    struct slice ids, text;
    if (bus_read_many(payload, &ids, &text) < 0 || text.len > WS_TEXT_MAX)
        return ERR_FORMAT;
    buf_clear(&edge->plain);
    buf_clear(&edge->packed);
    for (size_t i = 0; i < ids.len / 8; i++) {
        struct waiter *waiter = find(edge, bus_id(ids, i), EDGE_SIGNAL);
        if (!waiter || waiter->kind != WAITER_SOCKET)
            continue; /* gone in the meantime */
        struct conn *conn = conn_of_waiter(waiter);
        if (conn_exchange(conn))
            continue;
        struct slice frame = frame_for(edge, conn, text);
        if (edge->plain.failed || edge->packed.failed)
            return ERR_LIMIT;
        conn_send_frames(conn, frame);
    }
    return 0;
}

static int on_socket_frame(struct edge *edge, const struct link_frame *frame)
{
    static int (*const handlers[])(struct edge *, struct waiter *, struct slice) = {
        [BUS_WS_ACCEPT] = on_accept,
        [BUS_WS_REFUSE] = on_refuse,
        [BUS_WS_TEXT] = on_text,
        [BUS_WS_CLOSE] = on_close,
    };
    if (frame->type == BUS_WS_TEXT_MANY)
        return on_text_many(edge, frame->payload);
    if (frame->type >= ARRAY_LEN(handlers) || !handlers[frame->type])
        return 0; /* a type of a later version */
    struct waiter *waiter = find(edge, frame->id, EDGE_SIGNAL);
    if (!waiter)
        return 0; /* the client went away in the meantime */
    return waiter->kind == WAITER_SOCKET ? handlers[frame->type](edge, waiter, frame->payload)
                                         : ERR_FORMAT;
}

static void on_frame(void *arg, const struct link_frame *frame)
{
    struct upstream *upstream = arg;
    struct edge *edge = upstream->edge;
    if (frame->type == BUS_HTTP_RESPONSE) {
        struct waiter *waiter = find(edge, frame->id, upstream->peer);
        if (waiter)
            on_http_response(edge, waiter, frame->payload);
    } else if (upstream->peer == EDGE_SIGNAL && on_socket_frame(edge, frame) < 0) {
        count_add(&edge->counters, COUNT_REFUSED_ANSWER, 1);
        lose(edge, EDGE_SIGNAL, ERR_FORMAT);
    }
}

static void on_link_closed(void *arg, int err)
{
    struct upstream *upstream = arg;
    lose(upstream->edge, upstream->peer, err);
}

static void on_resume(struct loop_timer *timer, usec_t now)
{
    struct edge *edge = CONTAINER_OF(timer, struct edge, resume);
    const struct link *link = edge->upstream[EDGE_SIGNAL].link;
    if (link && link_queued(link) > LINK_LOW &&
        loop_timer_set(edge->loop, timer, now + RESUME_TIME) == 0)
        return;
    conns_resume(edge->conns);
}

void upstream_init(struct edge *edge)
{
    for (size_t i = 0; i < EDGE_PEERS; i++) {
        edge->upstream[i] = (struct upstream){.edge = edge, .peer = (enum edge_peer)i};
        list_init(&edge->upstream[i].waiters);
    }
    /* Never used twice, not even by the successor of this process. */
    edge->next_id = (uint64_t)clock_monotonic() + 1;
    loop_timer_init(&edge->resume, on_resume);
}

void upstream_done(struct edge *edge)
{
    loop_timer_clear(edge->loop, &edge->resume);
    for (size_t i = 0; i < EDGE_PEERS; i++)
        link_free(&edge->upstream[i].link);
}

int edge_link(struct edge *edge, enum edge_peer peer, int fd)
{
    struct upstream *upstream = &edge->upstream[peer];
    const struct link_handler handler = {on_frame, on_link_closed, upstream};
    if (upstream->link)
        lose(edge, peer, ERR_CLOSED);
    return link_new(edge->loop, fd, LINK_QUEUE, &handler, &upstream->link);
}

void upstream_forward(struct edge *edge, struct exchange *exchange, enum edge_peer peer)
{
    struct client client = edge_client(edge, exchange);
    const struct bus_client who = {.address = client.address, .https = client.https};
    struct link *link = edge->upstream[peer].link;
    unsigned left_out = 0;
    uint64_t id = 0;
    buf_clear(&edge->scratch);
    int err = bus_put_request(&exchange->request, &who, &edge->scratch, &left_out);
    count_add(&edge->counters, COUNT_REFUSED_HEADER, left_out);
    if (err) {
        edge_refuse(edge, exchange, 400);
        return;
    }
    if (!link || add(edge, &exchange->waiter, peer, &id) < 0) {
        edge_refuse_upstream(edge, exchange);
        return;
    }
    const struct slice parts[] = {buf_slice(&edge->scratch), buf_slice(&exchange->request.body)};
    if (link_send_parts(link, BUS_HTTP_REQUEST, id, parts, 2) < 0) {
        (void)take_out(edge, &exchange->waiter);
        edge_refuse_upstream(edge, exchange);
    }
}

int upstream_get(struct edge *edge, struct exchange *exchange, const char *path,
                 struct waiter *waiter)
{
    struct client client = edge_client(edge, exchange);
    const struct bus_client who = {.address = client.address, .https = client.https};
    struct link *link = edge->upstream[EDGE_WEB].link;
    uint64_t id = 0;
    buf_clear(&edge->scratch);
    int err = link ? bus_put_get(path, &exchange->request, &who, &edge->scratch) : ERR_CLOSED;
    if (!err)
        err = add(edge, waiter, EDGE_WEB, &id);
    if (err)
        return err;
    err = link_send(link, BUS_HTTP_REQUEST, id, buf_slice(&edge->scratch));
    if (err)
        (void)take_out(edge, waiter);
    return err;
}

void upstream_open(struct edge *edge, struct exchange *exchange)
{
    struct client client = edge_client(edge, exchange);
    struct slice offer = fields_get(&exchange->request.fields, "sec-websocket-extensions");
    const struct bus_client who = {client.address, client.https, deflate_offered(offer)};
    struct link *link = edge->upstream[EDGE_SIGNAL].link;
    struct waiter *waiter = conn_waiter(exchange->conn);
    uint64_t id = 0;
    int err = ws_check_handshake(&exchange->request.fields);
    if (err || !request_is(&exchange->request, "GET")) {
        fields_put(&exchange->response.fields, "sec-websocket-version", "13");
        edge_refuse(edge, exchange, err == ERR_UNSUPPORTED ? 426 : 400);
        return;
    }
    buf_clear(&edge->scratch);
    if (bus_put_open(&exchange->request, &who, &edge->scratch) < 0) {
        edge_refuse(edge, exchange, 400);
        return;
    }
    conn_hold(exchange->conn);
    if (!link || add(edge, waiter, EDGE_SIGNAL, &id) < 0) {
        edge_refuse_upstream(edge, exchange);
    } else if (link_send(link, BUS_WS_OPEN, id, buf_slice(&edge->scratch)) < 0) {
        (void)take_out(edge, waiter);
        edge_refuse_upstream(edge, exchange);
    }
}

void upstream_on_late(void *arg, struct exchange *exchange)
{
    struct edge *edge = arg;
    uint64_t id = exchange->stream == 0 ? take_out(edge, conn_waiter(exchange->conn)) : 0;
    if (id)
        send_close(edge, id, WS_CODE_LOST, (struct slice){0});
    upstream_on_gone(arg, exchange);
    count_add(&edge->counters, COUNT_REFUSED_LATE, 1);
    edge_refuse(edge, exchange, 504);
}

void upstream_on_gone(void *arg, struct exchange *exchange)
{
    struct edge *edge = arg;
    upstream_forget(edge, &exchange->waiter);
    page_free(edge, &exchange->page);
}

void upstream_on_text(void *arg, struct conn *conn, struct slice text)
{
    struct edge *edge = arg;
    struct link *link = edge->upstream[EDGE_SIGNAL].link;
    uint64_t id = conn_waiter(conn)->id;
    if (!link || id == 0)
        return;
    if (link_send(link, BUS_WS_TEXT, id, text) < 0) {
        count_add(&edge->counters, COUNT_REFUSED_UPSTREAM, 1);
        lose(edge, EDGE_SIGNAL, ERR_LIMIT);
        return;
    }
    if (link_queued(link) < LINK_HIGH)
        return;
    conn_pause(conn);
    if (edge->resume.slot < 0 &&
        loop_timer_set(edge->loop, &edge->resume, loop_now(edge->loop) + RESUME_TIME) < 0)
        conns_resume(edge->conns);
}

void upstream_on_closed(void *arg, struct conn *conn, unsigned code, struct slice reason)
{
    struct edge *edge = arg;
    uint64_t id = take_out(edge, conn_waiter(conn));
    if (id)
        send_close(edge, id, code, reason);
}
