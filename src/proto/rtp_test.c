#include "base/check.h"

#include "proto/opus.h"
#include "proto/rtp.h"
#include "proto/vp8.h"

static void header_survives_build_and_parse(void **state)
{
    (void)state;
    uint8_t out[64];
    struct writer w = writer_of(out, sizeof(out));
    uint8_t level = 0x80 | 35;
    uint8_t tcc[2] = {0x12, 0x34};
    struct rtp_extension extensions[] = {{1, slice_of(&level, 1)}, {5, slice_of(tcc, 2)}};
    struct rtp_header header = {111, true, false, 65535, 0xdeadbeef, 0x01020304};
    rtp_put_header(&w, &header, extensions, 2);
    writer_bytes(&w, SLICE("payload"));
    assert_false(w.failed);

    struct rtp_packet packet;
    assert_int_equal(rtp_parse(slice_of(out, writer_len(&w)), &packet), 0);
    assert_int_equal(packet.payload_type, 111);
    assert_true(packet.marker);
    assert_int_equal(packet.sequence, 65535);
    assert_int_equal(packet.timestamp, 0xdeadbeef);
    assert_int_equal(packet.ssrc, 0x01020304);
    assert_true(slice_eq_str(packet.payload, "payload"));
    uint8_t got;
    bool voice;
    assert_true(rtp_audio_level(&packet, 1, &got, &voice));
    assert_int_equal(got, 35);
    assert_true(voice);
    uint16_t sequence;
    assert_true(rtp_transport_sequence(&packet, 5, &sequence));
    assert_int_equal(sequence, 0x1234);
    struct slice value;
    assert_false(rtp_extension_find(&packet, 7, &value));
}

static void padding_and_lengths_are_checked(void **state)
{
    (void)state;
    uint8_t bytes[] = {0xa0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'a', 'b', 0, 2};
    struct rtp_packet packet;
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), 0);
    assert_int_equal(packet.padding, 2);
    assert_int_equal(packet.payload.len, 2);
    bytes[15] = 5;
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), ERR_FORMAT);
    bytes[15] = 0;
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), ERR_FORMAT);
    bytes[0] = 0x8f; /* fifteen CSRCs that are not there */
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), ERR_FORMAT);
    bytes[0] = 0x40;
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), ERR_FORMAT);
    for (size_t len = 0; len < RTP_HEADER_SIZE; len++)
        assert_int_equal(rtp_parse(slice_of(bytes, len), &packet), ERR_FORMAT);
}

static void two_byte_extensions_are_read(void **state)
{
    (void)state;
    uint8_t bytes[] = {0x90, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0,  3,  0x10,
                       0,    0,   2, 5, 2, 9, 8, 0, 1, 1, 20, 'x'};
    struct rtp_packet packet;
    assert_int_equal(rtp_parse(slice_of(bytes, sizeof(bytes)), &packet), 0);
    uint16_t sequence;
    assert_true(rtp_transport_sequence(&packet, 5, &sequence));
    assert_int_equal(sequence, 0x0908);
    uint8_t level;
    bool voice;
    assert_true(rtp_audio_level(&packet, 1, &level, &voice));
    assert_int_equal(level, 20);
}

static void long_values_take_the_two_byte_form(void **state)
{
    (void)state;
    uint8_t out[128];
    uint8_t value[40] = {7};
    struct writer w = writer_of(out, sizeof(out));
    struct rtp_extension extensions[] = {{11, slice_of(value, sizeof(value))}, {5, SLICE("ab")}};
    rtp_put_header(&w, &(struct rtp_header){.payload_type = 41}, extensions, 2);
    writer_u8(&w, 'x');
    struct rtp_packet packet;
    struct slice got;
    assert_int_equal(rtp_parse(slice_of(out, writer_len(&w)), &packet), 0);
    assert_true(rtp_extension_find(&packet, 11, &got));
    assert_true(slice_eq(got, extensions[0].value));
    assert_true(rtp_extension_find(&packet, 5, &got));
    assert_true(slice_eq_str(got, "ab"));
    assert_true(slice_eq_str(packet.payload, "x"));
}

static void rtx_gives_the_original(void **state)
{
    (void)state;
    uint16_t sequence;
    struct slice payload;
    assert_int_equal(rtp_rtx_parse(SLICE("\x01\x02xyz"), &sequence, &payload), 0);
    assert_int_equal(sequence, 0x0102);
    assert_true(slice_eq_str(payload, "xyz"));
    assert_int_equal(rtp_rtx_parse(SLICE("\x01"), &sequence, &payload), ERR_FORMAT);
}

