#include "record/mixer.h"

#include <math.h>
#include <stdlib.h>

#include <opus/opus.h>

#include "record/limiter.h"
#include "record/manifest.h"

/* 43 s: more than frames may lie ahead of the horizon. A power of two. */
#define RING ((int64_t)1 << 21)
#define FRAME_MAX 5760
/* A voice is bent by at most one sample in 200, which nobody hears. */
#define BEND 200
/* Off by more, it is put where it belongs at once. */
#define JUMP (MIXER_RATE * 6 / 100)
/* A hole up to this length is concealed. */
#define CONCEAL (MIXER_RATE * 12 / 100)
/* A voice is brought towards this level (RMS), by 9 dB at most and 2 dB a second. */
#define LEVEL_TARGET 0.08f
#define LEVEL_GAIN_MAX 2.8f
#define LEVEL_STEP 1.26f
/* Quieter than this it is no speech. */
#define LEVEL_GATE 0.004f
/* Speech is averaged over about this long. */
#define LEVEL_SECONDS 4.0f
#define CEILING_DB -1.5f

struct voice {
    OpusDecoder *decoder;
    bool started;
    int64_t pos; /* sample at which the next packet goes on */
    float power; /* of its speech lately */
    float gain;
    uint64_t refused;
};

struct mixer {
    struct voice *voices;
    uint32_t count;
    float *ring;
    int64_t out; /* next sample to be given out */
    struct limiter limiter;
    int64_t skip; /* samples of the limiter's delay still to be left out */
    float frame[FRAME_MAX];
    float bent[FRAME_MAX + FRAME_MAX / BEND + 2];
};

struct mixer *mixer_new(uint32_t sources)
{
    struct mixer *mixer = calloc(1, sizeof(*mixer));
    if (!mixer)
        return NULL;
    mixer->count = sources;
    mixer->voices = calloc(sources + 1, sizeof(*mixer->voices));
    mixer->ring = calloc(RING, sizeof(float));
    mixer->skip = LIMITER_DELAY;
    limiter_init(&mixer->limiter, CEILING_DB);
    if (!mixer->voices || !mixer->ring)
        mixer_free(&mixer);
    return mixer;
}

void mixer_free(struct mixer **mixer)
{
    if (!*mixer)
        return;
    for (uint32_t i = 0; (*mixer)->voices && i < (*mixer)->count; i++) {
        if ((*mixer)->voices[i].decoder)
            opus_decoder_destroy((*mixer)->voices[i].decoder);
    }
    free((*mixer)->voices);
    free((*mixer)->ring);
    free(*mixer);
    *mixer = NULL;
}

/* Follows how loud the voice speaks; slowly, and not while it is silent. */
static void level(struct voice *voice, const float *samples, int count)
{
    float sum = 0, seconds = (float)count / MIXER_RATE;
    for (int i = 0; i < count; i++)
        sum += samples[i] * samples[i];
    float power = sum / (float)count;
    if (power < LEVEL_GATE * LEVEL_GATE)
        return;
    voice->power += (power - voice->power) * fminf(1, seconds / LEVEL_SECONDS);
    float wanted = LEVEL_TARGET / sqrtf(voice->power);
    wanted = fmaxf(1 / LEVEL_GAIN_MAX, fminf(LEVEL_GAIN_MAX, wanted));
    float step = powf(LEVEL_STEP, seconds);
    voice->gain = fmaxf(voice->gain / step, fminf(voice->gain * step, wanted));
}

static void add(struct mixer *mixer, struct voice *voice, const float *samples, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t at = voice->pos + i;
        if (at >= mixer->out && at < mixer->out + RING)
            mixer->ring[at & (RING - 1)] += samples[i] * voice->gain;
    }
    voice->pos += count;
}

/* Puts `count` samples where count + bend samples of time are. */
static void add_bent(struct mixer *mixer, struct voice *voice, int count, int bend)
{
    if (bend == 0) {
        add(mixer, voice, mixer->frame, count);
        return;
    }
    int out = count + bend;
    for (int i = 0; i < out; i++) {
        float at = (float)i * (float)(count - 1) / (float)(out - 1);
        int low = (int)at < count - 1 ? (int)at : count - 2;
        float part = at - (float)low;
        mixer->bent[i] = mixer->frame[low] * (1 - part) + mixer->frame[low + 1] * part;
    }
    add(mixer, voice, mixer->bent, out);
}

