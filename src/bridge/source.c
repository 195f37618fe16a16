#include "bridge/source.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "proto/offer.h"

enum {
    VIDEO_RING_BYTES = 128 * 1024,
    VIDEO_RING_SLOTS = 256,
    /* With what else there is of a source, less than a megabyte. */
    VIDEO_RING_BYTES_MAX = 768 * 1024,
    VIDEO_RING_SLOTS_MAX = 1024,
    SCREEN_RING = 4, /* so many times as much */
    AUDIO_RING_BYTES = 16 * 1024,
    AUDIO_RING_SLOTS = 64, /* over half a second at 10 ms */
    PACKET_MAX = 1600,
    GAP_MAX = 128,      /* a longer gap is not repaired: a key frame is */
    STRANGE_MAX = 3,    /* packets in a row outside the window: the sender started over */
    RESTART_GAP = 2048, /* how far apart both counts are put then */
    NACK_TRIES = 10,
    REORDER_PACKETS = 2, /* so many newer packets, or this much time, make one lost */
    LAYER_HEIGHT_LOWEST = 180,
    PASS_AHEAD = 16,   /* sound of later numbers is decrypted, to learn what is genuine */
    PASS_PACKETS = 64, /* and so is one of so many: the roll-over counter is never in doubt */
};

#define RING_TIME (1 * USEC_PER_SEC)        /* what a video ring should hold */
#define SCREEN_RING_TIME (8 * USEC_PER_SEC) /* that of a screen, which may leave slowly */
#define REORDER_TIME (10 * USEC_PER_MSEC)
#define NACK_TIME (1 * USEC_PER_SEC) /* nobody waits longer for a packet */
#define NACK_RTT_MIN (20 * USEC_PER_MSEC)
#define RTT_UNKNOWN (100 * USEC_PER_MSEC)
/* Sooner than a voice that says nothing is forgotten (bridge/voices.c). */
#define PASS_TIME (900 * USEC_PER_MSEC)
#define PASS_SWAY (200 * USEC_PER_MSEC) /* of its clock against ours */
#define RATE_TIME (1 * USEC_PER_SEC)    /* after which a layer's rate is measured */
#define KEY_WISH (500 * USEC_PER_MSEC)  /* a wish not repeated for so long lapses */
#define KEY_REPEAT_MAX (1 * USEC_PER_SEC)
/* A screen's are so large that one may be on its way up for long; a second one would double that.
 */
#define SCREEN_KEY_INTERVAL (1 * USEC_PER_SEC)
#define SCREEN_KEY_REPEAT_MAX (4 * USEC_PER_SEC)

/* What only video needs is large: sound goes without. */
static int make_streams(struct source *s)
{
    s->streams = calloc(s->state.layer_count, sizeof(*s->streams));
    if (!s->streams)
        return ERR_MEMORY;
    if (s->state.kind != CONFERENCE_VIDEO)
        return 0;
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        struct source_stream *st = &s->streams[i];
        st->codec = calloc(1, sizeof(*st->codec));
        st->missing = calloc(SOURCE_MISSING_MAX, sizeof(*st->missing));
        if (!st->codec || !st->missing)
            return ERR_MEMORY;
    }
    return rewrite_reserve(&s->record);
}

struct source *source_new(const struct conference_source *state)
{
    struct source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    bool video = state->kind == CONFERENCE_VIDEO;
    source->state = *state;
    if (ring_init(&source->ring, video ? VIDEO_RING_BYTES : AUDIO_RING_BYTES,
                  video ? VIDEO_RING_SLOTS : AUDIO_RING_SLOTS) != 0 ||
        make_streams(source) != 0) {
        source_free(&source);
        return NULL;
    }
    source->clock = video ? OFFER_CLOCK_VIDEO : OFFER_CLOCK_AUDIO;
    source->recorded = source->record_target = -1;
    source->told_height = INT_MIN;
    source->layered = -1;
    source->layer_count = state->layer_count;
    for (unsigned i = 0; i < state->layer_count; i++) {
        source->streams[i].ssrc = state->ssrcs[i];
        source->streams[i].rtx = state->rtx[i];
    }
    return source;
}

