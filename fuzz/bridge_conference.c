/* A class of three driven by any bytes: packets of RTP and RTCP from each, changes of state, time.
 * What comes out must be well-formed and within its bounds. */
#include <stdlib.h>

#include "bridge/feed.h"
#include "bridge/member.h"
#include "proto/offer.h"
#include "proto/red.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

enum { PEOPLE = 3, POLL = 16 };

struct class
{
    struct conference *conference;
    struct conference_seat seats[PEOPLE];
    bool present[PEOPLE];
    usec_t now;
    struct feed *feed;
};

static void check(int ok)
{
    if (!ok)
        abort();
}

static void put(struct class *c, unsigned who, uint8_t flags)
{
    struct conference_source sources[2] = {
        {.kind = CONFERENCE_AUDIO, .layer_count = 1, .muted = flags & 1},
        {.kind = CONFERENCE_VIDEO,
         .layer_count = 3,
         .blocked = flags & 2,
         .video_type = flags & 4 ? CONFERENCE_DESKTOP : CONFERENCE_CAMERA},
    };
    struct conference_endpoint endpoint = {
        .id = "a",
        .rewriting = who != 0,
        .staff = who == 1,
        .red = who != 2,
        .encrypted = flags & 64,
        .sources = sources,
        .source_count = flags & 8 ? 1 : 2,
        .wishes = {.last_n = flags & 16 ? 1 : -1,
                   .default_max_height = flags & 32 ? 720 : 180,
                   .assumed_bandwidth_bps = -1},
    };
    endpoint.id[0] = (char)('a' + who);
    memcpy(sources[0].name, "x-a0", 5);
    memcpy(sources[1].name, "x-v0", 5);
    sources[0].name[0] = sources[1].name[0] = (char)('a' + who);
    /* SSRCs of one byte: fuzzed packets find them. */
    sources[0].ssrcs[0] = 1 + who * 16;
    for (unsigned l = 0; l < 3; l++) {
        sources[1].ssrcs[l] = 2 + l + who * 16;
        sources[1].rtx[l] = 5 + l + who * 16;
    }
    check(conference_put(c->conference, c->now, &endpoint, c, &c->seats[who]) == 0);
    if (!c->present[who])
        conference_set_connected(c->conference, c->now, c->seats[who], true);
    c->present[who] = true;
}

static void check_packet(const struct conference_packet *packet)
{
    uint8_t bytes[4096];
    check(packet->rtp_header_len <= packet->header_len);
    check(packet->header_len <= CONFERENCE_HEADER_MAX);
    check(packet->header_len + packet->payload.len <= 2000);
    memcpy(bytes, packet->header, packet->header_len);
    if (packet->payload.len > 0)
        memcpy(bytes + packet->header_len, packet->payload.data, packet->payload.len);
    struct slice whole = slice_of(bytes, packet->header_len + packet->payload.len);
    check(rtp_is_rtcp(whole) == packet->rtcp);
    struct rtp_packet rtp;
    struct rtcp_packet rtcp;
    if (!packet->rtcp) {
        check(rtp_parse(whole, &rtp) == 0);
        struct red red;
        if (rtp.payload_type == OFFER_PT_RED)
            check(red_parse(rtp.payload, &red) == 0 && red.count > 1 &&
                  red.count <= PROTECT_MAX + 1);
        return;
    }
    int err;
    while ((err = rtcp_next(&whole, &rtcp)) == 0)
        continue;
    check(err == ERR_NOT_FOUND);
}

static void drain(struct class *c)
{
    struct conference_packet packets[POLL];
    struct conference_notice notice;
    (void)conference_tick(c->conference, c->now);
    size_t count;
    for (unsigned i = 0; (count = conference_poll_packets(c->conference, c->now, packets, POLL));
         i++) {
        check(i < 1000);
        for (size_t k = 0; k < count; k++)
            check_packet(&packets[k]);
    }
    for (unsigned i = 0; conference_poll_notice(c->conference, c->now, &notice); i++)
        check(i < 1000);
}

static void step(struct class *c, struct reader *r)
{
    uint8_t what = reader_u8(r);
    unsigned who = (what >> 4) % PEOPLE;
    struct slice bytes;
    switch (what & 7) {
    case 0:
    case 1:
    case 2:
        bytes = reader_bytes(r, reader_u8(r));
        if (c->present[who] && !r->failed &&
            !conference_pass_rtp(c->conference, c->now, c->seats[who], bytes))
            (void)conference_input_rtp(c->conference, c->now, c->seats[who], bytes);
        break;
    case 3:
    case 4:
        bytes = reader_bytes(r, reader_u8(r));
        if (c->present[who] && !r->failed)
            (void)conference_input_rtcp(c->conference, c->now, c->seats[who], bytes);
        break;
    case 5:
        put(c, who, reader_u8(r));
        break;
    case 6:
        if (c->present[who])
            conference_del(c->conference, c->now, c->seats[who]);
        c->present[who] = false;
        break;
    default:
        conference_set_feed(c->conference, c->now, what & 128 ? c->feed : NULL, what & 8);
        bytes = reader_bytes(r, 1);
        c->now += r->failed ? 0 : (usec_t)bytes.data[0] * 10000;
        if (what & 64 && !r->failed)
            conference_set_profile(c->conference, (enum profile)(bytes.data[0] % PROFILES));
        /* As after losses. */
        if (c->present[who] && !r->failed)
            conference_member(c->conference, c->seats[who])->protect.distance =
                bytes.data[0] % (PROTECT_MAX + 1);
    }
    if (what & 8)
        drain(c);
    c->now += 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct class c = {.now = 1000000, .conference = conference_new(1)};
    c.feed = feed_new(0, &(struct feed_setup){"c", "r", 1, 1, 1 << 17});
    check(c.conference && c.feed);
    struct reader r = reader_of(slice_of(data, size));
    for (unsigned who = 0; who < PEOPLE; who++)
        put(&c, who, 32);
    while (reader_left(&r) > 0 && !r.failed)
        step(&c, &r);
    drain(&c);
    conference_free(&c.conference);
    feed_free(&c.feed);
    return 0;
}
