/* The small parts: stream management's queue, capabilities, addresses, queries, ids, outbox. */
#include "base/check.h"
#include "xmpp/bucket.h"
#include "xmpp/caps.h"
#include "xmpp/ids.h"
#include "xmpp/jid.h"
#include "xmpp/outbox.h"
#include "xmpp/query.h"
#include "xmpp/sm.h"

static void queue_counts_modulo_two_to_the_32(void **state)
{
    struct text_pool pool;
    struct sm sm = {.enabled = true, .acked = UINT32_MAX - 1};
    text_pool_init(&pool);
    for (int i = 0; i < 40; i++) {
        struct text *t = text_new(&pool, SLICE("abc"));
        assert_int_equal(sm_push(&sm, &pool, t), 0);
        text_unref(&pool, &t);
    }
    assert_int_equal(sm.bytes, 120);
    assert_int_equal(sm_ack(&sm, &pool, 3), 0);
    assert_int_equal(sm.count, 35);
    assert_int_equal(sm_at(&sm, 0)->id, 6);
    assert_int_equal(sm_ack(&sm, &pool, 3), 0);
    assert_int_equal(sm_ack(&sm, &pool, 2), ERR_FORMAT);
    assert_int_equal(sm_ack(&sm, &pool, 39), ERR_FORMAT);
    assert_int_equal(sm_ack(&sm, &pool, 38), 0);
    assert_int_equal(sm.count, 0);
    assert_int_equal(sm.bytes, 0);
    sm_done(&sm, &pool);
    text_pool_done(&pool);
}

static void queue_is_bounded(void **state)
{
    struct text_pool pool;
    struct sm sm = {.enabled = true};
    text_pool_init(&pool);
    struct text *t = text_new(&pool, SLICE("x"));
    for (size_t i = 0; i < SM_QUEUE_MAX; i++)
        assert_int_equal(sm_push(&sm, &pool, t), 0);
    assert_int_equal(sm_push(&sm, &pool, t), ERR_LIMIT);
    assert_int_equal(t->refs, SM_QUEUE_MAX + 1);
    t->saved = true;
    sm_done(&sm, &pool);
    assert_int_equal(t->refs, 1);
    text_unref(&pool, &t);
    assert_int_equal(pool.dead.len, 8);
    text_pool_done(&pool);
}

static struct caps read_caps(const char *text, const char *ver, bool *ret_verified)
{
    struct arena *arena = arena_new(XML_ARENA_MAX);
    struct xml_node *node;
    assert_int_equal(xml_parse(arena, slice_str(text), SLICE("q"), &node), 0);
    struct caps caps = caps_read(node, slice_str(ver), ret_verified);
    arena_free(&arena);
    return caps;
}

/* XEP-0115, section 5.2. */
static void verification_string_of_the_specification(void **state)
{
    bool verified;
    const char *query = "<query><identity category='client' type='pc' name='Exodus 0.9.1'/>"
                        "<feature var='http://jabber.org/protocol/caps'/>"
                        "<feature var='http://jabber.org/protocol/disco#info'/>"
                        "<feature var='http://jabber.org/protocol/disco#items'/>"
                        "<feature var='http://jabber.org/protocol/muc'/></query>";
    struct caps caps = read_caps(query, "QgayPKawpkPSDYmwT/WM94uAlu0=", &verified);
    assert_true(verified);
    assert_false(caps.rewriting || caps.json_sources || caps.rtx || caps.tcc || caps.early_maps);
    (void)read_caps(query, "QgayPKawpkPSDYmwT/WM94uAlu1=", &verified);
    assert_false(verified);
    (void)read_caps(query, "", &verified);
    assert_false(verified);
}

static void features_are_read(void **state)
{
    bool verified;
    struct caps caps =
        read_caps("<query><feature var='http://jitsi.org/ssrc-rewriting-1'/>"
                  "<feature var='http://jitsi.org/json-encoded-sources'/>"
                  "<feature var='urn:ietf:rfc:4588'/><feature var='http://jitsi.org/tcc'/>"
                  "<feature var='urn:darasa:early-maps'/></query>",
                  "x", &verified);
    assert_true(caps.rewriting && caps.json_sources && caps.rtx && caps.tcc && caps.early_maps);
}

