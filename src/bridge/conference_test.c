#include "base/check.h"

#include <stdio.h>

#include "bridge/conference.h"

#include "bridge/feed.h"
#include "bridge/member.h"
#include "proto/offer.h"
#include "proto/red.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"
#include "proto/vp8.h"
#include "proto/vp9.h"

enum { MAX = 64 };

/* A class of two: a teacher who sends, a pupil who receives. */
struct class
{
    struct conference *conference;
    struct conference_seat teacher;
    struct conference_seat pupil;
    struct conference_packet packets[MAX];
    usec_t now;
};

static const struct conference_source sources[] = {
    {.name = "t-a0", .kind = CONFERENCE_AUDIO, .ssrcs = {100}, .layer_count = 1},
    {.name = "t-v0",
     .kind = CONFERENCE_VIDEO,
     .ssrcs = {200, 201, 202},
     .rtx = {300, 301, 302},
     .layer_count = 3},
};

static void put_teacher(struct class *class, const struct conference_source *own, size_t count)
{
    struct conference_endpoint teacher = {
        .id = "t",
        .rewriting = true,
        .sources = own,
        .source_count = count,
        .wishes = {.last_n = -1,
                   .default_max_height = CONFERENCE_UNTOLD,
                   .assumed_bandwidth_bps = 2500000},
    };
    assert_int_equal(conference_put(class->conference, class->now, &teacher, NULL, &class->teacher),
                     0);
}

static void put_pupil(struct class *class, bool rewriting, int height)
{
    struct conference_endpoint pupil = {
        .id = "p",
        .rewriting = rewriting,
        .wishes = {.last_n = -1, .default_max_height = height, .assumed_bandwidth_bps = 2500000},
    };
    assert_int_equal(conference_put(class->conference, class->now, &pupil, class, &class->pupil),
                     0);
}

static void begin_with(struct class *class, bool rewriting, int height, unsigned slots)
{
    *class = (struct class){.conference = conference_new(7), .now = 1000000};
    assert_non_null(class->conference);
    conference_set_slots(class->conference, slots);
    put_teacher(class, sources, 2);
    put_pupil(class, rewriting, height);
    conference_set_connected(class->conference, class->now, class->teacher, true);
    conference_set_connected(class->conference, class->now, class->pupil, true);
}

static void begin(struct class *class, bool rewriting, int height)
{
    begin_with(class, rewriting, height, 50);
}

static void end(struct class *class)
{
    conference_free(&class->conference);
    conference_free(&class->conference);
}

/* With what waits for company. */
static size_t drain(struct class *class)
{
    class->now += CONFERENCE_GATHER;
    (void)conference_tick(class->conference, class->now);
    size_t count = conference_poll_packets(class->conference, class->now, class->packets, MAX);
    assert_true(count < MAX);
    return count;
}

static bool next_notice(struct class *class, enum conference_event_type type,
                        struct conference_notice *notice)
{
    while (conference_poll_notice(class->conference, class->now, notice))
        if (notice->type == type)
            return true;
    return false;
}

static int send_voice(struct class *class, struct conference_seat seat, uint32_t ssrc,
                      uint16_t sequence)
{
    uint8_t bytes[64];
    uint8_t level = 30;
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_OPUS, false, false, sequence, sequence * 960U, ssrc};
    struct rtp_extension extension = {OFFER_EXT_AUDIO_LEVEL, slice_of(&level, 1)};
    rtp_put_header(&w, &header, &extension, 1);
    writer_bytes(&w, SLICE("\x78sound"));
    return conference_input_rtp(class->conference, class->now, seat,
                                slice_of(bytes, writer_len(&w)));
}

static int send_audio(struct class *class, uint16_t sequence)
{
    return send_voice(class, class->teacher, 100, sequence);
}

/* A packet of RED that repeats the one before. */
static int send_redundant(struct class *class, uint16_t sequence)
{
    uint8_t bytes[96];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_RED, false, false, sequence, sequence * 960U, 100};
    struct red red = {
        .blocks = {{OFFER_PT_OPUS, 960, SLICE("\x78older")}, {OFFER_PT_OPUS, 0, SLICE("\x78own")}},
        .count = 2};
    rtp_put_header(&w, &header, NULL, 0);
    red_put(&w, &red);
    return conference_input_rtp(class->conference, class->now, class->teacher,
                                slice_of(bytes, writer_len(&w)));
}

static int send_video(struct class *class, unsigned layer, uint16_t sequence, uint16_t picture,
                      bool key)
{
    uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_VP8, true, false, sequence, picture * 3000U, 200 + layer};
    rtp_put_header(&w, &header, NULL, 0);
    struct vp8_descriptor d = {.start = true,
                               .has_picture_id = true,
                               .long_picture_id = true,
                               .has_tl0 = true,
                               .has_tid = true,
                               .picture_id = picture,
                               .tl0 = (uint8_t)picture};
    vp8_put(&w, &d);
    uint8_t frame[12] = {key ? 0 : 1,
                         0,
                         0,
                         0x9d,
                         0x01,
                         0x2a,
                         64,
                         1,
                         (uint8_t)(180 << layer),
                         (uint8_t)((180 << layer) >> 8)};
    writer_bytes(&w, slice_of(frame, sizeof(frame)));
    return conference_input_rtp(class->conference, class->now, class->teacher,
                                slice_of(bytes, writer_len(&w)));
}

