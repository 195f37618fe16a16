/* The picture of a composed video: I420, limited range, BT.601 as browsers send. */
#ifndef RECORD_CANVAS_H
#define RECORD_CANVAS_H

#include <libavutil/frame.h>

#include "base/err.h"
#include "record/label.h"

struct SwsContext;

/* Places for pictures: each keeps its scaler. */
#define CANVAS_SLOTS 2

struct rect {
    int x; /* all even */
    int y;
    int width;
    int height;
};

struct canvas {
    AVFrame *frame;
    struct SwsContext *scalers[CANVAS_SLOTS]; /* for the sizes used last */
};

/* ERR_MEMORY. */
int canvas_init(struct canvas *canvas, int width, int height) MUST_USE;
void canvas_done(struct canvas *canvas);
/* A fresh picture to draw on, dark all over: the encoder may still hold the one before.
 * ERR_MEMORY. */
int canvas_clear(struct canvas *canvas) MUST_USE;
void canvas_fill(struct canvas *canvas, struct rect rect, uint8_t luma);
/* Scales `picture` (any format) into the rectangle, keeping its shape. ERR_UNSUPPORTED. */
int canvas_picture(struct canvas *canvas, size_t slot, struct rect rect,
                   const AVFrame *picture) MUST_USE;
/* Lays a label over the picture, its upper left corner at (x, y), both even; clipped. */
void canvas_label(struct canvas *canvas, int x, int y, const struct label *label);

#endif
