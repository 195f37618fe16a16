/* Two transports, bridge and client, over a network that misbehaves, in virtual time. */
#include "bridge/transport.h"

#include <stdlib.h>

#include "base/check.h"
#include "net.h"
#include "proto/stun.h"

static const char SERVER_UFRAG[] = "0server", SERVER_PWD[] = "server-password-of-24-ch";
static const char CLIENT_UFRAG[] = "clnt", CLIENT_PWD[] = "client-password-of-24-ch";

struct side {
    struct transport *transport;
    struct dtls_context *dtls;
    struct address address;
    usec_t wake;
    unsigned rtp;
    unsigned rtcp;
    int last_err;
    uint16_t seq;
};

struct world {
    struct net net;
    struct srtp_engine *engine;
    struct side server;
    struct side client;
    struct address seen_as; /* the client's address behind its NAT */
    usec_t now;
    /* Looks at every datagram before the network; false: it is lost. */
    bool (*filter)(struct world *world, bool from_client, struct slice bytes);
    unsigned filtered;
    struct address stream; /* our end of a connection between the two (path_of_stream) */
    bool no_datagrams;     /* only the stream gets through */
    struct net_datagram held;
};

static const struct net_link CALM = {.delay = 20 * USEC_PER_MSEC};

static void side_init(struct world *w, struct side *side, bool client, uint64_t seed)
{
    assert_int_equal(dtls_context_new(&side->dtls), 0);
    struct transport_config config = {
        .dtls = side->dtls,
        .srtp = w->engine,
        .ufrag = slice_str(client ? CLIENT_UFRAG : SERVER_UFRAG),
        .pwd = slice_str(client ? CLIENT_PWD : SERVER_PWD),
        .client = client,
        .tie_breaker = seed * 7 + client,
        .seed = seed,
    };
    assert_int_equal(transport_new(&config, &side->transport), 0);
}

static struct world *world_new(uint64_t seed, struct net_link link)
{
    static struct world world;
    struct world *w = &world;
    *w = (struct world){.now = 1000 * USEC_PER_SEC};
    net_init(&w->net, seed, link);
    assert_int_equal(srtp_engine_new(SRTP_BEST, &w->engine), 0);
    side_init(w, &w->server, false, seed);
    side_init(w, &w->client, true, seed);
    w->server.address = address_v4(192, 0, 2, 1, 10000);
    w->client.address = address_v4(10, 0, 0, 7, 4000);
    w->seen_as = address_v4(198, 51, 100, 7, 4000);
    w->stream = path_of_stream(1, &w->seen_as).local;
    return w;
}

static void world_free(struct world *w)
{
    struct side *sides[] = {&w->server, &w->client};
    for (size_t i = 0; i < 2; i++) {
        transport_free(&sides[i]->transport);
        dtls_context_free(&sides[i]->dtls);
    }
    srtp_engine_free(&w->engine);
    net_done(&w->net);
}

static void set_fingerprint(struct side *side, const struct side *peer)
{
    const char *value = dtls_context_fingerprint(peer->dtls);
    assert_int_equal(transport_set_fingerprint(side->transport, SLICE("sha-256"), slice_str(value)),
                     0);
}

/* What session-initiate tells the client. */
static void tell_client(struct world *w)
{
    set_fingerprint(&w->client, &w->server);
    assert_int_equal(transport_set_remote(w->client.transport, w->now, slice_str(SERVER_UFRAG),
                                          slice_str(SERVER_PWD)),
                     0);
    struct path path = {.local = w->client.address, .remote = w->server.address};
    assert_int_equal(transport_add_remote(w->client.transport, w->now, &path), 0);
    w->client.wake = w->now;
}

/* What session-accept tells the bridge. */
static void tell_server(struct world *w)
{
    set_fingerprint(&w->server, &w->client);
    assert_int_equal(transport_set_remote(w->server.transport, w->now, slice_str(CLIENT_UFRAG),
                                          slice_str(CLIENT_PWD)),
                     0);
    w->server.wake = w->now;
}

static void put_on_wire(struct world *w, bool from_client, const struct path *path,
                        struct slice bytes)
{
    bool stream = address_eq(from_client ? &path->remote : &path->local, &w->stream);
    if ((w->filter && !w->filter(w, from_client, bytes)) || (w->no_datagrams && !stream))
        return;
    if (from_client)
        net_send(&w->net, w->now, &w->seen_as, &path->remote, bytes);
    else
        net_send(&w->net, w->now, &path->local, &path->remote, bytes);
}

