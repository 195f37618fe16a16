/* A file with encoded sound and perhaps a picture: encoders and container, by libavcodec and
 * libavformat. */
#ifndef RECORD_MEDIA_OUT_H
#define RECORD_MEDIA_OUT_H

#include <libavcodec/avcodec.h>

#include "base/units.h"
#include "record/out_file.h"

struct media_out;

struct media_picture_setup {
    int width;
    int height;
    int fps; /* unit of the pictures' times */
    int crf;
};

enum media_sound { MEDIA_SOUND_AAC, MEDIA_SOUND_OPUS };

struct media_out_setup {
    const char *name;   /* of the file */
    const char *format; /* libavformat's name */
    enum media_sound sound;
    int64_t sound_rate;                        /* bits per second */
    const struct media_picture_setup *picture; /* NULL: none */
};

/* ERR_IO, ERR_MEMORY, ERR_UNSUPPORTED (the encoder is missing). */
int media_out_open(int dir, const struct media_out_setup *setup,
                   struct media_out **ret_out) MUST_USE;
/* Mono, 48 kHz, following what came before. ERR_IO. */
int media_out_sound(struct media_out *out, const float *samples, size_t count) MUST_USE;
/* A picture (I420, limited range) shown from `time` on, in units of 1 / fps, ascending; `cut`: it
 * has little in common with the one before. The frame is only read. ERR_IO. */
int media_out_picture(struct media_out *out, const AVFrame *picture, int64_t time,
                      bool cut) MUST_USE;
/* Finishes and makes the file appear; frees in any case. ERR_IO. */
int media_out_close(struct media_out **out) MUST_USE;
void media_out_discard(struct media_out **out);

#endif
