#include "base/check.h"

#include "proto/av1.h"
#include "proto/h264.h"
#include "proto/red.h"
#include "proto/vp9.h"

static void vp9_descriptor_survives(void **state)
{
    (void)state;
    /* flexible, predicted, 15 bits of picture id, layer 2 of temporal 1 with U and D, two
     * references */
    struct slice payload = SLICE("\xfc\x92\x34\x35\x03\x04xyz");
    struct vp9_descriptor d;
    struct vp9_structure s = {.spatial_count = 77};
    assert_int_equal(vp9_parse(payload, &d, &s), 0);
    assert_true(d.predicted && d.flexible && d.start && d.end && !d.unused_above);
    assert_int_equal(d.picture_id, 0x1234);
    assert_int_equal(d.tid, 1);
    assert_int_equal(d.sid, 2);
    assert_true(d.switching_up && d.inter_layer);
    assert_int_equal(d.head_size, 4);
    assert_int_equal(d.size, 6);
    assert_int_equal(s.spatial_count, 77); /* it told none */
    assert_false(vp9_starts_key(&d));
    d.picture_id = 0x7fff;
    uint8_t out[VP9_HEAD_MAX];
    struct writer w = writer_of(out, sizeof(out));
    vp9_put_head(&w, &d);
    assert_int_equal(writer_len(&w), d.head_size);
    assert_memory_equal(out, "\xfc\xff\xff\x35", 4);
}

static void vp9_structure_tells_sizes(void **state)
{
    (void)state;
    /* a key picture's start: short id, layer 0 with TL0PICIDX; three layers with sizes, one picture
     * group entry with one reference */
    struct slice payload = SLICE("\xaa\x05\x00\x09\x58\x01\x40\x00\xb4\x02\x80\x01\x68\x05\x00\x02"
                                 "\xd0\x01\x04\x01k");
    struct vp9_descriptor d;
    struct vp9_structure s;
    assert_int_equal(vp9_parse(payload, &d, &s), 0);
    assert_true(vp9_starts_key(&d));
    assert_int_equal(d.picture_id, 5);
    assert_int_equal(d.tl0, 9);
    assert_int_equal(s.spatial_count, 3);
    assert_int_equal(s.width[2], 1280);
    assert_int_equal(s.height[0], 180);
    assert_int_equal(d.size, payload.len - 1);
    for (size_t len = 0; len < payload.len; len++)
        assert_int_equal(vp9_parse(slice_sub(payload, 0, len), &d, &s), ERR_FORMAT);
    /* a fourth reference is one too many */
    assert_int_equal(vp9_parse(SLICE("\x50\x03\x05\x07\x09x"), &d, &s), ERR_FORMAT);
}

static void av1_elements_are_cut(void **state)
{
    (void)state;
    struct av1_aggregation header;
    struct av1_elements elements;
    struct slice element;
    /* N, two elements: the first with its length */
    assert_int_equal(av1_parse(SLICE("\x28\x02\x12\x00rest"), &header, &elements), 0);
    assert_true(header.starts_sequence && !header.continues && !header.continued);
    assert_int_equal(av1_next(&elements, &element), 0);
    assert_true(slice_eq(element, SLICE("\x12\x00")));
    enum av1_obu type;
    struct slice body;
    assert_int_equal(av1_obu_parse(element, &type, &body), 0);
    assert_int_equal(type, AV1_OBU_DELIMITER);
    assert_int_equal(body.len, 0);
    assert_int_equal(av1_next(&elements, &element), 0);
    assert_true(slice_eq_str(element, "rest"));
    assert_int_equal(av1_next(&elements, &element), ERR_NOT_FOUND);
    /* W of 0: all have lengths, and one says too much */
    assert_int_equal(av1_parse(SLICE("\x40\x01x\x05y"), &header, &elements), 0);
    assert_int_equal(av1_next(&elements, &element), 0);
    assert_int_equal(av1_next(&elements, &element), ERR_FORMAT);
    assert_int_equal(av1_parse(SLICE("\x88\x01x"), &header, &elements), ERR_FORMAT);
    assert_int_equal(av1_parse(SLICE("\x10"), &header, &elements), ERR_FORMAT);
}

static void av1_sequence_tells_its_size(void **state)
{
    (void)state;
    /* what two encoders write for 1280 x 720 and 640 x 360 */
    uint16_t width;
    uint16_t height;
    struct slice sequence = SLICE("\x00\x00\x00\x2d\x4c\xff\xb3\xcf\xbf\x90\x04");
    assert_int_equal(av1_sequence_size(sequence, &width, &height), 0);
    assert_int_equal(width, 1280);
    assert_int_equal(height, 720);
    assert_int_equal(av1_sequence_size(slice_sub(sequence, 0, 5), &width, &height), ERR_FORMAT);
    sequence = SLICE("\x20\x00\x00\x0c\xc4\xff\x67\x36\xbe\x48\x08\x68\x01");
    assert_int_equal(av1_sequence_size(sequence, &width, &height), 0);
    assert_int_equal(width, 640);
    assert_int_equal(height, 360);
}

