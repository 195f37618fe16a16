#include "proto/xml.h"

#include "base/check.h"

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_new(XML_ARENA_MAX);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    arena_free(&arena);
    return 0;
}

static struct xml_node *parsed(const char *text)
{
    struct xml_node *node = NULL;
    assert_int_equal(xml_parse(arena, slice_str(text), SLICE("jabber:client"), &node), 0);
    return node;
}

static int refused(const char *text)
{
    struct xml_node *node = NULL;
    int err = xml_parse(arena, slice_str(text), SLICE("jabber:client"), &node);
    assert_int_not_equal(err, 0);
    assert_null(node);
    return err;
}

static void finds_children_by_name_and_namespace(void **state)
{
    struct xml_node *iq = parsed("<iq type='get' id=\"1\"><a/><query xmlns='q'><item n='1'/>"
                                 "<item n='2'/></query></iq>");
    struct xml_node *query = xml_child(iq, "query", "q");
    assert_true(slice_eq_str(xml_get(iq, "type"), "get"));
    assert_true(slice_eq_str(xml_get(iq, "id"), "1"));
    assert_int_equal(xml_get(iq, "none").len, 0);
    assert_true(xml_is(xml_child(iq, "a", NULL), "a", "jabber:client"));
    assert_null(xml_child(iq, "query", "other"));
    struct xml_node *item = xml_child(query, "item", "q");
    assert_true(slice_eq_str(xml_get(item, "n"), "1"));
    item = xml_next(item, "item", "q");
    assert_true(slice_eq_str(xml_get(item, "n"), "2"));
    assert_null(xml_next(item, NULL, NULL));
    assert_int_equal(xml_get(NULL, "n").len, 0);
    assert_null(xml_child(NULL, NULL, NULL));
}

static void decodes_references_and_line_ends(void **state)
{
    struct xml_node *n =
        parsed("<a b='&lt;&#x41;&#66;&apos;\t&quot;'>x&amp;y&#x1F600;\r\nz<![CDATA[<&]]>!</a>");
    assert_true(slice_eq_str(xml_get(n, "b"), "<AB' \""));
    assert_true(slice_eq_str(xml_text(n), "x&y\xF0\x9F\x98\x80\nz<&!"));
}

static void resolves_prefixes_and_forgets_them(void **state)
{
    struct xml_node *n =
        parsed("<s:features xmlns:s='st' s:x='1' xml:lang='en'><b/><s:c/></s:features>");
    assert_true(xml_is(n, "features", "st"));
    assert_true(xml_is(n->first, "b", "jabber:client"));
    assert_true(xml_is(n->last, "c", "st"));
    assert_int_equal(xml_get(n, "s:x").len, 0);
    assert_true(slice_eq_str(xml_get(n, "xml:lang"), "en"));
}

static void refuses_what_is_not_one_element(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a>&nbsp;</a>",
        "<a>&</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>]]></a>",
        "<a><!-- c --></a>",
        "<a><?pi?></a>",
        "<?xml version='1.0'?><a/>",
        "<!DOCTYPE a><a/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a:b:c xmlns:a='x'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='x'/>",
        "<1a/>",
        "<a\x01/>",
        "<a>\xC0\x80</a>",
        "<a>\xED\xA0\x80</a>",
        "<a>\xF4\x90\x80\x80</a>",
        "<a>\xEF\xBF\xBF</a>",
        "<a>\x80</a>",
        "<a><![CDATA[x</a>",
        "<a",
        "<a b",
        "<a b=",
        "<a b='",
        "</a>",
        "<>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(refused(bad[i]), ERR_FORMAT);
}

static void build_nested(struct buf *out, const char *open, const char *close, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add_str(out, open);
    for (size_t i = 0; i < times; i++)
        buf_add_str(out, close);
    buf_add_byte(out, 0);
    assert_false(out->failed);
}

static void every_bound_is_kept(void **state)
{
    struct buf text;
    buf_init(&text, XML_SIZE_MAX * 2);
    build_nested(&text, "<a>", "</a>", XML_DEPTH_MAX);
    (void)parsed((char *)text.data);
    buf_clear(&text);
    build_nested(&text, "<a>", "</a>", XML_DEPTH_MAX + 1);
    assert_int_equal(refused((char *)text.data), ERR_LIMIT);
    buf_clear(&text);
    buf_add_str(&text, "<a>");
    build_nested(&text, "<b/>", "", XML_NODES_MAX);
    text.len--;
    buf_add(&text, slice_of("</a>", 5));
    assert_int_equal(refused((char *)text.data), ERR_LIMIT);
    buf_clear(&text);
    buf_add_str(&text, "<a");
    for (int i = 0; i <= XML_ATTRS_MAX; i++)
        buf_printf(&text, " a%d=''", i);
    buf_add(&text, slice_of("/>", 3));
    assert_int_equal(refused((char *)text.data), ERR_LIMIT);
    buf_clear(&text);
    build_nested(&text, "                ", "", XML_SIZE_MAX / 16 + 1);
    assert_int_equal(refused((char *)text.data), ERR_LIMIT);
    buf_done(&text);
}

static void writes_what_it_reads(void **state)
{
    struct buf out;
    struct xml_writer w;
    buf_init(&out, 4096);
    xml_writer_init(&w, &out);
    xml_open(&w, "iq", "jabber:client");
    xml_put_str(&w, "a", "<'\"&\t\x02>");
    xml_put_u64(&w, "n", 7);
    xml_leaf(&w, "t", "x:y", SLICE("a<b>&\"\r\x01"));
    xml_empty(&w, "e", "x:z");
    xml_close(&w);
    buf_add_byte(&out, 0);
    assert_string_equal((char *)out.data,
                        "<iq xmlns='jabber:client' a='&lt;&apos;&quot;&amp;&#9;&gt;' n='7'>"
                        "<t xmlns='x:y'>a&lt;b&gt;&amp;\"&#13;</t><e xmlns='x:z'/></iq>");
    struct xml_node *n = parsed((char *)out.data);
    assert_true(slice_eq_str(xml_get(n, "a"), "<'\"&\t>"));
    assert_true(slice_eq_str(xml_text(n->first), "a<b>&\"\r"));
    buf_done(&out);
}

static void copies_with_literal_namespaces(void **state)
{
    struct xml_node *n = parsed("<m><b>t<i/>u</b><p:x xmlns:p='n' z='1'><y xmlns='o'/></p:x></m>");
    struct buf out;
    struct xml_writer w;
    buf_init(&out, 4096);
    xml_writer_init(&w, &out);
    for (struct xml_node *c = n->first; c; c = c->next)
        xml_copy(&w, c);
    buf_add_byte(&out, 0);
    assert_string_equal((char *)out.data, "<b>t<i/>u</b><x xmlns='n' z='1'><y xmlns='o'/></x>");
    buf_done(&out);
}

static void closing_too_much_fails(void **state)
{
    struct buf out;
    struct xml_writer w;
    buf_init(&out, 64);
    xml_writer_init(&w, &out);
    xml_close(&w);
    assert_true(out.failed);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_children_by_name_and_namespace, setup, teardown),
        cmocka_unit_test_setup_teardown(decodes_references_and_line_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(resolves_prefixes_and_forgets_them, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_not_one_element, setup, teardown),
        cmocka_unit_test_setup_teardown(every_bound_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_what_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_with_literal_namespaces, setup, teardown),
        cmocka_unit_test(closing_too_much_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
