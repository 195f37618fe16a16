#include "media_viewer.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

#include "proto/offer.h"
#include "proto/opus.h"
#include "proto/red.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

enum { NACKS = 100, NACK_TRIES = 8 };

#define NACK_WAIT (20 * USEC_PER_MSEC)
#define NACK_REPEAT (120 * USEC_PER_MSEC)
#define GIVE_UP (800 * USEC_PER_MSEC)
#define STUCK (400 * USEC_PER_MSEC)
#define SOUND_STEP (20 * USEC_PER_MSEC)
#define ONSET_PAUSE (300 * USEC_PER_MSEC)

void viewer_init(struct viewer *v, struct pipe *up)
{
    *v = (struct viewer){.up = up, .repairs = true};
}

void viewer_done(struct viewer *v)
{
    for (size_t i = 0; i < v->stream_count; i++)
        free(v->streams[i].window);
}

static struct viewer_stream *by_ssrc(struct viewer *v, uint32_t ssrc)
{
    for (size_t i = 0; i < v->stream_count; i++)
        if (v->streams[i].ssrc == ssrc || (v->streams[i].rtx != 0 && v->streams[i].rtx == ssrc))
            return &v->streams[i];
    return NULL;
}

struct viewer_stream *viewer_find(struct viewer *v, const char *source)
{
    for (size_t i = 0; i < v->stream_count; i++)
        if (strcmp(v->streams[i].source, source) == 0)
            return &v->streams[i];
    return NULL;
}

static struct viewer_stream *add_stream(struct viewer *v, uint32_t ssrc, uint32_t rtx, bool video)
{
    assert_true(v->stream_count < VIEWER_STREAMS);
    struct viewer_stream *s = &v->streams[v->stream_count++];
    *s = (struct viewer_stream){.ssrc = ssrc, .rtx = rtx, .video = video, .whole = true};
    if (video) {
        s->window = calloc(VIEWER_WINDOW, sizeof(*s->window));
        assert_non_null(s->window);
        for (size_t k = 0; k < VIEWER_WINDOW; k++)
            s->window[k].sequence = -1;
    }
    return s;
}

void viewer_map(struct viewer *v, usec_t now, const struct conference_slot *slots, size_t count)
{
    for (size_t i = 0; i < v->stream_count; i++)
        v->streams[i].source[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool video = slots[i].kind == CONFERENCE_VIDEO;
        struct viewer_stream *s = by_ssrc(v, slots[i].ssrc);
        if (!s)
            s = add_stream(v, slots[i].ssrc, slots[i].rtx, video);
        if (strcmp(s->owner, slots[i].owner) != 0) {
            s->remapped = s->owner[0] != '\0';
            s->has_offset = false;
            s->sr_at = 0;
            s->mapped_at = now;
            s->after = slots[i].after;
            assert_true(v->classic || s->frames == 0 || s->after >= 0);
        }
        s->pair = slots[i].pair;
        memcpy(s->source, slots[i].source, sizeof(s->source));
        memcpy(s->owner, slots[i].owner, sizeof(s->owner));
    }
}

void viewer_spares(struct viewer *v, usec_t now, const struct conference_spare *spares,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (by_ssrc(v, spares[i].audio))
            continue;
        add_stream(v, spares[i].audio, 0, false)->spare_at = now;
        add_stream(v, spares[i].video, spares[i].rtx, true)->spare_at = now;
    }
}

static struct viewer_packet *at(struct viewer_stream *s, int64_t sequence)
{
    return &s->window[sequence & (VIEWER_WINDOW - 1)];
}

static bool have(struct viewer_stream *s, int64_t sequence)
{
    return at(s, sequence)->sequence == sequence;
}

static void note_offset(struct viewer_stream *s, uint32_t timestamp, uint64_t captured,
                        unsigned clock)
{
    if (s->sr_at == 0)
        return;
    double seconds = (double)(s->sr_ntp >> 32) + (double)(uint32_t)s->sr_ntp / 4294967296.0;
    seconds += (double)(int32_t)(timestamp - s->sr_rtp) / clock;
    s->offset_ms = seconds * 1000 - (double)captured / 1000;
    s->has_offset = true;
}

static uint64_t captured_at(struct slice sound)
{
    struct reader r = reader_of(sound);
    reader_skip(&r, 1);
    return reader_u64(&r);
}

/* A sound that came now, the first time or again. */
static void note_sound(struct viewer_stream *s, uint64_t captured)
{
    uint64_t step = captured / SOUND_STEP;
    uint64_t bit = 1;
    if (step > s->sound_newest) {
        uint64_t ahead = step - s->sound_newest;
        if (ahead * SOUND_STEP > ONSET_PAUSE)
            s->onset = (usec_t)captured;
        s->sound_window = ahead < 64 ? s->sound_window << ahead : 0;
        s->sound_newest = step;
    } else if (s->sound_newest - step < 64) {
        bit = 1ULL << (s->sound_newest - step);
    } else {
        return;
    }
    s->sounds += !(s->sound_window & bit);
    s->sound_window |= bit;
}

