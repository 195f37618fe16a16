#include "room/sources.h"

#include <stdlib.h>

#include "base/check.h"

static int parse(const char *inside, struct source_set *set)
{
    char text[8192];
    (void)snprintf(text, sizeof text,
                   "<jingle xmlns='urn:xmpp:jingle:1'><content><description "
                   "xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>%s</description></content>"
                   "</jingle>",
                   inside);
    struct arena *arena = arena_new(XML_ARENA_MAX);
    struct xml_node *node;
    assert_int_equal(xml_parse(arena, slice_str(text), SLICE("x"), &node), 0);
    int err = source_parse(node, "1a2b3c4d", set);
    arena_free(&arena);
    return err;
}

#define SRC(ssrc, name)                                                                            \
    "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='" ssrc "' name='" name "'/>"
#define GROUP(kind, inside)                                                                        \
    "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='" kind "'>" inside             \
    "</ssrc-group>"
#define ONE(ssrc) "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='" ssrc "'/>"
#define V0 "1a2b3c4d-v0"
/* Three layers of a camera and their RTX. */
static const char six[] = SRC("1", V0) SRC("2", V0) SRC("3", V0) SRC("11", V0) SRC("12", V0)
    SRC("13", V0) GROUP("SIM", ONE("1") ONE("2") ONE("3")) GROUP("FID", ONE("1") ONE("11"))
        GROUP("FID", ONE("2") ONE("12")) GROUP("FID", ONE("3") ONE("13"));

static void simulcast_is_one_source_with_layers(void **state)
{
    struct source_set set;
    struct source list[SOURCES_MAX];
    size_t count;
    assert_int_equal(parse(six, &set), 0);
    assert_int_equal(source_list(&set, list, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].layer_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(list[0].ssrcs[i], i + 1);
        assert_int_equal(list[0].rtx[i], i + 11);
    }
    json_t *json = source_to_json(list, count);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text,
                        "[[{\"s\":\"1\",\"n\":\"1a2b3c4d-v0\",\"m\":\"\"},{\"s\":\"11\",\"n\":"
                        "\"1a2b3c4d-v0\",\"m\":\"\"}],[[\"f\",\"1\",\"11\"]],[],[]]");
    free(text);
    json_decref(json);
}

static void names_belong_to_their_owner(void **state)
{
    struct source_set set;
    assert_int_equal(parse(SRC("1", "1a2b3c4d-v12"), &set), 0);
    assert_int_equal(parse(SRC("1", "1a2b3c4d-v0.x"), &set), 0);
    static const char *const bad[] = {SRC("1", "1a2b3c4d-a0"),  SRC("1", "1a2b3c4e-v0"),
                                      SRC("1", "1a2b3c4d-v"),   SRC("1", "1a2b3c4d-v0x"),
                                      SRC("1", "1a2b3c4d-v.x"), SRC("1", "x")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i], &set), ERR_DENIED);
}

static void senseless_sources_are_refused(void **state)
{
    struct source_set set;
    static const char *const bad[] = {SRC("0", V0),
                                      SRC("", V0),
                                      SRC("-1", V0),
                                      SRC("4294967296", V0),
                                      SRC("1", V0) SRC("1", V0),
                                      GROUP("FID", ONE("1")),
                                      GROUP("SIM", "")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i], &set), ERR_FORMAT);
    assert_int_equal(parse(GROUP("SIM", ONE("1") ONE("2") ONE("3") ONE("4")), &set), ERR_LIMIT);
    assert_int_equal(parse(GROUP("FEC-FR", ONE("1")), &set), 0);
    assert_int_equal(set.group_count, 0);
}

static void adding_is_all_or_nothing(void **state)
{
    struct source_set set, more;
    assert_int_equal(parse(six, &more), 0);
    set = (struct source_set){0};
    assert_int_equal(source_add(&set, &more), 0);
    assert_int_equal(source_add(&set, &more), ERR_EXISTS);
    assert_int_equal(set.ssrc_count, 6);
    assert_int_equal(parse(GROUP("FID", ONE("1") ONE("99")), &more), 0);
    assert_int_equal(source_add(&set, &more), ERR_FORMAT);
    assert_int_equal(set.group_count, 4);
    /* A fourth layer. */
    assert_int_equal(parse(SRC("4", V0), &more), 0);
    assert_int_equal(source_add(&set, &more), ERR_LIMIT);
    assert_int_equal(set.ssrc_count, 6);
}

static void removing_takes_groups_along(void **state)
{
    struct source_set set, less;
    struct source list[SOURCES_MAX];
    size_t count;
    assert_int_equal(parse(six, &set), 0);
    assert_int_equal(parse(ONE("3") ONE("13"), &less), 0);
    source_remove(&set, &less);
    assert_int_equal(set.ssrc_count, 4);
    assert_int_equal(set.group_count, 2);
    assert_int_equal(source_list(&set, list, &count), 0);
    assert_int_equal(list[0].layer_count, 2);
}

static void sets_survive_the_journal(void **state)
{
    struct source_set set, again;
    assert_int_equal(parse(six, &set), 0);
    json_t *json = source_set_to_json(&set);
    source_set_from_json(json, &again);
    assert_memory_equal(&set, &again, sizeof set);
    json_decref(json);
    source_set_from_json(NULL, &again);
    assert_int_equal(again.ssrc_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulcast_is_one_source_with_layers),
        cmocka_unit_test(names_belong_to_their_owner),
        cmocka_unit_test(senseless_sources_are_refused),
        cmocka_unit_test(adding_is_all_or_nothing),
        cmocka_unit_test(removing_takes_groups_along),
        cmocka_unit_test(sets_survive_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
