#include "layered_viewer.h"

#include "base/check.h"

#include "proto/offer.h"
#include "proto/rtcp.h"

enum { NACKS = 64, NACK_TRIES = 8, KEY_BYTES = 14 /* of H.264 before a key frame's content */ };

#define NACK_WAIT (20 * USEC_PER_MSEC)
#define NACK_REPEAT (100 * USEC_PER_MSEC)
#define GIVE_UP (700 * USEC_PER_MSEC)
#define STUCK (400 * USEC_PER_MSEC)

void layered_viewer_init(struct layered_viewer *v, struct pipe *up)
{
    *v = (struct layered_viewer){.up = up, .repairs = true, .ended = true};
    for (unsigned i = 0; i < LAYERED_WINDOW; i++)
        v->window[i].sequence = -1;
}

void layered_viewer_begin(struct layered_viewer *v, usec_t now)
{
    v->pictures = v->dropped = v->holes = v->plis = v->changes = 0;
    v->longest_freeze = 0;
    v->shown_at = now;
}

static struct layered_viewed *at(struct layered_viewer *v, int64_t sequence)
{
    return &v->window[sequence & (LAYERED_WINDOW - 1)];
}

static bool have(struct layered_viewer *v, int64_t sequence)
{
    return at(v, sequence)->sequence == sequence;
}

static uint32_t vp9_number(unsigned picture, unsigned spatial)
{
    return (picture & 0x7fff) | spatial << 15;
}

static size_t read_vp9(struct slice payload, struct layered_viewed *p)
{
    struct vp9_descriptor d;
    struct vp9_structure structure;
    assert_int_equal(vp9_parse(payload, &d, &structure), 0);
    p->start = d.start;
    p->end = d.end;
    p->spatial = d.sid;
    p->number = vp9_number(d.picture_id, d.sid) % LAYERED_KNOWN;
    p->key = vp9_starts_key(&d);
    for (size_t i = d.head_size; d.predicted && i < d.size; i++)
        p->refs[p->ref_count++] =
            vp9_number(d.picture_id - (payload.data[i] >> 1), d.sid) % LAYERED_KNOWN;
    if (d.inter_layer)
        p->refs[p->ref_count++] = vp9_number(d.picture_id, d.sid - 1U) % LAYERED_KNOWN;
    return d.size;
}

/* Returns what stands before the frame's content. */
static size_t read_payload(struct slice payload, struct layered_viewed *p)
{
    if (p->codec == &codec_vp9)
        return read_vp9(payload, p);
    p->end = p->marker;
    p->follows = true;
    if (p->codec == &codec_vp8) {
        struct vp8_descriptor d;
        assert_int_equal(vp8_parse(payload, &d), 0);
        p->start = d.start;
        p->key = vp8_starts_key(&d, payload);
        return d.size + 1;
    }
    if (p->codec == &codec_av1) {
        p->start = !(payload.data[0] & 0x80);
        p->key = payload.data[0] & 8;
        return 1;
    }
    p->start = payload.data[0] != 0x7c;
    p->key = payload.data[0] == 0x78;
    return p->key ? KEY_BYTES : 1;
}

/* What is known of a packet as it comes. */
static void note_dependency(struct slice extension, struct layered_viewed *p)
{
    struct dependency_structure none = {0};
    struct dependency_descriptor d;
    bool own = dependency_parse(extension, &none, &d) == 0;
    p->described = true;
    p->follows = false;
    p->start = d.start;
    p->end = d.end;
    p->key = own && d.start;
    p->extension_len = (uint8_t)extension.len;
    memcpy(p->extension, extension.data, extension.len);
}

/* Frames are of the highest decode target that is said to be sent, and of no other. False: of a
 * structure that is not there. */
