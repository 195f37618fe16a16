#include "base/check.h"

#include <string.h>

#include "record/label.h"

/* Fontconfig and Pango keep what they found for the life of the process. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\nleak:libpango\n";
}

static void assert_clean(const char *name, const char *clean)
{
    char out[256];
    label_clean(name, out, sizeof(out));
    assert_string_equal(out, clean);
}

static void test_names_are_made_harmless(void **state)
{
    assert_clean("  Ann\tSmith\n", "Ann Smith");
    assert_clean("Ann \xe2\x80\xae"
                 "drowssap",
                 "Ann drowssap");
    assert_clean("\xe2\x81\xa6isolated\xe2\x81\xa9", "isolated");
    assert_clean("a\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "a\xcc\x81\xcc\x81");
    assert_clean("bad\xff"
                 "byte",
                 "bad\xef\xbf\xbd"
                 "byte");
    assert_clean("\xd8\xa8\xd9\x88\xd8\xa8", "\xd8\xa8\xd9\x88\xd8\xa8");
    char many[400], out[256];
    memset(many, 'x', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    label_clean(many, out, sizeof(out));
    assert_int_equal(strlen(out), 80);
    label_clean(many, out, 10);
    assert_int_equal(strlen(out), 9);
}

static void test_initials(void **state)
{
    const struct {
        const char *name;
        const char *initials;
    } cases[] = {{"ann", "A"},
                 {"Ann Mary smith", "AS"},
                 {"", "?"},
                 {"...", "?"},
                 {"\xd8\xa8\xd9\x88\xd8\xa8", "\xd8\xa8"},
                 {"\xc3\xb6zlem (4b)", "\xc3\x96"
                                       "4"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[16];
        label_initials(cases[i].name, out, sizeof(out));
        assert_string_equal(out, cases[i].initials);
    }
}

static unsigned bright_pixels(const struct label *label)
{
    unsigned count = 0;
    for (int y = 0; y < label->height; y++) {
        for (int x = 0; x < label->width; x++)
            count += label->pixels[y * label->stride + 4 * x + 1] > 200;
    }
    return count;
}

static void test_drawing(void **state)
{
    struct label label;
    assert_int_equal(label_name("Ann", 40, 600, &label), 0);
    assert_int_equal(label.height, 40);
    assert_true(label.width > 50 && label.width < 200);
    assert_true(bright_pixels(&label) > 50);
    label_done(&label);
    assert_int_equal(label_name("A very long name that no pill can hold", 40, 200, &label), 0);
    assert_true(label.width <= 202);
    label_done(&label);
    assert_int_equal(label_avatar("Ann", 320, 180, &label), 0);
    assert_int_equal(label.width, 320);
    assert_true(bright_pixels(&label) > 50);
    label_done(&label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_made_harmless),
        cmocka_unit_test(test_initials),
        cmocka_unit_test(test_drawing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
