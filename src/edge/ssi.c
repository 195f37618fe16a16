#include "edge/ssi.h"

static size_t find(struct slice s, size_t from, struct slice what)
{
    for (size_t i = from; i + what.len <= s.len; i++)
        if (memcmp(s.data + i, what.data, what.len) == 0)
            return i;
    return s.len;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice skip_blanks(struct slice s)
{
    size_t i = 0;
    while (i < s.len && is_blank(s.data[i]))
        i++;
    return slice_sub(s, i, SIZE_MAX);
}

static struct slice cut_word(struct slice *rest)
{
    size_t i = 0;
    while (i < rest->len && !is_blank(rest->data[i]) && rest->data[i] != '=')
        i++;
    struct slice word = slice_sub(*rest, 0, i);
    *rest = slice_sub(*rest, i, SIZE_MAX);
    return word;
}

/* name="value" or name='value'; false when that is not what comes next. */
static bool cut_attribute(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    struct slice at = skip_blanks(*rest);
    struct slice name = cut_word(&at);
    at = skip_blanks(at);
    if (name.len == 0 || at.len == 0 || at.data[0] != '=')
        return false;
    at = skip_blanks(slice_sub(at, 1, SIZE_MAX));
    if (at.len == 0 || (at.data[0] != '"' && at.data[0] != '\''))
        return false;
    uint8_t quote = at.data[0];
    at = slice_sub(at, 1, SIZE_MAX);
    if (slice_index(at, quote) == at.len)
        return false;
    *ret_name = name;
    *ret_value = slice_cut(&at, quote);
    *rest = at;
    return true;
}

static struct ssi_piece parse_directive(struct slice body)
{
    struct ssi_piece piece = {.kind = SSI_UNKNOWN};
    body = skip_blanks(body);
    struct slice command = cut_word(&body);
    bool include = slice_eq_str(command, "include"), echo = slice_eq_str(command, "echo");
    struct slice name, value;
    while (cut_attribute(&body, &name, &value)) {
        if (include && slice_eq_str(name, "virtual"))
            piece = (struct ssi_piece){.kind = SSI_INCLUDE, .text = value};
        else if (echo && slice_eq_str(name, "var"))
            piece = (struct ssi_piece){SSI_ECHO, value, piece.fallback};
        else if (echo && slice_eq_str(name, "default"))
            piece.fallback = value;
    }
    return piece;
}

bool ssi_next(struct slice *rest, struct ssi_piece *ret_piece)
{
    const struct slice open = SLICE("<!--#"), close = SLICE("-->");
    if (rest->len == 0)
        return false;
    size_t start = find(*rest, 0, open);
    if (start == 0) {
        size_t end = find(*rest, open.len, close);
        if (end < rest->len) {
            *ret_piece = parse_directive(slice_sub(*rest, open.len, end - open.len));
            *rest = slice_sub(*rest, end + close.len, SIZE_MAX);
            return true;
        }
        start = rest->len;
    }
    *ret_piece = (struct ssi_piece){.kind = SSI_TEXT, .text = slice_sub(*rest, 0, start)};
    *rest = slice_sub(*rest, start, SIZE_MAX);
    return true;
}
