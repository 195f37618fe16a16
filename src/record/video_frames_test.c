#include "base/check.h"

#include "proto/offer.h"
#include "record/video_frames.h"

/* What came out: how many, and the last. */
struct seen {
    unsigned count;
    struct video_frame frame;
    uint8_t bytes[64];
};

static void take(void *arg, const struct video_frame *frame)
{
    struct seen *seen = arg;
    assert_true(frame->data.len <= sizeof(seen->bytes));
    seen->count++;
    seen->frame = *frame;
    memcpy(seen->bytes, frame->data.data, frame->data.len);
}

static const uint8_t vp9_key[] = {0x0c, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70};
static const uint8_t vp9_next[] = {0x4c, 0x86, 1, 2, 3};
/* A sequence parameter set of 1280x720, a picture parameter set and a slice, aggregated. */
static const uint8_t h264_key[] = {0x78, 0,    16,   0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50,
                                   0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0,
                                   2,    0x68, 0xce, 0,    3,    0x65, 0x88, 0x84};
static const uint8_t h264_next[] = {0x41, 0x9a, 1};

static void input(struct video_frames *frames, struct seen *seen, uint8_t type, uint32_t timestamp,
                  bool marker, uint32_t lost, const void *data, size_t len)
{
    const struct video_packet packet = {.timestamp = timestamp,
                                        .payload_type = type,
                                        .marker = marker,
                                        .lost = lost,
                                        .payload = slice_of(data, len)};
    const struct video_sink sink = {take, seen};
    video_frames_input(frames, &packet, &sink);
}

#define VP9(timestamp, marker, lost, bytes)                                                        \
    input(frames, &seen, OFFER_PT_VP9, timestamp, marker, lost, bytes, sizeof(bytes))
#define H264(timestamp, marker, lost, bytes)                                                       \
    input(frames, &seen, OFFER_PT_H264, timestamp, marker, lost, bytes, sizeof(bytes))
#define AV1(timestamp, marker, lost, bytes)                                                        \
    input(frames, &seen, OFFER_PT_AV1, timestamp, marker, lost, bytes, sizeof(bytes))

static void a_loss_costs_all_up_to_the_next_key(void **state)
{
    (void)state;
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    VP9(1, true, 0, vp9_next); /* nothing begins with it */
    assert_int_equal(seen.count, 0);
    VP9(2, true, 0, vp9_key);
    assert_true(seen.count == 1 && seen.frame.key && seen.frame.width == 640);
    VP9(3, true, 0, vp9_next);
    assert_true(seen.count == 2 && !seen.frame.key && seen.frame.data.len == 4);
    VP9(5, true, 1, vp9_next);
    VP9(6, true, 0, vp9_next);
    assert_int_equal(seen.count, 2);
    VP9(7, true, 0, vp9_key);
    assert_int_equal(seen.count, 3);
    assert_int_equal(video_frames_dropped(frames), 3);
    video_frames_free(&frames);
}

static void layers_become_one_picture_with_an_index(void **state)
{
    (void)state;
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    /* With layers, TL0PICIDX; the second is predicted from the first. */
    const uint8_t low[] = {0x2c, 0x00, 1, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70};
    const uint8_t high[] = {0x2c, 0x03, 1, 0x86, 9, 9};
    VP9(1, false, 0, low);
    assert_int_equal(seen.count, 0);
    VP9(1, true, 0, high);
    assert_int_equal(seen.count, 1);
    const uint8_t index[] = {0xd9, 9, 0, 0, 0, 3, 0, 0, 0, 0xd9};
    assert_int_equal(seen.frame.data.len, 9 + 3 + sizeof(index));
    assert_memory_equal(seen.bytes + 12, index, sizeof(index));
    video_frames_free(&frames);
}

/* The packet with the marker was of a layer that is not kept. */
static void a_picture_ends_with_the_next(void **state)
{
    (void)state;
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    VP9(1, false, 0, vp9_key);
    assert_int_equal(seen.count, 0);
    VP9(2, false, 0, vp9_next);
    assert_true(seen.count == 1 && seen.frame.key && seen.frame.timestamp == 1);
    VP9(3, true, 0, vp9_next);
    assert_true(seen.count == 3 && seen.frame.timestamp == 3);
    video_frames_free(&frames);
}

