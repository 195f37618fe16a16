/* The recording's share: which packets go into the feed, and key frames for it. */
#include <stdio.h>

#include "bridge/member.h"

enum { PUPIL_HEIGHT = 360, PACKET_MAX = 2048 };

/* Thirty cameras asked for key frames at once would fill every uplink. */
#define KEYS_SPREAD (3 * USEC_PER_SEC)
/* So long the wanted layer is waited for before a source is recorded in another. */
#define WANTED_PATIENCE (400 * USEC_PER_MSEC)
/* A line that goes on losing packets is not asked more often. */
#define KEY_PAUSE (2 * USEC_PER_SEC)
/* What a player decodes unseen after a jump, at most. */
#define KEY_FOR_SEEKING (20 * USEC_PER_SEC)

static const char *type_name(enum conference_video_type type)
{
    switch (type) {
    case CONFERENCE_CAMERA:
        return "camera";
    case CONFERENCE_DESKTOP:
        return "desktop";
    case CONFERENCE_NONE:
        break;
    }
    return "none";
}

static void announce(struct conference *c, usec_t now, struct source *s)
{
    const struct member *owner = c->members[s->owner];
    if (s->feed_number == 0)
        s->feed_number = ++c->feed_numbers;
    bool video = s->state.kind == CONFERENCE_VIDEO;
    feed_put_source(c->feed, now,
                    &(struct feed_source){
                        .number = s->feed_number,
                        .name = s->state.name,
                        .endpoint = owner->id,
                        .person = owner->person,
                        .video_type = video ? type_name(s->state.video_type) : NULL,
                    });
}

void capture_source_changed(struct conference *c, usec_t now, struct source *s)
{
    if (c->capturing && s->feed_number != 0 && source_live(s))
        announce(c, now, s);
}

/* The layer to capture: of staff and screens the top one, else at most PUPIL_HEIGHT of those that
 * are sent anyway. */
static int choose_layer(const struct source *s)
{
    int chosen = -1;
    for (unsigned i = 0; i < s->layer_count; i++) {
        if (s->bps[i] == 0)
            continue;
        if (chosen < 0 || s->record_top || source_layer_height(s, i) <= PUPIL_HEIGHT)
            chosen = (int)i;
    }
    return chosen;
}

static void put_packet(struct conference *c, usec_t now, struct source *s,
                       const struct ring_packet *entry, uint16_t sequence, bool marker)
{
    uint8_t bytes[PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (s->feed_number == 0)
        announce(c, now, s);
    struct rtp_header header = {.payload_type = entry->payload_type,
                                .marker = marker,
                                .sequence = sequence,
                                .timestamp = entry->timestamp,
                                .ssrc = s->streams[entry->stream].ssrc};
    struct rtp_extension level = {1, slice_of(&entry->level, 1)};
    rtp_put_header(&w, &header, &level, entry->has_level ? 1 : 0);
    writer_bytes(&w, ring_payload(&s->ring, entry));
    if (!w.failed)
        feed_put_rtp(c->feed, now, s->feed_number, entry->late, slice_of(bytes, writer_len(&w)));
}

/* Where all layers come in one stream, those up to the wanted one go in, numbered as if there were
 * no others. */
static void put_video(struct conference *c, usec_t now, struct source *s,
                      const struct ring_packet *entry)
{
    const struct codec_facts *f = &entry->facts;
    unsigned spatial;
    struct rewritten out;
    if (f->blind)
        return;
    if ((s->record_target < 0 ||
         source_stream_of(s, (unsigned)s->record_target, &spatial) != entry->stream) &&
        source_stream_of(s, (unsigned)s->recorded, &spatial) != entry->stream)
        spatial = s->record_at.spatial;
    /* A decoder is told the layers by the key picture, and may wait for those above. */
    if (!f->key && rewrite_stream(&s->record) >= 0)
        spatial = s->record_at.spatial;
    if (rewrite_stream(&s->record) < 0) {
        rewrite_switch(&s->record, entry, NULL);
        target_begin(&s->record_at, f, spatial, CODEC_TEMPORAL - 1);
    }
    if (!target_take(&s->record_at, f, entry->timestamp, entry->late, spatial,
                     CODEC_TEMPORAL - 1)) {
        rewrite_skip(&s->record, entry);
        return;
    }
    if (s->layered == entry->stream)
        s->recorded = s->record_at.spatial;
    if (rewrite_map(&s->record, entry, &out))
        put_packet(c, now, s, entry, out.sequence,
                   out.marker || (f->end && f->spatial == s->record_at.spatial));
}

/* The layer of this key frame, if it may begin the recording of its source instead of the wanted
 * one: less is better than nothing. Of a pupil nothing above the wanted layer is taken. */
static int other_layer(const struct source *s, usec_t now, const struct ring_packet *entry)
{
    unsigned spatial;
    if (s->recorded >= 0 || now < s->record_key_at + WANTED_PATIENCE)
        return -1;
    int most = s->record_top ? (int)s->layer_count - 1 : s->record_target;
    for (int layer = most < 0 ? 0 : most; layer >= 0; layer--)
        if (source_stream_of(s, (unsigned)layer, &spatial) == entry->stream)
            return layer;
    return -1;
}

/* A key frame of the wanted stream begins to be recorded, when another was or with another codec;
 * where nothing is recorded yet, that of any stream that may be. */
static void begin_video(struct source *s, usec_t now, const struct ring_packet *entry)
{
    unsigned spatial;
    if (!entry->facts.key)
        return;
    int layer = s->record_target;
    if (layer < 0 || source_stream_of(s, (unsigned)layer, &spatial) != entry->stream)
        layer = other_layer(s, now, entry);
    if (layer < 0)
        return;
    if (s->recorded >= 0 && s->record_codec == entry->codec &&
        rewrite_stream(&s->record) == entry->stream)
        return;
    s->recorded = layer;
    s->record_codec = entry->codec;
    if (rewrite_stream(&s->record) == entry->stream)
        rewrite_detach(&s->record); /* another codec, by the same SSRC: its numbers go on */
    else
        rewrite_init(&s->record, s->clock, (uint16_t)entry->sequence);
}

static void capture_video(struct conference *c, usec_t now, struct source *s,
                          const struct ring_packet *entry, uint32_t number)
{
    begin_video(s, now, entry);
    if (s->recorded < 0 || s->record_codec != entry->codec ||
        (rewrite_stream(&s->record) >= 0 && rewrite_stream(&s->record) != entry->stream))
        return;
    put_video(c, now, s, entry);
    for (uint32_t n = s->ring.tail; entry->unblinds && n != number; n++) {
        const struct ring_packet *after = ring_get(&s->ring, n);
        if (after->stream == entry->stream && after->sequence > entry->sequence)
            put_video(c, now, s, after);
    }
}

void capture_packet(struct conference *c, usec_t now, struct source *s, uint32_t number)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    if (s->state.kind == CONFERENCE_VIDEO) {
        capture_video(c, now, s, entry, number);
        return;
    }
    put_packet(c, now, s, entry, (uint16_t)entry->sequence, entry->marker);
}

