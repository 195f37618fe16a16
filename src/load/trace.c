#include "load/trace.h"

#include <assert.h>

enum { FPS = 30, KEY_FACTOR = 6, PAYLOAD_MAX = 1160, HEIGHT_LEAST = 180, AUDIO_SIZE = 90 };

#define AUDIO_STEP (20 * USEC_PER_MSEC)
#define FRAME_STEP (USEC_PER_SEC / FPS)
#define CLOCK_STEP_VIDEO (90000 / FPS)
/* Between packets of a frame: measured with Chromium, a window of 0.1, 0.5, 1 and 2 ms after a
 * packet holds 1.9, 3.8, 4.8 and 5.6 of the 6.1 packets of a frame. */
#define GAP_SHORT 20
#define GAP_LONG 500

/* Bits per second of Jitsi's VP8 layers. */
static const unsigned rates[TRACE_LAYERS] = {200000, 500000, 1500000};

static uint32_t next_random(struct trace *t)
{
    t->random = t->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(t->random >> 33);
}

void trace_init(struct trace *t, usec_t now, bool audio, bool video, uint64_t seed)
{
    *t = (struct trace){.audio = audio, .video = video, .random = seed, .start = now};
    /* Cameras and microphones are not in step with each other. */
    t->audio_at = now + (usec_t)(next_random(t) % AUDIO_STEP);
    t->video_at = now + (usec_t)(next_random(t) % FRAME_STEP);
    for (unsigned i = 0; i < TRACE_LAYERS; i++)
        t->layers[i] = (struct trace_layer){
            .on = true, .key_wanted = true, .picture = (uint16_t)(next_random(t) & 0x7fff)};
}

void trace_constrain(struct trace *t, int height)
{
    for (unsigned i = 0; i < TRACE_LAYERS; i++) {
        struct trace_layer *l = &t->layers[i];
        bool on = height < 0 || (height > 0 && (i == 0 || HEIGHT_LEAST << i <= height));
        l->key_wanted |= on && !l->on;
        l->on = on;
    }
}

void trace_want_key(struct trace *t, unsigned layer)
{
    assert(layer < TRACE_LAYERS);
    t->layers[layer].key_wanted = true;
}

/* Of the mean: 1.5 times for frames that others build on, half for those between; each 40 % more or
 * less by what moves in the picture. */
static size_t frame_size(struct trace *t, unsigned layer, bool key, bool base)
{
    size_t mean = rates[layer] / 8 / FPS;
    size_t size = key ? mean * KEY_FACTOR : base ? mean * 3 / 2 : mean / 2;
    return size * (60 + next_random(t) % 81) / 100 + 16;
}

static void queue_frame(struct trace *t, unsigned layer)
{
    struct trace_layer *l = &t->layers[layer];
    bool key = l->key_wanted;
    bool base = key || l->frames % 2 == 0;
    size_t size = frame_size(t, layer, key, base);
    size_t packets = (size + PAYLOAD_MAX - 1) / PAYLOAD_MAX;
    l->key_wanted = false;
    l->frames = key ? 1 : l->frames + 1;
    l->picture = (l->picture + 1) & 0x7fff;
    l->tl0 += base;
    l->keyidx = (l->keyidx + key) & 31;
    usec_t at = t->count > 0 ? t->queue[t->count - 1].at : t->video_at;
    for (size_t i = 0; i < packets && t->count < TRACE_QUEUE; i++) {
        at += next_random(t) % 2 ? GAP_SHORT : GAP_LONG;
        t->queue[t->count++] = (struct trace_packet){
            .at = at,
            .marker = i == packets - 1,
            .key = key && i == 0,
            .layer = (uint8_t)layer,
            .size = (uint16_t)((size + i) / packets),
            .height = (uint16_t)(HEIGHT_LEAST << layer),
            .timestamp = (uint32_t)((t->video_at - t->start) / FRAME_STEP * CLOCK_STEP_VIDEO),
            .vp8 = {.start = i == 0,
                    .non_reference = !base,
                    .has_picture_id = true,
                    .long_picture_id = true,
                    .picture_id = l->picture,
                    .has_tl0 = true,
                    .tl0 = l->tl0,
                    .has_tid = true,
                    .tid = !base,
                    .sync = !base,
                    .has_keyidx = true,
                    .keyidx = l->keyidx},
        };
    }
}

static void queue_frames(struct trace *t)
{
    t->head = t->count = 0;
    for (unsigned i = 0; i < TRACE_LAYERS; i++)
        if (t->layers[i].on)
            queue_frame(t, i);
    t->video_at += FRAME_STEP;
}

bool trace_next(struct trace *t, usec_t now, struct trace_packet *ret_packet, usec_t *ret_next)
{
    while (t->video && t->head == t->count && t->video_at <= now)
        queue_frames(t);
    usec_t video = !t->video ? USEC_NEVER : t->head < t->count ? t->queue[t->head].at : t->video_at;
    usec_t audio = t->audio ? t->audio_at : USEC_NEVER;
    *ret_next = usec_min(audio, video);
    if (*ret_next > now)
        return false;
    if (audio > video) {
        *ret_packet = t->queue[t->head++];
        return true;
    }
    *ret_packet = (struct trace_packet){
        .at = audio,
        .audio = true,
        .size = (uint16_t)(AUDIO_SIZE + next_random(t) % 30),
        .timestamp = (uint32_t)((audio - t->start) * 48 / USEC_PER_MSEC),
    };
    t->audio_at += AUDIO_STEP;
    return true;
}
