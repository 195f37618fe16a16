#include "layered_sender.h"

#include "base/check.h"

#include <stdlib.h>

#include "proto/offer.h"
#include "proto/rtcp.h"

enum { FPS = 30, PACKET = 900, FRAME_SIZE = 18 };

static const size_t SIZES[] = {600, 1500, 3500}; /* bytes of a frame by layer */

void layered_sender_init(struct layered_sender *s, struct pipe *up, struct layered_mode mode)
{
    *s = (struct layered_sender){.up = up, .picture = 40, .spatial_on = CODEC_SPATIAL};
    for (unsigned i = 0; i < LAYERED_STREAMS; i++) {
        s->streams[i].history = calloc(LAYERED_HISTORY, sizeof(struct layered_packet));
        assert_non_null(s->streams[i].history);
        s->streams[i].sequence = (uint16_t)(65000 + 300 * i);
        s->streams[i].timestamp_base = 0xfff00000 + i * 7777;
        s->streams[i].number = (uint16_t)(0xff00 + i);
    }
    layered_sender_change(s, mode);
}

void layered_sender_done(struct layered_sender *s)
{
    for (unsigned i = 0; i < LAYERED_STREAMS; i++)
        free(s->streams[i].history);
}

void layered_sender_change(struct layered_sender *s, struct layered_mode mode)
{
    s->mode = mode;
    s->key_wanted = true;
}