static void flush(struct world *w, struct side *side)
{
    struct path path;
    struct slice bytes;
    side->wake = transport_tick(side->transport, w->now);
    while (transport_poll(side->transport, &path, &bytes))
        put_on_wire(w, side == &w->client, &path, bytes);
}

static void deliver(struct world *w, struct net_datagram *d)
{
    bool to_client = address_eq(&d->to, &w->seen_as);
    if (!to_client && !address_eq(&d->to, &w->server.address) && !address_eq(&d->to, &w->stream))
        return; /* an address that the client has left */
    struct side *side = to_client ? &w->client : &w->server;
    struct path path = {.local = to_client ? w->client.address : d->to, .remote = d->from};
    struct transport_media media;
    side->last_err = transport_input(side->transport, w->now, &path, d->bytes, d->len, &media);
    side->rtp += media.kind == TRANSPORT_RTP;
    side->rtcp += media.kind == TRANSPORT_RTCP;
    flush(w, side);
}

static void run_for(struct world *w, usec_t time)
{
    usec_t end = w->now + time;
    for (unsigned turns = 0;; turns++) {
        assert_true(turns < 200000); /* a wake that never advances */
        usec_t next = usec_min(usec_min(w->server.wake, w->client.wake), net_next(&w->net));
        if (next > end)
            break;
        w->now = usec_max(w->now, next);
        struct net_datagram d;
        while (net_receive(&w->net, w->now, &d))
            deliver(w, &d);
        if (w->server.wake <= w->now)
            flush(w, &w->server);
        if (w->client.wake <= w->now)
            flush(w, &w->client);
    }
    w->now = end;
}

static bool connected(const struct world *w)
{
    return transport_state(w->server.transport, w->now) == TRANSPORT_CONNECTED &&
           transport_state(w->client.transport, w->now) == TRANSPORT_CONNECTED;
}

/* How long it took, or -1 after `limit`. */
static usec_t run_until_connected(struct world *w, usec_t limit)
{
    usec_t began = w->now;
    while (w->now - began < limit) {
        run_for(w, 10 * USEC_PER_MSEC);
        if (connected(w))
            return w->now - began;
    }
    return -1;
}

/* False when there is no way to send. */
static bool send_media(struct world *w, struct side *from, bool rtcp)
{
    struct path path;
    struct srtp *srtp;
    if (!transport_ready(from->transport, &path, &srtp))
        return false;
    uint8_t packet[12 + 40] = {0x80, 111}, out[128];
    memcpy(packet + 8, "ssrc", 4);
    store_u16(packet + 2, from->seq++);
    if (rtcp)
        memcpy(packet, "\x80\xc9\x00\x0cssrc", 8);
    struct srtp_job job = {.srtp = srtp, .rtcp = rtcp, .out = out, .out_size = sizeof out};
    job.clear = rtcp ? slice_of(NULL, 0) : slice_of(packet, 12);
    job.body = rtcp ? slice_of(packet, sizeof packet) : slice_of(packet + 12, 40);
    srtp_protect(&job, 1);
    assert_int_equal(job.err, 0);
    put_on_wire(w, from == &w->client, &path, slice_of(out, job.out_len));
    return true;
}

/* Both talk, a packet each every 20 ms. */
static void talk(struct world *w, usec_t time)
{
    for (usec_t end = w->now + time; w->now < end;) {
        (void)send_media(w, &w->server, false); /* some tests want to see it fail */
        (void)send_media(w, &w->client, false);
        run_for(w, 20 * USEC_PER_MSEC);
    }
}

static struct world *connected_world(uint64_t seed, struct net_link link)
{
    struct world *w = world_new(seed, link);
    tell_client(w);
    tell_server(w);
    assert_true(run_until_connected(w, 20 * USEC_PER_SEC) >= 0);
    return w;
}

