#include "school/passwords.h"

#include "base/units.h"
#include "crypto/password.h"

/* From the published lists of leaked passwords: the commonest of ten characters or more, and what
 * a school would add. Digits and marks at either end do not make them better. */
static const char *const common[] = {
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "motdepasse",
    "contraseña",
    "1234567890",
    "0123456789",
    "0987654321",
    "9876543210",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "qwertyuiop",
    "qwertyuiop[]",
    "azertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "1qaz2wsx3edc",
    "q1w2e3r4t5",
    "q1w2e3r4t5y6",
    "zaq12wsxcde3",
    "abcdefghij",
    "abcdefghijkl",
    "iloveyou",
    "letmein",
    "welcome",
    "welcome to",
    "sunshine",
    "princess",
    "football",
    "basketball",
    "superman",
    "spiderman",
    "administrator",
    "admin",
    "changeme",
    "trustno1",
    "whatever",
    "computer",
    "internet",
    "starwars",
    "liverpool",
    "manchester",
    "chocolate",
    "butterfly",
    "jennifer",
    "alexander",
    "christian",
    "elizabeth",
    "bismillah",
    "mohammed",
    "muhammad",
    "school",
    "classroom",
    "darasa",
    "teacher",
    "student",
    "pupil",
    "homework",
    "secret",
    "dragon",
    "monkey",
    "qwerty",
    "azerty",
    "password password",
    "correcthorsebatterystaple",
    "thisisapassword",
    "testtest",
    "unknown",
    "default",
};

static size_t characters(struct slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += (s.data[i] & 0xc0) != 0x80;
    return count;
}

static bool letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* Without digits and marks at its ends. */
static struct slice core(struct slice s)
{
    while (s.len > 0 && !letter(s.data[0]))
        s = slice_sub(s, 1, s.len);
    while (s.len > 0 && !letter(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* All the same, or each the neighbour of the one before: "aaaaaaaaaa", "3456789012". */
static bool is_run(struct slice s)
{
    size_t steps = 0;
    for (size_t i = 1; i < s.len; i++) {
        int step = (int)s.data[i] - (int)s.data[i - 1];
        steps += step >= -1 && step <= 1;
    }
    return steps + 2 >= s.len;
}

/* A short piece over and over: "abcabcabcabc". */
static bool repeats(struct slice s)
{
    for (size_t period = 1; period <= 4 && period < s.len; period++) {
        size_t same = 0;
        for (size_t i = period; i < s.len; i++)
            same += s.data[i] == s.data[i - period];
        if (same == s.len - period)
            return true;
    }
    return false;
}

static bool is_common(struct slice password)
{
    struct slice middle = core(password);
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        struct slice bad = slice_str(common[i]);
        if (slice_eq_nocase(password, bad) || slice_eq_nocase(middle, bad))
            return true;
    }
    return is_run(password) || repeats(password);
}

/* The name itself, or with digits and marks around it. */
static bool is_same_name(struct slice password, struct slice name)
{
    struct slice middle = core(name);
    return slice_eq_nocase(password, name) ||
           (middle.len > 0 && slice_eq_nocase(core(password), middle));
}

enum password_fault password_judge(struct slice password, struct slice account)
{
    if (password.len > PASSWORD_BYTES_MAX)
        return PASSWORD_LONG;
    if (characters(password) < PASSWORD_CHARACTERS_MIN)
        return PASSWORD_SHORT;
    struct slice local = account;
    local.len = slice_index(account, '@');
    if (is_same_name(password, account) || is_same_name(password, local))
        return PASSWORD_ACCOUNT;
    return is_common(password) ? PASSWORD_COMMON : PASSWORD_GOOD;
}

const char *password_fault_text(enum password_fault fault)
{
    static const char *const texts[] = {
        [PASSWORD_GOOD] = "This password is good.",
        [PASSWORD_SHORT] = "A password has at least 10 characters.",
        [PASSWORD_LONG] = "A password has at most 256 bytes.",
        [PASSWORD_ACCOUNT] = "The account's own name is no password.",
        [PASSWORD_COMMON] = "This password is among the first that others would try.",
    };
    return texts[fault];
}
