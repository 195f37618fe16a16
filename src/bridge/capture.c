/* The recording's share: which packets go into the feed, and key frames for it. */
#include <stdio.h>

#include "bridge/member.h"

enum { PUPIL_HEIGHT = 360, PACKET_MAX = 2048 };

/* Thirty cameras asked for key frames at once would fill every uplink. */
#define KEYS_SPREAD (3 * USEC_PER_SEC)
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
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        if (s->bps[i] == 0)
            continue;
        if (chosen < 0 || s->record_top || source_layer_height(s, i) <= PUPIL_HEIGHT)
            chosen = (int)i;
    }
    return chosen;
}

static void put_packet(struct conference *c, usec_t now, struct source *s,
                       const struct ring_packet *entry, const struct rtp_packet *packet)
{
    uint8_t bytes[PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct rtp_header header = {packet->payload_type, packet->marker,    false,
                                packet->sequence,     packet->timestamp, packet->ssrc};
    struct rtp_extension level = {1, slice_of(&entry->level, 1)};
    rtp_put_header(&w, &header, &level, entry->has_level ? 1 : 0);
    writer_bytes(&w, packet->payload);
    if (!w.failed)
        feed_put_rtp(c->feed, now, s->feed_number, entry->late, slice_of(bytes, writer_len(&w)));
}

void capture_packet(struct conference *c, usec_t now, struct source *s, uint32_t number,
                    const struct rtp_packet *packet)
{
    const struct ring_packet *entry = ring_get(&s->ring, number);
    if (s->state.kind == CONFERENCE_AUDIO)
        s->recorded = 0;
    else if (entry->key && entry->layer == s->record_target)
        s->recorded = s->record_target;
    if (s->recorded != entry->layer)
        return;
    if (s->feed_number == 0)
        announce(c, now, s);
    put_packet(c, now, s, entry, packet);
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
    const struct source_layer *l = &s->layers[s->record_target];
    return s->recorded != s->record_target || (l->hole > 0 && now - l->key_at >= KEY_PAUSE) ||
           now - l->key_at >= KEY_FOR_SEEKING;
}

void capture_tick(struct conference *c, usec_t now)
{
    for (uint32_t i = 0; i < c->source_end; i++) {
        struct source *s = c->sources[i];
        if (!s || s->state.kind != CONFERENCE_VIDEO || !source_live(s))
            continue;
        s->record_target = choose_layer(s);
        if (wants_key(s, now))
            source_want_key(s, now, (unsigned)s->record_target);
    }
}

void capture_start(struct conference *c, usec_t now)
{
    capture_speaker(c, now); /* who speaks already */
    uint32_t videos = 0;
    for (uint32_t i = 0; i < c->source_end; i++)
        videos += c->sources[i] && c->sources[i]->state.kind == CONFERENCE_VIDEO;
    uint32_t nth = 0;
    for (uint32_t i = 0; i < c->source_end; i++) {
        struct source *s = c->sources[i];
        if (!s)
            continue;
        s->recorded = s->record_target = -1;
        if (s->state.kind == CONFERENCE_VIDEO)
            s->record_key_at = now + KEYS_SPREAD * nth++ / videos;
        /* The clock is known already: a reader need not wait for the next report. */
        if (!source_live(s))
            continue;
        announce(c, now, s);
        for (unsigned l = 0; l < s->state.layer_count; l++)
            if (s->layers[l].sr_arrival > 0)
                feed_put_report(c->feed, s->layers[l].sr_arrival, s->feed_number, s->layers[l].ssrc,
                                s->layers[l].sr_rtp, s->layers[l].sr_ntp);
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