static void a_calm_network_connects_at_once(void **state)
{
    struct world *w = world_new(1, CALM);
    tell_client(w);
    tell_server(w);
    usec_t took = run_until_connected(w, 5 * USEC_PER_SEC);
    assert_true(took > 0 && took <= 200 * USEC_PER_MSEC); /* five round trips of 40 ms */
    talk(w, USEC_PER_SEC);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp, 50);
    assert_int_equal(w->client.rtp, 50);
    assert_true(send_media(w, &w->server, true) && send_media(w, &w->client, true));
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtcp, 1);
    assert_int_equal(w->client.rtcp, 1);
    assert_in_range(transport_rtt(w->server.transport), 40 * USEC_PER_MSEC, 41 * USEC_PER_MSEC);
    world_free(w);
}

static void loss_reordering_and_copies_only_delay_the_handshake(void **state)
{
    const struct net_link bad = {
        .loss = 0.3,
        .duplicate = 0.2,
        .delay = 30 * USEC_PER_MSEC,
        .jitter = 60 * USEC_PER_MSEC,
    };
    usec_t worst = 0;
    const char *full = getenv("DARASA_TEST_FULL");
    uint64_t seeds = full && *full ? 600 : 60;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct world *w = world_new(seed, bad);
        tell_client(w);
        tell_server(w);
        usec_t took = run_until_connected(w, 20 * USEC_PER_SEC);
        if (took < 0)
            fail_msg("seed %u did not connect", (unsigned)seed);
        worst = usec_max(worst, took);
        talk(w, USEC_PER_SEC);
        assert_in_range(w->server.rtp, 15, 50);
        assert_in_range(w->client.rtp, 15, 50);
        world_free(w);
    }
    print_message("slowest handshake under 30 %% loss: %d ms\n", (int)(worst / USEC_PER_MSEC));
}

static bool is_client_hello(struct slice bytes)
{
    return bytes.len > 13 && bytes.data[0] == 22 && bytes.data[13] == 1;
}

/* Cuts a ClientHello in two handshake fragments, each in a record and datagram of its own. */
static void split_hello(struct slice hello, uint8_t first[256], size_t *ret_first,
                        uint8_t second[256], size_t *ret_second)
{
    struct slice body = slice_sub(hello, 25, hello.len);
    size_t half = body.len / 2;
    struct slice parts[] = {slice_sub(body, 0, half), slice_sub(body, half, body.len)};
    uint8_t *outs[] = {first, second};
    size_t *lens[] = {ret_first, ret_second};
    for (size_t i = 0; i < 2; i++) {
        struct writer w = writer_of(outs[i], 256);
        writer_bytes(&w, slice_of(hello.data, 11));
        writer_u16(&w, (uint16_t)(parts[i].len + 12));
        writer_bytes(&w, slice_of(hello.data + 13, 6)); /* type, length, message number */
        writer_u24(&w, (uint32_t)(i * half));
        writer_u24(&w, (uint32_t)parts[i].len);
        writer_bytes(&w, parts[i]);
        assert_false(w.failed);
        *lens[i] = writer_len(&w);
    }
    second[10] = (uint8_t)(second[10] + 40); /* a record number that nothing else uses */
}

enum { HELLO_IN_ORDER, HELLO_SWAPPED, HELLO_FIRST_LOST, HELLO_SECOND_LOST, HELLO_DOUBLED };
static int hello_mode;

static bool halve_hello(struct world *w, bool from_client, struct slice bytes)
{
    if (!from_client || !is_client_hello(bytes))
        return true;
    assert_true(bytes.len < 400);
    uint8_t half[2][256];
    size_t len[2];
    split_hello(bytes, half[0], &len[0], half[1], &len[1]);
    bool once = w->filtered++ == 0;
    for (int i = 0; i < 2; i++) {
        int part = hello_mode == HELLO_SWAPPED ? 1 - i : i;
        if (once && hello_mode == HELLO_FIRST_LOST && part == 0)
            continue;
        if (once && hello_mode == HELLO_SECOND_LOST && part == 1)
            continue;
        for (int copy = 0; copy <= (hello_mode == HELLO_DOUBLED); copy++)
            net_send(&w->net, w->now, &w->seen_as, &w->server.address,
                     slice_of(half[part], len[part]));
    }
    return false;
}

