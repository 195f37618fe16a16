/* How payloads of one codec become a picture as files have it: one struct each codec, nobody else
 * asks which codec it is. VP8 has its own way (vp8_frames.h). */
#ifndef RECORD_PICTURE_PARTS_H
#define RECORD_PICTURE_PARTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/dependency.h"

#define PICTURE_LAYERS_MAX 8

/* AV1: of the spatial layers, as the last key picture told; count 0: it did not. */
struct picture_sizes {
    uint8_t count;
    uint16_t width[DEPENDENCY_SPATIAL_MAX];
    uint16_t height[DEPENDENCY_SPATIAL_MAX];
};

/* The picture being put together. */
struct picture_parts {
    struct buf data;
    struct buf unit; /* AV1: the OBU being put together */
    bool in_unit;    /* H.264, AV1: a unit goes on in the next packet */
    bool key;        /* decoding may begin with it */
    bool has_header; /* H.264, AV1: what describes the stream came with it */
    uint16_t width;  /* of the last key picture; 0: unknown */
    uint16_t height;
    struct slice dependency; /* AV1: descriptor of the payload at hand */
    uint8_t top;             /* AV1: highest spatial layer so far */
    struct picture_sizes sizes;
    size_t sequence_at; /* AV1: where the sequence header lies in `data` */
    size_t sequence_len;
    size_t layer_at[PICTURE_LAYERS_MAX]; /* VP9: where each layer's frame begins */
    size_t layer_count;
};

struct picture_format {
    /* Appends a payload. ERR_FORMAT: the picture is spoiled. */
    int (*add)(struct picture_parts *parts, struct slice payload);
    /* The last payload was there. ERR_FORMAT: something is missing. */
    int (*finish)(struct picture_parts *parts);
};

extern const struct picture_format picture_vp9, picture_h264, picture_av1;

#endif