static void play_sound(struct viewer_stream *s, usec_t now, struct slice sound, bool copy)
{
    unsigned samples;
    assert_int_equal(opus_duration(sound, &samples), 0);
    usec_t length = samples * USEC_PER_SEC / OPUS_CLOCK;
    playout_add(&s->playout, now, (usec_t)captured_at(sound), length, copy);
}

static void take_audio(struct viewer *v, struct viewer_stream *s, usec_t now,
                       const struct rtp_packet *packet)
{
    struct slice sound = packet->payload;
    if (packet->payload_type == OFFER_PT_RED) {
        struct red red;
        assert_true(v->red);
        assert_int_equal(red_parse(packet->payload, &red), 0);
        assert_in_range(red.count, 2, 3);
        sound = red.blocks[red.count - 1].data;
        for (unsigned i = 0; i + 1 < red.count; i++) {
            assert_int_equal(red.blocks[i].payload_type, OFFER_PT_OPUS);
            uint64_t earlier = captured_at(red.blocks[i].data);
            assert_int_equal(captured_at(sound) - earlier,
                             red.blocks[i].offset * 1000ULL / (OFFER_CLOCK_AUDIO / 1000));
            note_sound(s, earlier);
            play_sound(s, now, red.blocks[i].data, true);
        }
        v->red_packets++;
        v->red_bytes += packet->payload.len - sound.len;
    }
    note_sound(s, captured_at(sound));
    play_sound(s, now, sound, false);
    s->audio_holes += s->audio_packets > 0 && packet->sequence != (uint16_t)(s->audio_sequence + 1);
    s->audio_sequence = packet->sequence;
    if (s->last_audio > 0)
        s->longest_silence = usec_max(s->longest_silence, now - s->last_audio);
    s->last_audio = now;
    s->audio_packets++;
    note_offset(s, packet->timestamp, captured_at(sound), OFFER_CLOCK_AUDIO);
}

/* False: it was here before. */
static bool take_video(struct viewer_stream *s, usec_t now, const struct rtp_packet *packet,
                       bool repaired)
{
    struct vp8_descriptor d = {0};
    bool empty = packet->payload.len == 0; /* there is nothing to miss */
    if (!empty)
        assert_int_equal(vp8_parse(packet->payload, &d), 0);
    if (!s->started) {
        s->started = true;
        s->highest = 65536 + packet->sequence - 1;
        s->next = s->highest + 1;
        s->last_shown = now;
    }
    int64_t sequence = rtp_unwrap(s->highest, packet->sequence);
    assert_true(sequence < s->highest + VIEWER_WINDOW / 2); /* no jump */
    for (; s->highest < sequence; s->highest++) {
        struct viewer_packet *lost = at(s, s->highest + 1);
        *lost = (struct viewer_packet){.sequence = -1, .missing_since = now};
    }
    if (sequence <= s->highest - VIEWER_WINDOW)
        return false;
    struct viewer_packet *p = at(s, sequence);
    uint64_t digest = slice_hash(packet->payload, packet->timestamp);
    if (p->sequence == sequence) {
        assert_true(p->digest == digest); /* the same number is the same packet */
        return false;
    }
    if (sequence < s->next)
        return false;
    *p = (struct viewer_packet){.sequence = sequence,
                                .timestamp = packet->timestamp,
                                .marker = packet->marker,
                                .vp8 = d,
                                .empty = empty,
                                .digest = digest};
    if (d.start && d.partition == 0)
        sender_get_frame(slice_sub(packet->payload, d.size, packet->payload.len), &p->frame);
    s->packets++;
    s->repaired += repaired;
    s->last_packet = now;
    return true;
}

/* By the descriptor alone: may it be shown? */
static bool promised(struct viewer_stream *s, const struct viewer_packet *p)
{
    const struct vp8_descriptor *d = &p->vp8;
    if (p->frame.key)
        return true;
    if (!s->have_key)
        return false;
    if (d->tid == 0)
        return s->shown_tl0[(uint8_t)(d->tl0 - 1)];
    if (!s->shown_tl0[d->tl0])
        return false;
    return d->sync || s->whole;
}

static void check_references(struct viewer_stream *s, const struct sender_frame *f)
{
    for (int i = 0; i < 2 && !f->key; i++) {
        if (f->refs[i] == f->number)
            continue;
        assert_int_equal(f->layer, s->layer);
        assert_int_equal(s->shown[f->refs[i] % VIEWER_SHOWN], f->refs[i] + 1);
    }
}

/* What comes of the one before was on its way when the slot was mapped, and is told by its
 * timestamp; the next one begins with a key frame. */