static void a_client_hello_in_two_datagrams_completes(void **state)
{
    for (hello_mode = HELLO_IN_ORDER; hello_mode <= HELLO_DOUBLED; hello_mode++) {
        struct world *w = world_new(5, CALM);
        w->filter = halve_hello;
        tell_client(w);
        tell_server(w);
        usec_t took = run_until_connected(w, 5 * USEC_PER_SEC);
        bool lost = hello_mode == HELLO_FIRST_LOST || hello_mode == HELLO_SECOND_LOST;
        if (took < 0 || took > (lost ? 700 : 220) * USEC_PER_MSEC)
            fail_msg("mode %d took %d ms", hello_mode, took < 0 ? -1 : (int)(took / USEC_PER_MSEC));
        assert_true(w->filtered > 0);
        world_free(w);
    }
}

static void a_late_session_accept_holds_media_back(void **state)
{
    struct world *w = world_new(3, CALM);
    tell_client(w);
    run_for(w, 2 * USEC_PER_SEC);
    /* The client was answered and even finished DTLS, but nobody vouched for its certificate. */
    assert_int_equal(transport_state(w->client.transport, w->now), TRANSPORT_CONNECTED);
    assert_int_equal(transport_state(w->server.transport, w->now), TRANSPORT_CHECKING);
    assert_true(send_media(w, &w->client, false));
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp, 0);
    assert_int_equal(w->server.last_err, ERR_STATE);
    tell_server(w);
    usec_t took = run_until_connected(w, USEC_PER_SEC);
    assert_true(took >= 0 && took <= 100 * USEC_PER_MSEC);
    talk(w, 200 * USEC_PER_MSEC);
    assert_in_range(w->server.rtp, 9, 10);
    world_free(w);
}

static void a_wrong_fingerprint_is_refused(void **state)
{
    for (int late = 0; late < 2; late++) {
        struct world *w = world_new(4, CALM);
        tell_client(w);
        if (late)
            run_for(w, USEC_PER_SEC);
        set_fingerprint(&w->server, &w->server); /* not the client's */
        assert_int_equal(transport_set_remote(w->server.transport, w->now, slice_str(CLIENT_UFRAG),
                                              slice_str(CLIENT_PWD)),
                         0);
        w->server.wake = w->now;
        run_for(w, 2 * USEC_PER_SEC);
        assert_true(transport_over(w->server.transport));
        assert_true(transport_over(w->client.transport)); /* it was told */
        assert_int_equal(transport_state(w->server.transport, w->now), TRANSPORT_FAILED);
        struct path path;
        struct srtp *srtp;
        assert_false(transport_ready(w->server.transport, &path, &srtp));
        world_free(w);
    }
}

static void dtls_from_a_stranger_is_not_answered(void **state)
{
    struct world *w = world_new(6, CALM);
    struct dtls *stranger = NULL;
    assert_int_equal(dtls_new(w->client.dtls, true, &stranger), 0);
    struct slice hello;
    dtls_tick(stranger, w->now);
    assert_true(dtls_poll(stranger, &hello));
    struct path path = {.local = w->server.address, .remote = w->seen_as};
    uint8_t bytes[DTLS_MTU];
    memcpy(bytes, hello.data, hello.len);
    struct transport_media media;
    assert_int_equal(transport_input(w->server.transport, w->now, &path, bytes, hello.len, &media),
                     ERR_AUTH);
    assert_false(transport_poll(w->server.transport, &path, &hello));
    dtls_free(&stranger);
    world_free(w);
}

static void media_follows_a_client_whose_address_changes(void **state)
{
    struct world *w = connected_world(7, CALM);
    talk(w, USEC_PER_SEC);
    unsigned server_before = w->server.rtp, client_before = w->client.rtp;
    w->seen_as = address_v4(203, 0, 113, 9, 50000); /* the old address is dead from here */
    usec_t moved = w->now;
    while (w->client.rtp == client_before + 1 || w->client.rtp == client_before)
        talk(w, 20 * USEC_PER_MSEC);
    /* Its first packet from there, our check, its answer: two round trips at most. */
    assert_true(w->now - moved <= 120 * USEC_PER_MSEC);
    talk(w, USEC_PER_SEC);
    assert_true(w->server.rtp - server_before >= 49); /* what it sent was never lost */
    struct path path;
    struct srtp *srtp;
    assert_true(transport_ready(w->server.transport, &path, &srtp));
    assert_true(address_eq(&path.remote, &w->seen_as));
    world_free(w);
}

