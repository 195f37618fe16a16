#include <stdlib.h>

#include "load/guest.h"
#include "proto/offer.h"
#include "proto/rtcp.h"

#define REPORT_STEP USEC_PER_SEC
/* Of transport-wide feedback, as in Chromium. */
#define FEEDBACK_STEP (100 * USEC_PER_MSEC)
#define STAMP_SIZE 8
/* Loudness of who speaks, RFC 6464, with the bit that says so; and of a quiet room. */
#define SPEECH_LEVEL (20 | 0x80)
#define QUIET_LEVEL 85
#define OPUS_20MS_FULLBAND 0xf8
/* NTP times are of our monotonic clock, which is as good as any. */
#define NTP_OFFSET (UINT64_C(3900000000) << 32)

void outlet_flush(struct outlet *o)
{
    size_t sent = o->count > 0 ? udp_send(o->udp, o->datagrams, o->count) : 0;
    o->full += o->count - sent;
    o->count = 0;
}

static uint8_t *outlet_room(struct outlet *o)
{
    if (o->count == OUTLET_PACKETS)
        outlet_flush(o);
    return o->bytes[o->count];
}

/* Encrypts into the outlet. */
static void protect(struct guest *g, struct srtp_job *job)
{
    struct outlet *o = &g->world->outlet;
    struct path path;
    if (!transport_ready(g->transport, &path, &job->srtp))
        return;
    job->out = outlet_room(o);
    job->out_size = OUTLET_PACKET_MAX;
    srtp_protect(job, 1);
    if (job->err == 0)
        o->datagrams[o->count++] =
            (struct udp_datagram){.path = path, .data = slice_of(job->out, job->out_len)};
}

static void put_payload(struct writer *w, const struct trace_packet *p, usec_t now)
{
    uint8_t *start = w->pos;
    if (!p->audio)
        vp8_put(w, &p->vp8);
    uint8_t *frame = w->pos;
    writer_zero(w, p->size - STAMP_SIZE);
    writer_u64(w, (uint64_t)now);
    if (w->failed)
        return;
    if (p->audio) {
        start[0] = OPUS_20MS_FULLBAND;
        return;
    }
    frame[0] = p->key || !p->vp8.start ? 0 : 1; /* RFC 6386, section 9.1: 1 is no key frame */
    if (p->key) {
        frame[3] = 0x9d;
        frame[4] = 0x01;
        frame[5] = 0x2a;
        frame[6] = (uint8_t)(p->height * 16 / 9);
        frame[7] = (uint8_t)(p->height * 16 / 9 >> 8);
        frame[8] = (uint8_t)p->height;
        frame[9] = (uint8_t)(p->height >> 8);
    }
}

static void send_media(struct guest *g, usec_t now, const struct trace_packet *p)
{
    struct guest_stream *s = &g->streams[p->audio ? TRACE_LAYERS : p->layer];
    uint8_t bytes[OUTLET_PACKET_MAX], number[2];
    const uint8_t level = g->number < g->world->config->voices ? SPEECH_LEVEL : QUIET_LEVEL;
    struct writer w = writer_of(bytes, sizeof bytes);
    store_u16(number, g->transport_sequence++);
    const struct rtp_extension extensions[] = {
        {OFFER_EXT_TRANSPORT_CC, slice_of(number, sizeof number)},
        {OFFER_EXT_AUDIO_LEVEL, slice_of(&level, 1)}};
    const struct rtp_header header = {
        .payload_type = p->audio ? OFFER_PT_OPUS : g->world->config->video_type,
        .marker = p->marker,
        .sequence = s->sequence++,
        .timestamp = p->timestamp,
        .ssrc = s->ssrc,
    };
    rtp_put_header(&w, &header, extensions, p->audio ? 2 : 1);
    size_t head = writer_len(&w);
    put_payload(&w, p, now);
    struct slice packet = slice_of(bytes, writer_len(&w));
    struct srtp_job job = {.clear = slice_sub(packet, 0, head),
                           .body = slice_sub(packet, head, packet.len)};
    protect(g, &job);
    s->timestamp = p->timestamp;
    s->at = now;
    s->packets++;
    s->octets += (uint32_t)(packet.len - head);
    g->world->sent++;
}

static void send_rtcp(struct guest *g, const struct writer *w)
{
    struct srtp_job job = {.rtcp = true, .body = slice_of(w->start, writer_len(w))};
    if (!w->failed)
        protect(g, &job);
}

static uint64_t ntp_of(usec_t now)
{
    uint64_t seconds = (uint64_t)(now / USEC_PER_SEC), rest = (uint64_t)(now % USEC_PER_SEC);
    return NTP_OFFSET + (seconds << 32 | (rest << 32) / (uint64_t)USEC_PER_SEC);
}

