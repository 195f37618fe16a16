/* Everybody's Opus into one mono sound at 48 kHz: each voice where it belongs in time, drift
 * stretched away, losses concealed, loud and quiet speakers brought nearer to each other slowly,
 * the sum limited to -1.5 dB. */
#ifndef RECORD_MIXER_H
#define RECORD_MIXER_H

#include "record/demux.h"

#define MIXER_RATE 48000

struct mixer;

/* Takes the sound in order, in parts of any length. Its errors are handed on. */
struct mixer_sink {
    int (*samples)(void *arg, const float *samples, size_t count);
    void *arg;
};

/* Up to `sources` voices; NULL when memory is short. */
struct mixer *mixer_new(uint32_t sources);
void mixer_free(struct mixer **mixer);
/* One Opus packet of a source. What cannot be decoded is counted, not an error. ERR_MEMORY. */
int mixer_input(struct mixer *mixer, const struct media_frame *frame) MUST_USE;
/* Gives out all sound before `time`. */
int mixer_tick(struct mixer *mixer, usec_t time, const struct mixer_sink *sink) MUST_USE;
/* Adds to `troubles` (an array of the manifest) which sources sent packets that were no Opus or
 * came too late for the mix. ERR_MEMORY. */
int mixer_troubles(const struct mixer *mixer, const struct timeline *timeline,
                   json_t *troubles) MUST_USE;

#endif
