#include "load/crowd.h"

#include <stdlib.h>

#include "load/guest.h"
#include "load/lines.h"

/* Receive calls in one turn: more would keep what we send waiting. */
#define ROUNDS_MAX 16

struct crowd {
    struct crowd_config config;
    struct loop *loop;
    struct guest_world world;
    struct udp *udp;
    struct loop_io io;
    struct loop_task admit;
    struct guest *guests;
    struct lines *lines;
    unsigned count;
    unsigned begun;
    unsigned connected;
    unsigned failed;
    const char *why;
    usec_t began_at;
    usec_t joined_at;
    uint64_t full_before;
    usec_t reset_at;
    struct crowd_message *messages;
    size_t message_count;
};

static unsigned room_of(const struct crowd *c, unsigned index)
{
    return index / c->config.participants;
}

/* Who comes first gives the room its stage, so the others wait until that one has a name. */
static bool may_begin(const struct crowd *c, unsigned index)
{
    const struct guest *first = &c->guests[room_of(c, index) * c->config.participants];
    return index % c->config.participants == 0 || first->bound;
}

static void tell_all(struct crowd *c, usec_t now)
{
    for (; c->begun < c->count; c->begun++) {
        c->guests[c->begun].began_at = now;
        if (lines_tell(&c->guests[c->begun], c->begun))
            guest_fail(&c->guests[c->begun], "nobody was told");
    }
}

static void admit(struct crowd *c, usec_t now)
{
    if (c->config.by_lines) {
        tell_all(c, now);
        return;
    }
    while (c->begun < c->count && c->begun - c->connected - c->failed < c->config.joining &&
           may_begin(c, c->begun)) {
        struct guest *g = &c->guests[c->begun++];
        if (g->number > 0)
            g->stage = visitor_endpoint(g[-(int)g->number].visitor);
        if (guest_start(g, now))
            guest_fail(g, "no connection");
    }
}

static void on_admit(struct loop_task *task, usec_t now)
{
    admit(CONTAINER_OF(task, struct crowd, admit), now);
}

static void on_changed(void *arg, struct guest *g)
{
    struct crowd *c = arg;
    if (g->failed) {
        c->failed++;
        c->connected -= g->connected_at > 0;
        c->why = g->failed;
    } else if (g->connected_at > 0) {
        c->connected++;
    }
    if (c->connected == c->count)
        c->joined_at = loop_now(c->loop);
    loop_defer(c->loop, &c->admit);
}

static struct guest *guest_at(struct crowd *c, const struct address *local)
{
    unsigned host = ((unsigned)local->ip[13] - c->config.network[1]) << 16 |
                    (unsigned)local->ip[14] << 8 | local->ip[15];
    return host > 0 && host <= c->count ? &c->guests[host - 1] : NULL;
}

/* Datagrams that GRO left together lie one behind the other. */
static void remember(struct crowd *c, usec_t now, const struct udp_datagram *datagrams,
                     size_t count)
{
    for (size_t i = 0; i < count && c->message_count < c->config.messages; i++) {
        const struct udp_datagram *d = &datagrams[i];
        const struct guest *g = guest_at(c, &d->path.local);
        bool joined = i > 0 && d[-1].data.data + d[-1].data.len == d->data.data;
        struct crowd_message *m = &c->messages[c->message_count - joined];
        if (!joined)
            *m = (struct crowd_message){.at = (uint32_t)(now - c->reset_at),
                                        .guest = g ? (uint32_t)(g - c->guests) : 0,
                                        .size = (uint16_t)d->data.len};
        m->count++;
        m->last = (uint16_t)d->data.len;
        c->message_count += !joined;
    }
}

static void input(struct crowd *c, usec_t now, const struct udp_datagram *datagrams, size_t count)
{
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        struct guest *g = guest_at(c, &datagrams[i].path.local);
        if (g)
            guest_input(g, now, &datagrams[i]);
        run++;
        /* The end of what came for one receiver at a time. */
        if (i + 1 == count || !address_eq(&datagrams[i].path.local, &datagrams[i + 1].path.local)) {
            c->world.sum.runs[run < TALLY_RUNS ? run : TALLY_RUNS]++;
            run = 0;
        }
    }
}

static void on_socket(struct loop_io *io, uint32_t events)
{
    struct crowd *c = CONTAINER_OF(io, struct crowd, io);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        const struct udp_datagram *datagrams;
        size_t count;
        if (udp_receive(c->udp, &datagrams, &count))
            return;
        usec_t now = clock_monotonic();
        if (c->config.messages > 0)
            remember(c, now, datagrams, count);
        input(c, now, datagrams, count);
        if (udp_drained(c->udp))
            return;
    }
}

static void before_sleep(void *arg, usec_t now)
{
    struct crowd *c = arg;
    outlet_flush(&c->world.outlet);
}

