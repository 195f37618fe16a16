/* One sender and several receivers in virtual time, in every codec and layer structure: each
 * receiver gets the layers it wants, as one clean stream of which every frame can be decoded. */
#include "base/check.h"

#include <stdlib.h>

#include "bridge/conference.h"
#include "bridge/feed.h"
#include "layered_viewer.h"
#include "proto/feed_format.h"

enum { PUPILS = 3, TOP_BPS = 20000000 };

struct pupil {
    struct hall *hall;
    struct conference_seat seat;
    struct pipe up;
    struct pipe down;
    struct layered_viewer viewer;
    int height;
    int frame_rate;
};

struct hall {
    struct conference *conference;
    usec_t now;
    usec_t tick_at;
    struct conference_seat teacher;
    struct pipe up;
    struct pipe down;
    struct layered_sender sender;
    struct pupil pupils[PUPILS];
};

static const struct pipe_shape CLEAN = {.delay = 20 * USEC_PER_MSEC};
static const struct pipe_shape LOSSY = {
    .delay = 20 * USEC_PER_MSEC, .loss = 0.05, .jitter = 10 * USEC_PER_MSEC};

static const struct layered_mode VP9_KEY = {&codec_vp9, 3, 3, true, false};
static const struct layered_mode VP9_FULL = {&codec_vp9, 3, 3, false, false};
static const struct layered_mode VP9_SIMULCAST = {&codec_vp9, 1, 3, false, false};
static const struct layered_mode AV1_KEY = {&codec_av1, 3, 3, true, true};
static const struct layered_mode AV1_FULL = {&codec_av1, 3, 3, false, true};
static const struct layered_mode AV1_BARE = {&codec_av1, 1, 1, false, false};
static const struct layered_mode H264_L1T3 = {&codec_h264, 1, 3, false, true};
static const struct layered_mode H264_BARE = {&codec_h264, 1, 1, false, false};
static const struct layered_mode VP8_DESCRIBED = {&codec_vp8, 1, 3, false, true};

static void put_teacher(struct hall *h)
{
    struct conference_source camera = {.name = "t-v0", .kind = CONFERENCE_VIDEO};
    camera.layer_count = LAYERED_STREAMS;
    for (unsigned i = 0; i < LAYERED_STREAMS; i++) {
        camera.ssrcs[i] = LAYERED_SSRC + i;
        camera.rtx[i] = LAYERED_RTX + i;
    }
    struct conference_endpoint teacher = {
        .id = "t",
        .sources = &camera,
        .source_count = 1,
        .wishes = {.last_n = -1, .assumed_bandwidth_bps = -1},
    };
    assert_int_equal(conference_put(h->conference, h->now, &teacher, NULL, &h->teacher), 0);
    conference_set_connected(h->conference, h->now, h->teacher, true);
}

static void look(struct pupil *p, int height, int frame_rate)
{
    struct hall *h = p->hall;
    struct conference_constraint wish = {"t-v0", height, frame_rate};
    struct conference_endpoint pupil = {
        .wishes = {.last_n = -1,
                   .default_max_height = 0,
                   .constraints = &wish,
                   .constraint_count = 1,
                   .assumed_bandwidth_bps = TOP_BPS},
    };
    pupil.id[0] = (char)('a' + (p - h->pupils));
    assert_int_equal(conference_put(h->conference, h->now, &pupil, p, &p->seat), 0);
    conference_set_connected(h->conference, h->now, p->seat, true);
    conference_set_rtt(h->conference, p->seat, 40 * USEC_PER_MSEC);
}

static void open_hall(struct hall *h, struct layered_mode mode, struct pipe_shape up,
                      struct pipe_shape down)
{
    *h = (struct hall){.conference = conference_new(3), .now = USEC_PER_SEC};
    assert_non_null(h->conference);
    pipe_init(&h->up, 1, up);
    pipe_init(&h->down, 2, CLEAN);
    layered_sender_init(&h->sender, &h->up, mode);
    put_teacher(h);
    for (unsigned i = 0; i < PUPILS; i++) {
        struct pupil *p = &h->pupils[i];
        p->hall = h;
        pipe_init(&p->up, 10 + i, CLEAN);
        pipe_init(&p->down, 20 + i, down);
        layered_viewer_init(&p->viewer, &p->up);
        look(p, 0, -1);
    }
}

static void close_hall(struct hall *h)
{
    conference_free(&h->conference);
    layered_sender_done(&h->sender);
    pipe_done(&h->up);
    pipe_done(&h->down);
    for (unsigned i = 0; i < PUPILS; i++) {
        pipe_done(&h->pupils[i].up);
        pipe_done(&h->pupils[i].down);
    }
}