static bool read_dependency(struct layered_viewer *v, struct layered_viewed *p)
{
    struct dependency_descriptor d;
    if (dependency_parse(slice_of(p->extension, p->extension_len), &v->structure, &d) != 0)
        return false;
    if (d.has_active || d.has_structure)
        v->active = d.active;
    p->number = d.number;
    p->spatial = d.frame.spatial;
    for (unsigned i = 0; i < d.frame.fdiff_count; i++)
        p->refs[p->ref_count++] = (uint16_t)(d.number - d.frame.fdiffs[i]);
    unsigned highest = 0;
    for (unsigned t = 0; t < v->structure.target_count; t++)
        highest = v->active >> t & 1 ? t : highest;
    assert_true(dependency_dti_of(&d.frame, highest) != DEPENDENCY_NOT_PRESENT);
    return true;
}

void layered_viewer_input(struct layered_viewer *v, usec_t now, struct slice bytes)
{
    struct rtp_packet packet;
    assert_int_equal(rtp_parse(bytes, &packet), 0);
    if (packet.padding > 0)
        return;
    bool rtx;
    const struct codec *codec = codec_by_type(packet.payload_type, &rtx);
    assert_non_null(codec);
    assert_int_equal(packet.ssrc, rtx ? LAYERED_RTX : LAYERED_SSRC);
    if (rtx)
        assert_int_equal(rtp_rtx_parse(packet.payload, &packet.sequence, &packet.payload), 0);
    if (!v->started) {
        if (rtx)
            return;
        v->started = true;
        v->highest = 65536 + packet.sequence - 1;
        v->next = v->highest + 1;
        v->shown_at = now;
    }
    int64_t sequence = rtp_unwrap(v->highest, packet.sequence);
    for (; v->highest < sequence; v->highest++)
        *at(v, v->highest + 1) = (struct layered_viewed){.sequence = -1, .since = now};
    if (sequence < v->next || have(v, sequence))
        return;
    struct layered_viewed *p = at(v, sequence);
    *p = (struct layered_viewed){.sequence = sequence,
                                 .timestamp = packet.timestamp,
                                 .marker = packet.marker,
                                 .empty = packet.payload.len == 0,
                                 .codec = codec};
    if (p->empty)
        return;
    size_t head = read_payload(packet.payload, p);
    struct slice extension;
    if (rtp_extension_find(&packet, OFFER_EXT_DEPENDENCY, &extension))
        note_dependency(extension, p);
    if (p->start)
        layered_frame_parse(slice_sub(packet.payload, head, packet.payload.len), &p->frame);
    v->packet_at = now;
    v->repaired += rtx;
}

static bool decodable(const struct layered_viewer *v, const struct layered_viewed *p)
{
    if (p->key)
        return true;
    if (p->codec != v->codec || (p->follows && !v->whole))
        return false;
    for (unsigned i = 0; i < p->ref_count; i++)
        if (v->decoded[p->refs[i]] != p->refs[i] + 1)
            return false;
    return true;
}

static uint32_t *known(struct layered_viewer *v, uint32_t id)
{
    return &v->known[(id & 0xfff) | (id >> 24 & 3) << 12 | (id >> 28) << 14];
}

static void decode(struct layered_viewer *v, usec_t now, const struct layered_viewed *p)
{
    const struct layered_frame *f = &p->frame;
    if (p->key) {
        memset(v->decoded, 0, sizeof(v->decoded));
        memset(v->known, 0, sizeof(v->known));
        v->changes += v->codec && v->codec != p->codec;
        v->codec = p->codec;
        assert_true(f->key);
    }
    for (int i = 0; i < 3; i++)
        if (f->refs[i] != f->id)
            assert_int_equal(*known(v, f->refs[i]), f->refs[i] + 1);
    *known(v, f->id) = f->id + 1;
    v->decoded[p->number] = p->number + 1;
    v->stream = f->id >> 28;
    if (v->pictures == 0 || p->timestamp != v->timestamp) {
        if (v->pictures > 0)
            assert_true((int32_t)(p->timestamp - v->timestamp) > 0);
        v->pictures++;
        v->longest_freeze = usec_max(v->longest_freeze, now - v->shown_at);
        v->shown_at = now;
    }
    v->timestamp = p->timestamp;
}

