#include <stdlib.h>

#include "bridge/pack.h"
#include "bridge/worker_state.h"

/* Encrypted and sent together: small enough to stay in the second-level cache. */
#define BATCH PACK_MAX
/* The longest packet that leaves: more would be fragmented on any usual path. */
#define PACKET_MAX 1500
/* Turns of polling one conference per drain; what is left comes next turn. */
#define BATCHES_MAX 32
#define CONTROL_BATCH 16

struct sender {
    struct conference_packet packets[BATCH];
    struct srtp_job jobs[BATCH];
    struct path paths[BATCH];
    struct udp_datagram out[BATCH];
    uint8_t arena[BATCH * (PACKET_MAX + SRTP_OVERHEAD)];
};

struct sender *sender_new(void)
{
    return calloc(1, sizeof(struct sender));
}

void sender_free(struct sender **sender)
{
    free(*sender);
    *sender = NULL;
}

static struct udp *socket_for(struct worker *worker, const struct address *local)
{
    for (size_t i = 0; i < worker->socket_count; i++) {
        const struct address *bound = udp_local(worker->sockets[i].udp);
        if (bound->port == local->port && address_is_v4(bound) == address_is_v4(local))
            return worker->sockets[i].udp;
    }
    return NULL;
}

static void transmit(struct worker *worker, const struct udp_datagram *out, size_t count)
{
    /* Runs of one address family share a socket. */
    for (size_t from = 0, to; from < count; from = to) {
        if (path_is_stream(&out[from].path)) {
            stream_send(worker, &out[from]);
            to = from + 1;
            continue;
        }
        struct udp *udp = socket_for(worker, &out[from].path.local);
        for (to = from + 1; to < count; to++)
            if (socket_for(worker, &out[to].path.local) != udp)
                break;
        size_t sent = udp ? udp_send(udp, out + from, to - from) : 0;
        for (size_t i = from; i < to; i++) {
            size_t segment = out[i].segment ? out[i].segment : out[i].data.len;
            size_t datagrams = (out[i].data.len + segment - 1) / segment;
            bool gone = i - from < sent;
            *(gone ? worker->count.sent : worker->count.send_full) += datagrams;
            if (gone)
                *worker->count.sent_bytes += out[i].data.len;
        }
        *worker->count.messages += sent;
    }
}

void send_control(struct endpoint *endpoint)
{
    struct udp_datagram out[CONTROL_BATCH];
    size_t count;
    do {
        count = 0;
        while (count < CONTROL_BATCH &&
               transport_poll(endpoint->transport, &out[count].path, &out[count].data)) {
            out[count].segment = 0;
            count++;
        }
        if (count > 0)
            transmit(endpoint->worker, out, count);
    } while (count == CONTROL_BATCH);
}

/* The SSRC of an RTP packet; all RTCP counts as one stream. */
static uint32_t ssrc_of(const struct conference_packet *packet)
{
    return packet->rtcp ? 0 : load_u32(packet->header + 8);
}

static bool has_padding(const struct conference_packet *packet)
{
    return packet->header[0] & 0x20;
}

static void plan(const struct conference_packet *packets, size_t count, bool single,
                 struct pack_item *items)
{
    for (size_t i = 0; i < count; i++) {
        const struct conference_packet *p = &packets[i];
        items[i] = (struct pack_item){
            .ssrc = ssrc_of(p),
            .size = (uint16_t)(p->header_len + p->payload.len),
            .fixed = p->rtcp || p->audio || has_padding(p),
            .index = (uint16_t)i,
        };
    }
    if (count > 1 && !single)
        pack_plan(items, count);
}

static void set_job(struct conference_packet *packet, size_t padding, struct srtp_job *job)
{
    struct slice none = slice_of(NULL, 0);
    job->rtcp = packet->rtcp;
    job->body = packet->payload;
    job->tail = pack_padding(padding);
    if (packet->rtcp) {
        job->clear = job->head = none;
        return;
    }
    if (padding > 0)
        packet->header[0] |= 0x20;
    struct slice header = slice_of(packet->header, packet->header_len);
    job->clear = slice_sub(header, 0, packet->rtp_header_len);
    job->head = slice_sub(header, packet->rtp_header_len, header.len);
}

