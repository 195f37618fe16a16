#include "school/school.h"

#include <stdio.h>

#include "crypto/random.h"

#define ID_RANDOM 20

static const char *const role_names[] = {
    [ROLE_PUPIL] = "pupil", [ROLE_TEACHER] = "teacher", [ROLE_ADMIN] = "admin"};

const char *role_name(enum role role)
{
    return role_names[role];
}

int role_parse(const char *name, enum role *ret_role)
{
    for (size_t i = 0; i < ARRAY_LEN(role_names); i++)
        if (strcmp(role_names[i], name) == 0) {
            *ret_role = (enum role)i;
            return 0;
        }
    return ERR_FORMAT;
}

enum profile profile_stored(int64_t number)
{
    return number >= 0 && number < PROFILES ? (enum profile)number : PROFILE_RICH;
}

struct codec_list codecs_stored(struct sql_rows *rows, int column)
{
    char words[CODEC_LIST_TEXT];
    sql_get_str(rows, column, words, sizeof words);
    return codec_list_read(slice_str(words), ' ');
}

void id_new(char letter, char ret_id[ID_SIZE])
{
    ret_id[0] = letter;
    random_alnum(ret_id + 1, ID_RANDOM);
}

bool id_valid(struct slice id)
{
    if (id.len == 0 || id.len >= ID_SIZE)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* C0 and C1 controls, line and paragraph separators, direction embeddings, overrides and isolates:
 * a name with those looks like another one. */
static bool steers(const uint8_t *at, size_t left)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return true;
    if (left >= 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return true;
    if (left < 3 || at[0] != 0xe2)
        return false;
    if (at[1] == 0x80)
        return at[2] >= 0xa8 && at[2] <= 0xae;
    return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

int text_clean(struct slice typed, char ret_text[TEXT_SIZE])
{
    struct slice text = slice_trim(typed);
    if (text.len >= TEXT_SIZE)
        return ERR_LIMIT;
    if (text.len == 0)
        return ERR_FORMAT;
    for (size_t i = 0; i < text.len; i++)
        if (steers(text.data + i, text.len - i))
            return ERR_FORMAT;
    return slice_copy(text, ret_text, TEXT_SIZE) ? 0 : ERR_LIMIT;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years that
 * begin in March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t rest = days - era * 146097;
    int64_t of_era = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    int64_t of_year = rest - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = of_era + era * 400 + (*month <= 2);
}

void when_format(msec_t when, char ret_text[WHEN_SIZE])
{
    int64_t year, month, day;
    ret_text[0] = '\0';
    if (when <= 0)
        return;
    int64_t seconds = when / MSEC_PER_SEC % 86400;
    date_of(when / MSEC_PER_DAY, &year, &month, &day);
    if (year > 9999)
        return;
    (void)snprintf(ret_text, WHEN_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)year, (int)month,
                   (int)day, (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

/* `width` digits at *at; -1 when they are none. */
static int64_t digits(struct slice text, size_t *at, size_t width)
{
    uint64_t value = 0;
    struct slice part = slice_sub(text, *at, width);
    if (part.len != width || slice_to_u64(part, 9999, &value))
        return -1;
    *at += width;
    return (int64_t)value;
}

static bool literal(struct slice text, size_t *at, char c)
{
    if (*at >= text.len || text.data[*at] != (uint8_t)c)
        return false;
    ++*at;
    return true;
}

static bool fraction(struct slice text, size_t *at)
{
    if (!literal(text, at, '.'))
        return true;
    size_t from = *at;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9')
        ++*at;
    return *at > from;
}

int when_parse(struct slice text, msec_t *ret_when)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    size_t at = 0;
    int64_t year = digits(text, &at, 4);
    bool ok = literal(text, &at, '-');
    int64_t month = digits(text, &at, 2);
    ok = ok && literal(text, &at, '-');
    int64_t day = digits(text, &at, 2);
    ok = ok && literal(text, &at, 'T');
    int64_t hour = digits(text, &at, 2);
    ok = ok && literal(text, &at, ':');
    int64_t minute = digits(text, &at, 2);
    int64_t second = 0;
    if (ok && literal(text, &at, ':')) {
        second = digits(text, &at, 2);
        ok = fraction(text, &at);
    }
    ok = ok && literal(text, &at, 'Z') && at == text.len;
    if (!ok || year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return ERR_FORMAT;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap))
        return ERR_FORMAT;
    *ret_when = days_of(year, month, day) * MSEC_PER_DAY + hour * MSEC_PER_HOUR +
                minute * MSEC_PER_MINUTE + second * MSEC_PER_SEC;
    return 0;
}