/* The last packet of the frame that begins at `next`; -1: not all is there. */
static int64_t frame_end(struct layered_viewer *v)
{
    for (int64_t i = v->next; i <= v->highest; i++) {
        const struct layered_viewed *p = at(v, i);
        if (!have(v, i) || p->timestamp != at(v, v->next)->timestamp || (i > v->next && p->start))
            return -1;
        if (p->end)
            return i;
    }
    return -1;
}

static void take_frame(struct layered_viewer *v, usec_t now, int64_t end)
{
    struct layered_viewed *p = at(v, v->next);
    bool readable = !p->described || read_dependency(v, p);
    /* A picture is over with its marker, and not before. */
    if (v->holes == 0 && v->pictures > 0)
        assert_int_equal(v->ended, p->timestamp != v->timestamp);
    v->ended = at(v, end)->marker;
    v->whole = readable && decodable(v, p);
    if (v->whole)
        decode(v, now, p);
    else
        v->dropped++;
    if (v->whole && v->ended)
        v->spatial = p->spatial;
    v->next = end + 1;
}

static bool skip_lost(struct layered_viewer *v, usec_t now)
{
    int64_t lost = v->next;
    while (lost <= v->highest && have(v, lost))
        lost++;
    if (lost > v->highest || now - at(v, lost)->since < GIVE_UP)
        return false;
    v->holes++;
    v->whole = false;
    int64_t i = lost + 1;
    while (i <= v->highest && !(have(v, i) && at(v, i)->start))
        i++;
    v->next = i;
    return true;
}

/* A whole key frame further on needs nothing that is missing before it. */
static bool skip_to_key(struct layered_viewer *v)
{
    int64_t before = v->next;
    for (int64_t i = before + 1; i <= v->highest; i++) {
        v->next = i;
        if (have(v, i) && at(v, i)->key && at(v, i)->start && frame_end(v) >= 0) {
            v->holes++;
            return true;
        }
    }
    v->next = before;
    return false;
}

static void ask(struct layered_viewer *v, usec_t now)
{
    uint8_t bytes[512];
    uint16_t lost[NACKS];
    size_t count = 0;
    struct writer w = writer_of(bytes, sizeof(bytes));
    for (int64_t i = v->next; i <= v->highest && count < NACKS && v->repairs; i++) {
        struct layered_viewed *p = at(v, i);
        if (have(v, i) || p->tries >= NACK_TRIES || now - p->since < NACK_WAIT ||
            (p->tries > 0 && now - p->asked < NACK_REPEAT))
            continue;
        p->tries++;
        p->asked = now;
        lost[count++] = (uint16_t)i;
    }
    if (count > 0)
        rtcp_put_nack(&w, 1, LAYERED_SSRC, lost, count);
    if (now - v->shown_at > STUCK && now - v->packet_at < STUCK && now - v->pli_at > STUCK) {
        rtcp_put_pli(&w, 1, LAYERED_SSRC);
        v->pli_at = now;
        v->plis++;
    }
    if (writer_len(&w) > 0)
        pipe_send(v->up, now, slice_of(bytes, writer_len(&w)), true);
}

void layered_viewer_step(struct layered_viewer *v, usec_t now)
{
    if (!v->started)
        return;
    while (v->next <= v->highest) {
        if (have(v, v->next) && at(v, v->next)->empty) {
            v->next++;
            continue;
        }
        int64_t end = have(v, v->next) && at(v, v->next)->start ? frame_end(v) : -1;
        if (end >= 0)
            take_frame(v, now, end);
        else if (!skip_to_key(v) && !skip_lost(v, now))
            break;
    }
    ask(v, now);
}
