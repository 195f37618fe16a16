#include "bridge/egress.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/offer.h"

enum { RESENDS_MAX = 3, PADDING_SIZE = 255 };

#define RESEND_INTERVAL_MIN (10 * USEC_PER_MSEC)
#define RESEND_AGE_MAX (1 * USEC_PER_SEC)
/* Sender reports of two layers further apart than this do not align them. */
#define ALIGN_MAX (60 * USEC_PER_SEC)
#define NTP_EPOCH_SECONDS 3900000000ULL

int egress_init(struct egress *e, enum conference_kind kind, uint32_t ssrc, uint32_t rtx,
                uint32_t random)
{
    bool video = kind == CONFERENCE_VIDEO;
    *e = (struct egress){
        .ssrc = ssrc,
        .rtx = rtx,
        .source = EGRESS_NO_SOURCE,
        .kind = kind,
        .usable_at = USEC_NEVER,
        .target = video ? -1 : 0,
        .resync = true,
        .max_tid = SOURCE_TIDS - 1,
        .tid = SOURCE_TIDS - 1,
        .aligned_layer = -1,
        .rtx_sequence = (uint16_t)(random >> 16),
        .report_at = USEC_NEVER,
    };
    rewrite_init(&e->rewrite, video ? OFFER_CLOCK_VIDEO : OFFER_CLOCK_AUDIO,
                 random & 0x7fff); /* low: no wrap in the first seconds */
    if (!video)
        return 0;
    e->sent = calloc(EGRESS_SENT, sizeof(*e->sent));
    return e->sent ? 0 : ERR_MEMORY;
}

void egress_done(struct egress *e)
{
    free(e->sent);
    e->sent = NULL;
}

void egress_attach(struct egress *e, const struct source *s)
{
    egress_detach(e);
    e->source = s->index;
    memcpy(e->source_name, s->state.name, sizeof(e->source_name));
}

void egress_detach(struct egress *e)
{
    e->source = EGRESS_NO_SOURCE;
    e->resync = true;
    e->limited = false;
    e->key_wanted = false;
    e->aligned_layer = -1;
    e->report_at = USEC_NEVER;
    if (e->kind == CONFERENCE_VIDEO)
        e->target = -1;
    rewrite_detach(&e->rewrite);
    /* Ring numbers of another source mean nothing. */
    if (e->sent)
        memset(e->sent, 0, EGRESS_SENT * sizeof(*e->sent));
}

void egress_grant(struct egress *e, int layer, unsigned max_tid)
{
    if (layer < 0)
        e->resync = true;
    e->target = layer;
    e->max_tid = max_tid;
}

/* The outgoing timestamp the packet should get, so that the picture stays with the sound. */
static bool align(const struct egress *e, const struct source *s, const struct ring_packet *packet,
                  uint32_t *ret_timestamp)
{
    if (e->aligned_layer < 0)
        return false;
    if (e->aligned_layer == packet->layer) {
        *ret_timestamp = packet->timestamp + e->aligned_delta;
        return true;
    }
    const struct source_layer *from = &s->layers[e->aligned_layer];
    const struct source_layer *to = &s->layers[packet->layer];
    if (from->sr_arrival == 0 || to->sr_arrival == 0)
        return false;
    int64_t apart = (int64_t)(to->sr_ntp - from->sr_ntp);
    if (apart >> 32 > ALIGN_MAX / USEC_PER_SEC || apart >> 32 < -ALIGN_MAX / USEC_PER_SEC)
        return false;
    uint32_t ticks = (uint32_t)((apart * (int64_t)s->clock) >> 32);
    *ret_timestamp = from->sr_rtp + ticks + (packet->timestamp - to->sr_rtp) + e->aligned_delta;
    return true;
}

static void switch_to(struct egress *e, usec_t now, const struct source *s,
                      const struct ring_packet *packet)
{
    uint32_t timestamp;
    bool aligned = align(e, s, packet, &timestamp);
    rewrite_switch(&e->rewrite, packet, aligned ? &timestamp : NULL);
    e->aligned_layer = packet->layer;
    e->aligned_delta = rewrite_timestamp_delta(&e->rewrite);
    e->resync = e->squeeze = false;
    e->tid = e->max_tid;
    e->report_at = now;
}

/* Temporal layers change only where frames begin, and upwards only where the new ones may. */
static void step_tid(struct egress *e, const struct ring_packet *packet)
{
    const struct vp8_descriptor *d = &packet->vp8;
    unsigned wanted = e->squeeze ? 0 : e->max_tid;
    if (e->tid == wanted || !d->start || d->partition != 0 || packet->late)
        return;
    if (wanted < e->tid || packet->key || (d->sync && d->tid > e->tid))
        e->tid = wanted;
}

