#include "base/check.h"
#include <string.h>

#include "base/units.h"
#include "school/passwords.h"

static void judges(void **state)
{
    (void)state;
    static const struct {
        const char *password, *account;
        enum password_fault fault;
    } cases[] = {
        {"a fine long phrase", "amina", PASSWORD_GOOD},
        {"kettle-7-orange", "amina", PASSWORD_GOOD},
        {"8249173650", "100245", PASSWORD_GOOD},
        {"\xd9\x82\xd9\x84\xd9\x85 \xd8\xa3\xd8\xb2\xd8\xb1\xd9\x82 "
         "\xd8\xac\xd8\xaf\xd9\x8a\xd8\xaf",
         "amina", PASSWORD_GOOD},
        {"", "amina", PASSWORD_SHORT},
        {"nine char", "amina", PASSWORD_SHORT},
        {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "amina", PASSWORD_SHORT},
        {"amina.yusuf", "amina.yusuf", PASSWORD_ACCOUNT},
        {"Amina.Yusuf2026", "amina.yusuf", PASSWORD_ACCOUNT},
        {"amina123456", "amina@school.example", PASSWORD_ACCOUNT},
        {"Password123!", "amina", PASSWORD_COMMON},
        {"1234567890", "amina", PASSWORD_COMMON},
        {"QWERTYUIOP", "amina", PASSWORD_COMMON},
        {"aaaaaaaaaaaaaa", "amina", PASSWORD_COMMON},
        {"abcabcabcabc", "amina", PASSWORD_COMMON},
        {"111222111222", "amina", PASSWORD_COMMON},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum password_fault fault =
            password_judge(slice_str(cases[i].password), slice_str(cases[i].account));
        if (fault != cases[i].fault)
            fail_msg("%s: %s", cases[i].password, password_fault_text(fault));
    }
    char big[300];
    memset(big, 'x', sizeof big);
    assert_int_equal(password_judge(slice_of(big, 257), SLICE("a")), PASSWORD_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