static void drain(struct hall *h)
{
    struct conference_packet packets[32];
    struct conference_notice notice;
    size_t count;
    while ((count = conference_poll_packets(h->conference, h->now, packets, 32)) > 0) {
        for (size_t i = 0; i < count; i++) {
            uint8_t bytes[PIPE_PACKET_MAX];
            struct writer w = writer_of(bytes, sizeof(bytes));
            struct pupil *p = packets[i].user;
            writer_bytes(&w, slice_of(packets[i].header, packets[i].header_len));
            writer_bytes(&w, packets[i].payload);
            assert_false(w.failed);
            pipe_send(p ? &p->down : &h->down, h->now, slice_of(bytes, writer_len(&w)),
                      packets[i].rtcp);
        }
    }
    while (conference_poll_notice(h->conference, h->now, &notice))
        continue;
}

static void deliver_up(struct hall *h, struct pipe *pipe, struct conference_seat seat)
{
    struct pipe_packet *packet;
    while ((packet = pipe_receive(pipe, h->now))) {
        struct slice bytes = slice_of(packet->bytes, packet->len);
        int err = packet->rtcp ? conference_input_rtcp(h->conference, h->now, seat, bytes)
                               : conference_input_rtp(h->conference, h->now, seat, bytes);
        assert_int_equal(err, 0);
        free(packet);
    }
}

static void run(struct hall *h, usec_t time)
{
    struct pipe_packet *packet;
    for (usec_t end = h->now + time; h->now < end; h->now += USEC_PER_MSEC) {
        layered_sender_step(&h->sender, h->now);
        deliver_up(h, &h->up, h->teacher);
        while ((packet = pipe_receive(&h->down, h->now))) {
            layered_sender_input(&h->sender, h->now, slice_of(packet->bytes, packet->len));
            free(packet);
        }
        for (unsigned i = 0; i < PUPILS; i++) {
            struct pupil *p = &h->pupils[i];
            deliver_up(h, &p->up, p->seat);
            while ((packet = pipe_receive(&p->down, h->now))) {
                if (!packet->rtcp)
                    layered_viewer_input(&p->viewer, h->now, slice_of(packet->bytes, packet->len));
                free(packet);
            }
            layered_viewer_step(&p->viewer, h->now);
        }
        if (h->now >= h->tick_at)
            h->tick_at = conference_tick(h->conference, h->now);
        drain(h);
    }
}

/* Of the layers in one stream, or of the streams. */
static unsigned layer_seen(const struct hall *h, const struct pupil *p)
{
    return h->sender.mode.spatial > 1 ? p->viewer.spatial : p->viewer.stream;
}

static void begin_all(struct hall *h)
{
    for (unsigned i = 0; i < PUPILS; i++)
        layered_viewer_begin(&h->pupils[i].viewer, h->now);
}

/* Three pupils look at three sizes; then they change places. */
static void layers_in(struct layered_mode mode)
{
    static struct hall h;
    static const int heights[] = {180, 360, 720};
    open_hall(&h, mode, CLEAN, CLEAN);
    for (unsigned turn = 0; turn < 4; turn++) {
        for (unsigned i = 0; i < PUPILS; i++)
            look(&h.pupils[i], heights[(i + turn) % 3], -1);
        begin_all(&h);
        run(&h, 3 * USEC_PER_SEC);
        for (unsigned i = 0; i < PUPILS; i++) {
            const struct layered_viewer *v = &h.pupils[i].viewer;
            assert_int_equal(layer_seen(&h, &h.pupils[i]), (i + turn) % 3);
            assert_ptr_equal(v->codec, mode.codec);
            assert_int_equal(v->dropped, 0);
            assert_int_equal(v->holes, 0);
            assert_true(v->pictures >= (turn > 0 ? 87 : 80));
            if (turn > 0)
                assert_true(v->longest_freeze <= 100 * USEC_PER_MSEC);
        }
    }
    print_message("%s %u x %u%s: %u key requests\n", mode.codec->name, mode.spatial, mode.temporal,
                  mode.key_only ? " key" : "", h.sender.plis);
    assert_true(h.sender.plis <= 12);
    close_hall(&h);
}