static bool forward_video(struct egress *e, usec_t now, const struct source *s,
                          const struct ring_packet *packet, bool *ret_late_start)
{
    if (e->target < 0)
        return false;
    int layer = rewrite_layer(&e->rewrite);
    if (packet->key && packet->layer == e->target && (e->resync || layer != e->target)) {
        *ret_late_start = packet->late;
        switch_to(e, now, s, packet);
        return true;
    }
    if (e->resync || layer < 0)
        return false;
    if (packet->layer == layer) {
        step_tid(e, packet);
        if (packet->vp8.has_tid && packet->vp8.tid > e->tid && e->tid < SOURCE_TIDS - 1) {
            rewrite_skip(&e->rewrite, packet);
            return false;
        }
    }
    return true;
}

bool egress_forward(struct egress *e, usec_t now, const struct source *s,
                    const struct ring_packet *packet, struct rewritten *ret_out,
                    bool *ret_late_start)
{
    *ret_late_start = false;
    if (now < e->usable_at)
        return false;
    if (e->kind == CONFERENCE_VIDEO) {
        if (!forward_video(e, now, s, packet, ret_late_start))
            return false;
    } else if (e->resync) {
        if (packet->late)
            return false;
        switch_to(e, now, s, packet);
    }
    return rewrite_map(&e->rewrite, packet, ret_out);
}

bool egress_waits(const struct egress *e)
{
    return e->kind == CONFERENCE_VIDEO && e->source != EGRESS_NO_SOURCE && e->target >= 0 &&
           (e->resync || rewrite_layer(&e->rewrite) != e->target);
}

bool egress_take_key(struct egress *e, usec_t now)
{
    size_t oldest = 0;
    for (size_t i = 1; i < EGRESS_KEYS; i++)
        if (e->keys[i] < e->keys[oldest])
            oldest = i;
    if (e->keys[oldest] > 0 && now - e->keys[oldest] < EGRESS_KEYS_TIME)
        return false;
    e->keys[oldest] = usec_max(now, 1);
    return true;
}

static void put_header(struct writer *w, const struct rtp_header *header, const uint8_t *level,
                       uint16_t transport)
{
    uint8_t sequence[2];
    store_u16(sequence, transport);
    struct rtp_extension extensions[2];
    size_t count = 0;
    if (level)
        extensions[count++] = (struct rtp_extension){OFFER_EXT_AUDIO_LEVEL, slice_of(level, 1)};
    extensions[count++] = (struct rtp_extension){OFFER_EXT_TRANSPORT_CC, slice_of(sequence, 2)};
    rtp_put_header(w, header, extensions, count);
}

/* The packet's descriptor with what this receiver should see in it. */
static void put_descriptor(struct writer *w, const struct ring_packet *packet, uint16_t picture,
                           uint8_t tl0, uint8_t keyidx)
{
    struct vp8_descriptor d = packet->vp8;
    d.long_picture_id = true;
    d.picture_id = picture;
    d.tl0 = tl0;
    d.keyidx = keyidx;
    vp8_put(w, &d);
}

void egress_write(struct egress *e, usec_t now, const struct source *s, uint32_t number,
                  const struct rewritten *out, uint16_t transport, struct conference_packet *packet)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    assert(entry);
    bool audio = e->kind == CONFERENCE_AUDIO;
    struct rtp_header header = {
        .payload_type = audio ? OFFER_PT_OPUS : OFFER_PT_VP8,
        .marker = entry->marker,
        .sequence = out->sequence,
        .timestamp = out->timestamp,
        .ssrc = e->ssrc,
    };
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, entry->has_level ? &entry->level : NULL, transport);
    packet->rtp_header_len = (uint16_t)writer_len(&w);
    packet->payload = ring_payload(&s->ring, entry);
    if (!audio) {
        put_descriptor(&w, entry, out->picture, out->tl0, out->keyidx);
        packet->payload = slice_sub(packet->payload, entry->vp8.size, packet->payload.len);
        e->sent[out->sequence & (EGRESS_SENT - 1)] = (struct egress_sent){
            .number = number,
            .timestamp = out->timestamp,
            .at = usec_max(now, 1),
            .sequence = out->sequence,
            .picture = out->picture,
            .tl0 = out->tl0,
            .keyidx = out->keyidx,
        };
    }
    assert(!w.failed);
    packet->header_len = (uint16_t)writer_len(&w);
    packet->rtcp = false;
    packet->audio = audio;
    e->last_sent = out->sequence;
    if (entry->key)
        e->key_sent = now;
    e->last_used = now;
    e->packets++;
    e->octets += (uint32_t)(packet->header_len - packet->rtp_header_len + packet->payload.len);
    if (e->report_at == USEC_NEVER)
        e->report_at = now;
}