static void put_packet(struct layered_sender *s, usec_t now, unsigned stream, bool rtx,
                       const struct layered_packet *p)
{
    struct layered_stream *st = &s->streams[stream];
    uint8_t bytes[PIPE_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_extension extension = {OFFER_EXT_DEPENDENCY,
                                      slice_of(p->extension, p->extension_len)};
    rtp_put_header(&w,
                   &(struct rtp_header){
                       .payload_type = rtx ? p->codec->rtx_type : p->codec->payload_type,
                       .marker = p->marker,
                       .sequence = rtx ? st->rtx_sequence++ : p->sequence,
                       .timestamp = p->timestamp,
                       .ssrc = (rtx ? LAYERED_RTX : LAYERED_SSRC) + stream,
                   },
                   &extension, p->extension_len > 0);
    if (rtx)
        writer_u16(&w, p->sequence);
    writer_bytes(&w, slice_of(p->payload, p->len));
    assert_false(w.failed);
    pipe_send(s->up, now, slice_of(bytes, writer_len(&w)), false);
}

/* One frame on its way into packets. */
struct making {
    struct layered_frame frame;
    unsigned stream;
    unsigned spatial;
    bool top; /* the last frame of its picture */
    uint16_t fdiffs[3];
    uint16_t picture_diffs[3];
    unsigned ref_count;
    bool inter_layer;
    uint16_t number;
};

static void put_vp9(struct layered_sender *s, const struct making *m, bool start, bool end,
                    struct writer *w)
{
    bool layered = s->mode.spatial > 1;
    struct vp9_descriptor d = {
        .has_picture_id = true,
        .predicted = !m->frame.key,
        .has_layers = true,
        .flexible = true,
        .start = start,
        .end = end,
        .has_structure = m->frame.key && m->spatial == 0 && start,
        .unused_above = layered && s->mode.key_only && !m->frame.key,
        .long_picture_id = true,
        .picture_id = s->picture & 0x7fff,
        .tid = m->frame.temporal,
        .sid = (uint8_t)m->spatial,
        .switching_up = m->frame.temporal == 0,
        .inter_layer = m->inter_layer,
    };
    vp9_put_head(w, &d);
    for (unsigned i = 0; d.predicted && i < m->ref_count; i++)
        writer_u8(w, (uint8_t)(m->picture_diffs[i] << 1 | (i + 1 < m->ref_count)));
    if (!d.has_structure)
        return;
    writer_u8(w, (uint8_t)((s->mode.spatial - 1) << 5 | 0x10));
    for (unsigned i = 0; i < s->mode.spatial; i++) {
        unsigned height = 180U << (layered ? i : m->stream);
        writer_u16(w, (uint16_t)(height * 16 / 9));
        writer_u16(w, (uint16_t)height);
    }
}

/* What stands before the made-up bytes, so that a parser takes them for the codec's. */
static void put_payload_head(struct layered_sender *s, const struct making *m, bool start, bool end,
                             struct writer *w)
{
    const struct codec *codec = s->mode.codec;
    if (codec == &codec_vp9) {
        put_vp9(s, m, start, end, w);
    } else if (codec == &codec_vp8) {
        writer_u8(w, start ? 0x10 : 0x00); /* the least descriptor that there is */
        if (start)
            writer_u8(w, m->frame.key ? 0 : 1);
    } else if (codec == &codec_av1) {
        bool sequence = start && m->frame.key && m->spatial == 0;
        writer_u8(w, (uint8_t)((start ? 0 : 0x80) | (end ? 0 : 0x40) | 0x10 | (sequence ? 8 : 0)));
    } else if (start && m->frame.key) {
        writer_bytes(w, SLICE("\x78\x00\x04\x67\x42\xc0\x1f\x00\x02\x68\xcb"));
        writer_u16(w, FRAME_SIZE + 1); /* the picture's first bytes, in the same aggregate */
        writer_u8(w, 0x65);
    } else {
        writer_u8(w, start ? 0x41 : 0x7c);
        if (!start)
            writer_u8(w, m->frame.key ? 0x05 : 0x01);
    }
}

static void put_frame(struct writer *w, const struct layered_frame *f)
{
    writer_u32(w, f->id);
    for (int i = 0; i < 3; i++)
        writer_u32(w, f->refs[i]);
    writer_u8(w, f->temporal);
    writer_u8(w, f->key);
}

void layered_frame_parse(struct slice body, struct layered_frame *ret)
{
    struct reader r = reader_of(body);
    ret->id = reader_u32(&r);
    for (int i = 0; i < 3; i++)
        ret->refs[i] = reader_u32(&r);
    ret->temporal = reader_u8(&r);
    ret->key = reader_u8(&r);
    assert_false(r.failed);
}

static void describe(struct layered_sender *s, const struct making *m, bool start, bool end,
                     struct layered_packet *p)
{
    struct testing_layers layers = {.spatial = s->mode.spatial,
                                    .temporal = s->mode.temporal,
                                    .key_only = s->mode.key_only,
                                    .offset = (uint8_t)(m->stream * 20),
                                    .height = s->mode.spatial > 1 ? 720 : 180U << m->stream};
    struct testing_frame frame = {.spatial = m->spatial,
                                  .temporal = m->frame.temporal,
                                  .key = m->frame.key,
                                  .start = start,
                                  .end = end,
                                  .number = m->number,
                                  .fdiffs = m->fdiffs,
                                  .fdiff_count = m->ref_count + m->inter_layer};
    p->extension_len = 0;
    if (s->mode.described)
        p->extension_len =
            (uint8_t)testing_descriptor(&layers, &frame, p->extension, sizeof(p->extension));
}

static void send_frame(struct layered_sender *s, usec_t now, const struct making *m)
{
    struct layered_stream *st = &s->streams[m->stream];
    size_t left = SIZES[s->mode.spatial > 1 ? m->spatial : m->stream] * (m->frame.key ? 3 : 1);
    bool aggregate = s->mode.codec == &codec_h264 && m->frame.key;
    for (bool start = true; left > 0; start = false) {
        struct layered_packet *p = &st->history[st->sequence % LAYERED_HISTORY];
        size_t body = left < PACKET ? left : PACKET;
        body = start && aggregate ? FRAME_SIZE : body < FRAME_SIZE ? FRAME_SIZE : body;
        left = left > body ? left - body : 0;
        p->codec = s->mode.codec;
        p->sequence = st->sequence++;
        p->timestamp = st->timestamp_base + (uint32_t)(now * 9 / 100);
        p->marker = left == 0 && m->top;
        struct writer w = writer_of(p->payload, sizeof(p->payload));
        put_payload_head(s, m, start, left == 0, &w);
        if (start)
            put_frame(&w, &m->frame);
        if (body > FRAME_SIZE)
            writer_zero(&w, start ? body - FRAME_SIZE : body);
        else if (!start)
            writer_zero(&w, body);
        p->len = writer_len(&w);
        describe(s, m, start, left == 0, p);
        if (start && m->frame.key && m->spatial == 0 && s->lose_key_starts > 0)
            s->lose_key_starts--;
        else
            put_packet(s, now, m->stream, false, p);
    }
}

static uint32_t name(unsigned stream, unsigned spatial, uint32_t picture)
{
    return stream << 28 | spatial << 24 | (picture & 0xffffff);
}

static void refer(struct making *m, const struct layered_stream *st, uint32_t picture,
                  unsigned temporal)
{
    unsigned i = m->ref_count++;
    m->frame.refs[i] = name(m->stream, m->spatial, st->last[m->spatial][temporal]);
    m->fdiffs[i] = (uint16_t)(m->number - st->last_number[m->spatial][temporal]);
    m->picture_diffs[i] = (uint16_t)(picture - st->last[m->spatial][temporal]);
}

static void make_frame(struct layered_sender *s, usec_t now, unsigned stream, unsigned spatial,
                       unsigned temporal, bool key)
{
    struct layered_stream *st = &s->streams[stream];
    unsigned count = s->mode.spatial < s->spatial_on ? s->mode.spatial : s->spatial_on;
    struct making m = {
        .stream = stream, .spatial = spatial, .top = spatial + 1 == count, .number = st->number++};
    m.frame = (struct layered_frame){
        .id = name(stream, spatial, s->picture), .temporal = (uint8_t)temporal, .key = key};
    for (int i = 0; i < 3; i++)
        m.frame.refs[i] = m.frame.id;
    if (!key) {
        refer(&m, st, s->picture, 0);
        if (temporal == 2 && st->last[spatial][1] > st->last[spatial][0])
            refer(&m, st, s->picture, 1);
    }
    m.inter_layer = spatial > 0 && (key || !s->mode.key_only);
    if (m.inter_layer) {
        m.frame.refs[2] = name(stream, spatial - 1, s->picture);
        m.fdiffs[m.ref_count] = 1;
    }
    for (unsigned t = temporal; t < 3; t += key ? 1 : 3) {
        st->last[spatial][t] = s->picture;
        st->last_number[spatial][t] = m.number;
    }
    send_frame(s, now, &m);
}

static void make_picture(struct layered_sender *s, usec_t now)
{
    static const unsigned pattern[][4] = {{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2}};
    bool key = s->key_wanted;
    s->key_wanted = false;
    unsigned streams = s->mode.spatial > 1 ? 1 : LAYERED_STREAMS;
    for (unsigned i = 0; i < streams; i++) {
        struct layered_stream *st = &s->streams[i];
        if (key)
            st->phase = 0;
        unsigned temporal = pattern[s->mode.temporal - 1][st->phase++ % 4];
        for (unsigned k = 0; k < s->mode.spatial && k < s->spatial_on; k++)
            make_frame(s, now, i, k, temporal, key);
    }
    s->picture++;
}

void layered_sender_step(struct layered_sender *s, usec_t now)
{
    if (now < s->next)
        return;
    s->next = usec_max(s->next, now - USEC_PER_SEC / FPS) + USEC_PER_SEC / FPS;
    make_picture(s, now);
}

static void resend(struct layered_sender *s, usec_t now, unsigned stream, uint16_t sequence)
{
    const struct layered_packet *p = &s->streams[stream].history[sequence % LAYERED_HISTORY];
    if (p->len == 0 || p->sequence != sequence)
        return;
    s->resent++;
    put_packet(s, now, stream, true, p);
}

void layered_sender_input(struct layered_sender *s, usec_t now, struct slice bytes)
{
    struct rtcp_packet packet;
    struct rtcp_feedback f;
    while (rtcp_next(&bytes, &packet) == 0) {
        if (rtcp_feedback_parse(&packet, &f) != 0 || f.media < LAYERED_SSRC ||
            f.media >= LAYERED_SSRC + LAYERED_STREAMS)
            continue;
        uint16_t first;
        uint16_t mask;
        if (packet.type == RTCP_PSFB && packet.count == RTCP_PLI) {
            s->plis++;
            s->key_wanted = true;
        }
        if (packet.type != RTCP_RTPFB || packet.count != RTCP_NACK)
            continue;
        for (size_t i = 0; rtcp_nack_at(&f, i, &first, &mask); i++)
            for (unsigned k = 0; k <= 16; k++)
                if (k == 0 || mask >> (k - 1) & 1)
                    resend(s, now, f.media - LAYERED_SSRC, (uint16_t)(first + k));
    }
}