static void every_layer_of_every_codec_is_clean(void **state)
{
    (void)state;
    layers_in(VP9_KEY);
    layers_in(VP9_FULL);
    layers_in(VP9_SIMULCAST);
    layers_in(AV1_KEY);
    layers_in(AV1_FULL);
    layers_in(AV1_BARE);
    layers_in(H264_L1T3);
    layers_in(H264_BARE);
    layers_in(VP8_DESCRIBED);
}

/* Where lower layers are always sent too, less is given without a key frame. */
static void going_down_needs_no_key_frame_where_all_layers_were_sent(void **state)
{
    (void)state;
    static struct hall h;
    const struct layered_mode modes[] = {VP9_FULL, AV1_FULL};
    for (unsigned m = 0; m < 2; m++) {
        open_hall(&h, modes[m], CLEAN, CLEAN);
        look(&h.pupils[0], 720, -1);
        run(&h, 2 * USEC_PER_SEC);
        assert_int_equal(layer_seen(&h, &h.pupils[0]), 2);
        unsigned plis = h.sender.plis;
        begin_all(&h);
        look(&h.pupils[0], 180, -1);
        run(&h, 500 * USEC_PER_MSEC);
        assert_int_equal(layer_seen(&h, &h.pupils[0]), 0);
        assert_int_equal(h.sender.plis, plis);
        assert_int_equal(h.pupils[0].viewer.dropped, 0);
        close_hall(&h);
    }
}

static void frame_rates_in(struct layered_mode mode)
{
    static struct hall h;
    open_hall(&h, mode, CLEAN, CLEAN);
    for (unsigned i = 0; i < PUPILS; i++)
        look(&h.pupils[i], 720, -1);
    run(&h, 2 * USEC_PER_SEC);
    static const int rates[] = {8, 15, -1};
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i < PUPILS; i++)
            look(&h.pupils[i], 720, rates[(i + turn) % 3]);
        run(&h, 500 * USEC_PER_MSEC);
        begin_all(&h);
        run(&h, 4 * USEC_PER_SEC);
        for (unsigned i = 0; i < PUPILS; i++) {
            const struct layered_viewer *v = &h.pupils[i].viewer;
            int rate = rates[(i + turn) % 3];
            unsigned wanted = rate == 8 ? 30 : rate == 15 ? 60 : 120;
            assert_in_range(v->pictures, wanted - 2, wanted + 2);
            assert_int_equal(v->dropped, 0);
            assert_int_equal(v->holes, 0);
        }
    }
    close_hall(&h);
}

static void frames_are_left_out_without_a_trace(void **state)
{
    (void)state;
    frame_rates_in(VP9_KEY);
    frame_rates_in(VP9_FULL);
    frame_rates_in(AV1_KEY);
    frame_rates_in(AV1_FULL);
    frame_rates_in(H264_L1T3);
    frame_rates_in(VP8_DESCRIBED);
}

static void a_codec_changes_in_mid_stream(void **state)
{
    (void)state;
    static struct hall h;
    const struct layered_mode modes[] = {AV1_KEY,   VP9_KEY,  VP8_DESCRIBED, AV1_FULL,
                                         H264_L1T3, VP9_FULL, H264_BARE,     AV1_KEY};
    open_hall(&h, modes[0], CLEAN, CLEAN);
    for (unsigned i = 0; i < PUPILS; i++)
        look(&h.pupils[i], 180 << i, -1);
    run(&h, 3 * USEC_PER_SEC);
    for (unsigned m = 1; m < sizeof(modes) / sizeof(modes[0]); m++) {
        begin_all(&h);
        layered_sender_change(&h.sender, modes[m]);
        run(&h, 3 * USEC_PER_SEC);
        for (unsigned i = 0; i < PUPILS; i++) {
            const struct layered_viewer *v = &h.pupils[i].viewer;
            assert_int_equal(v->changes, 1);
            assert_ptr_equal(v->codec, modes[m].codec);
            assert_int_equal(layer_seen(&h, &h.pupils[i]), i);
            assert_int_equal(v->dropped, 0);
            assert_int_equal(v->holes, 0);
            assert_true(v->longest_freeze <= 400 * USEC_PER_MSEC);
        }
    }
    close_hall(&h);
}