void source_free(struct source **source)
{
    if (!*source)
        return;
    for (unsigned i = 0; (*source)->streams && i < (*source)->state.layer_count; i++) {
        free((*source)->streams[i].codec);
        free((*source)->streams[i].missing);
    }
    free((*source)->streams);
    ring_done(&(*source)->ring);
    rewrite_done(&(*source)->record);
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

static bool test_seen(const struct source_stream *st, int64_t sequence)
{
    size_t bit = (size_t)sequence & (SOURCE_WINDOW - 1);
    return st->seen[bit / 64] >> (bit % 64) & 1;
}

static void set_seen(struct source_stream *st, int64_t sequence, bool seen)
{
    size_t bit = (size_t)sequence & (SOURCE_WINDOW - 1);
    uint64_t mask = 1ULL << (bit % 64);
    st->seen[bit / 64] = seen ? st->seen[bit / 64] | mask : st->seen[bit / 64] & ~mask;
}

static void start_at(struct source_stream *st, int64_t sequence)
{
    memset(st->seen, 0, sizeof(st->seen));
    st->missing_count = 0;
    st->highest = sequence - 1;
    st->hole = st->started ? sequence - 1 : 0;
    st->started = true;
    st->strange = 0;
    st->statistics.base = sequence;
    st->statistics.received = st->statistics.received_before = st->statistics.expected_before = 0;
}

static void forget_missing(struct source_stream *st, int64_t sequence)
{
    for (size_t i = 0; i < st->missing_count; i++) {
        if (st->missing[i].sequence == sequence) {
            st->missing_count--;
            memmove(&st->missing[i], &st->missing[i + 1],
                    (st->missing_count - i) * sizeof(st->missing[0]));
            return;
        }
    }
}

/* Everything between the newest packet and this newer one is missing. */
static void note_gap(struct source *s, struct source_stream *st, usec_t now, int64_t sequence)
{
    int64_t gap = sequence - st->highest - 1;
    if (gap >= SOURCE_WINDOW)
        memset(st->seen, 0, sizeof(st->seen));
    for (int64_t lost = st->highest + 1; lost < sequence && gap < SOURCE_WINDOW; lost++)
        set_seen(st, lost, false);
    if (s->state.kind != CONFERENCE_VIDEO || gap == 0)
        return;
    if (gap > GAP_MAX || st->missing_count + (size_t)gap > SOURCE_MISSING_MAX) {
        st->missing_count = 0;
        st->hole = sequence - 1;
        return;
    }
    for (int64_t lost = st->highest + 1; lost < sequence; lost++)
        st->missing[st->missing_count++] = (struct source_missing){lost, now, 0, 0};
}

/* Places the packet's number among those seen: the unwrapped number, or ERR_EXISTS. */
static int place(struct source *s, struct source_stream *st, usec_t now, uint16_t wire,
                 bool repaired, int64_t *ret_sequence)
{
    if (!st->started) {
        if (repaired)
            return ERR_EXISTS; /* nothing to repair yet; probes come first on RTX */
        start_at(st, 65536 + wire);
    }
    int64_t sequence = rtp_unwrap(st->highest, wire);
    bool outside =
        sequence <= st->highest - SOURCE_WINDOW || sequence > st->highest + SOURCE_WINDOW;
    if (outside) {
        if (repaired || ++st->strange < STRANGE_MAX)
            return ERR_EXISTS;
        start_at(st, sequence > st->highest ? sequence
                                            : rtp_unwrap(st->highest + RESTART_GAP + 32768, wire));
        sequence = st->highest + 1;
    }
    st->strange = 0;
    if (sequence <= st->highest && test_seen(st, sequence))
        return ERR_EXISTS;
    if (sequence > st->highest) {
        note_gap(s, st, now, sequence);
        st->highest = sequence;
    } else {
        forget_missing(st, sequence);
    }
    set_seen(st, sequence, true);
    *ret_sequence = sequence;
    return 0;
}

static void count_arrival(struct source *s, struct source_stream *stream, usec_t now,
                          uint32_t timestamp, bool late)
{
    struct source_statistics *st = &stream->statistics;
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

/* A key frame makes what is missing before it worthless. */
static void drop_missing_before(struct source_stream *st, int64_t sequence)
{
    size_t kept = 0;
    for (size_t i = 0; i < st->missing_count; i++)
        if (st->missing[i].sequence > sequence)
            st->missing[kept++] = st->missing[i];
    st->missing_count = kept;
}

/* From now on the layers are these; what was measured of the old ones says nothing any more. */
static void set_layers(struct source *s, int layered, unsigned count)
{
    count = count < CONFERENCE_LAYERS_MAX ? count : CONFERENCE_LAYERS_MAX;
    if (s->layered != layered)
        memset(s->layers, 0, sizeof(s->layers));
    s->layered = layered;
    s->layer_count = count;
}

static void note_key(struct source *s, struct source_stream *st, usec_t now,
                     const struct ring_packet *entry, const struct codec_key *key)
{
    st->key_at = now;
    st->key_timestamp = entry->timestamp;
    if (entry->sequence > st->hole)
        st->hole = 0;
    st->key_wanted_until = 0;
    st->key_tries = 0;
    if (key->spatial_count > 1 && !entry->late)
        set_layers(s, entry->stream, key->spatial_count);
    else if (key->spatial_count == 1 && !entry->late)
        set_layers(s, -1, s->state.layer_count);
    for (unsigned i = 0; i < CODEC_SPATIAL; i++)
        if (key->height[i] > 0)
            s->layers[s->layered < 0 ? entry->stream : i].height = key->height[i];
}

/* Seconds that the meters of its layers reach over. */
static int span_of(const struct source *s)
{
    return source_is_screen(s) ? SOURCE_SPAN_DESKTOP : 1;
}

/* What passed on a meter that reaches over so many seconds, in a second: less time than that may
 * have passed since it began. */
static uint64_t slow_rate(struct meter *m, usec_t now, int span, usec_t since)
{
    usec_t passed = usec_min(usec_max(now - since, USEC_PER_SEC), span * USEC_PER_SEC);
    return (uint64_t)meter_rate(m, now / span) * USEC_PER_SEC / (uint64_t)passed;
}

/* Counts the packet for every layer that it is sent with. */
static void count_layers(struct source *s, usec_t now, const struct ring_packet *entry,
                         uint32_t bytes)
{
    const struct source_stream *st = &s->streams[entry->stream];
    bool key = st->key_at > 0 && entry->timestamp == st->key_timestamp;
    usec_t at = now / span_of(s);
    const struct codec_facts *f = &entry->facts;
    unsigned first = s->layered < 0 ? entry->stream : 0;
    unsigned end = s->layered < 0 ? first + 1 : s->layer_count;
    for (unsigned i = first; i < end; i++) {
        unsigned spatial = s->layered < 0 ? CODEC_SPATIAL - 1 : i;
        struct source_layer *l = &s->layers[i];
        for (unsigned tid = 0; tid < SOURCE_TIDS; tid++) {
            if (!(f->present & codec_cell(spatial, tid)))
                continue;
            if (key && source_is_screen(s))
                meter_add(&l->keys, now / SOURCE_SPAN_KEYS, bytes);
            else
                meter_add(&l->bytes[tid], at, bytes);
            if (f->start && (s->layered < 0 || f->spatial == i))
                meter_add(&l->frames[tid], at, 1);
            break;
        }
    }
    s->layers[s->layered < 0 ? entry->stream : f->spatial].last_packet = now;
}

/* What came before the structure that it needs can be read now. */
static bool unblind(struct source *s, struct source_stream *st, const struct ring_packet *start)
{
    bool any = false;
    for (uint32_t n = s->ring.tail; n != s->ring.head; n++) {
        struct ring_packet *entry = ring_edit(&s->ring, n);
        if (entry->stream != start->stream || !entry->facts.blind ||
            entry->sequence < start->sequence)
            continue;
        codec_read_blind(st->codec, ring_extension(&s->ring, entry), entry);
        any = true;
    }
    return any;
}

static int read_video(struct source_stream *st, const struct rtp_packet *packet,
                      struct ring_packet *entry, struct slice *ret_extension,
                      struct codec_key *ret_key)
{
    bool rtx;
    entry->codec = codec_by_type(packet->payload_type, &rtx);
    if (!entry->codec || rtx)
        return ERR_FORMAT;
    if (!rtp_extension_find(packet, OFFER_EXT_DEPENDENCY, ret_extension))
        *ret_extension = (struct slice){0};
    if (ret_extension->len > CODEC_EXTENSION_MAX)
        return ERR_FORMAT;
    if (!entry->late || entry->sequence > st->structure_at) {
        int err = codec_read(st->codec, packet, *ret_extension, entry, ret_key);
        if (!err && ret_key->spatial_count > 0)
            st->structure_at = entry->sequence;
        return err;
    }
    /* From before the last key frame: it must not bring back what held then. */
    struct codec_stream old = *st->codec;
    return codec_read(&old, packet, *ret_extension, entry, ret_key);
}

static void note_video(struct source *s, struct source_stream *st, usec_t now,
                       struct ring_packet *entry, const struct codec_key *key, uint32_t bytes)
{
    if (entry->facts.key) {
        note_key(s, st, now, entry, key);
        drop_missing_before(st, entry->sequence);
        entry->unblinds = entry->late && unblind(s, st, entry);
    }
    if (entry->facts.spatial > 0 && s->layered != entry->stream && !entry->late)
        set_layers(s, entry->stream, entry->facts.spatial + 1U);
    count_layers(s, now, entry, bytes);
}

static void count_audio(struct source *s, usec_t now, const struct rtp_packet *packet)
{
    s->streams[0].last_packet = s->layers[0].last_packet = now;
    meter_add(&s->layers[0].bytes[0], now, (uint32_t)packet->payload.len);
    meter_add(&s->layers[0].frames[0], now, 1);
}

static void note_audio(struct source *s, usec_t now, const struct rtp_packet *packet,
                       struct ring_packet *entry)
{
    count_audio(s, now, packet);
    if (!entry->late)
        s->proved = (struct source_proved){now, packet->sequence, packet->timestamp};
    struct slice level;
    if (rtp_extension_find(packet, OFFER_EXT_AUDIO_LEVEL, &level) && level.len > 0) {
        entry->has_level = true;
        entry->level = level.data[0];
    }
}

int source_input(struct source *s, usec_t now, unsigned stream, const struct rtp_packet *packet,
                 bool repaired, uint32_t *ret_number)
{
    assert(stream < s->state.layer_count);
    struct source_stream *st = &s->streams[stream];
    struct ring_packet entry = {
        .arrival = now,
        .timestamp = packet->timestamp,
        .payload_type = packet->payload_type,
        .stream = (uint8_t)stream,
        .marker = packet->marker,
    };
    bool video = s->state.kind == CONFERENCE_VIDEO;
    struct slice extension = {0};
    struct codec_key key;
    if (packet->payload.len == 0 || packet->payload.len > PACKET_MAX)
        return ERR_FORMAT;
    int64_t before = st->highest;
    int err = place(s, st, now, packet->sequence, repaired, &entry.sequence);
    if (err)
        return err;
    entry.late = repaired || entry.sequence <= before;
    if (video && read_video(st, packet, &entry, &extension, &key) != 0)
        return ERR_FORMAT;
    count_arrival(s, st, now, packet->timestamp, entry.late);
    st->last_packet = now;
    if (video)
        note_video(s, st, now, &entry, &key, (uint32_t)packet->payload.len);
    else
        note_audio(s, now, packet, &entry);
    *ret_number = ring_put(&s->ring, &entry, extension, packet->payload);
    return 0;
}

bool source_expects(const struct source *s, usec_t now, const struct rtp_packet *packet)
{
    const struct source_stream *st = &s->streams[0];
    uint16_t ahead = (uint16_t)(packet->sequence - (uint16_t)st->highest);
    uint16_t unproved = (uint16_t)(packet->sequence - s->proved.sequence);
    usec_t passed = now - s->proved.at;
    int32_t ticks = (int32_t)(packet->timestamp - s->proved.timestamp);
    usec_t sway = (usec_t)ticks * USEC_PER_SEC / (int64_t)s->clock - passed;
    return s->proved.at > 0 && passed < PASS_TIME && ahead > 0 && ahead <= PASS_AHEAD &&
           unproved > 0 && unproved <= PASS_PACKETS && sway <= PASS_SWAY && sway >= -PASS_SWAY;
}

void source_pass(struct source *s, usec_t now, const struct rtp_packet *packet)
{
    int64_t sequence;
    if (place(s, &s->streams[0], now, packet->sequence, false, &sequence) != 0)
        return;
    count_arrival(s, &s->streams[0], now, packet->timestamp, false);
    count_audio(s, now, packet);
    s->passed++;
}

bool source_lacks(const struct source *s, unsigned stream, uint16_t wire)
{
    const struct source_stream *st = &s->streams[stream];
    int64_t sequence = rtp_unwrap(st->highest, wire);
    if (!st->started || sequence < st->statistics.base || sequence <= st->highest - SOURCE_WINDOW)
        return false;
    return sequence > st->highest || !test_seen(st, sequence);
}

void source_report_in(struct source *s, usec_t now, unsigned stream,
                      const struct rtcp_sender_info *info)
{
    struct source_stream *st = &s->streams[stream];
    st->sr_ntp = info->ntp;
    st->sr_rtp = info->rtp;
    st->sr_arrival = usec_max(now, 1);
}

static bool lost_now(const struct source_stream *st, const struct source_missing *m, usec_t now,
                     usec_t rtt)
{
    if (m->tries == 0)
        return now - m->found >= REORDER_TIME || st->highest - m->sequence >= REORDER_PACKETS;
    usec_t wait = usec_max(rtt > 0 ? rtt : RTT_UNKNOWN, NACK_RTT_MIN);
    for (unsigned i = 1; i < m->tries; i++)
        wait = wait * 3 / 2;
    return now - m->asked >= wait;
}

size_t source_nacks(struct source *s, usec_t now, unsigned stream, usec_t rtt, uint16_t *out,
                    size_t max)
{
    struct source_stream *st = &s->streams[stream];
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < st->missing_count; i++) {
        struct source_missing *m = &st->missing[i];
        if (now - m->found > NACK_TIME || m->tries >= NACK_TRIES) {
            st->hole = m->sequence > st->hole ? m->sequence : st->hole;
            continue;
        }
        if (count < max && lost_now(st, m, now, rtt)) {
            m->tries++;
            m->asked = now;
            out[count++] = (uint16_t)m->sequence;
        }
        st->missing[kept++] = *m;
    }
    st->missing_count = kept;
    return count;
}

bool source_nack_due(const struct source *s, usec_t now, usec_t rtt)
{
    for (unsigned i = 0; i < s->state.layer_count; i++) {
        const struct source_stream *st = &s->streams[i];
        for (size_t k = 0; k < st->missing_count; k++)
            if (lost_now(st, &st->missing[k], now, rtt) && st->missing[k].tries < NACK_TRIES &&
                now - st->missing[k].found <= NACK_TIME)
                return true;
    }
    return false;
}

void source_want_key(struct source *s, usec_t now, unsigned layer)
{
    unsigned spatial;
    s->streams[source_stream_of(s, layer, &spatial)].key_wanted_until = now + KEY_WISH;
}

bool source_key_due(struct source *s, usec_t now, unsigned stream, usec_t rtt)
{
    struct source_stream *st = &s->streams[stream];
    if (st->key_wanted_until < now) {
        st->key_tries = 0;
        return false;
    }
    bool screen = source_is_screen(s);
    usec_t interval = screen ? SCREEN_KEY_INTERVAL : SOURCE_KEY_INTERVAL;
    usec_t wait = usec_max(interval, rtt + 10 * USEC_PER_MSEC);
    for (unsigned i = 1; i < st->key_tries; i++)
        wait = usec_min(wait * 3 / 2, screen ? SCREEN_KEY_REPEAT_MAX : KEY_REPEAT_MAX);
    if (st->key_asked > 0 && now - st->key_asked < wait)
        return false;
    if (s->key_asked > 0 && now - s->key_asked < interval)
        return false;
    st->key_asked = s->key_asked = usec_max(now, 1);
    if (st->key_tries < 10)
        st->key_tries++;
    return true;
}

static uint32_t expected_of(const struct source_stream *st)
{
    return (uint32_t)(st->highest - st->statistics.base + 1);
}

bool source_report_news(const struct source *s, unsigned stream)
{
    const struct source_stream *st = &s->streams[stream];
    return st->started && expected_of(st) != st->statistics.expected_before;
}

bool source_report_out(struct source *s, usec_t now, unsigned stream,
                       struct rtcp_report *ret_report)
{
    struct source_stream *st = &s->streams[stream];
    struct source_statistics *counted = &st->statistics;
    if (!st->started)
        return false;
    uint32_t expected = expected_of(st);
    uint32_t expected_now = expected - counted->expected_before;
    uint32_t received_now = counted->received - counted->received_before;
    counted->expected_before = expected;
    counted->received_before = counted->received;
    uint32_t lost_now_count = expected_now > received_now ? expected_now - received_now : 0;
    int64_t total = (int64_t)expected - counted->received;
    uint8_t fraction = 0;
    if (expected_now > 0)
        fraction = (uint8_t)((uint64_t)lost_now_count * 255 / expected_now);
    *ret_report = (struct rtcp_report){
        .ssrc = st->ssrc,
        .fraction_lost = fraction,
        .total_lost = (int32_t)(total < 0          ? 0
                                : total > 0x7fffff ? 0x7fffff
                                                   : total),
        .highest = (uint32_t)(st->highest - 65536),
        .jitter = counted->jitter >> 4,
    };
    if (st->sr_arrival > 0) {
        ret_report->last_sr = (uint32_t)(st->sr_ntp >> 16);
        ret_report->delay_sr = (uint32_t)((now - st->sr_arrival) * 65536 / USEC_PER_SEC);
    }
    return true;
}

unsigned source_stream_of(const struct source *s, unsigned layer, unsigned *ret_spatial)
{
    *ret_spatial = s->layered < 0 ? CODEC_SPATIAL - 1 : layer;
    return s->layered < 0 ? layer : (unsigned)s->layered;
}

bool source_layer_active(const struct source *s, usec_t now, unsigned layer)
{
    const struct source_layer *l = &s->layers[layer];
    bool desktop = source_is_screen(s);
    /* A screen that goes on with fewer frames has no line for this one. */
    for (unsigned i = 0; desktop && i < layer; i++)
        if (s->layers[i].last_packet - l->last_packet >= SOURCE_LAG_DESKTOP)
            return false;
    if (l->last_packet == 0 ||
        now - l->last_packet >= (desktop ? SOURCE_QUIET_DESKTOP : SOURCE_QUIET_CAMERA))
        return false;
    /* A camera that goes on in other layers has switched this one off. */
    usec_t newest = l->last_packet;
    for (unsigned i = 0; i < s->layer_count; i++)
        newest = usec_max(newest, s->layers[i].last_packet);
    return desktop || newest - l->last_packet < SOURCE_LAG;
}

int source_layer_height(const struct source *s, unsigned layer)
{
    if (s->layers[layer].height > 0)
        return s->layers[layer].height;
    for (unsigned i = 0; i < s->layer_count; i++) {
        int known = s->layers[i].height;
        if (known > 0)
            return i < layer ? known << (layer - i) : known >> (i - layer);
    }
    /* A lone layer is the whole picture. */
    unsigned index = s->layer_count == 1 ? CONFERENCE_LAYERS_MAX - 1 : layer;
    return LAYER_HEIGHT_LOWEST << index;
}

uint64_t source_layer_rate(struct source *s, usec_t now, unsigned layer, unsigned tid)
{
    struct source_layer *l = &s->layers[layer];
    uint64_t bytes = 0;
    for (unsigned i = 0; i < SOURCE_TIDS && i <= tid; i++)
        bytes += slow_rate(&l->bytes[i], now, span_of(s), l->on_since);
    return bytes * 8;
}

uint64_t source_key_rate(struct source *s, usec_t now, unsigned layer)
{
    struct meter *keys = &s->layers[layer].keys;
    return (uint64_t)meter_rate(keys, now / SOURCE_SPAN_KEYS) * 8 / SOURCE_SPAN_KEYS;
}

static uint64_t frame_rate(const struct source *s, struct source_layer *l, usec_t now, unsigned tid)
{
    return slow_rate(&l->frames[tid], now, span_of(s), l->on_since);
}

bool source_layer_known(const struct source *s, usec_t now, unsigned layer)
{
    return now - s->layers[layer].on_since >= RATE_TIME;
}

unsigned source_layer_tid(struct source *s, usec_t now, unsigned layer, int max_frame_rate)
{
    if (max_frame_rate < 0)
        return SOURCE_TIDS - 1;
    struct source_layer *l = &s->layers[layer];
    unsigned tid = 0;
    uint64_t frames = frame_rate(s, l, now, 0);
    while (tid + 1 < SOURCE_TIDS) {
        uint64_t more = frame_rate(s, l, now, tid + 1);
        /* One frame of tolerance: thirty a second are sometimes thirty-one. */
        if (frames + more > (uint64_t)max_frame_rate + 1)
            break;
        frames += more;
        tid++;
    }
    return tid;
}

/* What a layer takes, until it was measured: by its height, but for a screen's first of several,
 * which may have all lines and is for those who have little. */
static uint64_t usual_rate(const struct source *s, unsigned layer)
{
    int height = source_layer_height(s, layer);
    if (height <= LAYER_HEIGHT_LOWEST || (layer == 0 && s->layer_count > 1 && source_is_screen(s)))
        return 200000;
    return height <= 2 * LAYER_HEIGHT_LOWEST ? 500000 : 1500000;
}

bool source_refresh(struct source *s, usec_t now)
{
    bool changed = false;
    for (unsigned i = 0; i < s->layer_count; i++) {
        uint64_t bps = 0;
        if (source_layer_active(s, now, i)) {
            struct source_layer *l = &s->layers[i];
            if (s->bps[i] == 0)
                l->on_since = now;
            bps = source_layer_rate(s, now, i, SOURCE_TIDS - 1);
            bps = bps > 0 ? bps : 1; /* still, not off */
            uint64_t usual = usual_rate(s, i);
            if (s->state.kind == CONFERENCE_VIDEO && !source_layer_known(s, now, i) && bps < usual)
                bps = usual;
        }
        changed = changed || (bps > 0) != (s->bps[i] > 0);
        s->bps[i] = bps;
    }
    return changed;
}

bool source_is_screen(const struct source *s)
{
    return s->state.kind == CONFERENCE_VIDEO && s->state.video_type == CONFERENCE_DESKTOP;
}

bool source_live(const struct source *s)
{
    const struct conference_source *state = &s->state;
    return !state->muted && !state->blocked &&
           (state->kind == CONFERENCE_AUDIO || state->video_type != CONFERENCE_NONE);
}

int source_tick(struct source *s)
{
    int err = rewrite_tick(&s->record);
    if (err)
        return err;
    bool screen = source_is_screen(s);
    usec_t spared = s->ring.spared;
    size_t most = (size_t)VIDEO_RING_BYTES_MAX * (screen ? SCREEN_RING : 1);
    uint32_t most_slots = (uint32_t)VIDEO_RING_SLOTS_MAX * (screen ? SCREEN_RING : 1);
    s->ring.spared = USEC_NEVER;
    if (s->state.kind != CONFERENCE_VIDEO || s->ring.size >= most ||
        spared >= (screen ? SCREEN_RING_TIME : RING_TIME))
        return 0;
    size_t size = s->ring.size * 2;
    uint32_t slots = s->ring.slots * 2;
    return ring_grow(&s->ring, size < most ? size : most, slots < most_slots ? slots : most_slots);
}
