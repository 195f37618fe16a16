#include "record/video_frames.h"

#include <stdlib.h>

#include "proto/av1.h"
#include "proto/h264.h"
#include "proto/offer.h"
#include "proto/vp9.h"
#include "record/picture_parts.h"

struct video_frames {
    enum video_codec codec;
    struct vp8_frames vp8;
    struct picture_parts parts;
    bool open;
    bool need_key;
    usec_t arrival;
    uint32_t timestamp; /* of the open picture, or of the last one */
    bool begun;         /* there was one */
    uint64_t dropped;   /* without VP8's */
};

static const struct picture_format *format_of(enum video_codec codec)
{
    static const struct picture_format *const formats[] = {
        [VIDEO_VP9] = &picture_vp9, [VIDEO_H264] = &picture_h264, [VIDEO_AV1] = &picture_av1};
    return formats[codec];
}

enum video_codec video_codec_of(uint8_t payload_type)
{
    switch (payload_type) {
    case OFFER_PT_VP8:
        return VIDEO_VP8;
    case OFFER_PT_VP9:
        return VIDEO_VP9;
    case OFFER_PT_H264:
        return VIDEO_H264;
    case OFFER_PT_AV1:
        return VIDEO_AV1;
    default:
        return VIDEO_NONE;
    }
}

bool video_starts_key(enum video_codec codec, struct slice payload)
{
    struct vp8_descriptor vp8;
    struct vp9_descriptor vp9;
    struct vp9_structure structure;
    struct h264_facts h264;
    struct av1_aggregation av1;
    struct av1_elements elements;
    switch (codec) {
    case VIDEO_VP8:
        return vp8_parse(payload, &vp8) == 0 && vp8_starts_key(&vp8, payload);
    case VIDEO_VP9:
        return vp9_parse(payload, &vp9, &structure) == 0 && vp9_starts_key(&vp9);
    case VIDEO_H264:
        return h264_read(payload, &h264) == 0 && h264.starts_idr;
    case VIDEO_AV1:
        return av1_parse(payload, &av1, &elements) == 0 && av1.starts_sequence;
    case VIDEO_NONE:
        break;
    }
    return false;
}

struct video_frames *video_frames_new(void)
{
    struct video_frames *frames = calloc(1, sizeof(*frames));
    if (!frames)
        return NULL;
    vp8_frames_init(&frames->vp8);
    buf_init(&frames->parts.data, VP8_FRAME_MAX);
    buf_init(&frames->parts.unit, VP8_FRAME_MAX);
    return frames;
}

void video_frames_free(struct video_frames **frames)
{
    if (!*frames)
        return;
    vp8_frames_done(&(*frames)->vp8);
    buf_done(&(*frames)->parts.data);
    buf_done(&(*frames)->parts.unit);
    free(*frames);
    *frames = NULL;
}

uint64_t video_frames_dropped(const struct video_frames *frames)
{
    return frames->dropped + frames->vp8.dropped;
}

static void spoil(struct video_frames *frames)
{
    frames->dropped += frames->open;
    frames->open = false;
    frames->need_key = true;
}

/* Keeps memory and, of a picture that is no key, the size and those of layers. */
static void begin(struct video_frames *frames, const struct video_packet *packet)
{
    struct picture_parts *parts = &frames->parts;
    buf_clear(&parts->data);
    buf_clear(&parts->unit);
    *parts = (struct picture_parts){.data = parts->data,
                                    .unit = parts->unit,
                                    .width = parts->width,
                                    .height = parts->height,
                                    .sizes = parts->sizes};
    frames->open = frames->begun = true;
    frames->arrival = packet->arrival;
    frames->timestamp = packet->timestamp;
}

static bool has_good_size(const struct picture_parts *parts)
{
    return parts->width > 0 && parts->height > 0 && parts->width <= VP8_SIDE_MAX &&
           parts->height <= VP8_SIDE_MAX;
}

static void finish(struct video_frames *frames, const struct video_sink *sink)
{
    struct picture_parts *parts = &frames->parts;
    bool good = format_of(frames->codec)->finish(parts) == 0 && !parts->data.failed &&
                parts->data.len > 0 && has_good_size(parts) && (parts->key || !frames->need_key);
    if (!good) {
        spoil(frames);
        return;
    }
    frames->open = false;
    frames->need_key = false;
    const struct video_frame frame = {.arrival = frames->arrival,
                                      .timestamp = frames->timestamp,
                                      .codec = frames->codec,
                                      .key = parts->key,
                                      .width = parts->width,
                                      .height = parts->height,
                                      .data = buf_slice(&parts->data)};
    sink->frame(sink->arg, &frame);
}

static void input_parts(struct video_frames *frames, const struct video_packet *packet,
                        const struct video_sink *sink)
{
    if (packet->lost)
        spoil(frames);
    if (packet->payload.len == 0)
        return; /* padding, or in the place of what was not wanted */
    bool other = !frames->begun || packet->timestamp != frames->timestamp;
    /* The packet with the marker belonged to a layer that is not kept. */
    if (frames->open && other)
        finish(frames, sink);
    if (other)
        begin(frames, packet);
    if (!frames->open)
        return;
    frames->parts.dependency = packet->dependency;
    if (format_of(frames->codec)->add(&frames->parts, packet->payload) != 0)
        spoil(frames);
    else if (packet->marker)
        finish(frames, sink);
}

static void input_vp8(struct video_frames *frames, const struct video_packet *packet,
                      const struct video_sink *sink)
{
    const struct vp8_packet in = {.arrival = packet->arrival,
                                  .timestamp = packet->timestamp,
                                  .marker = packet->marker,
                                  .lost = packet->lost,
                                  .payload = packet->payload};
    struct vp8_frame whole;
    if (!vp8_frames_input(&frames->vp8, &in, &whole))
        return;
    const struct video_frame frame = {.arrival = whole.arrival,
                                      .timestamp = whole.timestamp,
                                      .codec = VIDEO_VP8,
                                      .key = whole.key,
                                      .width = whole.width,
                                      .height = whole.height,
                                      .data = whole.data};
    sink->frame(sink->arg, &frame);
}

static void change_codec(struct video_frames *frames, enum video_codec codec,
                         const struct video_sink *sink)
{
    if (frames->open)
        finish(frames, sink);
    frames->codec = codec;
    frames->begun = false;
    frames->need_key = true;
    frames->vp8.need_key = true;
}

void video_frames_input(struct video_frames *frames, const struct video_packet *packet,
                        const struct video_sink *sink)
{
    enum video_codec codec = video_codec_of(packet->payload_type);
    if (codec == VIDEO_NONE)
        return;
    if (codec != frames->codec)
        change_codec(frames, codec, sink);
    if (codec == VIDEO_VP8)
        input_vp8(frames, packet, sink);
    else
        input_parts(frames, packet, sink);
}