static void send_reports(struct guest *g, usec_t now)
{
    uint8_t bytes[OUTLET_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    for (size_t i = 0; i < GUEST_STREAMS; i++) {
        const struct guest_stream *s = &g->streams[i];
        uint32_t clock = i == TRACE_LAYERS ? OFFER_CLOCK_AUDIO : OFFER_CLOCK_VIDEO;
        const struct rtcp_sender_info info = {
            .ssrc = s->ssrc,
            .ntp = ntp_of(now),
            .rtp = s->timestamp + (uint32_t)((now - s->at) * clock / USEC_PER_SEC),
            .packets = s->packets,
            .octets = s->octets,
        };
        if (s->packets > 0)
            rtcp_put_sr(&w, &info, NULL, 0);
    }
    if (writer_len(&w) == 0)
        rtcp_put_rr(&w, g->own_ssrc, NULL, 0);
    rtcp_put_sdes(&w, g->own_ssrc, "load");
    send_rtcp(g, &w);
    g->report_at = now + REPORT_STEP;
}

/* Transport-wide feedback about what came down, as a browser gives it. */
static void send_feedback(struct guest *g, usec_t now)
{
    uint8_t bytes[OUTLET_PACKET_MAX];
    bool more = true;
    while (more) {
        struct writer w = writer_of(bytes, sizeof bytes - SRTP_OVERHEAD);
        rtcp_put_rr(&w, g->own_ssrc, NULL, 0);
        size_t before = writer_len(&w);
        more = feedback_put(&g->feedback, now, g->own_ssrc, &w);
        if (writer_len(&w) > before)
            send_rtcp(g, &w);
    }
}

usec_t guest_send_due(struct guest *g, usec_t now)
{
    struct trace_packet packet;
    usec_t next = USEC_NEVER;
    while (g->sending && trace_next(&g->trace, now, &packet, &next))
        send_media(g, now, &packet);
    if (now >= g->report_at)
        send_reports(g, now);
    if (now >= g->feedback_at) {
        send_feedback(g, now);
        g->feedback_at = now + FEEDBACK_STEP;
    }
    return usec_min(next, usec_min(g->report_at, g->feedback_at));
}

/* What the bridge asks of us as a sender. */
static void input_rtcp(struct guest *g, struct slice rest)
{
    struct rtcp_packet packet;
    while (rtcp_next(&rest, &packet) == 0) {
        struct rtcp_feedback f;
        bool nack = packet.type == RTCP_RTPFB && packet.count == RTCP_NACK;
        bool pli = packet.type == RTCP_PSFB && packet.count == RTCP_PLI;
        if ((!nack && !pli) || rtcp_feedback_parse(&packet, &f) != 0)
            continue;
        for (unsigned i = 0; pli && i < TRACE_LAYERS; i++)
            if (g->streams[i].ssrc == f.media)
                trace_want_key(&g->trace, i);
        uint16_t first, mask;
        for (size_t i = 0; nack && rtcp_nack_at(&f, i, &first, &mask); i++)
            g->world->asked_again += 1 + (unsigned)__builtin_popcount(mask);
    }
}

static void measure(struct guest *g, usec_t now, struct slice bytes)
{
    struct rtp_packet packet;
    g->world->sampled++;
    if (rtp_parse(bytes, &packet) != 0 || packet.payload.len < STAMP_SIZE)
        return;
    uint64_t stamp = load_u64(packet.payload.data + packet.payload.len - STAMP_SIZE);
    struct tally_sum *sum = &g->world->sum;
    bool audio = packet.payload_type == OFFER_PT_OPUS;
    tally_delay(audio ? &sum->audio_delays : &sum->video_delays, now - (usec_t)stamp);
}

/* The header is in clear: counting needs no key. True: the packet is to be decrypted. */
static bool count_media(struct guest *g, usec_t now, struct slice bytes)
{
    struct rtp_packet packet;
    struct tally_sum *sum = &g->world->sum;
    uint16_t number;
    /* The padding bit speaks of what is encrypted. */
    uint8_t first = bytes.data[0];
    ((uint8_t *)(uintptr_t)bytes.data)[0] = first & 0xdf; /* ours to write to, as when decrypting */
    int err = rtp_parse(bytes, &packet);
    ((uint8_t *)(uintptr_t)bytes.data)[0] = first;
    if (err)
        return false;
    if (rtp_transport_sequence(&packet, OFFER_EXT_TRANSPORT_CC, &number))
        feedback_arrived(&g->feedback, now, number, packet.ssrc);
    bool audio = packet.payload_type == OFFER_PT_OPUS;
    if (!audio && packet.payload_type != g->world->config->video_type) {
        sum->repairs++;
        return false;
    }
    sum->audio += audio;
    tally_packet(&g->tally, sum, packet.ssrc, packet.sequence);
    return ++g->heard % GUEST_SAMPLE == 0;
}

void guest_input(struct guest *g, usec_t now, const struct udp_datagram *d)
{
    struct transport_media media;
    uint8_t *bytes = (uint8_t *)(uintptr_t)d->data.data; /* ours to write to */
    if (!g->transport || d->data.len == 0)
        return;
    g->world->sum.bytes += d->data.len;
    bool rtp =
        d->data.len > RTP_HEADER_SIZE && bytes[0] >= 128 && bytes[0] < 192 && !rtp_is_rtcp(d->data);
    if (rtp && !count_media(g, now, d->data))
        return;
    int err = transport_input(g->transport, now, &d->path, bytes, d->data.len, &media);
    if (err) {
        g->world->unreadable += rtp;
        return;
    }
    if (media.kind == TRANSPORT_RTP)
        measure(g, now, media.packet);
    else if (media.kind == TRANSPORT_RTCP)
        input_rtcp(g, media.packet);
    else
        guest_update(g, now);
}
