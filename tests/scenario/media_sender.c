#include "media_sender.h"

#include <stdlib.h>

#include "proto/offer.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"
#include "proto/twcc.h"
#include "proto/vp8.h"

enum { FPS = 30, KEY_FACTOR = 4 };

static const uint32_t RATES[SENDER_LAYERS] = {200000, 500000, 1500000};

static uint32_t next_random(struct sender *s)
{
    s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(s->random >> 33);
}

void sender_init(struct sender *s, struct pipe *up, uint32_t base, uint64_t seed)
{
    *s = (struct sender){.up = up, .random = seed + base, .audio = true, .video = true};
    s->skew = (usec_t)(next_random(s) % 100000) * USEC_PER_MSEC;
    s->temporal = true;
    s->thrift = 1;
    s->level = 60;
    s->audio_packet = 20 * USEC_PER_MSEC;
    s->audio_bytes = 79;
    s->audio_ssrc = base + 20;
    s->audio_sequence = (uint16_t)next_random(s);
    s->audio_timestamp = next_random(s);
    for (unsigned i = 0; i < SENDER_LAYERS; i++) {
        struct sender_layer *l = &s->layers[i];
        l->ssrc = base + i;
        l->rtx = base + 10 + i;
        l->on = l->key_wanted = true;
        l->height = (uint16_t)(180 << i);
        l->bytes = RATES[i] / 8 / FPS;
        l->every = 1;
        l->sequence = (uint16_t)next_random(s);
        l->rtx_sequence = (uint16_t)next_random(s);
        l->timestamp_base = next_random(s);
        l->picture = (uint16_t)(next_random(s) & 0x7fff);
        l->tl0 = (uint8_t)next_random(s);
        l->history = calloc(SENDER_HISTORY, sizeof(*l->history));
        if (!l->history)
            abort();
    }
    s->transport = (uint16_t)next_random(s);
}

void sender_done(struct sender *s)
{
    for (unsigned i = 0; i < SENDER_LAYERS; i++)
        free(s->layers[i].history);
}

void sender_share_screen(struct sender *s, size_t key_bytes)
{
    static const unsigned every[] = {6, 6, 2}; /* 5 and 15 a second */
    static const uint32_t rates[] = {200000, 600000, 2000000};
    s->screen = true;
    for (unsigned i = 0; i < SENDER_LAYERS; i++) {
        struct sender_layer *l = &s->layers[i];
        l->on = l->key_wanted = true;
        l->height = 720;
        l->every = every[i];
        l->bytes = rates[i] / 8 / FPS * every[i];
        l->key_bytes = key_bytes;
    }
}

void sender_share_lone(struct sender *s, uint32_t bps, size_t key_bytes)
{
    sender_share_screen(s, key_bytes);
    s->lone = true;
    s->layers[0].on = s->layers[1].on = false;
    s->layers[2].bytes = bps / 8 / FPS * s->layers[2].every;
}

static bool wanted_on(const struct sender *s, unsigned layer, int max_height)
{
    bool large = max_height < 0 || max_height >= 360;
    if (s->lone)
        return max_height != 0 && layer == 2;
    if (s->screen)
        return max_height != 0 && (layer == 0 || large);
    return max_height < 0 || (max_height > 0 && (layer == 0 || 180 << layer <= max_height));
}

void sender_constrain(struct sender *s, int max_height)
{
    for (unsigned i = 0; i < SENDER_LAYERS; i++) {
        bool on = wanted_on(s, i, max_height);
        if (on && !s->layers[i].on)
            s->layers[i].key_wanted = true;
        s->layers[i].on = on;
    }
}

static void put_header(struct sender *s, struct writer *w, const struct rtp_header *header,
                       const uint8_t *level)
{
    uint8_t transport[2];
    store_u16(transport, s->transport++);
    struct rtp_extension extensions[2] = {{OFFER_EXT_TRANSPORT_CC, slice_of(transport, 2)}};
    size_t count = 1;
    if (level)
        extensions[count++] = (struct rtp_extension){OFFER_EXT_AUDIO_LEVEL, slice_of(level, 1)};
    rtp_put_header(w, header, extensions, count);
}

