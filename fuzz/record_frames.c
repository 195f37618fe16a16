/* Packets of two layers in any order and shape, through order, frames and the choice of layers. */
#include <assert.h>

#include "proto/offer.h"
#include "proto/rtp.h"
#include "record/layers.h"
#include "record/opus_filler.h"
#include "record/seq_order.h"
#include "record/video_frames.h"

struct run {
    struct video_frames **frames;
    struct layers *layers;
    uint32_t stream;
    uint32_t last_stream;
    usec_t last_time;
    struct opus_filler filler;
};

static int on_frame(void *arg, const struct layer_frame *frame)
{
    struct run *run = arg;
    assert(frame->time > run->last_time && frame->width && frame->height);
    assert(frame->stream == run->last_stream || frame->key);
    run->last_time = frame->time;
    run->last_stream = frame->stream;
    return 0;
}

static void on_picture(void *arg, const struct video_frame *frame)
{
    struct run *run = arg;
    assert(frame->data.len > 0 && frame->codec != VIDEO_NONE);
    const struct layer_frame out = {frame->arrival, run->stream,   frame->codec, frame->key,
                                    frame->width,   frame->height, frame->data};
    const struct layer_sink sink = {on_frame, run};
    assert(layers_input(run->layers, &out, &sink) == 0);
}

static void on_packet(void *arg, const struct seq_packet *packet)
{
    static const uint8_t types[] = {OFFER_PT_VP8, OFFER_PT_VP9, OFFER_PT_H264, OFFER_PT_AV1};
    struct run *run = arg;
    struct opus_fill fill;
    for (int i = 0; i < 200; i++) {
        if (opus_filler_step(&run->filler, packet->arrival, packet->bytes, &fill) !=
            OPUS_FILLER_PUT)
            break;
        assert(fill.len <= OPUS_FILLER_MAX && fill.duration > 0);
    }
    if (packet->bytes.len < 2)
        return;
    uint8_t head = packet->bytes.data[0];
    struct video_packet in = {.arrival = packet->arrival,
                              .timestamp = (head >> 1) & 31,
                              .payload_type = types[head >> 6],
                              .marker = head & 1,
                              .lost = packet->lost,
                              .payload = slice_sub(packet->bytes, 1, packet->bytes.len)};
    const struct video_sink sink = {on_picture, run};
    video_frames_input(run->frames[run->stream], &in, &sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct video_frames *frames[2] = {video_frames_new(), video_frames_new()};
    struct seq_order *orders[2] = {seq_order_new(), seq_order_new()};
    struct run run = {.frames = frames,
                      .layers = layers_new(),
                      .last_stream = UINT32_MAX,
                      .last_time = INT64_MIN};
    struct reader r = reader_of(slice_of(data, size));
    const struct layer_sink layer_sink = {on_frame, &run};
    usec_t now = 0;
    while (reader_left(&r) >= 5) {
        uint8_t head = reader_u8(&r);
        uint16_t seq = reader_u16(&r);
        now += reader_u8(&r) * 10000;
        struct slice bytes = reader_bytes(&r, reader_left(&r) > (head >> 1) ? head >> 1 : 1);
        run.stream = head & 1;
        const struct seq_sink sink = {on_packet, &run};
        assert(seq_order_input(orders[run.stream], seq, now, bytes, &sink) == 0);
        assert(layers_tick(run.layers, now, &layer_sink) == 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        run.stream = i;
        const struct seq_sink sink = {on_packet, &run};
        seq_order_tick(orders[i], USEC_NEVER, &sink);
        seq_order_free(&orders[i]);
    }
    assert(layers_tick(run.layers, USEC_NEVER, &layer_sink) == 0);
    for (int i = 0; i < 2; i++)
        video_frames_free(&frames[i]);
    layers_free(&run.layers);
    return 0;
}
