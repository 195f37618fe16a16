#include "record/speaker_view.h"

#include <stdlib.h>

#include <libavcodec/avcodec.h>

#include "record/canvas.h"
#include "record/manifest.h"

/* An older picture of a camera is not shown any more, a screen stands still longer. */
#define CAMERA_FRESH (4 * USEC_PER_SEC)
#define SCREEN_FRESH (15 * USEC_PER_SEC)
#define WHITE 235

struct pending {
    struct pending *next;
    usec_t time;
    enum video_codec codec;
    size_t len;
    uint8_t bytes[]; /* padded as libavcodec wants */
};

struct view_source {
    bool *needed; /* by second of arrival */
    struct pending *first;
    struct pending *last;
    bool need_key; /* frames were left out: go on at a key frame only */
    AVCodecContext *decoder;
    enum video_codec codec; /* of the decoder */
    AVFrame *frame;         /* the last decoded */
    usec_t time;            /* of that */
    bool fresh;             /* decoded since the last drawing */
    uint64_t refused;
};

struct view_person {
    struct label name;
    struct label name_small;
    struct label avatar;
    struct label avatar_small;
};

struct speaker_view {
    const struct timeline *timeline;
    struct view_setup setup;
    struct layout layout;
    struct view_source *sources;
    struct view_person *people; /* by endpoint, drawn when first needed */
    bool *wanted;
    size_t seconds;
    struct canvas canvas;
    AVPacket *packet;
    AVFrame *decoded;
    int64_t next;  /* tick to be drawn */
    int64_t drawn; /* last tick given out, -1: none */
    struct layout_scene scene;
    bool had_main; /* whether pictures or names were drawn last time */
    bool had_inset;
};

static int choose_needed(struct speaker_view *view)
{
    const struct timeline *timeline = view->timeline;
    view->seconds = (size_t)(timeline_arrival(timeline, timeline->duration) / USEC_PER_SEC) + 2;
    for (uint32_t i = 0; i < timeline->source_count; i++) {
        struct view_source *source = &view->sources[i];
        source->need_key = true;
        if (timeline->sources[i].kind != TIMELINE_VIDEO)
            continue;
        source->needed = calloc(view->seconds, sizeof(bool));
        if (!source->needed)
            return ERR_MEMORY;
        layout_needed(&view->layout, timeline, i, source->needed, view->seconds);
        for (size_t s = 0; s < view->seconds; s++)
            view->wanted[i] |= source->needed[s];
    }
    return 0;
}

int speaker_view_new(const struct timeline *timeline, const struct view_setup *setup,
                     struct speaker_view **ret_view)
{
    struct speaker_view *view = calloc(1, sizeof(*view));
    if (!view)
        return ERR_MEMORY;
    view->timeline = timeline;
    view->setup = *setup;
    view->drawn = -1;
    view->sources = calloc(timeline->source_count + 1, sizeof(*view->sources));
    view->people = calloc(timeline->endpoint_count + 1, sizeof(*view->people));
    view->wanted = calloc(timeline->source_count + 1, sizeof(*view->wanted));
    view->packet = av_packet_alloc();
    view->decoded = av_frame_alloc();
    bool good = view->sources && view->people && view->wanted && view->packet && view->decoded;
    int err = good ? layout_make(timeline, &view->layout) : ERR_MEMORY;
    if (!err)
        err = choose_needed(view);
    if (!err)
        err = canvas_init(&view->canvas, setup->width, setup->height);
    if (err)
        speaker_view_free(&view);
    else
        *ret_view = view;
    return err;
}

static void free_source(struct view_source *source)
{
    for (struct pending *item = source->first, *next; item; item = next) {
        next = item->next;
        free(item);
    }
    avcodec_free_context(&source->decoder);
    av_frame_free(&source->frame);
    free(source->needed);
}

void speaker_view_free(struct speaker_view **view)
{
    struct speaker_view *v = *view;
    if (!v)
        return;
    for (uint32_t i = 0; v->sources && i < v->timeline->source_count; i++)
        free_source(&v->sources[i]);
    for (uint32_t i = 0; v->people && i < v->timeline->endpoint_count; i++) {
        label_done(&v->people[i].name);
        label_done(&v->people[i].name_small);
        label_done(&v->people[i].avatar);
        label_done(&v->people[i].avatar_small);
    }
    layout_done(&v->layout);
    canvas_done(&v->canvas);
    av_packet_free(&v->packet);
    av_frame_free(&v->decoded);
    free(v->sources);
    free(v->people);
    free(v->wanted);
    free(v);
    *view = NULL;
}

