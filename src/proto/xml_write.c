#include "proto/xml.h"

#include <inttypes.h>

void xml_writer_init(struct xml_writer *w, struct buf *out)
{
    *w = (struct xml_writer){.out = out};
}

static const char *replacement(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\'':
        return "&apos;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* What XML cannot hold at all (control characters, U+FFFE, U+FFFF) is left out. */
static bool unwritable(struct slice s, size_t at)
{
    uint8_t c = s.data[at];
    if (c < 0x20)
        return c != '\t' && c != '\n' && c != '\r';
    return c == 0xEF && at + 2 < s.len && s.data[at + 1] == 0xBF && s.data[at + 2] >= 0xBE;
}

static void escape(struct buf *out, struct slice s, bool attribute)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool drop = unwritable(s, i);
        const char *as = (c == '\'' || c == '"') && !attribute ? NULL : replacement(c);
        char number[8] = "";
        if (!drop && (c == '\r' || (attribute && (c == '\n' || c == '\t')))) {
            number[0] = '&';
            number[1] = '#';
            number[2] = c == '\t' ? '9' : '1';
            number[3] = c == '\t' ? ';' : c == '\n' ? '0' : '3';
            number[4] = c == '\t' ? 0 : ';';
            as = number;
        }
        if (!as && !drop)
            continue;
        buf_add(out, slice_sub(s, from, i - from));
        if (drop && c == 0xEF)
            i += 2;
        else if (as)
            buf_add_str(out, as);
        from = i + 1;
    }
    buf_add(out, slice_sub(s, from, s.len));
}

static void finish_tag(struct xml_writer *w)
{
    if (w->in_tag)
        buf_add_byte(w->out, '>');
    w->in_tag = false;
}

static void put_attr(struct xml_writer *w, struct slice name, struct slice value)
{
    buf_add_byte(w->out, ' ');
    buf_add(w->out, name);
    buf_add(w->out, SLICE("='"));
    escape(w->out, value, true);
    buf_add_byte(w->out, '\'');
}

static void open_name(struct xml_writer *w, struct slice name)
{
    finish_tag(w);
    if (w->depth == sizeof w->stack / sizeof w->stack[0]) {
        w->out->failed = true;
        return;
    }
    w->stack[w->depth++] = name;
    buf_add_byte(w->out, '<');
    buf_add(w->out, name);
    w->in_tag = true;
}

void xml_open(struct xml_writer *w, const char *name, const char *ns)
{
    bool inside = w->depth > 0;
    open_name(w, slice_str(name));
    if (!inside || strcmp(ns, "jabber:client") != 0)
        put_attr(w, SLICE("xmlns"), slice_str(ns));
}

void xml_put(struct xml_writer *w, const char *name, struct slice value)
{
    put_attr(w, slice_str(name), value);
}

void xml_put_str(struct xml_writer *w, const char *name, const char *value)
{
    put_attr(w, slice_str(name), slice_str(value));
}

void xml_put_u64(struct xml_writer *w, const char *name, uint64_t value)
{
    buf_printf(w->out, " %s='%" PRIu64 "'", name, value);
}

void xml_chars(struct xml_writer *w, struct slice text)
{
    finish_tag(w);
    escape(w->out, text, false);
}

void xml_raw(struct xml_writer *w, struct slice markup)
{
    finish_tag(w);
    buf_add(w->out, markup);
}

void xml_close(struct xml_writer *w)
{
    if (w->depth == 0) {
        w->out->failed = true;
        return;
    }
    struct slice name = w->stack[--w->depth];
    if (w->in_tag) {
        buf_add(w->out, SLICE("/>"));
        w->in_tag = false;
        return;
    }
    buf_add(w->out, SLICE("</"));
    buf_add(w->out, name);
    buf_add_byte(w->out, '>');
}

void xml_empty(struct xml_writer *w, const char *name, const char *ns)
{
    xml_open(w, name, ns);
    xml_close(w);
}

void xml_leaf(struct xml_writer *w, const char *name, const char *ns, struct slice text)
{
    xml_open(w, name, ns);
    xml_chars(w, text);
    xml_close(w);
}

static void copy_start(struct xml_writer *w, const struct xml_node *node)
{
    open_name(w, node->name);
    bool inherited = slice_eq_str(node->ns, "jabber:client") && node->parent &&
                     slice_eq_str(node->parent->ns, "jabber:client");
    if (!inherited)
        put_attr(w, SLICE("xmlns"), node->ns);
    for (const struct xml_attr *a = node->attrs; a; a = a->next)
        put_attr(w, a->name, a->value);
}

void xml_copy(struct xml_writer *w, const struct xml_node *node)
{
    const struct xml_node *at = node;
    for (;;) {
        if (at->name.len == 0) {
            xml_chars(w, at->text);
        } else {
            copy_start(w, at);
            if (at->first) {
                at = at->first;
                continue;
            }
            xml_close(w);
        }
        while (at != node && !at->next) {
            at = at->parent;
            xml_close(w);
        }
        if (at == node)
            return;
        at = at->next;
    }
}