static void full_cache_starts_anew(void **state)
{
    struct caps_cache *cache = caps_cache_new(2, 1);
    const struct caps caps = {.rewriting = true};
    caps_cache_put(cache, SLICE("a"), caps);
    caps_cache_put(cache, SLICE("a"), (struct caps){0});
    caps_cache_put(cache, SLICE("b"), caps);
    assert_true(caps_cache_get(cache, SLICE("a"))->rewriting);
    caps_cache_put(cache, SLICE("c"), caps);
    assert_null(caps_cache_get(cache, SLICE("a")));
    assert_non_null(caps_cache_get(cache, SLICE("c")));
    caps_cache_free(&cache);
    caps_cache_free(&cache);
}

static void addresses_are_split(void **state)
{
    struct jid j = jid_split(SLICE("room@conference.x/nick/with@signs"));
    assert_true(slice_eq_str(j.node, "room"));
    assert_true(slice_eq_str(j.domain, "conference.x"));
    assert_true(slice_eq_str(j.resource, "nick/with@signs"));
    j = jid_split(SLICE("x"));
    assert_true(slice_eq_str(j.domain, "x"));
    assert_int_equal(j.node.len + j.resource.len, 0);
    assert_int_equal(jid_split(SLICE("")).domain.len, 0);
    char lower[4];
    assert_true(jid_lower(SLICE("AbC"), lower, sizeof lower));
    assert_string_equal(lower, "abc");
    assert_false(jid_lower(SLICE("abcd"), lower, sizeof lower));
}

static void parameters_are_found_and_decoded(void **state)
{
    char out[8];
    struct slice query = SLICE("room=a%20b+c&token=&room=2&bad=%00&half=%4&long=123456789");
    assert_true(query_get(query, "room", out, sizeof out));
    assert_string_equal(out, "a b c");
    assert_true(query_get(query, "token", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(query_get(query, "none", out, sizeof out));
    assert_false(query_get(query, "bad", out, sizeof out));
    assert_false(query_get(query, "long", out, sizeof out));
    assert_true(query_get(query, "half", out, sizeof out));
    assert_string_equal(out, "%4");
}

static void count_up(void *arg, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (*(uint8_t *)arg)++;
}

static void ids_have_their_form(void **state)
{
    uint8_t at = 250;
    struct ids ids = {count_up, &at};
    char text[37];
    ids_uuid(&ids, text);
    for (size_t i = 0; i < 36; i++)
        assert_true(
            strchr(i == 8 || i == 13 || i == 18 || i == 23 ? "-" : "0123456789abcdef", text[i]));
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
    ids_alnum(&ids, text, 5);
    assert_int_equal(strlen(text), 5);
}

static void outbox_keeps_order_and_bound(void **state)
{
    struct outbox *box = outbox_new(6);
    struct outbox_frame f;
    struct slice parts[] = {SLICE("ab"), SLICE(""), SLICE("c")};
    outbox_add(box, OUTBOX_EDGE, 0, 4, 9, parts, 3);
    outbox_add(box, OUTBOX_WEB, 0, 1, 1, parts, 1);
    outbox_add(box, OUTBOX_WEB, 0, 1, 1, parts, 3);
    assert_int_equal(outbox_dropped(box), 1);
    assert_true(outbox_take(box, &f));
    assert_true(slice_eq_str(f.payload, "abc"));
    assert_int_equal(f.id, 9);
    assert_true(outbox_take(box, &f));
    assert_int_equal(f.peer, OUTBOX_WEB);
    assert_false(outbox_take(box, &f));
    outbox_add(box, OUTBOX_WEB, 0, 1, 1, parts, 1);
    outbox_free(&box);
}

static void bucket_refills(void **state)
{
    struct bucket b = {0};
    for (int i = 0; i < 10; i++)
        assert_true(bucket_take(&b, 100 * USEC_PER_SEC, 5, 10));
    assert_false(bucket_take(&b, 100 * USEC_PER_SEC, 5, 10));
    assert_true(bucket_take(&b, 100 * USEC_PER_SEC + USEC_PER_SEC / 5, 5, 10));
    assert_false(bucket_take(&b, 100 * USEC_PER_SEC + USEC_PER_SEC / 5, 5, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_counts_modulo_two_to_the_32),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(verification_string_of_the_specification),
        cmocka_unit_test(features_are_read),
        cmocka_unit_test(full_cache_starts_anew),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(parameters_are_found_and_decoded),
        cmocka_unit_test(ids_have_their_form),
        cmocka_unit_test(outbox_keeps_order_and_bound),
        cmocka_unit_test(bucket_refills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
