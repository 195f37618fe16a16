#include "proto/xml.h"

struct declaration {
    struct slice prefix; /* empty: the default namespace */
    struct slice uri;
    const struct declaration *next;
};

struct parser {
    const uint8_t *pos;
    const uint8_t *end;
    struct arena *arena;
    unsigned nodes;
    const struct declaration *scopes[XML_DEPTH_MAX + 1];
    struct slice tags[XML_DEPTH_MAX + 1]; /* as written, to compare with the end tag */
    unsigned depth;
};

/* An attribute as it stands in the tag, before namespaces are known. */
struct raw_attr {
    struct slice name;
    struct slice value;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_name_char(uint8_t c)
{
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':';
}

/* XML 1.0, production 2. */
static bool is_char(uint32_t c)
{
    return c == 9 || c == 10 || c == 13 || (c >= 0x20 && c < 0xD800) ||
           (c >= 0xE000 && c < 0xFFFE) || (c >= 0x10000 && c < 0x110000);
}

/* Length of the character at p, 0 when it is no valid one. */
static size_t utf8_char(const uint8_t *p, size_t left)
{
    uint32_t c = p[0];
    size_t len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 1)
        return is_char(c) ? 1 : 0;
    if (c < 0xC2 || c > 0xF4 || left < len)
        return 0;
    c &= 0x7Fu >> len;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    return c >= least[len] && is_char(c) ? len : 0;
}

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_char(s.data + i, s.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static void skip_blanks(struct parser *p)
{
    while (p->pos < p->end && is_blank(*p->pos))
        p->pos++;
}

static bool take(struct parser *p, const char *literal)
{
    size_t len = strlen(literal);
    if ((size_t)(p->end - p->pos) < len || memcmp(p->pos, literal, len) != 0)
        return false;
    p->pos += len;
    return true;
}

static int parse_name(struct parser *p, struct slice *ret_name)
{
    const uint8_t *start = p->pos;
    if (p->pos == p->end || !is_name_start(*p->pos))
        return ERR_FORMAT;
    while (p->pos < p->end && is_name_char(*p->pos))
        p->pos++;
    *ret_name = slice_of(start, (size_t)(p->pos - start));
    return 0;
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

static int parse_number(struct slice digits, uint32_t base, uint32_t *ret_char)
{
    uint32_t c = 0;
    if (digits.len == 0 || digits.len > 7)
        return ERR_FORMAT;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t d = digits.data[i];
        uint32_t v = 99;
        if (d >= '0' && d <= '9')
            v = (uint32_t)(d - '0');
        else if (d >= 'a' && d <= 'f')
            v = (uint32_t)(d - 'a' + 10);
        else if (d >= 'A' && d <= 'F')
            v = (uint32_t)(d - 'A' + 10);
        if (v >= base)
            return ERR_FORMAT;
        c = c * base + v;
    }
    if (!is_char(c))
        return ERR_FORMAT;
    *ret_char = c;
    return 0;
}

/* A reference, without & and ;. What it stands for is never longer than the reference itself. */
static int decode_reference(struct slice ref, uint8_t *out, size_t *ret_len)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"apos", '\''}, {"quot", '"'}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_eq_str(ref, known[i].name)) {
            *out = (uint8_t)known[i].c;
            *ret_len = 1;
            return 0;
        }
    }
    if (ref.len < 2 || ref.data[0] != '#')
        return ERR_FORMAT;
    bool hex = ref.data[1] == 'x';
    uint32_t c;
    int err = parse_number(slice_sub(ref, hex ? 2 : 1, ref.len), hex ? 16 : 10, &c);
    if (err)
        return err;
    *ret_len = put_utf8(out, c);
    return 0;
}

