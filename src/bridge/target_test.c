#include "base/check.h"

#include "bridge/target.h"

static uint32_t now;

static bool take(struct target *t, struct codec_facts f, unsigned spatial, unsigned temporal)
{
    f.start = true;
    return target_take(t, &f, now, false, spatial, temporal);
}

static struct codec_facts key(void)
{
    return (struct codec_facts){
        .key = true, .start = true, .present = CODEC_ALL_CELLS, .switches = CODEC_ALL_CELLS};
}

/* A frame of one spatial layer that lower ones are not needed for: k-SVC, or one of simulcast. */
static struct codec_facts alone(unsigned spatial, unsigned temporal)
{
    uint16_t row = codec_cells_from(spatial, temporal);
    if (spatial + 1 < CODEC_SPATIAL)
        row &= (uint16_t)~codec_cells_from(spatial + 1, 0);
    return (struct codec_facts){.spatial = (uint8_t)spatial,
                                .temporal = (uint8_t)temporal,
                                .present = row,
                                .switches = temporal == 0 ? row : 0};
}

static void begin(struct target *t, unsigned spatial, unsigned temporal)
{
    struct codec_facts f = key();
    now++;
    target_begin(t, &f, spatial, temporal);
    assert_true(take(t, f, spatial, temporal));
    /* the other layers of the key picture */
    for (unsigned s = 1; s < CODEC_SPATIAL; s++) {
        f.present = f.switches = codec_cells_from(s, 0);
        f.spatial = (uint8_t)s;
        assert_int_equal(take(t, f, spatial, temporal), s <= spatial);
    }
}

static void layers_that_stand_alone_change_with_key_pictures(void **state)
{
    (void)state;
    struct target t;
    begin(&t, 2, 2);
    now++;
    assert_false(take(&t, alone(0, 0), 2, 2));
    assert_false(take(&t, alone(1, 0), 2, 2));
    assert_true(take(&t, alone(2, 0), 2, 2));
    assert_true(target_needs_key(&t, 0));
    now++;
    assert_false(take(&t, alone(0, 0), 0, 2));
    assert_true(take(&t, alone(2, 0), 0, 2));
    begin(&t, 0, 2);
    assert_int_equal(t.spatial, 0);
    assert_false(target_needs_key(&t, 0));
}

static void what_was_sent_whole_can_be_gone_down_to(void **state)
{
    (void)state;
    struct target t;
    struct codec_facts low = {.present = CODEC_ALL_CELLS, .switches = codec_cell(0, 0)};
    struct codec_facts high = {.spatial = 2, .present = codec_cells_from(2, 0)};
    begin(&t, 2, 2);
    now++;
    assert_true(take(&t, low, 2, 2));
    assert_true(take(&t, high, 2, 2));
    assert_false(target_needs_key(&t, 0));
    /* Not in the middle of a picture: its end was told. */
    now++;
    assert_true(take(&t, low, 2, 2));
    assert_true(take(&t, high, 0, 2));
    now++;
    assert_true(take(&t, low, 0, 2));
    assert_false(take(&t, high, 0, 2));
    /* And back up only with a key picture. */
    now++;
    assert_true(take(&t, low, 2, 2));
    assert_false(take(&t, high, 2, 2));
    assert_true(target_needs_key(&t, 2));
}

static void temporal_layers_come_back_where_they_may(void **state)
{
    (void)state;
    struct target t;
    begin(&t, 2, 2);
    now++;
    assert_true(take(&t, alone(2, 0), 2, 0));
    now++;
    assert_false(take(&t, alone(2, 2), 2, 0));
    now++;
    assert_false(take(&t, alone(2, 1), 2, 0));
    now++;
    assert_false(take(&t, alone(2, 2), 2, 2)); /* needs what was left out, as far as we know */
    now++;
    assert_true(take(&t, alone(2, 0), 2, 2));
    now++;
    assert_true(take(&t, alone(2, 2), 2, 2));
}

/* VP8 tells of single frames that they need the base alone. */
static void one_temporal_layer_after_another_by_its_first_frame(void **state)
{
    (void)state;
    struct target t;
    begin(&t, 2, 0);
    now++;
    assert_false(take(&t, alone(2, 1), 2, 0));
    struct codec_facts f = {.present = codec_cells_from(0, 2), .temporal = 2, .sync = true};
    now++;
    assert_false(take(&t, f, 2, 2)); /* what lies between is not there yet */
    f = (struct codec_facts){.present = codec_cells_from(0, 1), .temporal = 1, .sync = true};
    now++;
    assert_true(take(&t, f, 2, 2));
    f = (struct codec_facts){.present = codec_cells_from(0, 2), .temporal = 2, .sync = true};
    now++;
    assert_true(take(&t, f, 2, 2));
    f.sync = false;
    now++;
    assert_true(take(&t, f, 2, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_that_stand_alone_change_with_key_pictures),
        cmocka_unit_test(what_was_sent_whole_can_be_gone_down_to),
        cmocka_unit_test(temporal_layers_come_back_where_they_may),
        cmocka_unit_test(one_temporal_layer_after_another_by_its_first_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