/* Makes jobs of one receiver's packets, appended to the `jobs` there are. Left out is what is too
 * long for any way, and everything when there is no way to this receiver. */
static size_t add_jobs(struct worker *worker, struct conference_packet *packets, size_t count,
                       size_t jobs, size_t *arena_at)
{
    struct sender *s = worker->sender;
    struct endpoint *endpoint = packets[0].user;
    struct pack_item items[BATCH];
    struct path path;
    struct srtp *srtp;
    if (!transport_ready(endpoint->transport, &path, &srtp)) {
        *worker->count.not_ready += count;
        return jobs;
    }
    plan(packets, count, worker->config.single, items);
    for (size_t i = 0; i < count; i++) {
        struct srtp_job *job = &s->jobs[jobs];
        if ((size_t)items[i].size + items[i].padding > PACKET_MAX) {
            ++*worker->count.not_ready;
            continue;
        }
        job->srtp = srtp;
        set_job(&packets[items[i].index], items[i].padding, job);
        job->out = s->arena + *arena_at;
        job->out_size = srtp_protected_len(job);
        *arena_at += job->out_size;
        s->paths[jobs++] = path;
    }
    return jobs;
}

static size_t protect(struct worker *worker, size_t polled)
{
    struct sender *s = worker->sender;
    size_t jobs = 0, arena_at = 0;
    for (size_t from = 0, to; from < polled; from = to) {
        for (to = from + 1; to < polled && s->packets[to].user == s->packets[from].user;)
            to++;
        jobs = add_jobs(worker, s->packets + from, to - from, jobs, &arena_at);
    }
    srtp_protect(s->jobs, jobs);
    return jobs;
}

/* Whether `job` may follow as one more segment of `message`: same way, right behind it in memory,
 * and not longer than the segments before. */
static bool joins(const struct udp_datagram *message, size_t segments, const struct path *path,
                  const struct srtp_job *job)
{
    size_t segment = message->segment ? message->segment : message->data.len;
    return message->data.data + message->data.len == job->out &&
           message->data.len == segments * segment && /* no short one before it */
           job->out_len <= segment && segments < UDP_SEGMENTS_MAX &&
           message->data.len + job->out_len <= UDP_MESSAGE_MAX && path_eq(&message->path, path);
}

static void send_jobs(struct worker *worker, size_t count)
{
    struct sender *s = worker->sender;
    size_t messages = 0, segments = 0;
    for (size_t i = 0; i < count; i++) {
        const struct srtp_job *job = &s->jobs[i];
        if (job->err) {
            ++*worker->count.protect_fail;
            continue;
        }
        struct udp_datagram *last = messages > 0 ? &s->out[messages - 1] : NULL;
        if (last && joins(last, segments, &s->paths[i], job)) {
            if (last->segment == 0)
                last->segment = (uint16_t)last->data.len;
            last->data.len += job->out_len;
            segments++;
            continue;
        }
        s->out[messages++] =
            (struct udp_datagram){.path = s->paths[i], .data = slice_of(job->out, job->out_len)};
        segments = 1;
    }
    if (messages > 0)
        transmit(worker, s->out, messages);
}

void room_mark(struct room *room)
{
    if (list_empty(&room->dirty))
        list_append(&room->worker->dirty, &room->dirty);
}

void room_drain(struct room *room, usec_t now)
{
    struct worker *worker = room->worker;
    list_remove(&room->dirty);
    room->pending = 0;
    usec_t next = conference_tick(room->conference, now);
    struct conference_notice notice;
    while (conference_poll_notice(room->conference, now, &notice))
        worker->config.handler.notice(worker->config.handler.arg, room->id, &notice);
    size_t polled = 0;
    for (int i = 0; i == 0 || (i < BATCHES_MAX && polled > 0); i++) {
        polled = conference_poll_packets(room->conference, now, worker->sender->packets, BATCH);
        if (polled > 0)
            send_jobs(worker, protect(worker, polled));
    }
    next = usec_min(next, conference_due(room->conference));
    worker_set_timer(worker, &room->timer, polled > 0 ? now : next);
}