/* Resolves references and line ends; in attributes blanks become spaces. */
static int decode(struct parser *p, struct slice raw, bool attribute, struct slice *ret_text)
{
    bool plain = true;
    for (size_t i = 0; i < raw.len && plain; i++)
        plain = raw.data[i] != '&' && raw.data[i] != '\r' &&
                !(attribute && is_blank(raw.data[i]) && raw.data[i] != ' ');
    *ret_text = raw;
    if (plain)
        return 0;
    uint8_t *out = arena_alloc(p->arena, raw.len);
    if (!out)
        return ERR_LIMIT;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (c == '&') {
            struct slice rest = slice_sub(raw, i + 1, 12);
            size_t stop = slice_index(rest, ';');
            size_t got = 0;
            int err = stop == rest.len
                          ? ERR_FORMAT
                          : decode_reference(slice_sub(rest, 0, stop), out + len, &got);
            if (err)
                return err;
            len += got;
            i += stop + 1;
        } else if (c == '\r') {
            if (i + 1 < raw.len && raw.data[i + 1] == '\n')
                i++;
            out[len++] = attribute ? ' ' : '\n';
        } else {
            out[len++] = attribute && is_blank(c) ? ' ' : c;
        }
    }
    *ret_text = slice_of(out, len);
    return 0;
}

static int parse_attr(struct parser *p, struct raw_attr *ret_attr)
{
    int err = parse_name(p, &ret_attr->name);
    if (err)
        return err;
    skip_blanks(p);
    if (!take(p, "="))
        return ERR_FORMAT;
    skip_blanks(p);
    if (p->pos == p->end || (*p->pos != '"' && *p->pos != '\''))
        return ERR_FORMAT;
    uint8_t quote = *p->pos++;
    struct slice raw = slice_of(p->pos, (size_t)(p->end - p->pos));
    raw.len = slice_index(raw, quote);
    if (p->pos + raw.len == p->end || slice_index(raw, '<') != raw.len)
        return ERR_FORMAT;
    p->pos += raw.len + 1;
    return decode(p, raw, true, &ret_attr->value);
}

static int parse_attrs(struct parser *p, struct raw_attr *attrs, size_t *ret_count)
{
    size_t count = 0;
    for (;;) {
        const uint8_t *before = p->pos;
        skip_blanks(p);
        if (p->pos == p->end)
            return ERR_FORMAT;
        if (*p->pos == '>' || *p->pos == '/')
            break;
        if (p->pos == before)
            return ERR_FORMAT;
        if (count == XML_ATTRS_MAX)
            return ERR_LIMIT;
        int err = parse_attr(p, &attrs[count]);
        if (err)
            return err;
        for (size_t i = 0; i < count; i++)
            if (slice_eq(attrs[i].name, attrs[count].name))
                return ERR_FORMAT;
        count++;
    }
    *ret_count = count;
    return 0;
}

/* Splits a qualified name; ERR_FORMAT when a half is empty or there are three. */
static int split_name(struct slice name, struct slice *ret_prefix, struct slice *ret_local)
{
    struct slice rest = name;
    struct slice prefix = slice_cut(&rest, ':');
    if (prefix.len == name.len) {
        *ret_prefix = slice_of(NULL, 0);
        *ret_local = name;
        return 0;
    }
    if (prefix.len == 0 || rest.len == 0 || !is_name_start(rest.data[0]) ||
        slice_index(rest, ':') != rest.len)
        return ERR_FORMAT;
    *ret_prefix = prefix;
    *ret_local = rest;
    return 0;
}

static int resolve(const struct declaration *scope, struct slice prefix, struct slice *ret_uri)
{
    if (slice_eq_str(prefix, "xml")) {
        *ret_uri = SLICE("http://www.w3.org/XML/1998/namespace");
        return 0;
    }
    for (; scope; scope = scope->next) {
        if (slice_eq(scope->prefix, prefix)) {
            *ret_uri = scope->uri;
            return 0;
        }
    }
    return ERR_FORMAT;
}