static void check_owner(const struct viewer_stream *s, const struct viewer_packet *p)
{
    if (s->after < 0)
        return;
    bool owners = (int32_t)(p->timestamp - (uint32_t)s->after) > 0;
    assert_int_equal(owners, (usec_t)p->frame.captured >= s->mapped_at);
    assert_true(!owners || !s->remapped || p->frame.key);
}

static void show(struct viewer_stream *s, usec_t now, const struct viewer_packet *p)
{
    const struct sender_frame *f = &p->frame;
    check_references(s, f);
    check_owner(s, p);
    if (f->key) {
        memset(s->shown, 0, sizeof(s->shown));
        memset(s->shown_tl0, 0, sizeof(s->shown_tl0));
        s->have_key = true;
        if ((usec_t)f->captured >= s->mapped_at)
            s->remapped = false;
    }
    if (p->vp8.tid == 0) {
        s->base_picture = p->vp8.picture_id;
        s->whole = true;
        s->shown_tl0[(uint8_t)(p->vp8.tl0 + 128)] = false;
        s->shown_tl0[p->vp8.tl0] = true;
    }
    s->shown[f->number % VIEWER_SHOWN] = f->number + 1;
    if (s->frames > 0)
        assert_true((int32_t)(p->timestamp - s->last_timestamp) > 0);
    if (s->frames == 0 || f->layer != s->layer) {
        assert_true(f->key);
        if (s->switch_count < VIEWER_SWITCHES)
            s->switches[s->switch_count++] = (struct viewer_switch){now, f->layer};
        s->first_sr_after_switch = s->sr_at > now - 100 * USEC_PER_MSEC ? s->sr_at : 0;
    }
    s->layer = f->layer;
    s->last_timestamp = p->timestamp;
    s->frames++;
    if (now - s->last_shown > s->longest_freeze) {
        s->longest_freeze = now - s->last_shown;
        s->freeze_at = now;
    }
    s->last_shown = now;
    note_offset(s, p->timestamp, f->captured, OFFER_CLOCK_VIDEO);
}

/* The last packet of the frame that starts at `first`; -1: not all is there. */
static int64_t frame_end(struct viewer_stream *s, int64_t first)
{
    for (int64_t i = first; i <= s->highest; i++) {
        if (have(s, i) && at(s, i)->empty)
            continue;
        if (!have(s, i) || at(s, i)->timestamp != at(s, first)->timestamp)
            return -1;
        if (i > first && at(s, i)->vp8.start)
            return -1;
        if (at(s, i)->marker)
            return i;
    }
    return -1;
}

static bool starts_frame(struct viewer_stream *s, int64_t sequence)
{
    return have(s, sequence) && at(s, sequence)->vp8.start && at(s, sequence)->vp8.partition == 0;
}

static void consume(struct viewer_stream *s, usec_t now, int64_t end, bool after_gap)
{
    struct viewer_packet *p = at(s, s->next);
    uint16_t expected = (s->last_picture + 1) & 0x7fff;
    if (s->frames + s->dropped_frames > 0 && p->vp8.picture_id != expected) {
        s->whole = false;
        if (!after_gap)
            s->picture_gaps++;
    }
    s->last_picture = p->vp8.picture_id;
    if (promised(s, p)) {
        show(s, now, p);
    } else {
        s->dropped_frames++;
        s->whole = false;
        if (p->vp8.tid == 0)
            s->shown_tl0[p->vp8.tl0] = false;
    }
    s->next = end + 1;
}

/* A whole key frame further on makes waiting for what lies before it pointless. */
static bool skip_to_key(struct viewer_stream *s)
{
    for (int64_t i = s->next + 1; i <= s->highest; i++) {
        if (starts_frame(s, i) && at(s, i)->frame.key && frame_end(s, i) >= 0) {
            s->next = i;
            return true;
        }
    }
    return false;
}

static bool skip_lost(struct viewer_stream *s, usec_t now)
{
    int64_t first = s->next;
    while (first <= s->highest && have(s, first))
        first++;
    if (first > s->highest || now - at(s, first)->missing_since < GIVE_UP)
        return false;
    int64_t i = first + 1;
    while (i <= s->highest && !starts_frame(s, i))
        i++;
    s->next = i;
    return true;
}

static void show_frames(struct viewer_stream *s, usec_t now)
{
    bool after_gap = false;
    while (s->next <= s->highest) {
        if (have(s, s->next) && at(s, s->next)->empty) {
            s->next++;
            continue;
        }
        int64_t end = starts_frame(s, s->next) ? frame_end(s, s->next) : -1;
        if (end >= 0) {
            consume(s, now, end, after_gap);
            after_gap = false;
            continue;
        }
        if (!skip_to_key(s) && !skip_lost(s, now))
            return;
        after_gap = true;
    }
}

