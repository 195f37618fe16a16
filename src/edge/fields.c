#include "edge/fields.h"

static bool is_tchar(uint8_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool fields_is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_tchar(s.data[i]))
            return false;
    return s.len > 0;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return true;
}

void fields_init(struct fields *fields, size_t max)
{
    buf_init(&fields->text, max);
    fields->count = 0;
}

void fields_done(struct fields *fields)
{
    buf_done(&fields->text);
    fields->count = 0;
}

void fields_clear(struct fields *fields)
{
    buf_clear(&fields->text);
    fields->count = 0;
}

int fields_add(struct fields *fields, struct slice name, struct slice value)
{
    value = slice_trim(value);
    if (!fields_is_token(name) || !is_value(value))
        return ERR_FORMAT;
    if (fields->count == FIELDS_COUNT_MAX)
        return ERR_LIMIT;
    size_t start = fields->text.len;
    buf_add(&fields->text, name);
    for (size_t i = start; i < fields->text.len; i++)
        if (fields->text.data[i] >= 'A' && fields->text.data[i] <= 'Z')
            fields->text.data[i] = (uint8_t)(fields->text.data[i] | 0x20);
    buf_add(&fields->text, SLICE(": "));
    buf_add(&fields->text, value);
    buf_add(&fields->text, SLICE("\r\n"));
    if (fields->text.failed)
        return ERR_LIMIT;
    fields->count++;
    return 0;
}

void fields_put(struct fields *fields, const char *name, const char *value)
{
    if (fields_add(fields, slice_str(name), slice_str(value)) < 0)
        fields->text.failed = true;
}

bool fields_next(const struct fields *fields, size_t *at, struct slice *ret_name,
                 struct slice *ret_value)
{
    struct slice rest = slice_sub(buf_slice(&fields->text), *at, SIZE_MAX);
    if (rest.len == 0)
        return false;
    struct slice line = slice_cut(&rest, '\n');
    *at += line.len + 1;
    size_t colon = slice_index(line, ':');
    *ret_name = slice_sub(line, 0, colon);
    *ret_value = slice_trim(slice_sub(line, colon + 1, SIZE_MAX));
    return true;
}

struct slice fields_get(const struct fields *fields, const char *name)
{
    struct slice field, value;
    for (size_t at = 0; fields_next(fields, &at, &field, &value);)
        if (slice_eq_str(field, name))
            return value;
    return (struct slice){0};
}

size_t fields_count(const struct fields *fields, const char *name)
{
    struct slice field, value;
    size_t count = 0;
    for (size_t at = 0; fields_next(fields, &at, &field, &value);)
        count += slice_eq_str(field, name);
    return count;
}

bool fields_has_token(const struct fields *fields, const char *name, const char *token)
{
    struct slice field, value;
    for (size_t at = 0; fields_next(fields, &at, &field, &value);) {
        while (slice_eq_str(field, name) && value.len > 0)
            if (slice_eq_nocase(slice_trim(slice_cut(&value, ',')), slice_str(token)))
                return true;
    }
    return false;
}