static void a_silent_client_that_moves_is_found_by_its_checks(void **state)
{
    struct world *w = connected_world(8, CALM);
    run_for(w, 10 * USEC_PER_SEC); /* no media at all */
    assert_true(connected(w));
    w->seen_as = address_v4(203, 0, 113, 9, 50001);
    usec_t moved = w->now;
    unsigned before = w->client.rtp;
    while (w->client.rtp == before && w->now - moved < 30 * USEC_PER_SEC) {
        (void)send_media(w, &w->server, false); /* it may have no way */
        run_for(w, 100 * USEC_PER_MSEC);
    }
    assert_true(w->now - moved <= 5 * USEC_PER_SEC);
    world_free(w);
}

/* Somebody on the way repeats the client's datagrams from an address of his own. */
static void a_repeater_does_not_draw_media_to_himself(void **state)
{
    struct world *w = connected_world(9, CALM);
    struct address thief = address_v4(203, 0, 113, 66, 666);
    struct path path, stolen = {.local = w->server.address, .remote = thief};
    struct srtp *srtp;
    for (int i = 0; i < 50; i++) {
        assert_true(transport_ready(w->client.transport, &path, &srtp));
        uint8_t packet[32] = {0x80, 111}, out[64];
        store_u16(packet + 2, w->client.seq++);
        struct srtp_job job = {.srtp = srtp, .out = out, .out_size = sizeof out};
        job.clear = slice_of(packet, 12);
        job.body = slice_of(packet + 12, 20);
        srtp_protect(&job, 1);
        assert_int_equal(job.err, 0);
        struct transport_media media;
        assert_int_equal(
            transport_input(w->server.transport, w->now, &stolen, out, job.out_len, &media),
            0); /* genuine, wherever it came from */
        flush(w, &w->server);
        run_for(w, 100 * USEC_PER_MSEC);
        assert_true(transport_ready(w->server.transport, &path, &srtp));
        assert_true(address_eq(&path.remote, &w->seen_as));
    }
    world_free(w);
}

static bool lose_all(struct world *w, bool from_client, struct slice bytes)
{
    return false;
}

static void consent_runs_out_and_comes_back(void **state)
{
    struct world *w = connected_world(10, CALM);
    talk(w, USEC_PER_SEC);
    w->filter = lose_all;
    run_for(w, 4 * USEC_PER_SEC);
    assert_int_equal(transport_state(w->server.transport, w->now), TRANSPORT_QUIET);
    run_for(w, 12 * USEC_PER_SEC);
    assert_int_equal(transport_state(w->server.transport, w->now), TRANSPORT_FAILED);
    struct path path;
    struct srtp *srtp;
    assert_true(transport_ready(w->server.transport, &path, &srtp)); /* consent still holds */
    run_for(w, 16 * USEC_PER_SEC);
    assert_false(transport_ready(w->server.transport, &path, &srtp)); /* 30 s: no longer */
    w->filter = NULL;
    /* The client goes on checking, as browsers do. */
    struct path to = {.local = w->client.address, .remote = w->server.address};
    transport_free(&w->client.transport);
    dtls_context_free(&w->client.dtls);
    side_init(w, &w->client, true, 10);
    assert_int_equal(transport_set_remote(w->client.transport, w->now, slice_str(SERVER_UFRAG),
                                          slice_str(SERVER_PWD)),
                     0);
    assert_int_equal(transport_add_remote(w->client.transport, w->now, &to), 0);
    w->client.wake = w->now;
    run_for(w, USEC_PER_SEC);
    assert_true(transport_ready(w->server.transport, &path, &srtp));
    assert_int_equal(transport_state(w->server.transport, w->now), TRANSPORT_CONNECTED);
    world_free(w);
}

static const char SERVER_UFRAG_2[] = "0again", SERVER_PWD_2[] = "server-password-two-of-24";
static const char CLIENT_UFRAG_2[] = "clnt2", CLIENT_PWD_2[] = "client-password-two-of-24";

static bool count_handshake(struct world *w, bool from_client, struct slice bytes)
{
    w->filtered += bytes.data[0] >= 20 && bytes.data[0] < 64;
    return true;
}

/* As the focus asks for it, and as the client answers. */
static void restart_server(struct world *w)
{
    assert_int_equal(
        transport_restart(w->server.transport, slice_str(SERVER_UFRAG_2), slice_str(SERVER_PWD_2)),
        0);
    w->server.wake = w->now;
}