static void send_packet(struct sender *s, usec_t now, struct sender_layer *l,
                        const struct vp8_descriptor *d, uint32_t timestamp, bool marker,
                        struct slice frame)
{
    uint8_t payload[PIPE_PACKET_MAX];
    struct writer p = writer_of(payload, sizeof(payload));
    vp8_put(&p, d);
    writer_bytes(&p, frame);
    struct sender_packet *kept = &l->history[l->sequence % SENDER_HISTORY];
    kept->sequence = l->sequence;
    uint8_t bytes[PIPE_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_VP8, marker, false, l->sequence++, timestamp, l->ssrc};
    put_header(s, &w, &header, NULL);
    writer_bytes(&w, slice_of(payload, writer_len(&p)));
    if (w.failed)
        abort();
    /* Kept: timestamp, marker, payload; a resend has its own header. */
    struct writer k = writer_of(kept->bytes, sizeof(kept->bytes));
    writer_u32(&k, timestamp);
    writer_u8(&k, marker);
    writer_bytes(&k, slice_of(payload, writer_len(&p)));
    kept->len = writer_len(&k);
    l->packets++;
    l->octets += (uint32_t)writer_len(&p);
    pipe_send(s->up, now, slice_of(bytes, writer_len(&w)), false);
}

static void put_frame_head(struct writer *w, const struct sender_frame *frame, uint32_t height)
{
    uint32_t width = height * 16 / 9;
    uint8_t head[10] = {frame->key ? 0 : 1,
                        0,
                        0,
                        0x9d,
                        0x01,
                        0x2a,
                        (uint8_t)width,
                        (uint8_t)(width >> 8),
                        (uint8_t)height,
                        (uint8_t)(height >> 8)};
    writer_bytes(w, slice_of(head, sizeof(head)));
    writer_u32(w, frame->layer);
    writer_u32(w, frame->number);
    writer_u32(w, frame->refs[0]);
    writer_u32(w, frame->refs[1]);
    writer_u64(w, frame->captured);
    writer_u32(w, frame->key);
}

void sender_get_frame(struct slice payload, struct sender_frame *ret_frame)
{
    struct reader r = reader_of(payload);
    reader_skip(&r, 10);
    ret_frame->layer = reader_u32(&r);
    ret_frame->number = reader_u32(&r);
    ret_frame->refs[0] = reader_u32(&r);
    ret_frame->refs[1] = reader_u32(&r);
    ret_frame->captured = reader_u64(&r);
    ret_frame->key = reader_u32(&r);
    if (r.failed)
        abort();
}

/* T0 T2 T1 T2: T1 needs the T0 before it, T2 needs the newest of T0 and T1. */
static unsigned pick_tid(struct sender *s, struct sender_layer *l, struct sender_frame *frame,
                         bool *ret_sync)
{
    static const unsigned pattern[] = {0, 2, 1, 2};
    unsigned tid = s->temporal && !frame->key ? pattern[l->phase % 4] : 0;
    if (frame->key)
        l->phase = 0;
    l->phase++;
    frame->refs[0] = frame->refs[1] = frame->number;
    *ret_sync = false;
    if (frame->key) {
        l->last[0] = l->last[1] = l->last[2] = frame->number;
        return 0;
    }
    frame->refs[0] = l->last[0];
    bool newer_t1 = l->last[1] != l->last[0] && l->last[1] > l->last[0];
    if (tid == 2 && newer_t1)
        frame->refs[1] = l->last[1];
    *ret_sync = tid == 1 || (tid == 2 && !newer_t1);
    l->last[tid] = frame->number;
    return tid;
}