static const struct conference_packet *find_rtp(struct class *class, size_t count, bool audio,
                                                struct rtp_packet *ret_packet)
{
    static uint8_t bytes[2048];
    for (size_t i = 0; i < count; i++) {
        const struct conference_packet *p = &class->packets[i];
        if (p->rtcp || p->audio != audio)
            continue;
        memcpy(bytes, p->header, p->header_len);
        memcpy(bytes + p->header_len, p->payload.data, p->payload.len);
        assert_int_equal(rtp_parse(slice_of(bytes, p->header_len + p->payload.len), ret_packet), 0);
        return p;
    }
    return NULL;
}

/* Whether an RTCP packet of that kind about that SSRC went to the endpoint with that user. */
static bool find_rtcp(struct class *class, size_t count, void *user, uint8_t type, uint8_t format,
                      uint32_t ssrc)
{
    for (size_t i = 0; i < count; i++) {
        struct slice rest = class->packets[i].payload;
        struct rtcp_packet packet;
        if (!class->packets[i].rtcp || class->packets[i].user != user)
            continue;
        while (rtcp_next(&rest, &packet) == 0) {
            size_t at = type == RTCP_SR ? 0 : 4;
            if (packet.type == type && (type == RTCP_SR || packet.count == format) &&
                load_u32(packet.body.data + at) == ssrc)
                return true;
        }
    }
    return false;
}

static void classic_audio_goes_on_its_own_ssrc_at_once(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    begin(&class, false, CONFERENCE_UNTOLD);
    assert_int_equal(send_audio(&class, 5), 0);
    size_t count = drain(&class);
    assert_ptr_equal(find_rtp(&class, count, true, &packet)->user, &class);
    assert_int_equal(packet.ssrc, 100);
    assert_true(slice_eq_str(packet.payload, "\x78sound"));
    uint8_t level;
    bool voice;
    assert_true(rtp_audio_level(&packet, OFFER_EXT_AUDIO_LEVEL, &level, &voice));
    assert_int_equal(level, 30);
    uint16_t transport;
    assert_true(rtp_transport_sequence(&packet, OFFER_EXT_TRANSPORT_CC, &transport));
    end(&class);
}

/* Behind a line that they share, who is last finds the queue full. */
static void nobody_is_always_the_last(void **state)
{
    (void)state;
    enum { PUPILS = 4, ROUNDS = 20 };
    struct class class;
    struct conference_seat seats[PUPILS];
    char marks[PUPILS];
    unsigned last[PUPILS] = {0};
    begin(&class, false, 0);
    conference_del(class.conference, class.now, class.pupil);
    for (int i = 0; i < PUPILS; i++) {
        struct conference_endpoint pupil = {.wishes = {.assumed_bandwidth_bps = -1}};
        (void)snprintf(pupil.id, sizeof(pupil.id), "p%d", i);
        assert_int_equal(conference_put(class.conference, class.now, &pupil, &marks[i], &seats[i]),
                         0);
        conference_set_connected(class.conference, class.now, seats[i], true);
    }
    for (uint16_t round = 0; round < ROUNDS; round++, class.now += 20000) {
        assert_int_equal(send_audio(&class, round), 0);
        size_t count = drain(&class);
        char *of = NULL;
        for (size_t i = 0; i < count; i++)
            if (class.packets[i].audio)
                of = class.packets[i].user;
        assert_non_null(of);
        last[of - marks]++;
    }
    for (int i = 0; i < PUPILS; i++)
        assert_in_range(last[i], 2, ROUNDS / 2);
    end(&class);
}

/* The numbers of what goes out of three voices, who all begin between two ticks; 0: nothing. */
static void hear_three(struct class *class, const struct conference_seat *seats, uint32_t first,
                       uint16_t sequence, uint16_t ret_numbers[3])
{
    memset(ret_numbers, 0, 3 * sizeof(ret_numbers[0]));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(send_voice(class, seats[first + i], 1000 + first + i, sequence), 0);
    size_t count = conference_poll_packets(class->conference, class->now, class->packets, MAX);
    for (size_t i = 0; i < count; i++) {
        const struct conference_packet *p = &class->packets[i];
        uint32_t ssrc = load_u32(p->header + 8);
        if (!p->rtcp && p->user == class && ssrc >= 1000 + first && ssrc < 1003 + first)
            ret_numbers[ssrc - 1000 - first] = load_u16(p->header + 2);
    }
    class->now += CONFERENCE_TICK;
    (void)conference_tick(class->conference, class->now);
}

/* A class of many costs a classic receiver what is heard, and not what may be; who was heard
 * goes on where he stopped. */