static void restart_client(struct world *w)
{
    const struct path path = {.local = w->client.address, .remote = w->server.address};
    struct transport *client = w->client.transport, *server = w->server.transport;
    assert_int_equal(transport_restart(client, slice_str(CLIENT_UFRAG_2), slice_str(CLIENT_PWD_2)),
                     0);
    assert_int_equal(
        transport_set_remote(client, w->now, slice_str(SERVER_UFRAG_2), slice_str(SERVER_PWD_2)),
        0);
    assert_int_equal(transport_add_remote(client, w->now, &path), 0);
    assert_int_equal(
        transport_set_remote(server, w->now, slice_str(CLIENT_UFRAG_2), slice_str(CLIENT_PWD_2)),
        0);
    w->client.wake = w->server.wake = w->now;
}

static void an_ice_restart_keeps_dtls_and_what_runs(void **state)
{
    struct world *w = connected_world(17, CALM);
    struct srtp *keys, *keys_after;
    struct path path;
    assert_true(transport_ready(w->server.transport, &path, &keys));
    talk(w, USEC_PER_SEC);
    w->filter = count_handshake;
    restart_server(w);
    talk(w, USEC_PER_SEC);
    assert_true(w->server.rtp >= 98 && w->client.rtp >= 98);
    /* The client has another network, and what it had leads nowhere. */
    w->client.address = address_v4(10, 1, 1, 9, 4001);
    w->seen_as = address_v4(203, 0, 113, 9, 50000);
    usec_t moved = w->now;
    unsigned before = w->client.rtp;
    restart_client(w);
    while (w->client.rtp <= before + 1 && w->now - moved < 10 * USEC_PER_SEC)
        talk(w, 20 * USEC_PER_MSEC);
    assert_true(w->now - moved <= 200 * USEC_PER_MSEC);
    before = w->server.rtp;
    talk(w, 10 * USEC_PER_SEC); /* longer than the old credentials live on */
    assert_true(w->server.rtp - before >= 498);
    assert_true(transport_ready(w->server.transport, &path, &keys_after));
    assert_true(address_eq(&path.remote, &w->seen_as));
    assert_ptr_equal(keys, keys_after);
    assert_int_equal(w->filtered, 0);
    assert_true(transport_answers_to(w->server.transport, slice_str(SERVER_UFRAG_2)));
    assert_false(transport_answers_to(w->server.transport, slice_str(SERVER_UFRAG)));
    world_free(w);
}

static void an_ice_restart_of_a_way_that_works_costs_no_packet(void **state)
{
    struct world *w = connected_world(18, CALM);
    restart_server(w);
    talk(w, USEC_PER_SEC);
    restart_client(w);
    talk(w, 20 * USEC_PER_SEC);
    run_for(w, USEC_PER_SEC);
    assert_int_equal(w->server.rtp, 1050);
    assert_int_equal(w->client.rtp, 1050);
    assert_false(transport_answers_to(w->server.transport, slice_str(SERVER_UFRAG)));
    world_free(w);
}

static void a_muted_listener_is_not_taken_for_quiet(void **state)
{
    const struct net_link some_loss = {.loss = 0.05, .delay = 50 * USEC_PER_MSEC};
    struct world *w = connected_world(11, some_loss);
    unsigned quiet = 0;
    for (int i = 0; i < 600; i++) { /* ten minutes without any media */
        run_for(w, USEC_PER_SEC);
        quiet += transport_state(w->server.transport, w->now) != TRANSPORT_CONNECTED;
    }
    assert_in_range(quiet, 0, 5);
    world_free(w);
}

static void replayed_packets_are_dropped(void **state)
{
    const struct net_link doubling = {.duplicate = 1, .delay = 10 * USEC_PER_MSEC};
    struct world *w = connected_world(12, doubling);
    talk(w, USEC_PER_SEC);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp, 50);
    struct transport_counters counters;
    struct ice_counters ice;
    transport_get_counters(w->server.transport, &counters, &ice);
    assert_int_equal(counters.replayed, 50);
    world_free(w);
}

/* Ten times what an endpoint may send: cut before it is decrypted, and afterwards all is as before.
 */