/* Three spatial and three temporal layers in the first operating point. */
static void av1_sequence_is_limited(void **state)
{
    (void)state;
    uint8_t sequence[] = {0x00, 0x17, 0x07, 0x12, 0x34};
    av1_sequence_limit(sequence, sizeof(sequence), 2);
    assert_int_equal(sequence[1], 0x17);
    av1_sequence_limit(sequence, sizeof(sequence), 1);
    assert_memory_equal(sequence, ((const uint8_t[]){0x00, 0x13, 0x07, 0x12, 0x34}), 5);
    uint8_t plain[] = {0x00, 0x00, 0x00};
    av1_sequence_limit(plain, sizeof(plain), 0);
    assert_int_equal(plain[1], 0);
    uint8_t timed[] = {0x04, 0x17, 0x07};
    av1_sequence_limit(timed, sizeof(timed), 0);
    assert_int_equal(timed[1], 0x17);
}

static void vp9_key_frame_tells_its_size(void **state)
{
    (void)state;
    const uint8_t key[] = {0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70};
    uint16_t width = 0, height = 0;
    assert_true(vp9_key_size(slice_of(key, sizeof(key)), &width, &height));
    assert_int_equal(width, 640);
    assert_int_equal(height, 360);
    assert_false(vp9_key_size(slice_of(key, sizeof(key) - 1), &width, &height));
    const uint8_t other[] = {0x86, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70};
    assert_false(vp9_key_size(slice_of(other, sizeof(other)), &width, &height));
}

static void h264_parts_are_found(void **state)
{
    (void)state;
    struct h264_facts facts;
    assert_int_equal(
        h264_read(SLICE("\x78\x00\x02\x67\x42\x00\x03\x68\xce\x3c\x00\x02\x65\x88"), &facts), 0);
    assert_true(facts.has_sps && facts.starts_idr && facts.slice);
    assert_int_equal(facts.width, 0); /* that one is too short to tell */
    /* FU-A of an IDR slice: only its first part starts it */
    assert_int_equal(h264_read(SLICE("\x7c\x85xyz"), &facts), 0);
    assert_true(facts.starts_idr && !facts.has_sps);
    assert_int_equal(h264_read(SLICE("\x7c\x05xyz"), &facts), 0);
    assert_true(!facts.starts_idr && facts.slice);
    assert_int_equal(h264_read(SLICE("\x41\x9axyz"), &facts), 0);
    assert_true(facts.slice && !facts.starts_idr);
    assert_int_equal(h264_read(SLICE("\x78\x00\x05\x67"), &facts), ERR_FORMAT);
    assert_int_equal(h264_read(SLICE("\x7d\x05xyz"), &facts), ERR_FORMAT); /* FU-B */
    assert_int_equal(h264_read(SLICE("\x65"), &facts), ERR_FORMAT);
}

static void h264_parameters_tell_the_size(void **state)
{
    (void)state;
    uint16_t width;
    uint16_t height;
    /* baseline, and high with cropping and bytes against start codes, without NAL headers */
    struct slice sps = SLICE("\x42\xc0\x1f\xd9\x00\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10");
    assert_int_equal(h264_sps_size(sps, &width, &height), 0);
    assert_int_equal(width, 1280);
    assert_int_equal(height, 720);
    for (size_t len = 0; len < 8; len++)
        assert_int_equal(h264_sps_size(slice_sub(sps, 0, len), &width, &height), ERR_FORMAT);
    sps = SLICE("\x64\x00\x0c\xac\xd9\x41\x41\x9f\x9f\x01\x10\x00\x00\x03\x00\x10");
    assert_int_equal(h264_sps_size(sps, &width, &height), 0);
    assert_int_equal(width, 320);
    assert_int_equal(height, 180);
}

static void red_survives(void **state)
{
    (void)state;
    struct red red = {
        .blocks = {{111, 1920, SLICE("older")}, {111, 960, SLICE("")}, {111, 0, SLICE("now")}},
        .count = 3};
    uint8_t out[64];
    struct writer w = writer_of(out, sizeof(out));
    red_put(&w, &red);
    struct red got;
    assert_int_equal(red_parse(slice_of(out, writer_len(&w)), &got), 0);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.blocks[0].offset, 1920);
    assert_true(slice_eq_str(got.blocks[0].data, "older"));
    assert_int_equal(got.blocks[1].data.len, 0);
    assert_true(slice_eq_str(got.blocks[2].data, "now"));
    assert_int_equal(got.blocks[2].payload_type, 111);
    for (size_t len = 0; len <= writer_len(&w) - 3; len++)
        assert_int_equal(red_parse(slice_of(out, len), &got), ERR_FORMAT);
    assert_int_equal(red_parse(SLICE("\x6fonly"), &got), 0);
    assert_true(slice_eq_str(got.blocks[0].data, "only"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp9_descriptor_survives),
        cmocka_unit_test(vp9_structure_tells_sizes),
        cmocka_unit_test(av1_elements_are_cut),
        cmocka_unit_test(av1_sequence_tells_its_size),
        cmocka_unit_test(av1_sequence_is_limited),
        cmocka_unit_test(vp9_key_frame_tells_its_size),
        cmocka_unit_test(h264_parts_are_found),
        cmocka_unit_test(h264_parameters_tell_the_size),
        cmocka_unit_test(red_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