static void a_codec_begins_with_its_key(void **state)
{
    (void)state;
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    VP9(1, true, 0, vp9_key);
    H264(2, true, 0, h264_next);
    assert_int_equal(seen.count, 1);
    H264(3, true, 0, h264_key);
    assert_true(seen.count == 2 && seen.frame.codec == VIDEO_H264 && seen.frame.key);
    assert_int_equal(seen.frame.height, 720);
    assert_memory_equal(seen.bytes, "\0\0\0\1\x67", 5);
    H264(4, true, 0, h264_next);
    assert_int_equal(seen.count, 3);
    VP9(5, true, 0, vp9_next);
    assert_int_equal(seen.count, 3);
    VP9(6, true, 0, vp9_key);
    assert_true(seen.count == 4 && seen.frame.codec == VIDEO_VP9);
    video_frames_free(&frames);
}

/* A sequence header that tells three layers, and a frame of the second in two packets. */
static void av1_units_get_sizes_and_only_their_layers(void **state)
{
    (void)state;
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    const uint8_t delimiter_and_sequence[] = {0x28, 2,    0x10, 0x00, 0x08, 0x00, 0x07, 0x07,
                                              0x2d, 0x4c, 0xff, 0xb3, 0xcf, 0xbf, 0x90, 0x04};
    const uint8_t frame[] = {0x50, 0x34, 0x08, 1, 2};
    const uint8_t rest[] = {0x90, 3, 4};
    AV1(1, false, 0, delimiter_and_sequence);
    AV1(1, false, 0, frame);
    AV1(1, true, 0, rest);
    assert_true(seen.count == 1 && seen.frame.key);
    const uint8_t want[] = {0x0a, 11,   0x00, 0x03, 0x07, 0x2d, 0x4c, 0xff, 0xb3, 0xcf,
                            0xbf, 0x90, 0x04, 0x36, 0x08, 4,    1,    2,    3,    4};
    assert_int_equal(seen.frame.data.len, sizeof(want));
    assert_memory_equal(seen.bytes, want, sizeof(want));
    AV1(2, true, 0, rest); /* the middle of something */
    assert_int_equal(seen.count, 1);
    video_frames_free(&frames);
}

/* Its sender encodes 1280x720 in three layers, of which two came. */
static void a_picture_is_as_large_as_its_layers(void **state)
{
    (void)state;
    static const uint8_t descriptor[] = {
        0x80, 0x00, 0x00, 0x80, 0x08, 0x16, 0x16, 0x17, 0xaa, 0xaa, 0xaa, 0x00, 0x01,
        0xc0, 0x00, 0x10, 0x00, 0x02, 0xaa, 0x80, 0xa8, 0x00, 0x07, 0x00, 0x00, 0x40,
        0x00, 0x0a, 0x80, 0x02, 0xa0, 0x00, 0x1c, 0x00, 0x01, 0x49, 0x24, 0x90, 0x49,
        0x24, 0x90, 0x49, 0x24, 0x8c, 0x55, 0xf8, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88,
        0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x8c, 0x04,
        0xfc, 0x02, 0xcc, 0x09, 0xfc, 0x05, 0x9c, 0x13, 0xfc, 0x0b, 0x3c};
    static const uint8_t sequence[] = {0x18, 0x08, 0x00, 0x07, 0x07, 0x2d, 0x4c,
                                       0xff, 0xb3, 0xcf, 0xbf, 0x90, 0x04};
    static const uint8_t middle[] = {0x10, 0x34, 0x08, 1, 2}, highest[] = {0x10, 0x34, 0x10, 1, 2};
    struct video_frames *frames = video_frames_new();
    struct seen seen = {0};
    const struct video_sink sink = {take, &seen};
    struct video_packet key = {.timestamp = 1,
                               .payload_type = OFFER_PT_AV1,
                               .payload = slice_of(sequence, sizeof(sequence)),
                               .dependency = slice_of(descriptor, sizeof(descriptor))};
    video_frames_input(frames, &key, &sink);
    AV1(1, true, 0, middle);
    assert_true(seen.count == 1 && seen.frame.key);
    assert_true(seen.frame.width == 640 && seen.frame.height == 360);
    AV1(2, true, 0, highest);
    assert_true(seen.count == 2 && seen.frame.width == 1280 && seen.frame.height == 720);
    /* Nothing is told of layers: as large as the sequence may be. */
    key.timestamp = 3;
    key.dependency.len = 0;
    video_frames_input(frames, &key, &sink);
    AV1(3, true, 0, middle);
    assert_true(seen.count == 3 && seen.frame.width == 1280 && seen.frame.height == 720);
    video_frames_free(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_costs_all_up_to_the_next_key),
        cmocka_unit_test(layers_become_one_picture_with_an_index),
        cmocka_unit_test(a_picture_ends_with_the_next),
        cmocka_unit_test(a_codec_begins_with_its_key),
        cmocka_unit_test(av1_units_get_sizes_and_only_their_layers),
        cmocka_unit_test(a_picture_is_as_large_as_its_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