static void who_sends_too_much_is_cut(void **state)
{
    (void)state;
    struct world *w = connected_world(16, CALM);
    for (int i = 0; i < 5000; i++) {
        for (int k = 0; k < 50; k++)
            assert_true(send_media(w, &w->client, k % 10 == 0));
        run_for(w, USEC_PER_MSEC);
    }
    print_message("of 225000 and 25000 packets %u and %u passed\n", w->server.rtp, w->server.rtcp);
    assert_in_range(w->server.rtp, 25000, 28000);
    assert_in_range(w->server.rtcp, 2500, 2900);
    struct transport_counters counters;
    struct ice_counters ice;
    transport_get_counters(w->server.transport, &counters, &ice);
    assert_true(counters.limited > 215000);
    run_for(w, USEC_PER_SEC);
    unsigned before = w->server.rtp;
    talk(w, USEC_PER_SEC);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp - before, 50);
    world_free(w);
}

/* What may stay encrypted: RTP where ICE has validated it, after genuine packets, within the rate.
 */
static void only_what_comes_as_usual_is_looked_at_first(void **state)
{
    struct world *w = connected_world(22, CALM);
    const uint8_t rtp[40] = {0x80, 111}, rtcp[40] = {0x80, 201}, stun[40] = {0};
    const struct slice datagram = slice_of(rtp, sizeof rtp);
    struct path path;
    struct srtp *srtp;
    struct slice packet;
    struct transport *server = w->server.transport;
    assert_true(transport_ready(server, &path, &srtp));
    assert_false(transport_peek(server, w->now, &path, datagram, &packet));
    talk(w, 100 * USEC_PER_MSEC);
    assert_true(transport_peek(server, w->now, &path, datagram, &packet));
    assert_int_equal(packet.len, sizeof rtp - 16);
    assert_false(transport_peek(server, w->now, &path, slice_of(rtcp, sizeof rtcp), &packet));
    assert_false(transport_peek(server, w->now, &path, slice_of(stun, sizeof stun), &packet));
    assert_false(transport_peek(server, w->now, &path, slice_of(rtp, 15), &packet));
    assert_false(transport_peek(server, w->now, &path, slice_of(rtp, 0), &packet));
    struct path other = path;
    other.remote.port++;
    assert_false(transport_peek(server, w->now, &other, datagram, &packet));
    unsigned passed = 0;
    for (; transport_peek(server, w->now, &path, datagram, &packet) && passed < 100000; passed++)
        transport_pass(server, w->now, datagram);
    assert_in_range(passed, 2400, 2600); /* half a second's worth of 5,000 */
    run_for(w, USEC_PER_SEC);
    assert_true(transport_peek(server, w->now, &path, datagram, &packet));
    world_free(w);
}

static void a_farewell_is_understood(void **state)
{
    struct world *w = connected_world(13, CALM);
    transport_close(w->client.transport);
    flush(w, &w->client);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_true(transport_over(w->server.transport));
    assert_false(send_media(w, &w->server, false));
    world_free(w);
}

static bool lose_finished(struct world *w, bool from_client, struct slice bytes)
{
    /* ChangeCipherSpec or, encrypted, Finished. */
    bool last = !from_client && bytes.len > 13 && (bytes.data[0] == 20 || bytes.data[4] == 1) &&
                bytes.data[0] < 64 && bytes.data[0] >= 20;
    if (last && w->filtered < 3) {
        w->filtered++;
        return false;
    }
    return true;
}

/* Once the client's media was genuine the session is given back, which nobody notices: not before,
 * for the client may lack our last flight; farewells are not heard any more. */
static void media_ends_the_need_for_dtls(void **state)
{
    struct world *w = world_new(21, CALM);
    w->filter = lose_finished;
    tell_client(w);
    tell_server(w);
    assert_true(run_until_connected(w, 20 * USEC_PER_SEC) > 0);
    assert_int_equal(w->filtered, 3);
    talk(w, USEC_PER_SEC);
    run_for(w, 10 * USEC_PER_SEC);
    assert_int_equal(w->client.rtp, 50);
    set_fingerprint(&w->server, &w->client);
    talk(w, USEC_PER_SEC);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp, 100);
    transport_close(w->client.transport);
    flush(w, &w->client);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_false(transport_over(w->server.transport));
    assert_true(send_media(w, &w->server, false));
    set_fingerprint(&w->server, &w->server);
    assert_true(transport_over(w->server.transport));
    assert_false(send_media(w, &w->server, false));
    world_free(w);
}

