#include "base/check.h"

#include "record/vp8_frames.h"

/* A sender with two temporal layers: base, other, base, other... */
struct sender {
    uint16_t picture_id;
    uint8_t tl0;
    uint32_t timestamp;
    bool layered;
};

static size_t make(struct sender *s, bool key, uint8_t tid, bool sync, uint8_t *out, size_t size)
{
    s->timestamp += 3000;
    s->picture_id = (uint16_t)((s->picture_id + 1) & 0x7fff);
    if (tid == 0)
        s->tl0++;
    struct vp8_descriptor d = {.start = true,
                               .has_picture_id = true,
                               .long_picture_id = true,
                               .picture_id = s->picture_id,
                               .has_tl0 = s->layered,
                               .tl0 = s->tl0,
                               .has_tid = s->layered,
                               .tid = tid,
                               .sync = sync};
    struct writer w = writer_of(out, size);
    vp8_put(&w, &d);
    const uint8_t key_head[10] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
    if (key)
        writer_bytes(&w, slice_of(key_head, sizeof(key_head)));
    else
        writer_u8(&w, 0x11);
    writer_bytes(&w, slice_str("picture"));
    return writer_len(&w);
}

static bool send(struct vp8_frames *frames, struct sender *s, bool key, uint8_t tid, bool sync,
                 uint32_t lost, struct vp8_frame *ret)
{
    uint8_t bytes[64];
    size_t len = make(s, key, tid, sync, bytes, sizeof(bytes));
    struct vp8_packet packet = {
        .timestamp = s->timestamp, .marker = true, .lost = lost, .payload = slice_of(bytes, len)};
    return vp8_frames_input(frames, &packet, ret);
}

static void lose(struct sender *s, uint8_t tid)
{
    uint8_t bytes[64];
    (void)make(s, false, tid, false, bytes, sizeof(bytes)); /* never sent */
}

static void test_starts_at_a_key_frame(void **state)
{
    (void)state;
    struct vp8_frames frames;
    struct vp8_frame frame;
    struct sender s = {0};
    vp8_frames_init(&frames);
    assert_false(send(&frames, &s, false, 0, false, 0, &frame));
    assert_true(send(&frames, &s, true, 0, false, 0, &frame));
    assert_true(frame.key);
    assert_int_equal(frame.width, 320);
    assert_int_equal(frame.height, 180);
    assert_int_equal(frame.data.len, 17);
    assert_true(send(&frames, &s, false, 0, false, 0, &frame));
    assert_false(frame.key);
    vp8_frames_done(&frames);
}

static void test_frame_of_several_packets(void **state)
{
    (void)state;
    struct vp8_frames frames;
    struct vp8_frame frame;
    vp8_frames_init(&frames);
    uint8_t first[] = {0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0, 'a'};
    uint8_t second[] = {0x00, 'b'}, third[] = {0x10 | 1, 'c'};
    struct vp8_packet packet = {.timestamp = 9, .payload = slice_of(first, sizeof(first))};
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    packet.payload = slice_of(second, 2);
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    packet.payload = slice_of(third, 2);
    packet.marker = true;
    assert_true(vp8_frames_input(&frames, &packet, &frame));
    assert_memory_equal(frame.data.data + frame.data.len - 3, "abc", 3);
    /* Without its middle the next one is dropped, and without PictureID all until a key frame. */
    uint8_t delta[] = {0x10, 0x11, 'x'};
    packet = (struct vp8_packet){.timestamp = 10, .payload = slice_of(delta, 3)};
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    packet.payload = slice_of(third, 2);
    packet.marker = true;
    packet.lost = 1;
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    packet = (struct vp8_packet){.timestamp = 11, .marker = true, .payload = slice_of(delta, 3)};
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    vp8_frames_done(&frames);
}

static void test_loss_of_a_plain_frame_needs_a_key(void **state)
{
    (void)state;
    struct vp8_frames frames;
    struct vp8_frame frame;
    struct sender s = {.picture_id = 0x7ffe};
    vp8_frames_init(&frames);
    assert_true(send(&frames, &s, true, 0, false, 0, &frame));
    /* A lost padding packet is no lost frame: the PictureID goes on. */
    assert_true(send(&frames, &s, false, 0, false, 1, &frame));
    lose(&s, 0);
    assert_false(send(&frames, &s, false, 0, false, 1, &frame));
    assert_false(send(&frames, &s, false, 0, false, 0, &frame));
    assert_true(send(&frames, &s, true, 0, false, 0, &frame));
    vp8_frames_done(&frames);
}

static void test_loss_in_an_upper_layer_costs_that_layer(void **state)
{
    (void)state;
    struct vp8_frames frames;
    struct vp8_frame frame;
    struct sender s = {.tl0 = 254, .layered = true};
    vp8_frames_init(&frames);
    assert_true(send(&frames, &s, true, 0, false, 0, &frame));
    assert_true(send(&frames, &s, false, 1, true, 0, &frame));
    assert_true(send(&frames, &s, false, 0, false, 0, &frame));
    lose(&s, 1);
    assert_true(send(&frames, &s, false, 0, false, 2, &frame));
    assert_false(send(&frames, &s, false, 1, false, 0, &frame));
    assert_true(send(&frames, &s, false, 0, false, 0, &frame));
    assert_true(send(&frames, &s, false, 1, true, 0, &frame));
    assert_true(send(&frames, &s, false, 0, false, 0, &frame));
    assert_true(send(&frames, &s, false, 1, false, 0, &frame));
    /* A lost base frame costs everything until a key frame. */
    lose(&s, 0);
    assert_false(send(&frames, &s, false, 1, true, 1, &frame));
    assert_false(send(&frames, &s, false, 0, false, 0, &frame));
    assert_true(send(&frames, &s, true, 0, false, 0, &frame));
    vp8_frames_done(&frames);
}

static void test_refuses_huge_pictures(void **state)
{
    (void)state;
    struct vp8_frames frames;
    struct vp8_frame frame;
    vp8_frames_init(&frames);
    uint8_t key[] = {0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0};
    struct vp8_packet packet = {.marker = true, .payload = slice_of(key, sizeof(key))};
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    key[8] = key[10] = 0;
    assert_true(vp8_frames_input(&frames, &packet, &frame));
    key[7] = 0;
    assert_false(vp8_frames_input(&frames, &packet, &frame));
    assert_int_equal(frames.dropped, 2);
    vp8_frames_done(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_at_a_key_frame),
        cmocka_unit_test(test_frame_of_several_packets),
        cmocka_unit_test(test_loss_of_a_plain_frame_needs_a_key),
        cmocka_unit_test(test_loss_in_an_upper_layer_costs_that_layer),
        cmocka_unit_test(test_refuses_huge_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