static void unwrap_follows_both_ways(void **state)
{
    (void)state;
    assert_int_equal(rtp_unwrap(65535, 0), 65536);
    assert_int_equal(rtp_unwrap(65536, 65535), 65535);
    assert_int_equal(rtp_unwrap(70000, (uint16_t)70010), 70010);
    assert_int_equal(rtp_unwrap(70000, (uint16_t)69000), 69000);
}

static void rtcp_is_told_apart(void **state)
{
    (void)state;
    assert_true(rtp_is_rtcp(SLICE("\x80\xc8")));
    assert_true(rtp_is_rtcp(SLICE("\x81\xcd")));
    assert_false(rtp_is_rtcp(SLICE("\x80\x6f")));
    assert_false(rtp_is_rtcp(SLICE("\x80\xe4")));
}

static void vp8_descriptor_survives(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        struct vp8_descriptor d = {
            .start = bits & 1,
            .has_picture_id = bits & 2,
            .long_picture_id = (bits & 6) == 6,
            .has_tl0 = bits & 8,
            .has_tid = bits & 16,
            .has_keyidx = bits & 32,
        };
        d.picture_id = d.long_picture_id ? 0x7abc : d.has_picture_id ? 0x7b : 0;
        d.tl0 = d.has_tl0 ? 200 : 0;
        d.tid = d.has_tid ? 2 : 0;
        d.sync = d.has_tid;
        d.keyidx = d.has_keyidx ? 31 : 0;
        uint8_t out[VP8_DESCRIPTOR_MAX + 1];
        struct writer w = writer_of(out, sizeof(out));
        vp8_put(&w, &d);
        size_t size = writer_len(&w);
        writer_u8(&w, 1);
        assert_false(w.failed);
        struct vp8_descriptor got;
        assert_int_equal(vp8_parse(slice_of(out, size), &got), ERR_FORMAT);
        assert_int_equal(vp8_parse(slice_of(out, size + 1), &got), 0);
        assert_int_equal(got.size, size);
        assert_int_equal(got.start, d.start);
        assert_int_equal(got.picture_id, d.picture_id);
        assert_int_equal(got.long_picture_id, d.long_picture_id);
        assert_int_equal(got.tl0, d.tl0);
        assert_int_equal(got.tid, d.tid);
        assert_int_equal(got.sync, d.sync);
        assert_int_equal(got.keyidx, d.keyidx);
    }
}

static void vp8_key_frame_tells_its_size(void **state)
{
    (void)state;
    uint8_t bytes[] = {0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02};
    struct vp8_descriptor d;
    uint16_t width;
    uint16_t height;
    assert_int_equal(vp8_parse(slice_of(bytes, sizeof(bytes)), &d), 0);
    assert_true(vp8_key_size(&d, slice_of(bytes, sizeof(bytes)), &width, &height));
    assert_int_equal(width, 1280);
    assert_int_equal(height, 720);
    assert_false(vp8_key_size(&d, slice_of(bytes, sizeof(bytes) - 1), &width, &height));
    bytes[1] |= 1;
    assert_false(vp8_starts_key(&d, slice_of(bytes, sizeof(bytes))));
}

static void opus_tells_its_length(void **state)
{
    (void)state;
    unsigned samples;
    assert_int_equal(opus_duration(SLICE("\x78x"), &samples), 0); /* hybrid, 20 ms */
    assert_int_equal(samples, 960);
    assert_int_equal(opus_duration(SLICE("\x18x"), &samples), 0); /* SILK, 60 ms */
    assert_int_equal(samples, 2880);
    assert_int_equal(opus_duration(SLICE("\xfb\x03x"), &samples), 0); /* CELT, 3 x 20 ms */
    assert_int_equal(samples, 2880);
    assert_int_equal(opus_duration(SLICE("\xfb\x3fx"), &samples), ERR_FORMAT);
    assert_int_equal(opus_duration(SLICE("\xfb"), &samples), ERR_FORMAT);
    assert_int_equal(opus_duration(slice_of(NULL, 0), &samples), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_survives_build_and_parse),
        cmocka_unit_test(padding_and_lengths_are_checked),
        cmocka_unit_test(two_byte_extensions_are_read),
        cmocka_unit_test(long_values_take_the_two_byte_form),
        cmocka_unit_test(rtx_gives_the_original),
        cmocka_unit_test(unwrap_follows_both_ways),
        cmocka_unit_test(rtcp_is_told_apart),
        cmocka_unit_test(vp8_descriptor_survives),
        cmocka_unit_test(vp8_key_frame_tells_its_size),
        cmocka_unit_test(opus_tells_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