static void losses_in(struct layered_mode mode)
{
    static struct hall h;
    open_hall(&h, mode, LOSSY, LOSSY);
    for (unsigned i = 0; i < PUPILS; i++)
        look(&h.pupils[i], 180 << i, -1);
    run(&h, 2 * USEC_PER_SEC);
    begin_all(&h);
    run(&h, 20 * USEC_PER_SEC);
    print_message("%s %u x %u%s: shown %u %u %u of 600, key requests %u, freeze %lld ms\n",
                  mode.codec->name, mode.spatial, mode.temporal, mode.key_only ? " key" : "",
                  h.pupils[0].viewer.pictures, h.pupils[1].viewer.pictures,
                  h.pupils[2].viewer.pictures, h.sender.plis,
                  (long long)h.pupils[2].viewer.longest_freeze / 1000);
    for (unsigned i = 0; i < PUPILS; i++) {
        const struct layered_viewer *v = &h.pupils[i].viewer;
        assert_true(v->pictures >= 510);
        assert_true(v->longest_freeze <= USEC_PER_SEC);
        assert_true(v->repaired > 0);
        assert_true(v->dropped <= 6);
        assert_int_equal(layer_seen(&h, &h.pupils[i]), i);
    }
    close_hall(&h);
}

static void losses_are_repaired_in_every_codec(void **state)
{
    (void)state;
    losses_in(VP9_KEY);
    losses_in(VP9_FULL);
    losses_in(AV1_KEY);
    losses_in(AV1_FULL);
    losses_in(H264_L1T3);
    losses_in(H264_BARE);
    losses_in(VP8_DESCRIBED);
}

/* The packet that says what all others mean comes late: they wait for it, not for another key. */
static void a_structure_that_comes_late_opens_what_waits(void **state)
{
    (void)state;
    static struct hall h;
    open_hall(&h, AV1_KEY, CLEAN, CLEAN);
    h.sender.lose_key_starts = 1;
    look(&h.pupils[0], 720, -1);
    run(&h, 1500 * USEC_PER_MSEC);
    const struct layered_viewer *v = &h.pupils[0].viewer;
    assert_true(v->pictures >= 30);
    begin_all(&h);
    h.sender.lose_key_starts = 1;
    h.sender.key_wanted = true;
    unsigned plis = h.sender.plis;
    run(&h, 2 * USEC_PER_SEC);
    assert_true(h.sender.resent > 0);
    assert_int_equal(h.sender.plis, plis);
    assert_true(v->pictures >= 58);
    assert_true(v->longest_freeze <= 250 * USEC_PER_MSEC);
    assert_int_equal(layer_seen(&h, &h.pupils[0]), 2);
    close_hall(&h);
}

/* An encoder gives up its top layer: who saw it gets the next. */
static void a_spatial_layer_that_stops_is_replaced(void **state)
{
    (void)state;
    static struct hall h;
    const struct layered_mode modes[] = {VP9_KEY, VP9_FULL, AV1_KEY};
    for (unsigned m = 0; m < 3; m++) {
        open_hall(&h, modes[m], CLEAN, CLEAN);
        look(&h.pupils[0], 720, -1);
        run(&h, 3 * USEC_PER_SEC);
        begin_all(&h);
        h.sender.spatial_on = 2;
        run(&h, 3 * USEC_PER_SEC);
        assert_int_equal(layer_seen(&h, &h.pupils[0]), 1);
        assert_true(h.pupils[0].viewer.longest_freeze < USEC_PER_SEC);
        h.sender.spatial_on = 3;
        h.sender.key_wanted = true;
        run(&h, 2 * USEC_PER_SEC);
        assert_int_equal(layer_seen(&h, &h.pupils[0]), 2);
        close_hall(&h);
    }
}

/* What the feed holds of the camera: unbroken numbers from a key picture on, each picture with its
 * end, and as many bytes as the layers up to 360 lines have. */
static void check_feed(struct feed *feed, const struct layered_mode *mode, usec_t now)
{
    struct slice out[FEED_READ_SLICES];
    struct feed_record record;
    struct rtp_packet packet;
    size_t len;
    unsigned packets = 0;
    unsigned pictures = 0;
    uint16_t next = 0;
    feed_end(feed, now);
    assert_int_equal(feed_attach(feed, now, 0), 0);
    assert_int_equal(feed_read(feed, now, out), 1);
    for (struct slice rest = out[0]; rest.len > 0; rest = slice_sub(rest, len, rest.len)) {
        assert_int_equal(feed_parse(rest, &record, &len), 0);
        if (record.kind != FEED_RTP)
            continue;
        assert_int_equal(rtp_parse(record.payload, &packet), 0);
        assert_int_equal(packet.payload_type, mode->codec->payload_type);
        assert_true(packets == 0 || packet.sequence == next);
        next = (uint16_t)(packet.sequence + 1);
        packets++;
        pictures += packet.marker;
        if (mode->codec != &codec_vp9)
            continue;
        struct vp9_descriptor d;
        struct vp9_structure structure;
        assert_int_equal(vp9_parse(packet.payload, &d, &structure), 0);
        assert_true(packets > 1 || vp9_starts_key(&d));
        assert_true(d.sid <= 1);
        assert_int_equal(packet.marker, d.end && d.sid == 1);
    }
    print_message("%s%s: %u packets, %u pictures\n", mode->codec->name,
                  mode->key_only ? " key" : "", packets, pictures);
    assert_in_range(pictures, 100, 125);
    assert_in_range(packets, 2 * pictures, 4 * pictures);
}

