#include "bridge/source.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "proto/offer.h"

enum {
    VIDEO_RING_BYTES = 128 * 1024,
    VIDEO_RING_SLOTS = 256,
    VIDEO_RING_BYTES_MAX = 1024 * 1024,
    AUDIO_RING_BYTES = 16 * 1024,
    AUDIO_RING_SLOTS = 64, /* over half a second at 10 ms */
    PACKET_MAX = 1600,
    GAP_MAX = 128,      /* a longer gap is not repaired: a key frame is */
    STRANGE_MAX = 3,    /* packets in a row outside the window: the sender started over */
    RESTART_GAP = 2048, /* how far apart both counts are put then */
    NACK_TRIES = 10,
    REORDER_PACKETS = 2, /* so many newer packets, or this much time, make one lost */
    LAYER_HEIGHT_LOWEST = 180,
};

#define RING_TIME (1 * USEC_PER_SEC) /* what a video ring should hold */
#define REORDER_TIME (10 * USEC_PER_MSEC)
#define NACK_TIME (1 * USEC_PER_SEC) /* nobody waits longer for a packet */
#define NACK_RTT_MIN (20 * USEC_PER_MSEC)
#define RTT_UNKNOWN (100 * USEC_PER_MSEC)
#define RATE_TIME (1 * USEC_PER_SEC)   /* after which a layer's rate is measured */
#define KEY_WISH (500 * USEC_PER_MSEC) /* a wish not repeated for so long lapses */
#define KEY_REPEAT_MAX (1 * USEC_PER_SEC)

struct source *source_new(const struct conference_source *state)
{
    struct source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    bool video = state->kind == CONFERENCE_VIDEO;
    if (ring_init(&source->ring, video ? VIDEO_RING_BYTES : AUDIO_RING_BYTES,
                  video ? VIDEO_RING_SLOTS : AUDIO_RING_SLOTS) != 0) {
        free(source);
        return NULL;
    }
    source->state = *state;
    source->clock = video ? OFFER_CLOCK_VIDEO : OFFER_CLOCK_AUDIO;
    source->recorded = source->record_target = -1;
    source->told_height = INT_MIN;
    for (unsigned i = 0; i < state->layer_count; i++) {
        source->layers[i].ssrc = state->ssrcs[i];
        source->layers[i].rtx = state->rtx[i];
    }
    return source;
}

void source_free(struct source **source)
{
    if (!*source)
        return;
    ring_done(&(*source)->ring);
    free(*source);
    *source = NULL;
}

bool source_same(const struct source *source, const struct conference_source *state)
{
    const struct conference_source *own = &source->state;
    if (strcmp(own->name, state->name) != 0 || own->kind != state->kind ||
        own->layer_count != state->layer_count)
        return false;
    for (unsigned i = 0; i < own->layer_count; i++)
        if (own->ssrcs[i] != state->ssrcs[i] || own->rtx[i] != state->rtx[i])
            return false;
    return true;
}

static bool test_seen(const struct source_layer *l, int64_t sequence)
{
    size_t bit = (size_t)sequence & (SOURCE_WINDOW - 1);
    return l->seen[bit / 64] >> (bit % 64) & 1;
}

static void set_seen(struct source_layer *l, int64_t sequence, bool seen)
{
    size_t bit = (size_t)sequence & (SOURCE_WINDOW - 1);
    uint64_t mask = 1ULL << (bit % 64);
    l->seen[bit / 64] = seen ? l->seen[bit / 64] | mask : l->seen[bit / 64] & ~mask;
}

static void start_at(struct source_layer *l, int64_t sequence)
{
    memset(l->seen, 0, sizeof(l->seen));
    l->missing_count = 0;
    l->highest = sequence - 1;
    l->hole = l->started ? sequence - 1 : 0;
    l->started = true;
    l->strange = 0;
    l->statistics.base = sequence;
    l->statistics.received = l->statistics.received_before = l->statistics.expected_before = 0;
}

static void forget_missing(struct source_layer *l, int64_t sequence)
{
    for (size_t i = 0; i < l->missing_count; i++) {
        if (l->missing[i].sequence == sequence) {
            l->missing_count--;
            memmove(&l->missing[i], &l->missing[i + 1],
                    (l->missing_count - i) * sizeof(l->missing[0]));
            return;
        }
    }
}