static void classic_streams_are_for_voices_that_were_heard(void **state)
{
    (void)state;
    enum { VOICES = 300 };
    static struct conference_seat seats[VOICES];
    uint16_t before[3], after[3];
    struct class class;
    begin(&class, false, CONFERENCE_UNTOLD);
    for (uint32_t i = 0; i < VOICES; i++) {
        struct conference_source source = {
            .kind = CONFERENCE_AUDIO, .ssrcs = {1000 + i}, .layer_count = 1};
        struct conference_endpoint other = {.sources = &source, .source_count = 1};
        (void)snprintf(other.id, sizeof(other.id), "e%u", i);
        (void)snprintf(source.name, sizeof(source.name), "e%u-a0", i);
        assert_int_equal(conference_put(class.conference, class.now, &other, NULL, &seats[i]), 0);
    }
    const struct member *m = class.conference->members[class.pupil.index];
    assert_in_range(m->egress_count, 0, 8);
    hear_three(&class, seats, 0, 10, before);
    assert_true(before[0] > 0 && before[1] > 0 && before[2] > 0);
    class.now += 2 * USEC_PER_SEC;
    (void)conference_tick(class.conference, class.now);
    hear_three(&class, seats, 100, 10, after);
    assert_true(after[0] > 0 && after[1] > 0 && after[2] > 0);
    class.now += 2 * USEC_PER_SEC;
    (void)conference_tick(class.conference, class.now);
    hear_three(&class, seats, 0, 11, after);
    for (int i = 0; i < 3; i++)
        assert_int_equal(after[i], before[i] + 1);
    assert_in_range(m->egress_count, 6, 16);
    end(&class);
}

static size_t take_audio(struct class *class, struct rtp_packet out[4], char text[4][16])
{
    size_t count = drain(class);
    size_t found = 0;
    for (size_t i = 0; i < count && found < 4; i++) {
        const struct conference_packet *p = &class->packets[i];
        uint8_t bytes[256];
        if (p->rtcp || !p->audio)
            continue;
        memcpy(bytes, p->header, p->header_len);
        memcpy(bytes + p->header_len, p->payload.data, p->payload.len);
        assert_int_equal(rtp_parse(slice_of(bytes, p->header_len + p->payload.len), &out[found]),
                         0);
        assert_true(slice_copy(out[found].payload, text[found], 16));
        found++;
    }
    return found;
}

static void redundant_audio_goes_on_as_opus_and_fills_holes(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet out[4];
    char text[4][16];
    begin(&class, false, 0);
    assert_int_equal(send_redundant(&class, 5), 0); /* nothing is missing before the first */
    assert_int_equal(take_audio(&class, out, text), 1);
    assert_int_equal(out[0].payload_type, OFFER_PT_OPUS);
    assert_string_equal(text[0], "\x78own");
    uint16_t first = out[0].sequence;
    assert_int_equal(send_redundant(&class, 7), 0);
    assert_int_equal(take_audio(&class, out, text), 2);
    assert_string_equal(text[0], "\x78older");
    assert_int_equal((uint16_t)(out[0].sequence - first), 1);
    assert_int_equal(out[1].timestamp - out[0].timestamp, 960);
    assert_string_equal(text[1], "\x78own");
    /* What came is not there twice; what comes after all neither. */
    assert_int_equal(send_redundant(&class, 8), 0);
    assert_int_equal(take_audio(&class, out, text), 1);
    assert_int_equal(send_audio(&class, 6), 0);
    assert_int_equal(take_audio(&class, out, text), 0);
    end(&class);
}

/* What the pupil says to have lost of the teacher's voice, so far. */
static void report_loss(struct class *class, uint32_t highest, uint8_t fraction)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtcp_report report = {.ssrc = 100, .highest = highest, .fraction_lost = fraction};
    rtcp_put_rr(&w, 1, &report, 1);
    assert_int_equal(conference_input_rtcp(class->conference, class->now, class->pupil,
                                           slice_of(bytes, writer_len(&w))),
                     0);
}

/* The payload of the next packet of sound that goes out. */
static struct slice next_sound(struct class *class, uint16_t sequence, struct rtp_packet *packet)
{
    static uint8_t bytes[512];
    class->now += 20000 - CONFERENCE_GATHER;
    assert_int_equal(send_audio(class, sequence), 0);
    const struct conference_packet *p = find_rtp(class, drain(class), true, packet);
    assert_non_null(p);
    assert_true(p->rtp_header_len == packet->payload.data - p->header || p->payload.len > 0);
    size_t clear = p->header_len - p->rtp_header_len;
    memcpy(bytes, p->header + p->rtp_header_len, clear);
    memcpy(bytes + clear, p->payload.data, p->payload.len);
    return slice_of(bytes, clear + p->payload.len);
}

static void set_up_loss(struct class *class, bool red, bool encrypted)
{
    begin(class, false, CONFERENCE_UNTOLD);
    struct conference_endpoint pupil = {
        .id = "p", .red = red, .wishes = {.last_n = -1, .assumed_bandwidth_bps = 2500000}};
    assert_int_equal(conference_put(class->conference, class->now, &pupil, class, &class->pupil),
                     0);
    struct conference_endpoint teacher = {
        .id = "t", .encrypted = encrypted, .sources = sources, .source_count = 2};
    assert_int_equal(conference_put(class->conference, class->now, &teacher, NULL, &class->teacher),
                     0);
}

