/* What the parser takes, the writer writes so that it parses again to the same tree. */
#include <stdlib.h>

#include "proto/xml.h"

static bool same(const struct xml_node *a, const struct xml_node *b);

static bool same_attrs(const struct xml_attr *a, const struct xml_attr *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!slice_eq(a->name, b->name) || !slice_eq(a->value, b->value))
            return false;
    return !a && !b;
}

static bool same_children(const struct xml_node *a, const struct xml_node *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!same(a, b))
            return false;
    return !a && !b;
}

static bool same(const struct xml_node *a, const struct xml_node *b)
{
    return slice_eq(a->name, b->name) && slice_eq(a->ns, b->ns) && slice_eq(a->text, b->text) &&
           same_attrs(a->attrs, b->attrs) && same_children(a->first, b->first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(XML_ARENA_MAX * 4);
    struct xml_node *first, *second;
    struct buf out;
    struct xml_writer w;
    buf_init(&out, XML_SIZE_MAX * 16);
    xml_writer_init(&w, &out);
    if (arena && xml_parse(arena, slice_of(data, size), SLICE("jabber:client"), &first) == 0) {
        xml_copy(&w, first);
        if (out.failed)
            abort();
        /* Escapes and namespaces may carry it over the bound of one stanza. */
        int err = xml_parse(arena, buf_slice(&out), SLICE("jabber:client"), &second);
        if (err ? err != ERR_LIMIT : !same(first, second))
            abort();
    }
    buf_done(&out);
    arena_free(&arena);
    return 0;
}