const bool *speaker_view_wanted(const struct speaker_view *view)
{
    return view->wanted;
}

int speaker_view_input(struct speaker_view *view, const struct media_frame *frame)
{
    struct view_source *source = &view->sources[frame->source];
    usec_t arrival = timeline_arrival(view->timeline, usec_max(frame->time, 0));
    size_t second = (size_t)(arrival / USEC_PER_SEC);
    bool needed = source->needed && second < view->seconds && source->needed[second];
    source->need_key = !needed || (source->need_key && !frame->key);
    if (source->need_key)
        return 0;
    struct pending *item = malloc(sizeof(*item) + frame->data.len + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!item)
        return ERR_MEMORY;
    *item = (struct pending){.time = frame->time, .codec = frame->codec, .len = frame->data.len};
    memcpy(item->bytes, frame->data.data, frame->data.len);
    memset(item->bytes + frame->data.len, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    if (source->last)
        source->last->next = item;
    else
        source->first = item;
    source->last = item;
    return 0;
}

/* Again with every change of codec: the last picture stays. */
static int open_decoder(struct view_source *source, enum video_codec kind)
{
    static const enum AVCodecID ids[] = {[VIDEO_VP8] = AV_CODEC_ID_VP8,
                                         [VIDEO_VP9] = AV_CODEC_ID_VP9,
                                         [VIDEO_H264] = AV_CODEC_ID_H264,
                                         [VIDEO_AV1] = AV_CODEC_ID_AV1};
    const AVCodec *codec = avcodec_find_decoder(ids[kind]);
    if (!codec)
        return ERR_UNSUPPORTED;
    avcodec_free_context(&source->decoder);
    source->decoder = avcodec_alloc_context3(codec);
    source->codec = kind;
    if (!source->frame)
        source->frame = av_frame_alloc();
    if (!source->decoder || !source->frame)
        return ERR_MEMORY;
    source->decoder->thread_count = 1;
    source->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY; /* pictures come in the order shown */
    return avcodec_open2(source->decoder, codec, NULL) < 0 ? ERR_UNSUPPORTED : 0;
}

static void decode(struct speaker_view *view, struct view_source *source, struct pending *item)
{
    view->packet->data = item->bytes;
    view->packet->size = (int)item->len;
    bool good = avcodec_send_packet(source->decoder, view->packet) >= 0;
    while (good && avcodec_receive_frame(source->decoder, view->decoded) >= 0) {
        av_frame_unref(source->frame);
        av_frame_move_ref(source->frame, view->decoded);
        source->time = item->time;
        source->fresh = true;
    }
    source->refused += !good;
}

static int decode_until(struct speaker_view *view, usec_t time)
{
    for (uint32_t i = 0; i < view->timeline->source_count; i++) {
        struct view_source *source = &view->sources[i];
        while (source->first && source->first->time <= time) {
            struct pending *item = source->first;
            bool ready = source->decoder && source->codec == item->codec;
            int err = ready ? 0 : open_decoder(source, item->codec);
            if (err)
                return err;
            decode(view, source, item);
            source->first = item->next;
            if (!source->first)
                source->last = NULL;
            free(item);
        }
    }
    return 0;
}

/* The picture of a source as it is to be seen now; NULL: none. */
static const AVFrame *picture_of(const struct speaker_view *view, uint32_t index, usec_t time)
{
    if (index == LAYOUT_NONE)
        return NULL;
    const struct view_source *source = &view->sources[index];
    bool screen = strcmp(view->timeline->sources[index].video_type, "desktop") == 0;
    usec_t fresh = screen ? SCREEN_FRESH : CAMERA_FRESH;
    bool seen = source->frame && source->frame->data[0] && source->time + fresh > time;
    return seen ? source->frame : NULL;
}

static int draw_name(struct speaker_view *view, uint32_t endpoint, struct rect rect, bool small)
{
    struct label *label = small ? &view->people[endpoint].name_small : &view->people[endpoint].name;
    char name[256];
    int height = (small ? view->setup.height / 26 : view->setup.height / 18) & ~1;
    label_clean(view->timeline->endpoints[endpoint]->name, name, sizeof(name));
    if (!name[0])
        return 0;
    int err = label->pixels ? 0 : label_name(name, height, rect.width - 2 * height, label);
    if (!err)
        canvas_label(&view->canvas, rect.x + (height / 2 & ~1),
                     rect.y + ((rect.height - height - height / 2) & ~1), label);
    return err;
}

/* A person's place: their picture or the sign for them, and their name. */
static int draw_tile(struct speaker_view *view, uint32_t endpoint, const AVFrame *picture,
                     struct rect rect, bool small)
{
    if (picture) {
        int err = canvas_picture(&view->canvas, small ? 1 : 0, rect, picture);
        return err ? err : draw_name(view, endpoint, rect, small);
    }
    struct label *avatar =
        small ? &view->people[endpoint].avatar_small : &view->people[endpoint].avatar;
    char name[256];
    label_clean(view->timeline->endpoints[endpoint]->name, name, sizeof(name));
    int err = avatar->pixels ? 0 : label_avatar(name, rect.width, rect.height, avatar);
    if (err)
        return err;
    canvas_label(&view->canvas, rect.x, rect.y, avatar);
    return draw_name(view, endpoint, rect, small);
}

static int draw(struct speaker_view *view, const AVFrame *main, const AVFrame *inset)
{
    int w = view->setup.width, h = view->setup.height;
    const struct rect all = {0, 0, w, h};
    int err = canvas_clear(&view->canvas);
    if (!err && view->scene.endpoint != LAYOUT_NONE)
        err = draw_tile(view, view->scene.endpoint, main, all, false);
    if (err || view->scene.inset_endpoint == LAYOUT_NONE)
        return err;
    int margin = h / 45 & ~1;
    const struct rect corner = {(w - w / 4 - margin) & ~1, margin, w / 4 & ~1, h / 4 & ~1};
    const struct rect frame = {corner.x - 2, corner.y - 2, corner.width + 4, corner.height + 4};
    canvas_fill(&view->canvas, frame, WHITE);
    canvas_fill(&view->canvas, corner, 16);
    return draw_tile(view, view->scene.inset_endpoint, inset, corner, true);
}

/* The layout knows seconds: a shared screen may be announced a little before its first picture. */
static struct layout_scene scene_now(const struct speaker_view *view, usec_t time)
{
    struct layout_scene scene = *layout_at(&view->layout, time);
    if (scene.inset_endpoint != LAYOUT_NONE && !picture_of(view, scene.source, time))
        scene = (struct layout_scene){scene.inset_source, scene.inset_endpoint, LAYOUT_NONE,
                                      LAYOUT_NONE};
    return scene;
}

static bool take_fresh(struct speaker_view *view, uint32_t index)
{
    if (index == LAYOUT_NONE)
        return false;
    bool fresh = view->sources[index].fresh;
    view->sources[index].fresh = false;
    return fresh;
}

static int show(struct speaker_view *view, usec_t time, const struct view_sink *sink)
{
    const struct layout_scene now = scene_now(view, time), *scene = &now;
    const AVFrame *main = picture_of(view, scene->source, time);
    const AVFrame *inset = picture_of(view, scene->inset_source, time);
    bool first = view->drawn < 0;
    bool cut = first || !layout_same(scene, &view->scene);
    bool fresh = take_fresh(view, scene->source);
    fresh |= take_fresh(view, scene->inset_source);
    fresh |= (main != NULL) != view->had_main || (inset != NULL) != view->had_inset;
    if (!cut && !fresh && view->next - view->drawn < view->setup.fps)
        return 0;
    bool other_main =
        first || scene->source != view->scene.source || scene->endpoint != view->scene.endpoint;
    view->scene = *scene;
    view->had_main = main != NULL;
    view->had_inset = inset != NULL;
    view->drawn = view->next;
    int err = cut || fresh ? draw(view, main, inset) : 0;
    return err ? err : sink->picture(sink->arg, view->canvas.frame, view->next, other_main);
}

int speaker_view_tick(struct speaker_view *view, usec_t time, const struct view_sink *sink)
{
    int err = 0;
    for (; !err; view->next++) {
        usec_t now = view->next * USEC_PER_SEC / view->setup.fps;
        if (now >= time)
            break;
        err = decode_until(view, now);
        if (!err)
            err = show(view, now, sink);
    }
    return err;
}

int speaker_view_troubles(const struct speaker_view *view, json_t *troubles)
{
    for (uint32_t i = 0; i < view->timeline->source_count; i++) {
        if (!view->sources[i].refused)
            continue;
        json_t *trouble = manifest_trouble(&view->timeline->sources[i], "undecodable-frames",
                                           view->sources[i].refused);
        if (!trouble || json_array_append_new(troubles, trouble) != 0)
            return ERR_MEMORY;
    }
    return 0;
}