static void take_reports(struct viewer *v, usec_t now, struct slice bytes)
{
    struct rtcp_packet packet;
    struct rtcp_sender_info info;
    int err;
    while ((err = rtcp_next(&bytes, &packet)) == 0) {
        if (packet.type != RTCP_SR || rtcp_sr_parse(&packet, &info) != 0)
            continue;
        struct viewer_stream *s = by_ssrc(v, info.ssrc);
        if (!s)
            continue;
        s->sr_ntp = info.ntp;
        s->sr_rtp = info.rtp;
        s->sr_at = now;
        if (s->first_sr_after_switch == 0)
            s->first_sr_after_switch = now;
    }
    assert_int_equal(err, ERR_NOT_FOUND);
}

void viewer_input(struct viewer *v, usec_t now, struct slice bytes, bool rtcp)
{
    if (rtcp) {
        take_reports(v, now, bytes);
        return;
    }
    struct rtp_packet packet;
    uint16_t transport;
    assert_int_equal(rtp_parse(bytes, &packet), 0);
    assert_true(rtp_transport_sequence(&packet, OFFER_EXT_TRANSPORT_CC, &transport));
    feedback_arrived(&v->feedback, now, transport, packet.ssrc);
    struct viewer_stream *s = by_ssrc(v, packet.ssrc);
    if (!s) {
        v->unknown++;
        return;
    }
    bool repaired = packet.ssrc == s->rtx && s->rtx != 0;
    if (packet.payload.len == 0 && (repaired || !s->video)) {
        v->padding++;
        v->padding_bytes += bytes.len;
        return;
    }
    assert_true(s->video ? packet.payload_type == (repaired ? OFFER_PT_RTX_VP8 : OFFER_PT_VP8)
                         : offer_is_audio(packet.payload_type));
    if (repaired)
        assert_int_equal(rtp_rtx_parse(packet.payload, &packet.sequence, &packet.payload), 0);
    if (repaired && !s->started)
        return;
    if (!s->video)
        take_audio(v, s, now, &packet);
    else if (!take_video(s, now, &packet, repaired) && repaired)
        v->padding_bytes += bytes.len;
}

static void ask(struct viewer *v, struct viewer_stream *s, usec_t now, struct writer *w)
{
    uint16_t lost[NACKS];
    size_t count = 0;
    for (int64_t i = s->next; i <= s->highest && count < NACKS && v->repairs; i++) {
        struct viewer_packet *p = at(s, i);
        if (have(s, i) || p->tries >= NACK_TRIES || now - p->missing_since < NACK_WAIT ||
            now - p->missing_since > GIVE_UP || (p->tries > 0 && now - p->asked < NACK_REPEAT))
            continue;
        p->tries++;
        p->asked = now;
        lost[count++] = (uint16_t)i;
    }
    rtcp_put_nack(w, 1, s->ssrc, lost, count);
    usec_t patience = v->patience > 0 ? v->patience : STUCK;
    if (now - s->last_shown > patience && now - s->last_packet < STUCK / 2 &&
        now - s->pli_at > patience) {
        rtcp_put_pli(w, 1, s->ssrc);
        s->pli_at = now;
        v->plis++;
    }
}

void viewer_step(struct viewer *v, usec_t now)
{
    uint8_t bytes[PIPE_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    bool ask_now = now >= v->nack_at;
    if (ask_now)
        v->nack_at = now + NACK_WAIT;
    for (size_t i = 0; i < v->stream_count; i++) {
        struct viewer_stream *s = &v->streams[i];
        if (!s->video)
            playout_run(&s->playout, now);
        if (!s->video || !s->started)
            continue;
        show_frames(s, now);
        if (ask_now)
            ask(v, s, now, &w);
    }
    if (writer_len(&w) > 0)
        pipe_send(v->up, now, slice_of(bytes, writer_len(&w)), true);
    if (!v->mute_feedback && now >= feedback_due(&v->feedback)) {
        w = writer_of(bytes, sizeof(bytes));
        if (feedback_put(&v->feedback, now, 1, &w))
            pipe_send(v->up, now, slice_of(bytes, writer_len(&w)), true);
    }
}

void viewer_forget_freezes(struct viewer *v, usec_t now)
{
    for (size_t i = 0; i < v->stream_count; i++) {
        struct viewer_stream *s = &v->streams[i];
        s->longest_freeze = 0;
        s->longest_silence = 0;
        s->last_shown = usec_max(s->last_shown, now - 50 * USEC_PER_MSEC);
        s->last_audio = 0;
    }
}

bool viewer_is_forwarded(const struct viewer *v, const char *source)
{
    for (size_t i = 0; i < v->forwarded_count; i++)
        if (strcmp(v->forwarded[i], source) == 0)
            return true;
    return false;
}
