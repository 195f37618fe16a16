#include "bridge/egress.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/offer.h"
#include "proto/red.h"

enum { RESENDS_MAX = 10, PADDING_SIZE = 255, PADDING_SMALL = 60 };
/* How far back in the ring packets may lie that came in disorder; and what RFC 2198 can tell of
 * them. */
enum { COPY_BACK = 12, COPY_OFFSET_MAX = 0x3fff, COPY_BYTES_MAX = 0x3ff, COPY_HEAD = 4 };
/* RTP header with level and transport sequence number. */
enum { SOUND_HEADER_MAX = 32 };

#define RESEND_INTERVAL_MIN (10 * USEC_PER_MSEC)
#define RESEND_AGE_MAX (1 * USEC_PER_SEC)
/* Sender reports of two streams further apart than this do not align them. */
#define ALIGN_MAX (60 * USEC_PER_SEC)
#define NTP_EPOCH_SECONDS 3900000000ULL

void egress_init(struct egress *e, enum conference_kind kind, uint32_t ssrc, uint32_t rtx,
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
        .aligned_stream = -1,
        .rtx_sequence = (uint16_t)(random >> 16),
        .report_at = USEC_NEVER,
    };
    rewrite_init(&e->rewrite, video ? OFFER_CLOCK_VIDEO : OFFER_CLOCK_AUDIO,
                 random & 0x7fff); /* low: no wrap in the first seconds */
}

static uint32_t *sent_slot(const struct egress *e, uint16_t sequence)
{
    return &e->sent[sequence & (e->sent_slots - 1)];
}

const struct sent_packet *egress_sent_at(const struct egress *e, const struct sent *sent,
                                         uint16_t sequence)
{
    if (!e->sent)
        return NULL;
    uint32_t back = (uint32_t)sent->next - *sent_slot(e, sequence);
    const struct sent_packet *packet = sent_get(sent, sent->next - back);
    return packet && packet->ssrc == e->ssrc && packet->out.sequence == sequence ? packet : NULL;
}

void egress_remember(struct egress *e, struct sent *sent, uint32_t number,
                     const struct rewritten *out, uint8_t tries)
{
    struct sent_packet *packet = sent_newest(sent);
    uint16_t slots = e->sent_slots;
    if (out->sequence % (slots / 8) == 0 && slots < EGRESS_SENT_MAX) {
        const struct sent_packet *old =
            egress_sent_at(e, sent, (uint16_t)(out->sequence - slots / 4 * 3));
        e->sent_short |= old && packet->at - old->at < RESEND_AGE_MAX;
    }
    packet->ssrc = e->ssrc;
    packet->number = number;
    packet->out = *out;
    packet->tries = tries;
    *sent_slot(e, out->sequence) = (uint32_t)(sent->next - 1);
}

static int find_more(struct egress *e, const struct sent *sent)
{
    uint16_t slots = e->sent_slots;
    uint32_t *more = calloc((size_t)slots * 2, sizeof(*more));
    e->sent_short = false;
    if (!more)
        return ERR_MEMORY;
    for (uint16_t i = 0; i < slots; i++) {
        uint16_t sequence = (uint16_t)(e->last_sent - i);
        if (egress_sent_at(e, sent, sequence))
            more[sequence & (slots * 2 - 1)] = *sent_slot(e, sequence);
    }
    free(e->sent);
    e->sent = more;
    e->sent_slots = (uint16_t)(slots * 2);
    return 0;
}

int egress_tick(struct egress *e, const struct sent *sent)
{
    int err = rewrite_tick(&e->rewrite);
    return err || !e->sent_short ? err : find_more(e, sent);
}

void egress_done(struct egress *e)
{
    free(e->sent);
    e->sent = NULL;
    rewrite_done(&e->rewrite);
}

int egress_attach(struct egress *e, const struct source *s)
{
    egress_detach(e);
    int err = rewrite_reserve(&e->rewrite);
    if (err)
        return err;
    if (e->kind == CONFERENCE_VIDEO && !e->sent) {
        e->sent_slots = EGRESS_SENT_MIN;
        e->sent = calloc(e->sent_slots, sizeof(*e->sent));
        if (!e->sent)
            return ERR_MEMORY;
    }
    e->source = s->index;
    e->before = e->rewrite.started ? (int64_t)e->rewrite.timestamp : -1;
    memcpy(e->source_name, s->state.name, sizeof(e->source_name));
    return 0;
}