/* A short hole: what the decoder guesses, and at its end what the next packet tells of it. */
static void conceal(struct mixer *mixer, struct voice *voice, int64_t hole, struct slice next,
                    int frame)
{
    for (int64_t left = hole; left >= frame; left -= frame) {
        bool repair = left < 2 * frame;
        int got = opus_decode_float(voice->decoder, repair ? next.data : NULL,
                                    repair ? (opus_int32)next.len : 0, mixer->frame, frame, repair);
        if (got <= 0)
            return;
        add(mixer, voice, mixer->frame, got);
    }
}

static int start(struct voice *voice)
{
    int error;
    voice->decoder = opus_decoder_create(MIXER_RATE, 1, &error);
    voice->gain = 1;
    voice->power = LEVEL_TARGET * LEVEL_TARGET;
    return voice->decoder ? 0 : ERR_MEMORY;
}

int mixer_input(struct mixer *mixer, const struct media_frame *frame)
{
    struct voice *voice = &mixer->voices[frame->source];
    if (!voice->decoder && start(voice) != 0)
        return ERR_MEMORY;
    int64_t at = frame->time * (MIXER_RATE / 1000) / 1000;
    if (at < 0)
        return 0; /* said before the recording began, arrived after */
    int count =
        opus_packet_get_nb_samples(frame->data.data, (opus_int32)frame->data.len, MIXER_RATE);
    if (count <= 0 || count > FRAME_MAX || at < mixer->out || at > mixer->out + RING - FRAME_MAX) {
        voice->refused++;
        return 0;
    }
    if (!voice->started)
        voice->pos = at;
    voice->started = true;
    int64_t hole = at - voice->pos;
    if (hole < -JUMP)
        return 0; /* its clock ran ahead: wait for time to catch up */
    if (hole >= count && hole <= CONCEAL)
        conceal(mixer, voice, hole, frame->data, count);
    else if (hole > JUMP)
        voice->pos = at;
    hole = at - voice->pos;
    int got = opus_decode_float(voice->decoder, frame->data.data, (opus_int32)frame->data.len,
                                mixer->frame, FRAME_MAX, 0);
    if (got <= 1) {
        voice->refused++;
        return 0;
    }
    level(voice, mixer->frame, got);
    int most = got / BEND;
    int bend = hole > most ? most : hole < -most ? -most : (int)hole;
    /* A packet's own jitter is no drift: act on what lasts. */
    add_bent(mixer, voice, got, hole > -MIXER_RATE / 500 && hole < MIXER_RATE / 500 ? 0 : bend);
    return 0;
}

static int give_block(struct mixer *mixer, const struct mixer_sink *sink)
{
    float block[LIMITER_BLOCK];
    for (size_t i = 0; i < LIMITER_BLOCK; i++) {
        float *at = &mixer->ring[(mixer->out + (int64_t)i) & (RING - 1)];
        block[i] = *at;
        *at = 0;
    }
    mixer->out += LIMITER_BLOCK;
    limiter_block(&mixer->limiter, block);
    if (mixer->skip > 0) {
        mixer->skip -= LIMITER_BLOCK;
        return 0;
    }
    return sink->samples(sink->arg, block, LIMITER_BLOCK);
}

int mixer_tick(struct mixer *mixer, usec_t time, const struct mixer_sink *sink)
{
    int64_t until = time * (MIXER_RATE / 1000) / 1000 + LIMITER_DELAY;
    int err = 0;
    while (!err && mixer->out + (int64_t)LIMITER_BLOCK <= until)
        err = give_block(mixer, sink);
    return err;
}

int mixer_troubles(const struct mixer *mixer, const struct timeline *timeline, json_t *troubles)
{
    for (uint32_t i = 0; i < mixer->count; i++) {
        json_t *trouble = mixer->voices[i].refused
                              ? manifest_trouble(&timeline->sources[i], "unmixed-packets",
                                                 mixer->voices[i].refused)
                              : NULL;
        if (mixer->voices[i].refused && (!trouble || json_array_append_new(troubles, trouble) != 0))
            return ERR_MEMORY;
    }
    return 0;
}
