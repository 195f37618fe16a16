#include "record/vp8_frames.h"

enum { TID_ALL = 3 };

void vp8_frames_init(struct vp8_frames *frames)
{
    *frames = (struct vp8_frames){.need_key = true};
    buf_init(&frames->data, VP8_FRAME_MAX);
}

void vp8_frames_done(struct vp8_frames *frames)
{
    buf_done(&frames->data);
}

static void drop_open(struct vp8_frames *frames)
{
    if (frames->open) {
        frames->dropped++;
        frames->uncertain = true;
    }
    frames->open = false;
}

static bool follows(const struct vp8_descriptor *last, const struct vp8_descriptor *next)
{
    if (!last->has_picture_id || !next->has_picture_id)
        return false;
    unsigned mask = next->long_picture_id && last->long_picture_id ? 0x7fff : 0x7f;
    return ((last->picture_id + 1u) & mask) == (next->picture_id & mask);
}

/* After a loss: whether all of layer 0 before this frame is there. */
static bool base_is_whole(const struct vp8_descriptor *last, const struct vp8_descriptor *next)
{
    if (!last->has_tl0 || !next->has_tl0 || !last->has_tid || !next->has_tid)
        return false;
    return next->tl0 == (uint8_t)(last->tl0 + (next->tid == 0 ? 1 : 0));
}

/* Whether the frame's references were all given out. */
static bool is_decodable(struct vp8_frames *frames, const struct vp8_descriptor *d)
{
    if (frames->need_key || !frames->has_last)
        return false;
    if (frames->uncertain && !follows(&frames->last, d)) {
        if (!base_is_whole(&frames->last, d)) {
            frames->need_key = true;
            return false;
        }
        frames->tid_sound = 0;
    }
    if (!d->has_tid || d->tid <= frames->tid_sound)
        return true;
    if (!d->sync)
        return false;
    frames->tid_sound = d->tid;
    return true;
}

static bool read_key(struct vp8_frames *frames, struct slice data)
{
    const struct vp8_descriptor bare = {.start = true};
    uint16_t width, height;
    if (!vp8_key_size(&bare, data, &width, &height) || width == 0 || height == 0 ||
        width > VP8_SIDE_MAX || height > VP8_SIDE_MAX)
        return false;
    frames->width = width;
    frames->height = height;
    frames->need_key = false;
    frames->tid_sound = TID_ALL;
    return true;
}

/* The open frame is whole: judges it. */
static bool finish(struct vp8_frames *frames, struct vp8_frame *ret_frame)
{
    struct slice data = buf_slice(&frames->data);
    if (frames->data.failed || data.len == 0) {
        drop_open(frames);
        return false;
    }
    frames->open = false;
    bool key = !(data.data[0] & 1);
    if (key ? !read_key(frames, data) : !is_decodable(frames, &frames->first)) {
        frames->dropped++;
        frames->uncertain = true;
        frames->need_key = frames->need_key || key;
        return false;
    }
    frames->uncertain = false;
    frames->has_last = true;
    frames->last = frames->first;
    *ret_frame = (struct vp8_frame){.arrival = frames->arrival,
                                    .timestamp = frames->timestamp,
                                    .key = key,
                                    .width = frames->width,
                                    .height = frames->height,
                                    .data = data};
    return true;
}

static void begin(struct vp8_frames *frames, const struct vp8_packet *packet,
                  const struct vp8_descriptor *descriptor)
{
    buf_clear(&frames->data);
    frames->open = true;
    frames->first = *descriptor;
    frames->arrival = packet->arrival;
    frames->timestamp = packet->timestamp;
}

bool vp8_frames_input(struct vp8_frames *frames, const struct vp8_packet *packet,
                      struct vp8_frame *ret_frame)
{
    struct vp8_descriptor descriptor;
    if (packet->lost) {
        drop_open(frames);
        frames->uncertain = true;
    }
    if (packet->payload.len == 0)
        return false; /* padding, which probes the way */
    if (vp8_parse(packet->payload, &descriptor) != 0) {
        drop_open(frames);
        frames->uncertain = true;
        return false;
    }
    bool first = descriptor.start && descriptor.partition == 0;
    if (frames->open && (first || packet->timestamp != frames->timestamp))
        drop_open(frames); /* the packet with its end never came */
    if (first) {
        begin(frames, packet, &descriptor);
    } else if (!frames->open) {
        frames->uncertain = true;
        return false;
    }
    buf_add(&frames->data, slice_sub(packet->payload, descriptor.size, packet->payload.len));
    return packet->marker ? finish(frames, ret_frame) : false;
}