/* Adds the declarations of one start tag to the scope it opens. */
static int declare(struct parser *p, const struct raw_attr *attrs, size_t count)
{
    const struct declaration *scope = p->scopes[p->depth];
    for (size_t i = 0; i < count; i++) {
        struct slice prefix, local;
        int err = split_name(attrs[i].name, &prefix, &local);
        if (err)
            return err;
        bool whole = slice_eq_str(attrs[i].name, "xmlns");
        if (!whole && !slice_eq_str(prefix, "xmlns"))
            continue;
        if (!whole && (attrs[i].value.len == 0 || slice_starts(local, SLICE("xml"))))
            return ERR_FORMAT;
        struct declaration *d = arena_alloc(p->arena, sizeof *d);
        if (!d)
            return ERR_LIMIT;
        *d = (struct declaration){whole ? slice_of(NULL, 0) : local, attrs[i].value, scope};
        scope = d;
    }
    p->scopes[p->depth] = scope;
    return 0;
}

static int keep_attrs(struct parser *p, struct xml_node *node, const struct raw_attr *attrs,
                      size_t count)
{
    struct xml_attr **tail = &node->attrs;
    for (size_t i = 0; i < count; i++) {
        struct slice prefix, local, uri;
        int err = split_name(attrs[i].name, &prefix, &local);
        if (err)
            return err;
        if (slice_eq_str(attrs[i].name, "xmlns") || slice_eq_str(prefix, "xmlns"))
            continue;
        if (prefix.len > 0) {
            err = resolve(p->scopes[p->depth], prefix, &uri);
            if (err)
                return err;
            if (!slice_eq_str(attrs[i].name, "xml:lang"))
                continue;
        }
        struct xml_attr *a = arena_alloc(p->arena, sizeof *a);
        if (!a)
            return ERR_LIMIT;
        a->name = attrs[i].name;
        a->value = attrs[i].value;
        *tail = a;
        tail = &a->next;
    }
    return 0;
}

static int add_node(struct parser *p, struct xml_node *parent, struct xml_node **ret_node)
{
    if (p->nodes == XML_NODES_MAX)
        return ERR_LIMIT;
    struct xml_node *node = arena_alloc(p->arena, sizeof *node);
    if (!node)
        return ERR_LIMIT;
    p->nodes++;
    node->parent = parent;
    if (parent && parent->last)
        parent->last->next = node;
    else if (parent)
        parent->first = node;
    if (parent)
        parent->last = node;
    *ret_node = node;
    return 0;
}

/* After '<'. *ret_open: it has content and an end tag to come. */
static int parse_start(struct parser *p, struct xml_node *parent, struct xml_node **ret_node,
                       bool *ret_open)
{
    struct slice tag, prefix;
    struct raw_attr attrs[XML_ATTRS_MAX];
    size_t count = 0;
    struct xml_node *node;
    if (p->depth == XML_DEPTH_MAX)
        return ERR_LIMIT;
    int err = parse_name(p, &tag);
    if (!err)
        err = parse_attrs(p, attrs, &count);
    if (!err)
        err = add_node(p, parent, &node);
    if (err)
        return err;
    p->depth++;
    p->scopes[p->depth] = p->scopes[p->depth - 1];
    p->tags[p->depth] = tag;
    err = declare(p, attrs, count);
    if (!err)
        err = split_name(tag, &prefix, &node->name);
    if (!err)
        err = resolve(p->scopes[p->depth], prefix, &node->ns);
    if (!err)
        err = keep_attrs(p, node, attrs, count);
    if (err)
        return err;
    *ret_open = !take(p, "/");
    if (!take(p, ">"))
        return ERR_FORMAT;
    if (!*ret_open)
        p->depth--;
    *ret_node = node;
    return 0;
}

static int add_text(struct parser *p, struct xml_node *parent, struct slice text)
{
    struct xml_node *node = parent->last;
    if (text.len == 0)
        return 0;
    if (node && node->name.len == 0) {
        uint8_t *joined = arena_alloc(p->arena, node->text.len + text.len);
        if (!joined)
            return ERR_LIMIT;
        memcpy(joined, node->text.data, node->text.len);
        memcpy(joined + node->text.len, text.data, text.len);
        node->text = slice_of(joined, node->text.len + text.len);
        return 0;
    }
    int err = add_node(p, parent, &node);
    if (!err)
        node->text = text;
    return err;
}