static void loss_is_met_with_copies(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct class class;
        struct rtp_packet packet;
        set_up_loss(&class, kind != 1, kind == 2);
        uint16_t sequence = 0;
        for (uint32_t i = 0; i < 5; i++) {
            for (unsigned k = 0; k < 100; k++) {
                (void)next_sound(&class, ++sequence, &packet);
                if (i == 0)
                    assert_int_equal(packet.payload_type, OFFER_PT_OPUS);
            }
            report_loss(&class, 100 * (i + 1), 77);
        }
        struct slice payload = next_sound(&class, ++sequence, &packet);
        if (kind > 0) { /* not negotiated; or encrypted end to end */
            assert_int_equal(packet.payload_type, OFFER_PT_OPUS);
            assert_true(slice_eq_str(payload, "\x78sound"));
            end(&class);
            continue;
        }
        struct red red;
        uint16_t before = packet.sequence;
        assert_int_equal(packet.payload_type, OFFER_PT_RED);
        assert_int_equal(red_parse(payload, &red), 0);
        assert_int_equal(red.count, 3);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(red.blocks[i].payload_type, OFFER_PT_OPUS);
            assert_int_equal(red.blocks[i].offset, (2 - i) * 960);
            assert_true(slice_eq_str(red.blocks[i].data, "\x78sound"));
        }
        /* Over a hole nothing is repeated: the copies' numbers follow from their place. */
        sequence++;
        (void)next_sound(&class, ++sequence, &packet);
        assert_int_equal(packet.payload_type, OFFER_PT_OPUS);
        assert_int_equal((uint16_t)(packet.sequence - before), 2);
        payload = next_sound(&class, ++sequence, &packet);
        assert_int_equal(red_parse(payload, &red), 0);
        assert_int_equal(red.count, 2);
        end(&class);
    }
}

static void rewritten_audio_waits_for_its_map(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    struct conference_notice notice;
    begin(&class, true, CONFERENCE_UNTOLD);
    conference_set_rtt(class.conference, class.pupil, 150000);
    assert_int_equal(send_audio(&class, 1), 0);
    assert_null(find_rtp(&class, drain(&class), true, &packet));
    class.now += 500000;
    assert_int_equal(send_audio(&class, 2), 0);
    assert_null(find_rtp(&class, drain(&class), true, &packet));
    do
        assert_true(next_notice(&class, CONFERENCE_MAPS, &notice));
    while (strcmp(notice.endpoint, "p") != 0);
    assert_int_equal(notice.slot_count, 1);
    assert_int_equal(notice.spare_count, 3); /* of the four pairs made first */
    assert_string_equal(notice.slots[0].source, "t-a0");
    assert_string_equal(notice.slots[0].owner, "t");
    assert_int_equal(notice.slots[0].after, -1);
    uint32_t ssrc = notice.slots[0].ssrc;
    assert_false(next_notice(&class, CONFERENCE_MAPS, &notice));
    class.now += 149000 - CONFERENCE_GATHER;
    assert_int_equal(send_audio(&class, 3), 0);
    assert_null(find_rtp(&class, drain(&class), true, &packet));
    class.now += 1000;
    assert_int_equal(send_audio(&class, 4), 0);
    assert_non_null(find_rtp(&class, drain(&class), true, &packet));
    assert_int_equal(packet.ssrc, ssrc);
    end(&class);
}

static void video_starts_with_a_key_frame_of_the_layer(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    begin(&class, false, 360);
    for (unsigned layer = 0; layer < 3; layer++)
        assert_int_equal(send_video(&class, layer, 10, 10, false), 0);
    size_t count = drain(&class);
    assert_null(find_rtp(&class, count, false, &packet));
    /* The height of each layer is guessed until key frames tell it. */
    assert_true(find_rtcp(&class, count, NULL, RTCP_PSFB, RTCP_PLI, 201));
    class.now += 20000;
    assert_int_equal(send_video(&class, 0, 11, 11, true), 0);
    assert_null(find_rtp(&class, drain(&class), false, &packet));
    assert_int_equal(send_video(&class, 1, 11, 11, true), 0);
    count = drain(&class);
    assert_non_null(find_rtp(&class, count, false, &packet));
    assert_int_equal(packet.ssrc, 200);
    assert_int_equal(packet.payload_type, OFFER_PT_VP8);
    struct vp8_descriptor d;
    assert_int_equal(vp8_parse(packet.payload, &d), 0);
    assert_true(vp8_starts_key(&d, packet.payload));
    class.now += 10000;
    count = drain(&class);
    assert_true(find_rtcp(&class, count, &class, RTCP_SR, 0, 200));
    end(&class);
}

/* What stays clear is the descriptor and the first bytes of VP8 (10 of a key frame, 3 of
 * others) and one of sound; the rest is any bytes, of a class whose members say that they
 * encrypt. */
struct cipher {
    uint32_t dice;
    uint8_t body[200];
    size_t len;
};

static void encrypt_frame(struct cipher *cipher, const uint8_t *clear, size_t clear_len)
{
    if (clear_len > 0)
        memcpy(cipher->body, clear, clear_len);
    cipher->len = sizeof(cipher->body);
    for (size_t i = clear_len; i < cipher->len; i++) {
        cipher->dice = cipher->dice * 1664525 + 1013904223;
        cipher->body[i] = (uint8_t)(cipher->dice >> 24);
    }
}