/* Everything between the newest packet and this newer one is missing. */
static void note_gap(struct source *s, struct source_layer *l, usec_t now, int64_t sequence)
{
    int64_t gap = sequence - l->highest - 1;
    if (gap >= SOURCE_WINDOW)
        memset(l->seen, 0, sizeof(l->seen));
    for (int64_t lost = l->highest + 1; lost < sequence && gap < SOURCE_WINDOW; lost++)
        set_seen(l, lost, false);
    if (s->state.kind != CONFERENCE_VIDEO || gap == 0)
        return;
    if (gap > GAP_MAX || l->missing_count + (size_t)gap > SOURCE_MISSING_MAX) {
        l->missing_count = 0;
        l->hole = sequence - 1;
        return;
    }
    for (int64_t lost = l->highest + 1; lost < sequence; lost++)
        l->missing[l->missing_count++] = (struct source_missing){lost, now, 0, 0};
}

/* Places the packet's number among those seen: the unwrapped number, or ERR_EXISTS. */
static int place(struct source *s, struct source_layer *l, usec_t now, uint16_t wire, bool repaired,
                 int64_t *ret_sequence)
{
    if (!l->started) {
        if (repaired)
            return ERR_EXISTS; /* nothing to repair yet; probes come first on RTX */
        start_at(l, 65536 + wire);
    }
    int64_t sequence = rtp_unwrap(l->highest, wire);
    bool outside = sequence <= l->highest - SOURCE_WINDOW || sequence > l->highest + SOURCE_WINDOW;
    if (outside) {
        if (repaired || ++l->strange < STRANGE_MAX)
            return ERR_EXISTS;
        start_at(l, sequence > l->highest ? sequence
                                          : rtp_unwrap(l->highest + RESTART_GAP + 32768, wire));
        sequence = l->highest + 1;
    }
    l->strange = 0;
    if (sequence <= l->highest && test_seen(l, sequence))
        return ERR_EXISTS;
    if (sequence > l->highest) {
        note_gap(s, l, now, sequence);
        l->highest = sequence;
    } else {
        forget_missing(l, sequence);
    }
    set_seen(l, sequence, true);
    *ret_sequence = sequence;
    return 0;
}

static void count_arrival(struct source *s, struct source_layer *l, usec_t now, uint32_t timestamp,
                          bool late)
{
    struct source_statistics *st = &l->statistics;
    uint32_t ticks = (uint32_t)(now * (int64_t)s->clock / USEC_PER_SEC);
    uint32_t transit = ticks - timestamp;
    st->received++;
    if (!late && st->received > 1) {
        int32_t d = (int32_t)(transit - st->transit);
        uint32_t distance = (uint32_t)(d < 0 ? -(int64_t)d : d);
        /* A jump of the sender's clock is no jitter. */
        if (distance < 10 * s->clock)
            st->jitter += distance - ((st->jitter + 8) >> 4);
    }
    if (!late)
        st->transit = transit;
}

static void note_video(struct source_layer *l, usec_t now, struct ring_packet *entry,
                       struct slice payload)
{
    const struct vp8_descriptor *d = &entry->vp8;
    unsigned tid = d->tid < SOURCE_TIDS ? d->tid : SOURCE_TIDS - 1;
    meter_add(&l->bytes[tid], now, (uint32_t)payload.len);
    if (d->start && d->partition == 0)
        meter_add(&l->frames[tid], now, 1);
    if (d->has_picture_id) {
        int64_t full;
        if (d->long_picture_id)
            full =
                l->picture + (int16_t)((uint16_t)(d->picture_id - (uint16_t)l->picture) << 1) / 2;
        else
            full = l->picture + (int8_t)((uint8_t)(d->picture_id - (uint8_t)l->picture) << 1) / 2;
        entry->picture = full;
        if (full > l->picture)
            l->picture = full;
    }
    if (!vp8_starts_key(d, payload))
        return;
    entry->key = true;
    l->key_at = now;
    if (entry->sequence > l->hole)
        l->hole = 0;
    uint16_t width;
    uint16_t height;
    if (vp8_key_size(d, payload, &width, &height) && width > 0 && height > 0)
        l->height = height < width ? height : width; /* upright pictures count by their width */
    l->key_wanted_until = 0;
    l->key_tries = 0;
}

/* A key frame makes what is missing before it worthless. */
static void drop_missing_before(struct source_layer *l, int64_t sequence)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->missing_count; i++)
        if (l->missing[i].sequence > sequence)
            l->missing[kept++] = l->missing[i];
    l->missing_count = kept;
}

