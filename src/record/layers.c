#include "record/layers.h"

#include <stdlib.h>

#define NO_STREAM UINT32_MAX

struct queued {
    struct queued *next;
    struct layer_frame frame;
    uint8_t bytes[];
};

struct layers {
    struct queued *first; /* all layers, ascending time */
    struct queued *last;
    size_t bytes;
    uint32_t current;
    uint32_t area;   /* of its picture */
    usec_t given_at; /* time of the last frame given out */
};

struct layers *layers_new(void)
{
    struct layers *layers = calloc(1, sizeof(*layers));
    if (layers) {
        layers->current = NO_STREAM;
        layers->given_at = INT64_MIN / 2;
    }
    return layers;
}

void layers_free(struct layers **layers)
{
    if (!*layers)
        return;
    for (struct queued *item = (*layers)->first, *next; item; item = next) {
        next = item->next;
        free(item);
    }
    free(*layers);
    *layers = NULL;
}

static uint32_t area_of(const struct layer_frame *frame)
{
    return (uint32_t)frame->width * frame->height;
}

static void insert(struct layers *layers, struct queued *item)
{
    layers->bytes += item->frame.data.len;
    if (!layers->last || layers->last->frame.time <= item->frame.time) {
        if (layers->last)
            layers->last->next = item;
        else
            layers->first = item;
        layers->last = item;
        return;
    }
    struct queued **at = &layers->first;
    while ((*at)->frame.time <= item->frame.time)
        at = &(*at)->next;
    item->next = *at;
    *at = item;
}

/* How long `stream` runs on from `from` without a stall, as far as one can see. */
static usec_t runs_until(const struct layers *layers, uint32_t stream, usec_t from)
{
    usec_t until = from;
    for (const struct queued *item = layers->first; item; item = item->next) {
        if (item->frame.stream != stream || item->frame.time < until)
            continue;
        if (item->frame.time - until > LAYERS_STALL)
            break;
        until = item->frame.time;
    }
    return until;
}

/* Whether to go over to the layer of this key frame. */
static bool is_better(const struct layers *layers, const struct layer_frame *key)
{
    if (layers->current == NO_STREAM)
        return true;
    usec_t mine =
        runs_until(layers, layers->current, usec_max(layers->given_at, key->time - LAYERS_STALL));
    usec_t its = runs_until(layers, key->stream, key->time);
    if (area_of(key) > layers->area)
        return its - key->time >= LAYERS_AHEAD / 2 || its >= mine;
    return mine - key->time < LAYERS_STALL && its > mine + LAYERS_STALL;
}

static int give_first(struct layers *layers, const struct layer_sink *sink)
{
    struct queued *item = layers->first;
    struct layer_frame *frame = &item->frame;
    bool wanted = frame->stream == layers->current || (frame->key && is_better(layers, frame));
    layers->first = item->next;
    if (!layers->first)
        layers->last = NULL;
    layers->bytes -= frame->data.len;
    int err = 0;
    if (wanted) {
        layers->current = frame->stream;
        layers->area = area_of(frame);
        frame->time = usec_max(frame->time, layers->given_at + USEC_PER_MSEC);
        layers->given_at = frame->time;
        err = sink->frame(sink->arg, frame);
    }
    free(item);
    return err;
}

int layers_input(struct layers *layers, const struct layer_frame *frame,
                 const struct layer_sink *sink)
{
    struct queued *item = malloc(sizeof(*item) + frame->data.len);
    if (!item)
        return ERR_MEMORY;
    item->next = NULL;
    item->frame = *frame;
    memcpy(item->bytes, frame->data.data, frame->data.len);
    item->frame.data.data = item->bytes;
    insert(layers, item);
    int err = 0;
    while (!err && layers->bytes > LAYERS_BYTES_MAX)
        err = give_first(layers, sink);
    return err;
}

int layers_tick(struct layers *layers, usec_t now, const struct layer_sink *sink)
{
    int err = 0;
    while (!err && layers->first &&
           (now == USEC_NEVER || layers->first->frame.time < now - LAYERS_AHEAD))
        err = give_first(layers, sink);
    return err;
}