void capture_report(struct conference *c, usec_t now, struct source *s,
                    const struct rtcp_sender_info *info)
{
    if (c->capturing && source_live(s) && s->feed_number != 0)
        feed_put_report(c->feed, now, s->feed_number, info->ssrc, info->rtp, info->ntp);
}

void capture_speaker(struct conference *c, usec_t now)
{
    if (!c->capturing || c->speaker.dominant == SPEAKER_NONE)
        return;
    if (c->speaker.silence) {
        feed_put_event(c->feed, now, SLICE("{\"type\":\"speaker\",\"endpoint\":null}"));
        return;
    }
    char json[128];
    int len = snprintf(json, sizeof(json), "{\"type\":\"speaker\",\"endpoint\":\"%s\"}",
                       c->members[c->speaker.dominant]->id);
    if (len > 0 && (size_t)len < sizeof(json))
        feed_put_event(c->feed, now, slice_of(json, (size_t)len));
}

static bool wants_key(const struct source *s, usec_t now)
{
    if (s->record_target < 0 || now < s->record_key_at)
        return false;
    unsigned spatial;
    const struct source_stream *st =
        &s->streams[source_stream_of(s, (unsigned)s->record_target, &spatial)];
    return s->recorded != s->record_target || (st->hole > 0 && now - st->key_at >= KEY_PAUSE) ||
           now - st->key_at >= KEY_FOR_SEEKING;
}

void capture_tick(struct conference *c, usec_t now)
{
    if (feed_tick(c->feed) != 0)
        c->counters.memory++;
    for (uint32_t i = 0; i < c->source_end; i++) {
        struct source *s = c->sources[i];
        if (!s || s->state.kind != CONFERENCE_VIDEO || !source_live(s))
            continue;
        s->record_target = choose_layer(s);
        if (wants_key(s, now))
            source_want_key(s, now, (unsigned)s->record_target);
    }
}

/* Staff and screens are few, and are asked at once. */
static bool spread_key(const struct source *s)
{
    return s && s->state.kind == CONFERENCE_VIDEO && source_live(s) && !s->record_top;
}

void capture_start(struct conference *c, usec_t now)
{
    capture_speaker(c, now); /* who speaks already */
    uint32_t videos = 0;
    for (uint32_t i = 0; i < c->source_end; i++)
        videos += spread_key(c->sources[i]);
    uint32_t nth = 0;
    for (uint32_t i = 0; i < c->source_end; i++) {
        struct source *s = c->sources[i];
        if (!s)
            continue;
        s->recorded = s->record_target = -1;
        s->record_key_at = spread_key(s) ? now + KEYS_SPREAD * nth++ / videos : now;
        /* The clock is known already: a reader need not wait for the next report. */
        if (!source_live(s))
            continue;
        announce(c, now, s);
        for (unsigned l = 0; l < s->state.layer_count; l++)
            if (s->streams[l].sr_arrival > 0)
                feed_put_report(c->feed, s->streams[l].sr_arrival, s->feed_number,
                                s->streams[l].ssrc, s->streams[l].sr_rtp, s->streams[l].sr_ntp);
    }
}

void conference_set_feed(struct conference *c, usec_t now, struct feed *feed, bool paused)
{
    c->now = now;
    bool capture = feed && !paused;
    if (feed != c->feed) {
        c->feed_numbers = 0;
        for (uint32_t i = 0; i < c->source_end; i++)
            if (c->sources[i])
                c->sources[i]->feed_number = 0;
    }
    bool started = capture && (!c->capturing || feed != c->feed);
    if (feed && feed == c->feed && capture != c->capturing)
        feed_put_event(feed, now,
                       paused ? SLICE("{\"type\":\"pause\"}") : SLICE("{\"type\":\"resume\"}"));
    c->feed = feed;
    c->wishes_dirty = c->wishes_dirty || capture != c->capturing;
    c->capturing = capture;
    share_update(c, now);
    if (started)
        capture_start(c, now);
}

void conference_event(struct conference *c, usec_t now, struct slice json)
{
    c->now = now;
    if (c->capturing)
        feed_put_event(c->feed, now, json);
}