static int start(struct crowd *c)
{
    const struct address any = address_v4(0, 0, 0, 0, 0);
    int fd;
    int err = udp_open(&any, 0, &fd);
    if (err == 0)
        err = udp_new(fd, &c->udp);
    if (err == 0)
        err = dtls_context_new(&c->world.dtls);
    if (err == 0 && c->config.counter_mode)
        err = dtls_context_only(c->world.dtls, SRTP_PROFILE_CM);
    if (err == 0)
        err = srtp_engine_new(SRTP_BEST, &c->world.srtp);
    if (err)
        return err;
    c->world.outlet.udp = c->udp;
    c->io = (struct loop_io){.fd = udp_fd(c->udp), .ready = on_socket};
    return loop_watch(c->loop, &c->io, LOOP_READ);
}

int crowd_new(struct loop *loop, const struct crowd_config *config, struct crowd **ret_crowd)
{
    uint64_t count = (uint64_t)config->rooms * config->participants;
    if (count == 0 || count > CROWD_MAX || config->joining == 0 ||
        (config->entries && config->entries->count < count))
        return ERR_LIMIT;
    struct crowd *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_MEMORY;
    c->config = *config;
    c->loop = loop;
    c->admit.run = on_admit;
    c->world.loop = loop;
    c->world.config = &c->config;
    c->world.changed = on_changed;
    c->world.arg = c;
    c->guests = calloc(count, sizeof *c->guests);
    c->messages = config->messages > 0 ? calloc(config->messages, sizeof *c->messages) : NULL;
    int err = c->guests && (c->messages || config->messages == 0) ? start(c) : ERR_MEMORY;
    if (err) {
        crowd_free(&c);
        return err;
    }
    for (; c->count < count; c->count++)
        guest_init(&c->guests[c->count], &c->world, c->count);
    err = config->by_lines ? lines_new(loop, c->guests, c->count, &c->lines) : 0;
    if (err) {
        crowd_free(&c);
        return err;
    }
    c->began_at = clock_monotonic();
    loop_before_sleep(loop, before_sleep, c);
    loop_defer(loop, &c->admit);
    *ret_crowd = c;
    return 0;
}

void crowd_free(struct crowd **crowd)
{
    struct crowd *c = *crowd;
    if (!c)
        return;
    for (unsigned i = 0; i < c->count; i++)
        guest_done(&c->guests[i]);
    lines_free(&c->lines);
    loop_task_cancel(&c->admit);
    outlet_flush(&c->world.outlet);
    if (c->udp)
        loop_unwatch(c->loop, &c->io);
    udp_free(&c->udp);
    dtls_context_free(&c->world.dtls);
    srtp_engine_free(&c->world.srtp);
    free(c->messages);
    free(c->guests);
    free(c);
    *crowd = NULL;
}

static int by_time(const void *a, const void *b)
{
    usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;
    return (x > y) - (x < y);
}

static void join_times(const struct crowd *c, struct crowd_state *state)
{
    usec_t *times = calloc(c->count, sizeof *times);
    size_t count = 0;
    for (unsigned i = 0; times && i < c->count; i++)
        if (c->guests[i].connected_at > 0)
            times[count++] = c->guests[i].connected_at - c->guests[i].began_at;
    if (count > 0) {
        qsort(times, count, sizeof *times, by_time);
        state->join_median = times[count / 2];
        state->join_max = times[count - 1];
    }
    free(times);
}

struct crowd_state crowd_state(const struct crowd *c)
{
    struct crowd_state state = {
        .wanted = c->count,
        .connected = c->connected,
        .failed = c->failed,
        .why = c->why,
        .joined_in = c->joined_at > 0 ? c->joined_at - c->began_at : 0,
        .sent = c->world.sent,
        .send_full = c->world.outlet.full - c->full_before,
        .drops = udp_drops(c->udp),
        .asked_again = c->world.asked_again,
        .sampled = c->world.sampled,
        .unreadable = c->world.unreadable,
    };
    join_times(c, &state);
    return state;
}

void crowd_reset(struct crowd *c)
{
    c->world.sum = (struct tally_sum){0};
    c->world.sent = c->world.asked_again = c->world.sampled = c->world.unreadable = 0;
    c->full_before = c->world.outlet.full;
    c->reset_at = clock_monotonic();
    c->message_count = 0;
    for (unsigned i = 0; i < c->count; i++)
        tally_reset(&c->guests[i].tally);
}

const struct crowd_message *crowd_messages(const struct crowd *c, size_t *ret_count)
{
    *ret_count = c->message_count;
    return c->messages;
}

const struct tally_sum *crowd_sum(struct crowd *c)
{
    c->world.sum.lost = 0;
    for (unsigned i = 0; i < c->count; i++)
        c->world.sum.lost += tally_lost(&c->guests[i].tally);
    return &c->world.sum;
}
