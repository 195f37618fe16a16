#include "record/canvas.h"

#include <libswscale/swscale.h>

#define DARK 26 /* luma of the background */

int canvas_init(struct canvas *canvas, int width, int height)
{
    *canvas = (struct canvas){.frame = av_frame_alloc()};
    if (!canvas->frame)
        return ERR_MEMORY;
    canvas->frame->format = AV_PIX_FMT_YUV420P;
    canvas->frame->width = width;
    canvas->frame->height = height;
    return av_frame_get_buffer(canvas->frame, 0) < 0 ? ERR_MEMORY : canvas_clear(canvas);
}

void canvas_done(struct canvas *canvas)
{
    av_frame_free(&canvas->frame);
    for (size_t i = 0; i < CANVAS_SLOTS; i++) {
        sws_freeContext(canvas->scalers[i]);
        canvas->scalers[i] = NULL;
    }
}

int canvas_clear(struct canvas *canvas)
{
    const struct rect all = {0, 0, canvas->frame->width, canvas->frame->height};
    if (av_frame_make_writable(canvas->frame) < 0)
        return ERR_MEMORY;
    canvas_fill(canvas, all, DARK);
    return 0;
}

void canvas_fill(struct canvas *canvas, struct rect rect, uint8_t luma)
{
    AVFrame *f = canvas->frame;
    for (int y = rect.y; y < rect.y + rect.height; y++)
        memset(f->data[0] + y * f->linesize[0] + rect.x, luma, (size_t)rect.width);
    for (int plane = 1; plane < 3; plane++) {
        for (int y = rect.y / 2; y < (rect.y + rect.height) / 2; y++)
            memset(f->data[plane] + y * f->linesize[plane] + rect.x / 2, 128,
                   (size_t)rect.width / 2);
    }
}

/* The largest rectangle of the picture's shape in the middle of `rect`, on even pixels. */
static struct rect fit(struct rect rect, const AVFrame *picture)
{
    int64_t w = rect.width, h = rect.height;
    if (w * picture->height > h * picture->width)
        w = h * picture->width / picture->height;
    else
        h = w * picture->height / picture->width;
    w = w < 2 ? 2 : w & ~1;
    h = h < 2 ? 2 : h & ~1;
    return (struct rect){rect.x + (int)((rect.width - w) / 4 * 2),
                         rect.y + (int)((rect.height - h) / 4 * 2), (int)w, (int)h};
}

int canvas_picture(struct canvas *canvas, size_t slot, struct rect rect, const AVFrame *picture)
{
    if (picture->width < 1 || picture->height < 1)
        return ERR_UNSUPPORTED;
    AVFrame *f = canvas->frame;
    struct rect into = fit(rect, picture);
    struct SwsContext **scaler = &canvas->scalers[slot];
    *scaler =
        sws_getCachedContext(*scaler, picture->width, picture->height, picture->format, into.width,
                             into.height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, NULL, NULL, NULL);
    if (!*scaler)
        return ERR_UNSUPPORTED;
    uint8_t *planes[4] = {f->data[0] + into.y * f->linesize[0] + into.x,
                          f->data[1] + into.y / 2 * f->linesize[1] + into.x / 2,
                          f->data[2] + into.y / 2 * f->linesize[2] + into.x / 2, NULL};
    int ret = sws_scale(*scaler, (const uint8_t *const *)picture->data, picture->linesize, 0,
                        picture->height, planes, f->linesize);
    return ret < 0 ? ERR_UNSUPPORTED : 0;
}

/* BT.601, limited range, of premultiplied colours: what black and grey stand on is scaled by alpha
 * too. `p`: blue, green, red, alpha. */
static int luma_of(const int p[4])
{
    return ((66 * p[2] + 129 * p[1] + 25 * p[0] + 128) >> 8) + (16 * p[3] + 127) / 255;
}

static int blue_of(const int p[4])
{
    return ((-38 * p[2] - 74 * p[1] + 112 * p[0] + 128) >> 8) + (128 * p[3] + 127) / 255;
}

static int red_of(const int p[4])
{
    return ((112 * p[2] - 94 * p[1] - 18 * p[0] + 128) >> 8) + (128 * p[3] + 127) / 255;
}

static uint8_t over(uint8_t below, int above, int alpha)
{
    int value = above + (below * (255 - alpha) + 127) / 255;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void blend_luma(AVFrame *f, int x, int y, const uint8_t *pixel)
{
    const int p[4] = {pixel[0], pixel[1], pixel[2], pixel[3]};
    uint8_t *to = f->data[0] + y * f->linesize[0] + x;
    *to = over(*to, luma_of(p), p[3]);
}

static void blend_chroma(AVFrame *f, int x, int y, const uint8_t *row, int stride)
{
    int mean[4];
    for (int c = 0; c < 4; c++)
        mean[c] = (row[c] + row[c + 4] + row[c + stride] + row[c + 4 + stride] + 2) / 4;
    uint8_t *u = f->data[1] + y / 2 * f->linesize[1] + x / 2;
    uint8_t *v = f->data[2] + y / 2 * f->linesize[2] + x / 2;
    *u = over(*u, blue_of(mean), mean[3]);
    *v = over(*v, red_of(mean), mean[3]);
}

void canvas_label(struct canvas *canvas, int x, int y, const struct label *label)
{
    AVFrame *f = canvas->frame;
    for (int row = 0; row < label->height && y + row < f->height; row++) {
        const uint8_t *pixels = label->pixels + row * label->stride;
        bool even = row % 2 == 0 && row + 1 < label->height && y + row + 1 < f->height;
        for (int column = 0; column < label->width && x + column < f->width; column++) {
            if (x + column < 0 || y + row < 0)
                continue;
            blend_luma(f, x + column, y + row, pixels + 4 * column);
            if (even && column % 2 == 0 && column + 1 < label->width && x + column + 1 < f->width)
                blend_chroma(f, x + column, y + row, pixels + 4 * column, label->stride);
        }
    }
}