void egress_detach(struct egress *e)
{
    e->source = EGRESS_NO_SOURCE;
    e->resync = true;
    e->limited = false;
    e->key_wanted = e->key_waits = false;
    e->aligned_stream = -1;
    e->codec = NULL;
    e->report_at = USEC_NEVER;
    if (e->kind == CONFERENCE_VIDEO)
        e->target = -1;
    rewrite_detach(&e->rewrite);
    /* Ring numbers of another source mean nothing. */
    if (e->sent)
        memset(e->sent, 0, e->sent_slots * sizeof(*e->sent));
}

void egress_grant(struct egress *e, int layer, unsigned max_tid)
{
    if (layer < 0)
        e->resync = true;
    e->target = layer;
    e->max_tid = max_tid;
}

void egress_lapse(struct egress *e)
{
    e->resync = true;
}

/* The outgoing timestamp the packet should get, so that the picture stays with the sound. */
static bool align(const struct egress *e, const struct source *s, const struct ring_packet *packet,
                  uint32_t *ret_timestamp)
{
    if (e->aligned_stream < 0)
        return false;
    if (e->aligned_stream == packet->stream) {
        *ret_timestamp = packet->timestamp + e->aligned_delta;
        return true;
    }
    const struct source_stream *from = &s->streams[e->aligned_stream];
    const struct source_stream *to = &s->streams[packet->stream];
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
    e->repair_from = (uint16_t)(e->rewrite.sequence + 1);
    e->aligned_stream = packet->stream;
    e->aligned_delta = rewrite_timestamp_delta(&e->rewrite);
    e->resync = e->squeeze = false;
    e->codec = packet->codec;
    e->report_at = now;
    e->begun = packet->sequence;
    e->spell = s->voice.spell;
}

/* Whether the stream goes on with this key frame: with the wanted stream, or with another codec. */
static bool switches_at(const struct egress *e, const struct ring_packet *packet, unsigned wanted)
{
    int stream = rewrite_stream(&e->rewrite);
    if (!packet->facts.key)
        return false;
    if (packet->stream == wanted && (e->resync || stream != (int)wanted))
        return true;
    return !e->resync && packet->stream == stream && packet->codec != e->codec && !packet->late;
}

/* `ret_empty`: the receiver is told that it misses nothing: a hole was left for the packet while it
 * was lost. */
static bool forward_video(struct egress *e, usec_t now, const struct source *s,
                          const struct ring_packet *packet, bool *ret_late_start, bool *ret_empty)
{
    if (e->target < 0)
        return false;
    unsigned spatial;
    unsigned wanted = source_stream_of(s, (unsigned)e->target, &spatial);
    unsigned temporal = e->squeeze || e->behind ? 0 : e->max_tid;
    if (switches_at(e, packet, wanted)) {
        *ret_late_start = packet->late;
        switch_to(e, now, s, packet);
        target_begin(&e->at, &packet->facts, spatial, e->max_tid);
        temporal = e->max_tid;
    }
    int stream = rewrite_stream(&e->rewrite);
    if (e->resync || stream < 0)
        return false;
    if (packet->stream != stream)
        return true; /* the tail of the stream before */
    if (packet->facts.blind)
        return false; /* its place is kept */
    if (packet->codec != e->codec && packet->late)
        return true;
    if (packet->stream != wanted)
        spatial = e->at.spatial;
    if (packet->codec != e->codec ||
        !target_take(&e->at, &packet->facts, packet->timestamp, packet->late, spatial, temporal)) {
        rewrite_skip(&e->rewrite, packet);
        *ret_empty = packet->late;
        return packet->late;
    }
    *ret_late_start = *ret_late_start || packet->unblinds;
    return true;
}

/* The last forwarded packet of a picture is its last one for this receiver, and decode targets
 * beyond what it gets are not there. */
static void fit_layers(const struct egress *e, const struct source *s,
                       const struct ring_packet *packet, struct rewritten *out)
{
    const struct codec_facts *f = &packet->facts;
    if (packet->stream != rewrite_stream(&e->rewrite) || packet->codec != e->codec)
        return;
    if (f->end && f->spatial == e->at.spatial)
        out->marker = true;
    if (!f->start || packet->marks.target_count < 2)
        return;
    unsigned cell = e->at.spatial * (unsigned)CODEC_TEMPORAL + e->at.temporal;
    out->active = packet->active & s->streams[packet->stream].codec->cell_mask[cell];
}

bool egress_forward(struct egress *e, usec_t now, const struct source *s,
                    const struct ring_packet *packet, struct rewritten *ret_out,
                    bool *ret_late_start)
{
    bool empty = false, begins = false;
    *ret_late_start = false;
    if (now < e->usable_at)
        return false;
    if (e->kind == CONFERENCE_VIDEO) {
        if (!forward_video(e, now, s, packet, ret_late_start, &empty))
            return false;
    } else if (e->resync || e->spell != s->voice.spell) {
        if (packet->late)
            return false;
        switch_to(e, now, s, packet);
        begins = true; /* RFC 3551 4.1 */
    }
    if (!rewrite_map(&e->rewrite, packet, ret_out))
        return false;
    ret_out->empty = empty;
    ret_out->marker |= begins;
    if (e->kind == CONFERENCE_VIDEO && !empty)
        fit_layers(e, s, packet, ret_out);
    return true;
}