int source_input(struct source *s, usec_t now, unsigned layer, const struct rtp_packet *packet,
                 bool repaired, uint32_t *ret_number)
{
    assert(layer < s->state.layer_count);
    struct source_layer *l = &s->layers[layer];
    struct ring_packet entry = {
        .arrival = now,
        .timestamp = packet->timestamp,
        .layer = (uint8_t)layer,
        .marker = packet->marker,
    };
    bool video = s->state.kind == CONFERENCE_VIDEO;
    if (packet->payload.len == 0 || packet->payload.len > PACKET_MAX)
        return ERR_FORMAT;
    if (video && vp8_parse(packet->payload, &entry.vp8) != 0)
        return ERR_FORMAT;
    int64_t before = l->highest;
    int err = place(s, l, now, packet->sequence, repaired, &entry.sequence);
    if (err)
        return err;
    entry.late = repaired || entry.sequence <= before;
    count_arrival(s, l, now, packet->timestamp, entry.late);
    l->last_packet = now;
    if (video) {
        note_video(l, now, &entry, packet->payload);
        if (entry.key)
            drop_missing_before(l, entry.sequence);
    } else {
        meter_add(&l->bytes[0], now, (uint32_t)packet->payload.len);
        struct slice level;
        if (rtp_extension_find(packet, OFFER_EXT_AUDIO_LEVEL, &level) && level.len > 0) {
            entry.has_level = true;
            entry.level = level.data[0];
        }
    }
    *ret_number = ring_put(&s->ring, &entry, packet->payload);
    return 0;
}

void source_report_in(struct source *s, usec_t now, unsigned layer,
                      const struct rtcp_sender_info *info)
{
    struct source_layer *l = &s->layers[layer];
    l->sr_ntp = info->ntp;
    l->sr_rtp = info->rtp;
    l->sr_arrival = usec_max(now, 1);
}

static bool lost_now(const struct source_layer *l, const struct source_missing *m, usec_t now,
                     usec_t rtt)
{
    if (m->tries == 0)
        return now - m->found >= REORDER_TIME || l->highest - m->sequence >= REORDER_PACKETS;
    usec_t wait = usec_max(rtt > 0 ? rtt : RTT_UNKNOWN, NACK_RTT_MIN);
    for (unsigned i = 1; i < m->tries; i++)
        wait = wait * 3 / 2;
    return now - m->asked >= wait;
}

size_t source_nacks(struct source *s, usec_t now, unsigned layer, usec_t rtt, uint16_t *out,
                    size_t max)
{
    struct source_layer *l = &s->layers[layer];
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < l->missing_count; i++) {
        struct source_missing *m = &l->missing[i];
        if (now - m->found > NACK_TIME || m->tries >= NACK_TRIES) {
            l->hole = m->sequence > l->hole ? m->sequence : l->hole;
            continue;
        }
        if (count < max && lost_now(l, m, now, rtt)) {
            m->tries++;
            m->asked = now;
            out[count++] = (uint16_t)m->sequence;
        }
        l->missing[kept++] = *m;
    }
    l->missing_count = kept;
    return count;
}

bool source_nack_due(const struct source *s, usec_t now, usec_t rtt)
{
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        const struct source_layer *l = &s->layers[i];
        for (size_t k = 0; k < l->missing_count; k++)
            if (lost_now(l, &l->missing[k], now, rtt) && l->missing[k].tries < NACK_TRIES &&
                now - l->missing[k].found <= NACK_TIME)
                return true;
    }
    return false;
}

void source_want_key(struct source *s, usec_t now, unsigned layer)
{
    s->layers[layer].key_wanted_until = now + KEY_WISH;
}

bool source_key_due(struct source *s, usec_t now, unsigned layer, usec_t rtt)
{
    struct source_layer *l = &s->layers[layer];
    if (l->key_wanted_until < now) {
        l->key_tries = 0;
        return false;
    }
    usec_t wait = usec_max(SOURCE_KEY_INTERVAL, rtt + 10 * USEC_PER_MSEC);
    for (unsigned i = 1; i < l->key_tries; i++)
        wait = usec_min(wait * 3 / 2, KEY_REPEAT_MAX);
    if (l->key_asked > 0 && now - l->key_asked < wait)
        return false;
    if (s->key_asked > 0 && now - s->key_asked < SOURCE_KEY_INTERVAL)
        return false;
    l->key_asked = s->key_asked = usec_max(now, 1);
    if (l->key_tries < 10)
        l->key_tries++;
    return true;
}