static void send_frame(struct sender *s, usec_t now, unsigned index)
{
    struct sender_layer *l = &s->layers[index];
    struct sender_frame frame = {.layer = index,
                                 .number = l->frame++,
                                 .captured = (uint64_t)now,
                                 .key = l->key_wanted && !l->keyless};
    bool sync;
    unsigned tid = pick_tid(s, l, &frame, &sync);
    if (tid == 0)
        l->tl0++;
    struct vp8_descriptor d = {.start = true,
                               .non_reference = tid == 2,
                               .has_picture_id = true,
                               .long_picture_id = !s->short_picture_id,
                               .picture_id = s->short_picture_id ? l->picture & 0x7f : l->picture,
                               .has_tl0 = true,
                               .has_tid = true,
                               .tl0 = l->tl0,
                               .tid = (uint8_t)tid,
                               .sync = sync};
    l->picture = (l->picture + 1) & 0x7fff;
    size_t size = l->bytes / s->thrift;
    bool key_sized = frame.key && l->key_bytes > 0;
    size = (key_sized ? l->key_bytes : size) * (90 + next_random(s) % 20) / 100;
    if (frame.key && !key_sized)
        size *= KEY_FACTOR;
    l->key_wanted = false;
    uint32_t timestamp = l->timestamp_base + (uint32_t)((now + s->skew) * 9 / 100);
    for (size_t sent = 0; sent < size;) {
        uint8_t bytes[SENDER_PAYLOAD];
        size_t len = size - sent < SENDER_PAYLOAD ? size - sent : SENDER_PAYLOAD;
        memset(bytes, 0x55, sizeof(bytes));
        struct writer w = writer_of(bytes, sizeof(bytes));
        if (d.start)
            put_frame_head(&w, &frame, l->height);
        if (len < 64)
            len = 64;
        sent += len;
        send_packet(s, now, l, &d, timestamp, sent >= size, slice_of(bytes, len));
        d.start = false;
    }
}

static void send_audio(struct sender *s, usec_t now)
{
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_OPUS,
                                false,
                                false,
                                s->audio_sequence++,
                                s->audio_timestamp + (uint32_t)((now + s->skew) * 48 / 1000),
                                s->audio_ssrc};
    /* Speech sways and pauses; the rest is a steady room. */
    uint8_t level = s->level;
    if (level < 50 && !s->steady)
        level = (uint8_t)(now / (20 * USEC_PER_MSEC) % 40 < 34 ? level + next_random(s) % 10 : 90);
    put_header(s, &w, &header, &level);
    /* TOC: SILK of 20 or 60 ms */
    writer_u8(&w, s->audio_packet > 20 * USEC_PER_MSEC ? 0x18 : 0x08);
    writer_u64(&w, (uint64_t)now);
    writer_zero(&w, s->audio_bytes - 9);
    s->audio_packets++;
    pipe_send(s->up, now, slice_of(bytes, writer_len(&w)), false);
}

static uint64_t ntp_of(const struct sender *s, usec_t now)
{
    uint64_t us = (uint64_t)(now + s->skew);
    return (us / 1000000 + 3000000000ULL) << 32 | ((us % 1000000) << 32) / 1000000;
}

static void send_reports(struct sender *s, usec_t now)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));
    for (unsigned i = 0; s->video && i < SENDER_LAYERS; i++) {
        struct sender_layer *l = &s->layers[i];
        struct rtcp_sender_info info = {l->ssrc, ntp_of(s, now),
                                        l->timestamp_base + (uint32_t)((now + s->skew) * 9 / 100),
                                        l->packets, l->octets};
        if (l->packets > 0)
            rtcp_put_sr(&w, &info, NULL, 0);
    }
    struct rtcp_sender_info info = {s->audio_ssrc, ntp_of(s, now),
                                    s->audio_timestamp + (uint32_t)((now + s->skew) * 48 / 1000),
                                    s->audio_packets, 0};
    if (s->audio_packets > 0)
        rtcp_put_sr(&w, &info, NULL, 0);
    if (writer_len(&w) > 0)
        pipe_send(s->up, now, slice_of(bytes, writer_len(&w)), true);
}