static void a_recording_holds_the_layers_it_wants(void **state)
{
    (void)state;
    static struct hall h;
    const struct layered_mode modes[] = {VP9_KEY, VP9_FULL, AV1_KEY, AV1_FULL};
    for (unsigned m = 0; m < 4; m++) {
        open_hall(&h, modes[m], CLEAN, CLEAN);
        look(&h.pupils[0], 720, -1);
        run(&h, USEC_PER_SEC);
        struct feed *feed = feed_new(h.now, &(struct feed_setup){"c", "r", 1, 1000, 0});
        assert_non_null(feed);
        conference_set_feed(h.conference, h.now, feed, false);
        run(&h, 4 * USEC_PER_SEC);
        conference_set_feed(h.conference, h.now, NULL, false);
        check_feed(feed, &modes[m], h.now);
        feed_free(&feed);
        close_hall(&h);
    }
}

struct taken {
    unsigned packets;
    unsigned changes; /* of the payload type */
    uint8_t type;
    uint16_t sequence;
};

/* Of what the feed has now, numbers without a hole. */
static void take_feed(struct feed *feed, usec_t now, struct taken *taken)
{
    struct slice out[FEED_READ_SLICES];
    struct feed_record record;
    struct rtp_packet packet;
    size_t len;
    assert_int_equal(feed_read(feed, now, out), 1);
    size_t all = out[0].len;
    for (struct slice rest = out[0]; rest.len > 0; rest = slice_sub(rest, len, rest.len)) {
        assert_int_equal(feed_parse(rest, &record, &len), 0);
        if (record.kind != FEED_RTP)
            continue;
        assert_int_equal(rtp_parse(record.payload, &packet), 0);
        assert_true(taken->packets++ == 0 || packet.sequence == (uint16_t)(taken->sequence + 1));
        taken->sequence = packet.sequence;
        taken->changes += packet.payload_type != taken->type;
        taken->type = packet.payload_type;
    }
    feed_advance(feed, all);
}

/* By one SSRC the numbers go on. */
static void a_recording_goes_over_to_another_codec(void **state)
{
    (void)state;
    static struct hall h;
    const struct layered_mode modes[] = {VP9_KEY, AV1_KEY, VP9_FULL};
    struct taken taken = {0};
    open_hall(&h, modes[0], CLEAN, CLEAN);
    look(&h.pupils[0], 720, -1);
    run(&h, USEC_PER_SEC);
    struct feed *feed = feed_new(h.now, &(struct feed_setup){"c", "r", 1, 1000, 0});
    assert_non_null(feed);
    assert_int_equal(feed_attach(feed, h.now, 0), 0);
    conference_set_feed(h.conference, h.now, feed, false);
    for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
        if (m > 0)
            layered_sender_change(&h.sender, modes[m]);
        run(&h, 3 * USEC_PER_SEC);
        take_feed(feed, h.now, &taken);
        assert_int_equal(taken.type, modes[m].codec->payload_type);
    }
    conference_set_feed(h.conference, h.now, NULL, false);
    assert_int_equal(taken.changes, ARRAY_LEN(modes));
    assert_true(taken.packets > 500);
    feed_free(&feed);
    close_hall(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_of_every_codec_is_clean),
        cmocka_unit_test(going_down_needs_no_key_frame_where_all_layers_were_sent),
        cmocka_unit_test(frames_are_left_out_without_a_trace),
        cmocka_unit_test(a_codec_changes_in_mid_stream),
        cmocka_unit_test(losses_are_repaired_in_every_codec),
        cmocka_unit_test(a_structure_that_comes_late_opens_what_waits),
        cmocka_unit_test(a_spatial_layer_that_stops_is_replaced),
        cmocka_unit_test(a_recording_holds_the_layers_it_wants),
        cmocka_unit_test(a_recording_goes_over_to_another_codec),
    };
    const char *only = getenv("DARASA_TEST");
    if (only)
        cmocka_set_test_filter(only);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