struct egress_sent *egress_find_sent(struct egress *e, usec_t now, const struct source *s,
                                     uint16_t sequence, usec_t rtt)
{
    if (!e->sent || e->rtx == 0)
        return NULL;
    struct egress_sent *sent = &e->sent[sequence & (EGRESS_SENT - 1)];
    if (sent->at == 0 || sent->sequence != sequence || sent->tries >= RESENDS_MAX)
        return NULL;
    const struct ring_packet *entry = ring_get(&s->ring, sent->number);
    if (!entry || now - entry->arrival > RESEND_AGE_MAX)
        return NULL;
    /* An answer that is still on its way is not sent twice. */
    if (sent->tries > 0 && now - sent->at < usec_max(rtt * 9 / 10, RESEND_INTERVAL_MIN))
        return NULL;
    return sent;
}

static struct rtp_header rtx_header(struct egress *e, uint32_t timestamp, bool marker)
{
    return (struct rtp_header){
        .payload_type = OFFER_PT_RTX_VP8,
        .marker = marker,
        .sequence = e->rtx_sequence++,
        .timestamp = timestamp,
        .ssrc = e->rtx,
    };
}

bool egress_write_rtx(struct egress *e, usec_t now, const struct source *s,
                      struct egress_sent *sent, uint16_t transport,
                      struct conference_packet *packet)
{
    const struct ring_packet *entry = ring_get(&s->ring, sent->number);
    if (!entry || sent->at == 0)
        return false;
    struct rtp_header header = rtx_header(e, sent->timestamp, entry->marker);
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, NULL, transport);
    packet->rtp_header_len = (uint16_t)writer_len(&w);
    writer_u16(&w, sent->sequence);
    put_descriptor(&w, entry, sent->picture, sent->tl0, sent->keyidx);
    assert(!w.failed);
    packet->header_len = (uint16_t)writer_len(&w);
    packet->payload = slice_sub(ring_payload(&s->ring, entry), entry->vp8.size, entry->len);
    packet->rtcp = false;
    packet->audio = false;
    sent->at = usec_max(now, 1);
    return true;
}

void egress_write_padding(struct egress *e, uint16_t transport, struct conference_packet *packet)
{
    static const uint8_t padding[PADDING_SIZE] = {[PADDING_SIZE - 1] = PADDING_SIZE};
    struct rtp_header header = rtx_header(e, e->rewrite.timestamp, false);
    header.padding = true;
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, NULL, transport);
    assert(!w.failed);
    packet->rtp_header_len = packet->header_len = (uint16_t)writer_len(&w);
    packet->payload = slice_of(padding, sizeof(padding));
    packet->rtcp = false;
    packet->audio = false;
}

uint64_t egress_ntp(usec_t now)
{
    uint64_t seconds = (uint64_t)(now / USEC_PER_SEC) + NTP_EPOCH_SECONDS;
    uint64_t rest = (uint64_t)(now % USEC_PER_SEC);
    return seconds << 32 | (rest << 32) / (uint64_t)USEC_PER_SEC;
}

static uint64_t ntp_span(usec_t span)
{
    return egress_ntp(span) - egress_ntp(0);
}

bool egress_report(const struct egress *e, usec_t now, const struct source *s,
                   uint64_t clock_offset, struct rtcp_sender_info *ret_info)
{
    int layer = rewrite_layer(&e->rewrite);
    if (layer < 0 || e->packets == 0)
        return false;
    const struct source_layer *l = &s->layers[layer];
    struct rtcp_sender_info info = {.ssrc = e->ssrc, .packets = e->packets, .octets = e->octets};
    if (l->sr_arrival > 0 && clock_offset != 0) {
        usec_t elapsed = now - l->sr_arrival;
        info.ntp = l->sr_ntp + clock_offset + ntp_span(elapsed);
        info.rtp = l->sr_rtp + rewrite_timestamp_delta(&e->rewrite) +
                   (uint32_t)(elapsed * (int64_t)s->clock / USEC_PER_SEC);
    } else {
        /* Until the sender tells its clock, arrival stands for it. */
        info.ntp = egress_ntp(now);
        info.rtp = e->rewrite.timestamp +
                   (uint32_t)((now - e->rewrite.arrival) * (int64_t)s->clock / USEC_PER_SEC);
    }
    *ret_info = info;
    return true;
}