/* Sends a head and what is encrypted behind it; returns the head that arrives before the very
 * same bytes. */
static struct slice through(struct class *class, const struct rtp_header *header, struct slice head,
                            const struct cipher *cipher)
{
    static uint8_t arrived[1024];
    uint8_t bytes[512];
    struct rtp_packet packet;
    struct writer w = writer_of(bytes, sizeof(bytes));
    bool audio = offer_is_audio(header->payload_type);
    rtp_put_header(&w, header, NULL, 0);
    writer_bytes(&w, head);
    writer_bytes(&w, slice_of(cipher->body, cipher->len));
    class->now += 20000;
    assert_int_equal(conference_input_rtp(class->conference, class->now, class->teacher,
                                          slice_of(bytes, writer_len(&w))),
                     0);
    assert_non_null(find_rtp(class, drain(class), audio, &packet));
    assert_int_equal(packet.payload_type, header->payload_type);
    assert_true(audio || packet.marker == header->marker); /* a voice that enters gets one */
    assert_true(packet.payload.len >= cipher->len);
    memcpy(arrived, packet.payload.data, packet.payload.len);
    size_t len = packet.payload.len - cipher->len;
    assert_memory_equal(arrived + len, cipher->body, cipher->len);
    return slice_of(arrived, len);
}

static void begin_encrypted(struct class *class)
{
    begin(class, false, 180);
    struct conference_endpoint teacher = {
        .id = "t", .encrypted = true, .sources = sources, .source_count = 2};
    assert_int_equal(conference_put(class->conference, class->now, &teacher, NULL, &class->teacher),
                     0);
}

static void what_is_encrypted_end_to_end_arrives_as_it_was(void **state)
{
    (void)state;
    static const uint8_t vp8_key[] = {0, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0};
    static const uint8_t vp8_next[] = {1, 0, 0}, toc[] = {0x78};
    struct class class;
    struct cipher cipher = {.dice = 5};
    uint8_t head[16];
    begin_encrypted(&class);
    for (uint16_t i = 0; i < 200; i++) {
        struct writer w = writer_of(head, sizeof(head));
        struct vp8_descriptor d = {.start = true,
                                   .has_picture_id = true,
                                   .long_picture_id = true,
                                   .picture_id = (uint16_t)(100 + i)};
        vp8_put(&w, &d);
        encrypt_frame(&cipher, i == 0 ? vp8_key : vp8_next, i == 0 ? 10 : 3);
        const struct rtp_header video = {OFFER_PT_VP8, true, false, i, i * 3000U, 200};
        struct slice seen = through(&class, &video, slice_of(head, writer_len(&w)), &cipher);
        assert_int_equal(seen.len, writer_len(&w));
        encrypt_frame(&cipher, toc, 1);
        const struct rtp_header sound = {OFFER_PT_OPUS, false, false, i, i * 960U, 100};
        seen = through(&class, &sound, slice_of(NULL, 0), &cipher);
        assert_int_equal(seen.len, 0);
    }
    end(&class);
    begin_encrypted(&class);
    for (uint16_t i = 0; i < 200; i++) {
        struct writer w = writer_of(head, sizeof(head));
        struct vp9_descriptor d = {.has_picture_id = true,
                                   .long_picture_id = true,
                                   .picture_id = (uint16_t)(100 + i),
                                   .predicted = i > 0,
                                   .start = true,
                                   .end = true};
        vp9_put_head(&w, &d);
        encrypt_frame(&cipher, NULL, 0);
        const struct rtp_header video = {OFFER_PT_VP9, true, false, i, i * 3000U, 200};
        struct slice seen = through(&class, &video, slice_of(head, writer_len(&w)), &cipher);
        assert_int_equal(seen.len, writer_len(&w));
    }
    end(&class);
}

static void nack_is_served_as_rtx(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    begin(&class, false, 180);
    assert_int_equal(send_video(&class, 0, 11, 11, true), 0);
    (void)drain(&class);
    class.now += 20000;
    assert_int_equal(send_video(&class, 0, 12, 12, false), 0);
    assert_non_null(find_rtp(&class, drain(&class), false, &packet));
    uint16_t sequence = packet.sequence;
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    rtcp_put_nack(&w, 1, 200, &sequence, 1);
    class.now += 50000;
    assert_int_equal(conference_input_rtcp(class.conference, class.now, class.pupil,
                                           slice_of(bytes, writer_len(&w))),
                     0);
    assert_non_null(find_rtp(&class, drain(&class), false, &packet));
    assert_int_equal(packet.ssrc, 300);
    assert_int_equal(packet.payload_type, OFFER_PT_RTX_VP8);
    uint16_t original;
    struct slice payload;
    assert_int_equal(rtp_rtx_parse(packet.payload, &original, &payload), 0);
    assert_int_equal(original, sequence);
    struct conference_counters counters;
    conference_get_counters(class.conference, &counters);
    assert_int_equal(counters.nacks_served, 1);
    end(&class);
}