bool egress_waits(const struct egress *e, const struct source *s)
{
    if (e->kind != CONFERENCE_VIDEO || e->source == EGRESS_NO_SOURCE || e->target < 0)
        return false;
    unsigned spatial;
    int wanted = (int)source_stream_of(s, (unsigned)e->target, &spatial);
    return e->resync || rewrite_stream(&e->rewrite) != wanted || target_needs_key(&e->at, spatial);
}

int egress_layer(const struct egress *e, const struct source *s)
{
    int stream = rewrite_stream(&e->rewrite);
    return stream < 0 || stream != s->layered ? stream : e->at.spatial;
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

/* The packet's dependency descriptor as this receiver should see it. */
static struct slice put_dependency(const struct source *s, const struct ring_packet *entry,
                                   const struct rewritten *out, uint8_t bytes[UINT8_MAX])
{
    struct slice value = ring_extension(&s->ring, entry);
    if (value.len == 0 || entry->facts.blind || out->empty)
        return (struct slice){0};
    size_t len = dependency_put(value, &entry->marks, out->frame, out->active, bytes, UINT8_MAX);
    assert(len > 0);
    return slice_of(bytes, len);
}

static void put_header(struct writer *w, const struct rtp_header *header, struct slice level,
                       struct slice dependency, uint16_t transport)
{
    uint8_t sequence[2];
    store_u16(sequence, transport);
    struct rtp_extension extensions[3];
    size_t count = 0;
    if (level.len > 0)
        extensions[count++] = (struct rtp_extension){OFFER_EXT_AUDIO_LEVEL, level};
    if (dependency.len > 0)
        extensions[count++] = (struct rtp_extension){OFFER_EXT_DEPENDENCY, dependency};
    extensions[count++] = (struct rtp_extension){OFFER_EXT_TRANSPORT_CC, slice_of(sequence, 2)};
    rtp_put_header(w, header, extensions, count);
}

static struct slice put_payload(struct writer *w, const struct source *s,
                                const struct ring_packet *entry, const struct rewritten *out)
{
    struct slice payload = ring_payload(&s->ring, entry);
    if (out->empty)
        return (struct slice){0};
    if (!entry->codec || !entry->codec->put_head)
        return payload;
    entry->codec->put_head(w, entry, out);
    return slice_sub(payload, entry->head_size, payload.len);
}

static const struct ring_packet *earlier(const struct source *s, uint32_t number, int64_t sequence)
{
    for (uint32_t back = 1; back <= COPY_BACK; back++) {
        const struct ring_packet *entry = ring_get(&s->ring, number - back);
        if (entry && entry->sequence == sequence)
            return entry;
    }
    return NULL;
}

/* The packets right before this one that went out on the stream, oldest first, as many as there is
 * `room` for: a receiver knows them by their place. */
static void find_copies(const struct egress *e, const struct source *s, uint32_t number,
                        size_t room, struct red *ret_red)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    struct red red = {.count = 1};
    red.blocks[0].payload_type = entry->payload_type;
    room--;
    for (unsigned i = 1; i <= e->copies && !entry->late; i++) {
        const struct ring_packet *copy = earlier(s, number, entry->sequence - i);
        if (!copy || copy->sequence < e->begun || copy->len > COPY_BYTES_MAX ||
            copy->len + (size_t)COPY_HEAD > room ||
            entry->timestamp - copy->timestamp > COPY_OFFSET_MAX)
            break;
        room -= copy->len + (size_t)COPY_HEAD;
        memmove(&red.blocks[1], &red.blocks[0], red.count * sizeof(red.blocks[0]));
        red.blocks[0] = (struct red_block){.payload_type = copy->payload_type,
                                           .offset = (uint16_t)(entry->timestamp - copy->timestamp),
                                           .data = ring_payload(&s->ring, copy)};
        red.count++;
    }
    *ret_red = red;
}

