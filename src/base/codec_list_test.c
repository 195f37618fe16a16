#include "base/check.h"

#include "base/codec_list.h"

static void names_are_read_in_their_order(void **state)
{
    (void)state;
    char text[CODEC_LIST_TEXT];
    struct codec_list list = codec_list_read(SLICE("av1, VP9,theora,,vp8,av1,h264,vp9"), ',');
    codec_list_print(&list, ' ', text);
    assert_string_equal(text, "av1 vp9 vp8 h264"); /* the longest that there is */
    struct codec_list none = codec_list_read(SLICE("theora"), ',');
    codec_list_print(&none, ' ', text);
    assert_string_equal(text, "");
}

static void a_choice_is_exact(void **state)
{
    (void)state;
    struct codec_list list = {0};
    assert_int_equal(codec_list_parse(SLICE("h264 vp8"), &list), 0);
    assert_true(list.count == 2 && list.at[0] == CODEC_H264 && list.at[1] == CODEC_VP8);
    static const char *const wrong[] = {"",     "h264", "vp8 vp8",  "vp8,h264",  "VP8",
                                        " vp8", "vp8 ", "vp8  av1", "vp8 theora"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(codec_list_parse(slice_str(wrong[i]), &list), ERR_FORMAT);
    assert_int_equal(list.count, 2);
}

static void what_both_have_keeps_the_first_ones_order(void **state)
{
    (void)state;
    char text[CODEC_LIST_TEXT];
    struct codec_list a = codec_list_read(SLICE("av1 h264 vp8"), ' ');
    struct codec_list b = codec_list_read(SLICE("vp8 vp9 av1"), ' ');
    struct codec_list both = codec_list_within(&a, &b);
    codec_list_print(&both, ',', text);
    assert_string_equal(text, "av1,vp8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_in_their_order),
        cmocka_unit_test(a_choice_is_exact),
        cmocka_unit_test(what_both_have_keeps_the_first_ones_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