/* A stream begins with little memory of what was sent; a busy one is given more. */
static void a_second_of_a_busy_stream_can_be_asked_for(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    uint16_t first = 0;
    begin(&class, false, 180);
    for (uint16_t i = 0; i < 400; i++) {
        class.now += 4000;
        assert_int_equal(send_video(&class, 0, 11 + i, 11 + i, i == 0), 0);
        size_t count = drain(&class);
        if (i == 300) {
            assert_non_null(find_rtp(&class, count, false, &packet));
            first = packet.sequence;
        }
    }
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    rtcp_put_nack(&w, 1, 200, &first, 1);
    assert_int_equal(conference_input_rtcp(class.conference, class.now, class.pupil,
                                           slice_of(bytes, writer_len(&w))),
                     0);
    (void)drain(&class);
    struct conference_counters counters;
    conference_get_counters(class.conference, &counters);
    assert_int_equal(counters.nacks_served, 1);
    end(&class);
}

static void muted_blocked_and_unknown_are_not_forwarded(void **state)
{
    (void)state;
    struct class class;
    struct rtp_packet packet;
    begin(&class, false, 180);
    struct conference_source changed[2] = {sources[0], sources[1]};
    changed[0].muted = true;
    changed[1].blocked = true;
    put_teacher(&class, changed, 2);
    assert_int_equal(send_audio(&class, 1), 0);
    assert_int_equal(send_video(&class, 0, 1, 1, true), 0);
    size_t count = drain(&class);
    assert_null(find_rtp(&class, count, true, &packet));
    assert_null(find_rtp(&class, count, false, &packet));
    put_teacher(&class, changed, 1);
    assert_int_equal(send_video(&class, 0, 2, 2, true), ERR_NOT_FOUND);
    struct conference_counters counters;
    conference_get_counters(class.conference, &counters);
    assert_int_equal(counters.withheld, 2);
    assert_int_equal(counters.unknown_ssrc, 1);
    end(&class);
}