void egress_write(struct egress *e, usec_t now, const struct source *s, uint32_t number,
                  const struct rewritten *out, uint16_t transport, struct conference_packet *packet)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    assert(entry);
    uint8_t dependency[UINT8_MAX];
    struct red red = {0};
    if (e->copies > 0 && e->kind == CONFERENCE_AUDIO)
        find_copies(e, s, number, sizeof(packet->header) - SOUND_HEADER_MAX, &red);
    struct rtp_header header = {
        .payload_type = red.count > 1 ? OFFER_PT_RED : entry->payload_type,
        .marker = out->marker && !out->empty,
        .sequence = out->sequence,
        .timestamp = out->timestamp,
        .ssrc = e->ssrc,
    };
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, slice_of(&entry->level, entry->has_level),
               put_dependency(s, entry, out, dependency), transport);
    packet->rtp_header_len = (uint16_t)writer_len(&w);
    if (red.count > 1)
        red_put(&w, &red); /* its own block is the payload */
    packet->payload = put_payload(&w, s, entry, out);
    assert(!w.failed);
    packet->header_len = (uint16_t)writer_len(&w);
    packet->rtcp = false;
    packet->audio = e->kind == CONFERENCE_AUDIO;
    e->last_sent = out->sequence;
    if (entry->facts.key ||
        (source_is_screen(s) && entry->timestamp == s->streams[entry->stream].key_timestamp))
        e->key_sent = now;
    e->last_used = now;
    e->packets++;
    e->octets += (uint32_t)(packet->header_len - packet->rtp_header_len + packet->payload.len);
    if (e->report_at == USEC_NEVER)
        e->report_at = now;
}

bool egress_may_resend(const struct egress *e, usec_t now, const struct source *s,
                       const struct sent_packet *packet, usec_t rtt)
{
    /* A key frame is on its way or came: what was before it is of no use. */
    if (e->resync || (int16_t)(packet->out.sequence - e->repair_from) < 0)
        return false;
    if (e->rtx == 0 || packet->tries >= RESENDS_MAX)
        return false;
    const struct ring_packet *entry = ring_get(&s->ring, packet->number);
    if (!entry || now - entry->arrival > RESEND_AGE_MAX)
        return false;
    /* An answer that is still on its way is not sent twice. */
    return packet->tries == 0 || now - packet->at >= usec_max(rtt * 9 / 10, RESEND_INTERVAL_MIN);
}

static struct rtp_header rtx_header(struct egress *e, const struct codec *codec, uint32_t timestamp,
                                    bool marker)
{
    return (struct rtp_header){
        .payload_type = codec->rtx_type,
        .marker = marker,
        .sequence = e->rtx_sequence++,
        .timestamp = timestamp,
        .ssrc = e->rtx,
    };
}

bool egress_write_rtx(struct egress *e, const struct source *s, const struct sent_packet *sent,
                      uint16_t transport, struct conference_packet *packet)
{
    const struct ring_packet *entry = ring_get(&s->ring, sent->number);
    const struct rewritten *out = &sent->out;
    if (!entry)
        return false;
    uint8_t dependency[UINT8_MAX];
    struct rtp_header header = rtx_header(e, entry->codec, out->timestamp, out->marker);
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, (struct slice){0}, put_dependency(s, entry, out, dependency),
               transport);
    packet->rtp_header_len = (uint16_t)writer_len(&w);
    writer_u16(&w, out->sequence);
    packet->payload = put_payload(&w, s, entry, out);
    assert(!w.failed);
    packet->header_len = (uint16_t)writer_len(&w);
    packet->rtcp = false;
    packet->audio = false;
    return true;
}

void egress_write_padding(struct egress *e, uint16_t transport, bool small,
                          struct conference_packet *packet)
{
    static const uint8_t full[PADDING_SIZE] = {[PADDING_SIZE - 1] = PADDING_SIZE};
    static const uint8_t little[PADDING_SMALL] = {[PADDING_SMALL - 1] = PADDING_SMALL};
    const struct codec *codec = e->codec ? e->codec : &codec_vp8;
    struct rtp_header header = rtx_header(e, codec, e->rewrite.timestamp, false);
    header.padding = true;
    struct writer w = writer_of(packet->header, sizeof(packet->header));
    put_header(&w, &header, (struct slice){0}, (struct slice){0}, transport);
    assert(!w.failed);
    packet->rtp_header_len = packet->header_len = (uint16_t)writer_len(&w);
    packet->payload = small ? slice_of(little, sizeof(little)) : slice_of(full, sizeof(full));
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
    int stream = rewrite_stream(&e->rewrite);
    if (stream < 0 || e->packets == 0)
        return false;
    const struct source_stream *st = &s->streams[stream];
    struct rtcp_sender_info info = {.ssrc = e->ssrc, .packets = e->packets, .octets = e->octets};
    if (st->sr_arrival > 0 && clock_offset != 0) {
        usec_t elapsed = now - st->sr_arrival;
        info.ntp = st->sr_ntp + clock_offset + ntp_span(elapsed);
        info.rtp = st->sr_rtp + rewrite_timestamp_delta(&e->rewrite) +
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