static void noise_changes_nothing(void **state)
{
    struct world *w = connected_world(14, CALM);
    struct path path = {.local = w->server.address, .remote = w->seen_as};
    uint8_t bytes[400];
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)(net_random(&w->net) * sizeof bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(net_random(&w->net) * 256);
        struct transport_media media;
        int err = transport_input(w->server.transport, w->now, &path, bytes, len, &media);
        assert_true(err != 0 || media.kind == TRANSPORT_NOTHING);
    }
    run_for(w, USEC_PER_SEC);
    assert_true(connected(w));
    unsigned before = w->server.rtp;
    talk(w, 200 * USEC_PER_MSEC);
    run_for(w, 100 * USEC_PER_MSEC);
    assert_int_equal(w->server.rtp - before, 10);
    world_free(w);
}

static void add_stream(struct world *w)
{
    const struct path path = {.local = w->client.address, .remote = w->stream};
    assert_int_equal(transport_add_remote(w->client.transport, w->now, &path), 0);
    w->client.wake = w->now;
}

static bool server_on_stream(const struct world *w)
{
    struct path path;
    struct srtp *srtp;
    assert_true(transport_ready(w->server.transport, &path, &srtp));
    return path_is_stream(&path);
}

/* Both say a packet every 20 ms; those that arrived in that time, of each. */
static void count_talk(struct world *w, usec_t time, unsigned *ret_up, unsigned *ret_down)
{
    unsigned up = w->server.rtp, down = w->client.rtp;
    talk(w, time);
    *ret_up = w->server.rtp - up;
    *ret_down = w->client.rtp - down;
}

/* A firewall that lets no datagrams through, from the start. */
static void a_stream_serves_while_no_datagrams_get_through(void **state)
{
    unsigned up, down;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed, CALM);
        w->no_datagrams = true;
        tell_client(w);
        tell_server(w);
        add_stream(w);
        assert_true(run_until_connected(w, 2 * USEC_PER_SEC) >= 0);
        assert_true(server_on_stream(w));
        count_talk(w, USEC_PER_SEC, &up, &down);
        assert_in_range(up, 46, 50);
        assert_in_range(down, 46, 50);
        world_free(w);
    }
}

static void datagrams_that_stop_are_replaced_by_the_stream_and_come_back(void **state)
{
    unsigned up, down;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = connected_world(seed, CALM);
        add_stream(w);
        talk(w, USEC_PER_SEC);
        assert_false(server_on_stream(w));
        w->no_datagrams = true;
        talk(w, 8 * USEC_PER_SEC);
        assert_true(server_on_stream(w));
        count_talk(w, USEC_PER_SEC, &up, &down);
        assert_in_range(up, 46, 50);
        assert_in_range(down, 46, 50);
        w->no_datagrams = false;
        talk(w,
             15 * USEC_PER_SEC); /* a path in reserve is asked every 12 s, give or take a fifth */
        assert_false(server_on_stream(w));
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_network_connects_at_once),
        cmocka_unit_test(loss_reordering_and_copies_only_delay_the_handshake),
        cmocka_unit_test(a_client_hello_in_two_datagrams_completes),
        cmocka_unit_test(a_late_session_accept_holds_media_back),
        cmocka_unit_test(a_wrong_fingerprint_is_refused),
        cmocka_unit_test(dtls_from_a_stranger_is_not_answered),
        cmocka_unit_test(media_follows_a_client_whose_address_changes),
        cmocka_unit_test(a_silent_client_that_moves_is_found_by_its_checks),
        cmocka_unit_test(a_repeater_does_not_draw_media_to_himself),
        cmocka_unit_test(consent_runs_out_and_comes_back),
        cmocka_unit_test(an_ice_restart_keeps_dtls_and_what_runs),
        cmocka_unit_test(an_ice_restart_of_a_way_that_works_costs_no_packet),
        cmocka_unit_test(a_muted_listener_is_not_taken_for_quiet),
        cmocka_unit_test(replayed_packets_are_dropped),
        cmocka_unit_test(who_sends_too_much_is_cut),
        cmocka_unit_test(only_what_comes_as_usual_is_looked_at_first),
        cmocka_unit_test(a_farewell_is_understood),
        cmocka_unit_test(media_ends_the_need_for_dtls),
        cmocka_unit_test(noise_changes_nothing),
        cmocka_unit_test(a_stream_serves_while_no_datagrams_get_through),
        cmocka_unit_test(datagrams_that_stop_are_replaced_by_the_stream_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