void sender_step(struct sender *s, usec_t now)
{
    if (s->audio && now >= s->audio_at) {
        send_audio(s, now);
        s->audio_at = now + s->audio_packet;
    }
    if (s->video && now >= s->frame_at) {
        for (unsigned i = 0; i < SENDER_LAYERS; i++)
            if (s->layers[i].on && s->frames % s->layers[i].every == 0)
                send_frame(s, now, i);
        s->frames++;
        s->frame_at = now + USEC_PER_SEC / FPS;
    }
    if (now >= s->report_at) {
        send_reports(s, now);
        s->report_at = now + USEC_PER_SEC;
    }
}

static void resend(struct sender *s, usec_t now, struct sender_layer *l, uint16_t sequence)
{
    const struct sender_packet *kept = &l->history[sequence % SENDER_HISTORY];
    s->nacked++;
    if (kept->sequence != sequence || kept->len == 0)
        return;
    uint8_t bytes[PIPE_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {OFFER_PT_RTX_VP8,  kept->bytes[4],        false,
                                l->rtx_sequence++, load_u32(kept->bytes), l->rtx};
    put_header(s, &w, &header, NULL);
    writer_u16(&w, sequence);
    writer_bytes(&w, slice_of(kept->bytes + 5, kept->len - 5));
    if (w.failed)
        abort();
    pipe_send(s->up, now, slice_of(bytes, writer_len(&w)), false);
}

static struct sender_layer *layer_of(struct sender *s, uint32_t ssrc)
{
    for (unsigned i = 0; i < SENDER_LAYERS; i++)
        if (s->layers[i].ssrc == ssrc)
            return &s->layers[i];
    return NULL;
}

static void take_nack(struct sender *s, usec_t now, const struct rtcp_feedback *feedback)
{
    struct sender_layer *l = layer_of(s, feedback->media);
    uint16_t first;
    uint16_t mask;
    for (size_t i = 0; l && rtcp_nack_at(feedback, i, &first, &mask); i++) {
        resend(s, now, l, first);
        for (unsigned k = 0; k < 16; k++)
            if (mask >> k & 1)
                resend(s, now, l, (uint16_t)(first + k + 1));
    }
}

static void take_transport(struct sender *s, const struct rtcp_feedback *feedback)
{
    struct twcc_feedback f;
    struct twcc_status status;
    if (twcc_parse(feedback->fci, &f) != 0)
        abort();
    while (twcc_next(&f, &status))
        s->told += status.received;
    s->feedbacks++;
}

/* The encoder makes key frames in all layers when one is asked for, as libvpx does. */
static void take_pli(struct sender *s, usec_t now, uint32_t ssrc)
{
    if (!layer_of(s, ssrc))
        return;
    if (s->plis < 512)
        s->pli_at[s->plis] = now;
    s->plis++;
    for (unsigned i = 0; i < SENDER_LAYERS; i++)
        s->layers[i].key_wanted = true;
}

void sender_input(struct sender *s, usec_t now, struct slice bytes)
{
    struct rtcp_packet packet;
    struct rtcp_feedback feedback;
    while (rtcp_next(&bytes, &packet) == 0) {
        s->reported = s->reported || (packet.type == RTCP_RR && packet.count > 0);
        struct rtcp_report report;
        for (size_t i = 0; packet.type == RTCP_RR && rtcp_report_at(&packet, i, &report); i++)
            if (report.ssrc == s->audio_ssrc)
                s->audio_lost = report.fraction_lost;
        if (rtcp_feedback_parse(&packet, &feedback) != 0)
            continue;
        if (packet.type == RTCP_PSFB && packet.count == RTCP_PLI)
            take_pli(s, now, feedback.media);
        else if (packet.type == RTCP_RTPFB && packet.count == RTCP_NACK)
            take_nack(s, now, &feedback);
        else if (packet.type == RTCP_RTPFB && packet.count == RTCP_TRANSPORT_CC)
            take_transport(s, &feedback);
    }
}