bool source_report_out(struct source *s, usec_t now, unsigned layer, struct rtcp_report *ret_report)
{
    struct source_layer *l = &s->layers[layer];
    struct source_statistics *st = &l->statistics;
    if (!l->started)
        return false;
    uint32_t expected = (uint32_t)(l->highest - st->base + 1);
    uint32_t expected_now = expected - st->expected_before;
    uint32_t received_now = st->received - st->received_before;
    st->expected_before = expected;
    st->received_before = st->received;
    uint32_t lost_now_count = expected_now > received_now ? expected_now - received_now : 0;
    int64_t total = (int64_t)expected - st->received;
    uint8_t fraction = 0;
    if (expected_now > 0)
        fraction = (uint8_t)((uint64_t)lost_now_count * 255 / expected_now);
    *ret_report = (struct rtcp_report){
        .ssrc = l->ssrc,
        .fraction_lost = fraction,
        .total_lost = (int32_t)(total < 0          ? 0
                                : total > 0x7fffff ? 0x7fffff
                                                   : total),
        .highest = (uint32_t)(l->highest - 65536),
        .jitter = st->jitter >> 4,
    };
    if (l->sr_arrival > 0) {
        ret_report->last_sr = (uint32_t)(l->sr_ntp >> 16);
        ret_report->delay_sr = (uint32_t)((now - l->sr_arrival) * 65536 / USEC_PER_SEC);
    }
    return true;
}

bool source_layer_active(const struct source *s, usec_t now, unsigned layer)
{
    const struct source_layer *l = &s->layers[layer];
    bool desktop = s->state.video_type == CONFERENCE_DESKTOP;
    if (!l->started ||
        now - l->last_packet >= (desktop ? SOURCE_QUIET_DESKTOP : SOURCE_QUIET_CAMERA))
        return false;
    /* A camera that goes on in other layers has switched this one off. */
    usec_t newest = l->last_packet;
    for (unsigned i = 0; i < s->state.layer_count; i++)
        newest = usec_max(newest, s->layers[i].last_packet);
    return desktop || newest - l->last_packet < SOURCE_LAG;
}

int source_layer_height(const struct source *s, unsigned layer)
{
    if (s->layers[layer].height > 0)
        return s->layers[layer].height;
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        int known = s->layers[i].height;
        if (known > 0)
            return i < layer ? known << (layer - i) : known >> (i - layer);
    }
    /* A lone layer is the whole picture. */
    unsigned index = s->state.layer_count == 1 ? CONFERENCE_LAYERS_MAX - 1 : layer;
    return LAYER_HEIGHT_LOWEST << index;
}

uint64_t source_layer_rate(struct source *s, usec_t now, unsigned layer, unsigned tid)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < SOURCE_TIDS && i <= tid; i++)
        bytes += meter_rate(&s->layers[layer].bytes[i], now);
    return bytes * 8;
}

unsigned source_layer_tid(struct source *s, usec_t now, unsigned layer, int max_frame_rate)
{
    if (max_frame_rate < 0)
        return SOURCE_TIDS - 1;
    unsigned tid = 0;
    uint32_t frames = meter_rate(&s->layers[layer].frames[0], now);
    while (tid + 1 < SOURCE_TIDS) {
        uint32_t more = meter_rate(&s->layers[layer].frames[tid + 1], now);
        /* One frame of tolerance: thirty a second are sometimes thirty-one. */
        if (frames + more > (uint32_t)max_frame_rate + 1)
            break;
        frames += more;
        tid++;
    }
    return tid;
}

/* What a layer of that height takes, until it was measured. */
static uint64_t usual_rate(int height)
{
    if (height <= LAYER_HEIGHT_LOWEST)
        return 200000;
    return height <= 2 * LAYER_HEIGHT_LOWEST ? 500000 : 1500000;
}

bool source_refresh(struct source *s, usec_t now)
{
    bool changed = false;
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        uint64_t bps = 0;
        if (source_layer_active(s, now, i)) {
            struct source_layer *l = &s->layers[i];
            if (s->bps[i] == 0)
                l->on_since = now;
            bps = source_layer_rate(s, now, i, SOURCE_TIDS - 1);
            bps = bps > 0 ? bps : 1; /* still, not off */
            uint64_t usual = usual_rate(source_layer_height(s, i));
            if (s->state.kind == CONFERENCE_VIDEO && now - l->on_since < RATE_TIME && bps < usual)
                bps = usual;
        }
        changed = changed || (bps > 0) != (s->bps[i] > 0);
        s->bps[i] = bps;
    }
    return changed;
}

bool source_live(const struct source *s)
{
    const struct conference_source *state = &s->state;
    return !state->muted && !state->blocked &&
           (state->kind == CONFERENCE_AUDIO || state->video_type != CONFERENCE_NONE);
}

int source_tick(struct source *s)
{
    usec_t spared = s->ring.spared;
    s->ring.spared = USEC_NEVER;
    if (s->state.kind != CONFERENCE_VIDEO || spared >= RING_TIME ||
        s->ring.size >= VIDEO_RING_BYTES_MAX)
        return 0;
    return ring_grow(&s->ring);
}
