#include "edge/ssi.h"

#include "base/check.h"

static struct ssi_piece next(struct slice *rest)
{
    struct ssi_piece piece;
    assert_true(ssi_next(rest, &piece));
    return piece;
}

static void test_page(void **state)
{
    (void)state;
    struct slice rest = SLICE("<p><!-- plain --><!--#include virtual=\"/config.js\" -->b"
                              "<!--# echo var='subdir' default=\"x\" --><!--#if expr=\"a\"-->");
    struct ssi_piece piece = next(&rest);
    assert_int_equal(piece.kind, SSI_TEXT);
    assert_true(slice_eq_str(piece.text, "<p><!-- plain -->"));
    piece = next(&rest);
    assert_int_equal(piece.kind, SSI_INCLUDE);
    assert_true(slice_eq_str(piece.text, "/config.js"));
    piece = next(&rest);
    assert_true(slice_eq_str(piece.text, "b"));
    piece = next(&rest);
    assert_int_equal(piece.kind, SSI_ECHO);
    assert_true(slice_eq_str(piece.text, "subdir"));
    assert_true(slice_eq_str(piece.fallback, "x"));
    assert_int_equal(next(&rest).kind, SSI_UNKNOWN);
    assert_false(ssi_next(&rest, &piece));
}

static void test_odd(void **state)
{
    (void)state;
    struct ssi_piece piece;
    struct slice rest = SLICE("a<!--#include virtual=\"b\"");
    assert_true(slice_eq_str(next(&rest).text, "a"));
    piece = next(&rest);
    assert_int_equal(piece.kind, SSI_TEXT);
    assert_true(slice_eq_str(piece.text, "<!--#include virtual=\"b\""));
    assert_false(ssi_next(&rest, &piece));
    const char *const unknown[] = {"<!--#-->",
                                   "<!--#include-->",
                                   "<!--#include virtual=b -->",
                                   "<!--#include virtual=\"b-->",
                                   "<!--#include file=\"b\" -->",
                                   "<!--#echo default=\"b\" -->"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        rest = slice_str(unknown[i]);
        assert_int_equal(next(&rest).kind, SSI_UNKNOWN);
        assert_int_equal(rest.len, 0);
    }
    /* default before var is as good */
    rest = SLICE("<!--#echo default=\"d\" var=\"v\"-->");
    piece = next(&rest);
    assert_int_equal(piece.kind, SSI_ECHO);
    assert_true(slice_eq_str(piece.fallback, "d"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