static int parse_chars(struct parser *p, struct xml_node *parent)
{
    struct slice raw = slice_of(p->pos, (size_t)(p->end - p->pos));
    raw.len = slice_index(raw, '<');
    for (size_t i = 0; i + 2 < raw.len; i++)
        if (memcmp(raw.data + i, "]]>", 3) == 0)
            return ERR_FORMAT;
    p->pos += raw.len;
    struct slice text;
    int err = decode(p, raw, false, &text);
    return err ? err : add_text(p, parent, text);
}

/* After '<![CDATA['. */
static int parse_cdata(struct parser *p, struct xml_node *parent)
{
    for (const uint8_t *at = p->pos; p->end - at >= 3; at++) {
        if (memcmp(at, "]]>", 3) == 0) {
            struct slice text = slice_of(p->pos, (size_t)(at - p->pos));
            p->pos = at + 3;
            return add_text(p, parent, text);
        }
    }
    return ERR_FORMAT;
}

/* After '</'. */
static int parse_end(struct parser *p)
{
    struct slice tag;
    int err = parse_name(p, &tag);
    if (err)
        return err;
    skip_blanks(p);
    if (!slice_eq(tag, p->tags[p->depth]) || !take(p, ">"))
        return ERR_FORMAT;
    p->depth--;
    return 0;
}

static int parse_content(struct parser *p, struct xml_node *root)
{
    struct xml_node *at = root;
    while (at) {
        int err;
        bool open = false;
        if (p->pos == p->end) {
            err = ERR_FORMAT;
        } else if (*p->pos != '<') {
            err = parse_chars(p, at);
        } else if (take(p, "</")) {
            err = parse_end(p);
            at = at->parent;
        } else if (take(p, "<![CDATA[")) {
            err = parse_cdata(p, at);
        } else {
            struct xml_node *node = NULL;
            p->pos++;
            err = parse_start(p, at, &node, &open);
            if (open)
                at = node;
        }
        if (err)
            return err;
    }
    return 0;
}

int xml_parse(struct arena *arena, struct slice bytes, struct slice default_ns,
              struct xml_node **ret_root)
{
    if (bytes.len > XML_SIZE_MAX)
        return ERR_LIMIT;
    if (!is_text(bytes))
        return ERR_FORMAT;
    struct declaration top = {slice_of(NULL, 0), default_ns, NULL};
    struct parser p = {.pos = bytes.data, .end = bytes.data + bytes.len, .arena = arena};
    p.scopes[0] = &top;
    skip_blanks(&p);
    if (!take(&p, "<"))
        return ERR_FORMAT;
    struct xml_node *root;
    bool open;
    int err = parse_start(&p, NULL, &root, &open);
    if (!err && open)
        err = parse_content(&p, root);
    if (err)
        return err;
    skip_blanks(&p);
    if (p.pos != p.end)
        return ERR_FORMAT;
    *ret_root = root;
    return 0;
}

struct slice xml_get(const struct xml_node *node, const char *name)
{
    for (const struct xml_attr *a = node ? node->attrs : NULL; a; a = a->next)
        if (slice_eq_str(a->name, name))
            return a->value;
    return slice_of(NULL, 0);
}

bool xml_is(const struct xml_node *node, const char *name, const char *ns)
{
    return node && node->name.len > 0 && (!name || slice_eq_str(node->name, name)) &&
           (!ns || slice_eq_str(node->ns, ns));
}

static struct xml_node *find_from(struct xml_node *node, const char *name, const char *ns)
{
    while (node && !xml_is(node, name, ns))
        node = node->next;
    return node;
}

struct xml_node *xml_child(const struct xml_node *node, const char *name, const char *ns)
{
    return node ? find_from(node->first, name, ns) : NULL;
}

struct xml_node *xml_next(const struct xml_node *node, const char *name, const char *ns)
{
    return node ? find_from(node->next, name, ns) : NULL;
}

struct slice xml_text(const struct xml_node *node)
{
    for (const struct xml_node *c = node ? node->first : NULL; c; c = c->next)
        if (c->name.len == 0)
            return c->text;
    return slice_of(NULL, 0);
}