static void senders_are_asked_for_what_is_wished(void **state)
{
    (void)state;
    struct class class;
    struct conference_notice notice;
    begin(&class, true, CONFERENCE_UNTOLD);
    assert_true(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    assert_string_equal(notice.subject, "t-v0");
    assert_string_equal(notice.endpoint, "t");
    assert_int_equal(notice.max_height, 0);
    put_pupil(&class, true, 360);
    assert_true(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    assert_int_equal(notice.max_height, 360);
    put_pupil(&class, true, -1);
    assert_true(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    assert_int_equal(notice.max_height, -1);
    put_pupil(&class, true, 0);
    assert_false(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    class.now += 1000000; /* less is told after a while: a stage may come back */
    assert_true(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    assert_int_equal(notice.max_height, 0);
    assert_false(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    conference_renotify(class.conference);
    assert_true(next_notice(&class, CONFERENCE_SENDER_CONSTRAINTS, &notice));
    end(&class);
}

/* How many reports on the teacher's voice the teacher gets within so many seconds. */
static unsigned count_reports(struct class *class, unsigned seconds)
{
    unsigned reports = 0;
    for (usec_t end = class->now + seconds * USEC_PER_SEC; class->now < end;) {
        size_t count = drain(class);
        reports += find_rtcp(class, count, NULL, RTCP_RR, 1, 100);
    }
    return reports;
}

static void reports_on_who_is_silent_are_rare(void **state)
{
    (void)state;
    struct class class;
    begin(&class, false, CONFERENCE_UNTOLD);
    assert_int_equal(send_audio(&class, 5), 0);
    assert_in_range(count_reports(&class, 5), 4, 6);
    (void)count_reports(&class, 5);
    assert_int_equal(count_reports(&class, 20), 4);
    assert_int_equal(send_audio(&class, 6), 0);
    assert_in_range(count_reports(&class, 10), 5, 8);
    end(&class);
}

/* More voices than slots: those who fell silent give theirs to those who speak. */
static void slots_go_to_voices_that_are_heard(void **state)
{
    (void)state;
    enum { VOICES = 60, SLOTS = 50 };
    static struct conference_seat seats[VOICES];
    struct class class;
    struct conference_notice notice;
    begin(&class, true, 0);
    conference_set_voices(class.conference, SLOTS);
    for (unsigned i = 0; i < VOICES; i++) {
        struct conference_source voice = {
            .kind = CONFERENCE_AUDIO, .ssrcs = {1000 + i}, .layer_count = 1};
        struct conference_endpoint endpoint = {
            .rewriting = true, .sources = &voice, .source_count = 1};
        (void)snprintf(voice.name, sizeof(voice.name), "v%02u-a0", i);
        (void)snprintf(endpoint.id, sizeof(endpoint.id), "v%02u", i);
        assert_int_equal(conference_put(class.conference, class.now, &endpoint, NULL, &seats[i]),
                         0);
    }
    assert_true(next_notice(&class, CONFERENCE_MAPS, &notice));
    while (strcmp(notice.endpoint, "p") != 0)
        assert_true(next_notice(&class, CONFERENCE_MAPS, &notice));
    assert_int_equal(notice.slot_count, SLOTS);
    uint32_t first = notice.slots[1].ssrc;
    assert_string_equal(notice.slots[1].owner, "v00");
    /* All but the first speak for a while; the last ten find no slot until it is given up. */
    for (unsigned round = 0; round < 150; round++) {
        for (unsigned i = 1; i < 51; i++) {
            assert_int_equal(send_voice(&class, seats[i], 1000 + i, (uint16_t)round), 0);
            (void)conference_tick(class.conference, class.now);
            while (conference_poll_packets(class.conference, class.now, class.packets, MAX) > 0)
                continue;
        }
        class.now += 20000;
        while (next_notice(&class, CONFERENCE_MAPS, &notice))
            if (strcmp(notice.endpoint, "p") == 0 && strcmp(notice.slots[1].owner, "v50") == 0 &&
                notice.slots[1].ssrc == first)
                first = 0;
    }
    assert_int_equal(first, 0);
    end(&class);
}

static void slots_are_as_many_as_set(void **state)
{
    (void)state;
    struct class class;
    struct conference_notice notice;
    begin_with(&class, true, 0, 2);
    for (unsigned i = 0; i < 3; i++) {
        struct conference_source voice = {
            .kind = CONFERENCE_AUDIO, .ssrcs = {1000 + i}, .layer_count = 1};
        struct conference_endpoint endpoint = {.sources = &voice, .source_count = 1};
        struct conference_seat seat;
        (void)snprintf(voice.name, sizeof(voice.name), "v%u-a0", i);
        (void)snprintf(endpoint.id, sizeof(endpoint.id), "v%u", i);
        assert_int_equal(conference_put(class.conference, class.now, &endpoint, NULL, &seat), 0);
    }
    assert_true(next_notice(&class, CONFERENCE_MAPS, &notice));
    while (strcmp(notice.endpoint, "p") != 0)
        assert_true(next_notice(&class, CONFERENCE_MAPS, &notice));
    assert_int_equal(notice.slot_count, 2);
    end(&class);
}

static struct conference_seat put_voice(struct class *class, const char *name, uint32_t ssrc)
{
    struct conference_source voice = {.kind = CONFERENCE_AUDIO, .ssrcs = {ssrc}, .layer_count = 1};
    struct conference_endpoint endpoint = {.sources = &voice, .source_count = 1};
    struct conference_seat seat;
    (void)snprintf(voice.name, sizeof(voice.name), "%s-a0", name);
    (void)snprintf(endpoint.id, sizeof(endpoint.id), "%s", name);
    assert_int_equal(conference_put(class->conference, class->now, &endpoint, NULL, &seat), 0);
    return seat;
}

/* Takes the pupil's maps; the pair of that source in the newest, or -1. Returns how many came.
 */
static unsigned take_maps(struct class *class, const char *source, int *ret_pair)
{
    struct conference_notice notice;
    unsigned count = 0;
    while (next_notice(class, CONFERENCE_MAPS, &notice)) {
        if (strcmp(notice.endpoint, "p") != 0)
            continue;
        count++;
        *ret_pair = -1;
        for (size_t i = 0; i < notice.slot_count; i++)
            if (strcmp(notice.slots[i].source, source) == 0)
                *ret_pair = (int)notice.slots[i].pair;
    }
    return count;
}

/* A voice that finds the slot beside its picture taken draws the picture along, once. */
static void a_picture_follows_its_voice(void **state)
{
    (void)state;
    struct class class;
    int pair = -1;
    begin_with(&class, true, 180, 2);
    put_teacher(&class, sources + 1, 1);
    assert_int_equal(send_video(&class, 0, 1, 1, true), 0);
    (void)drain(&class);
    assert_true(take_maps(&class, "t-v0", &pair) > 0);
    assert_int_equal(pair, 0);
    (void)put_voice(&class, "u", 1000);
    struct conference_seat talker = put_voice(&class, "x", 1001);
    assert_true(take_maps(&class, "x-a0", &pair) > 0);
    assert_int_equal(pair, 0);
    const struct conference_source three[] = {
        sources[0],
        sources[1],
        {.name = "t-v1", .kind = CONFERENCE_VIDEO, .ssrcs = {400}, .layer_count = 1}};
    unsigned moves = 0;
    for (uint16_t round = 0; round < 300; round++, class.now += 20000) {
        assert_int_equal(send_voice(&class, talker, 1001, round), 0);
        assert_int_equal(send_video(&class, 0, 2 + round, 2 + round, true), 0);
        if (round == 150)
            put_teacher(&class, three, 3);
        if (round >= 150)
            assert_int_equal(send_audio(&class, round), 0);
        (void)drain(&class);
        moves += take_maps(&class, "t-v0", &pair);
    }
    assert_int_equal(pair, 1);
    assert_int_equal(moves, 1); /* both in one go, and there they stay */
    conference_renotify(class.conference);
    assert_int_equal(take_maps(&class, "t-a0", &pair), 1);
    assert_int_equal(pair, 1);
    end(&class);
}

static void what_waits_for_a_slot_is_dropped_with_its_source(void **state)
{
    (void)state;
    struct class class;
    const struct conference_source two[] = {
        sources[1], {.name = "t-v1", .kind = CONFERENCE_VIDEO, .ssrcs = {400}, .layer_count = 1}};
    begin_with(&class, true, 180, 1);
    put_teacher(&class, two, 2);
    assert_int_equal(send_video(&class, 0, 1, 1, true), 0);
    (void)drain(&class);
    struct conference *c = class.conference;
    struct member *m = c->members[class.pupil.index];
    const struct member *teacher = c->members[class.teacher.index];
    uint32_t source = teacher->sources[0]->index;
    uint16_t index = m->by_source[source];
    assert_int_not_equal(index, MEMBER_NO_EGRESS);
    assert_int_equal(pacer_push(&m->pacer, PACER_TILE, &(struct pacer_item){source, 0, 100}), 0);
    uint32_t at = m->resend_head;
    receive_resend(c, m, &(struct member_resend){index, false, 0, 0});
    receive_resend(c, m, &(struct member_resend){(uint16_t)(index - 1), true, 0, 0});
    assert_int_equal(receive_bind(c, m, index, teacher->sources[1]), 0);
    assert_int_equal(m->by_source[source], MEMBER_NO_EGRESS);
    assert_false(pacer_waits(&m->pacer, PACER_TILE));
    assert_int_equal(m->resends[at % MEMBER_RESENDS].egress, MEMBER_NO_EGRESS);
    assert_int_equal(m->resends[(at + 1) % MEMBER_RESENDS].egress, index - 1);
    end(&class);
}

static void bad_endpoints_are_refused(void **state)
{
    (void)state;
    struct class class;
    begin(&class, false, 180);
    struct conference_source twice[2] = {sources[0], sources[1]};
    twice[1].ssrcs[1] = 100;
    struct conference_endpoint endpoint = {.id = "x", .sources = twice, .source_count = 2};
    struct conference_seat seat;
    assert_int_equal(conference_put(class.conference, 0, &endpoint, NULL, &seat), ERR_FORMAT);
    endpoint.source_count = CONFERENCE_SOURCES_MAX + 1;
    assert_int_equal(conference_put(class.conference, 0, &endpoint, NULL, &seat), ERR_LIMIT);
    endpoint = (struct conference_endpoint){.id = ""};
    assert_int_equal(conference_put(class.conference, 0, &endpoint, NULL, &seat), ERR_FORMAT);
    end(&class);
}

static void the_feed_holds_what_was_said(void **state)
{
    (void)state;
    struct class class;
    begin(&class, false, 180);
    struct feed *feed = feed_new(class.now, &(struct feed_setup){"c", "r", 1, 1000, 0});
    assert_non_null(feed);
    assert_int_equal(send_audio(&class, 1), 0);
    conference_set_feed(class.conference, class.now, feed, false);
    assert_int_equal(send_audio(&class, 2), 0);
    conference_set_feed(class.conference, class.now, feed, true);
    assert_int_equal(send_audio(&class, 3), 0);
    conference_set_feed(class.conference, class.now, feed, false);
    assert_int_equal(send_audio(&class, 4), 0);
    conference_set_feed(class.conference, class.now, NULL, false);
    assert_int_equal(send_audio(&class, 5), 0);
    feed_end(feed, class.now);
    assert_int_equal(feed_attach(feed, class.now, 0), 0);
    struct slice out[FEED_READ_SLICES];
    assert_int_equal(feed_read(feed, class.now, out), 1);
    static const uint8_t kinds[] = {FEED_BEGIN, FEED_SOURCE, FEED_SOURCE, FEED_RTP, FEED_EVENT,
                                    FEED_EVENT, FEED_SOURCE, FEED_SOURCE, FEED_RTP, FEED_END};
    struct slice rest = out[0];
    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct feed_record record;
        size_t len;
        assert_int_equal(feed_parse(rest, &record, &len), 0);
        assert_int_equal(record.kind, kinds[i]);
        rest = slice_sub(rest, len, rest.len);
    }
    assert_int_equal(rest.len, 0);
    feed_advance(feed, out[0].len);
    assert_true(feed_drained(feed));
    feed_free(&feed);
    end(&class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classic_audio_goes_on_its_own_ssrc_at_once),
        cmocka_unit_test(classic_streams_are_for_voices_that_were_heard),
        cmocka_unit_test(redundant_audio_goes_on_as_opus_and_fills_holes),
        cmocka_unit_test(loss_is_met_with_copies),
        cmocka_unit_test(rewritten_audio_waits_for_its_map),
        cmocka_unit_test(video_starts_with_a_key_frame_of_the_layer),
        cmocka_unit_test(what_is_encrypted_end_to_end_arrives_as_it_was),
        cmocka_unit_test(nobody_is_always_the_last),
        cmocka_unit_test(nack_is_served_as_rtx),
        cmocka_unit_test(a_second_of_a_busy_stream_can_be_asked_for),
        cmocka_unit_test(muted_blocked_and_unknown_are_not_forwarded),
        cmocka_unit_test(senders_are_asked_for_what_is_wished),
        cmocka_unit_test(reports_on_who_is_silent_are_rare),
        cmocka_unit_test(slots_go_to_voices_that_are_heard),
        cmocka_unit_test(slots_are_as_many_as_set),
        cmocka_unit_test(a_picture_follows_its_voice),
        cmocka_unit_test(what_waits_for_a_slot_is_dropped_with_its_source),
        cmocka_unit_test(bad_endpoints_are_refused),
        cmocka_unit_test(the_feed_holds_what_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
