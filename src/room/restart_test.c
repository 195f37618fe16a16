/* The engine dies and its successor takes over from the journal. */
#include "room/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define R "r@conference.meet.example"
#define OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='meet.example' version='1.0'/>"

static void class_goes_on_with_the_same_endpoints(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, true);
    struct seen *before = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick);
    json_t *endpoint = json_deep_copy(before->body);
    world_restart(w);
    world_forget(w);
    world_bridge_up(w, 0, "b1");
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL));
    json_t *again = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_true(json_equal(endpoint, again));
    assert_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT_GONE, NULL));
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_SYNC_DONE, NULL));
    world_run(w, 2 * USEC_PER_SEC);
    struct client *a2 = client_back(w, a);
    struct client *b2 = client_back(w, b);
    client_send(a2, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>after"
                    "</body></message>");
    client_expect(b2, ">after<", a->nick, NULL);
    client_expect(a2, ">after<", NULL);
    client_never(a2, "<presence", NULL);
    client_never(b2, "<presence", NULL);
    client_never(a2, "session-", NULL);
    assert_true(client_channel(a2)->open);
    /* Jingle goes on in the session of before. */
    client_send(a2,
                "<iq xmlns='jabber:client' type='set' id='i' to='" R
                "/focus'><jingle xmlns='" NS_JINGLE "' action='session-info' sid='%s'/></iq>",
                a2->sid);
    client_expect(a2, "id='i'", "type='result'", NULL);
    world_run(w, 120 * USEC_PER_SEC / 2);
    client_never(a2, "unavailable", NULL);
    json_decref(endpoint);
    world_free(&w);
}

static void what_was_not_acknowledged_survives(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    uint32_t seen = b->handled;
    client_send(a, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>lost"
                   "</body></message>");
    b->handled = seen; /* it died on the way */
    world_restart(w);
    struct client *b2 = client_back(w, b);
    client_expect(b2, ">lost<", NULL);
    client_send(b2, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", seen + 1);
    assert_true(b2->open);
    b2->handled = seen + 1;
    world_restart(w);
    struct client *b3 = client_back(w, b2);
    client_never(b3, ">lost<", NULL);
    world_free(&w);
}

static void who_does_not_come_back_leaves(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    struct client *a2 = client_back(w, a);
    for (int i = 0; i < 6; i++) {
        world_run(w, 10 * USEC_PER_SEC);
        client_never(a2, "unavailable", NULL);
        client_send(
            a2, "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    }
    world_run(w, 15 * USEC_PER_SEC);
    client_expect(a2, "unavailable", b->nick, NULL);
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT_GONE, b->nick));
    world_free(&w);
}

static void new_bridge_after_a_restart_means_new_offers(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    world_restart(w);
    world_bridge_up(w, 0, "b2");
    struct client *a2 = client_back(w, a);
    client_expect(a2, "session-terminate", a->sid, NULL);
    client_accept(a2, "r");
    world_free(&w);
}

static void room_and_member_state_survives(void **state)
{
    struct world *w = world_new(true);
    world_bridge_up(w, 0, "b1");
    realm_web_up(w->realm);
    world_web(w, WEB_ROOM, 0,
              "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":true,"
              "\"policy\":{\"pupils\":{\"chat\":false},\"record\":true}}");
    char *t = world_token(w, "t1", "T", "teacher", NULL, "r");
    char *p = world_token(w, "p1", "P", "pupil", NULL, "r");
    struct client *teacher = client_enter(w, "r", t, true);
    struct client *pupil = client_enter(w, "r", p, true);
    client_send(teacher, "<message xmlns='jabber:client' to='" R "' type='groupchat' id='h1'><body>"
                         "history</body></message>");
    client_send(teacher,
                "<message xmlns='jabber:client' to='" R "' type='groupchat'><subject>Algebra"
                "</subject></message>");
    client_send(teacher,
                "<iq xmlns='jabber:client' type='set' id='l' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' "
                "type='submit'><field var='muc#roomconfig_roomsecret'><value>pw</value></field></x>"
                "</query></iq>");
    client_send(teacher,
                "<iq xmlns='jabber:client' type='set' id='m' to='" R "/focus'><mute "
                "xmlns='http://jitsi.org/jitmeet/audio' jid='" R "/%s'>true</mute></iq>",
                pupil->nick);
    world_restart(w);
    world_forget(w);
    world_bridge_up(w, 0, "b1");
    json_t *e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, pupil->nick)->body;
    json_t *audio = json_array_get(json_object_get(e, "sources"), 0);
    assert_true(json_is_true(json_object_get(audio, "blocked")));
    assert_string_equal(json_string_value(json_object_get(e, "person")), "p1");
    /* A late one finds all as it was. */
    char *late = world_token(w, "t2", "Late", "teacher", NULL, "r");
    struct client *c = client_login(w, late);
    client_join(c, "r");
    client_expect(c, "<presence", teacher->nick, "role='moderator'", NULL);
    client_expect(c, "<presence", pupil->nick, "role='participant'", ">P</nick>", NULL);
    client_expect(c, "history", "id='h1'", "<delay xmlns='urn:xmpp:delay'", "stamp='2027-01-15T",
                  NULL);
    client_expect(c, "<subject", "Algebra", NULL);
    client_send(c, "<iq xmlns='jabber:client' type='get' id='d' to='" R
                   "'><query xmlns='" NS_DISCO_INFO "'/></iq>");
    client_expect(c, "muc_passwordprotected", NULL);
    free(t);
    free(p);
    free(late);
    world_free(&w);
}

static void offer_on_the_way_is_finished_after_a_restart(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *b = client_enter(w, "r", NULL, false);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    struct client *b2 = client_back(w, b);
    uint32_t ssrc = a->ssrc;
    a->handled = 0;
    struct client *a2 = client_back(w, a);
    a2->ssrc = ssrc;
    client_accept(a2, "r");
    client_expect(b2, "source-add", a->nick, NULL);
    client_never(a2, "source-add", NULL);
    world_free(&w);
}

static int refuse_commit(void *arg)
{
    return ERR_LIMIT;
}

static int take_put(void *arg, struct slice key, struct slice value)
{
    return 0;
}

static int take_del(void *arg, struct slice key)
{
    return 0;
}

static void begin_nothing(void *arg)
{
}

static void failed_saves_are_made_good(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    const struct keeper full = {begin_nothing, refuse_commit, take_put, take_del, NULL};
    w->quiet = true; /* the world's own journal stands aside */
    struct client *a = client_login(w, NULL);
    assert_int_equal(realm_save(w->realm, &full), ERR_LIMIT);
    a->rewriting = true;
    client_join(a, "r");
    assert_int_equal(realm_save(w->realm, &full), 0); /* not tried */
    w->quiet = false;
    w->now += 6 * USEC_PER_SEC;
    realm_clock(w->realm, w->now, w->wall_ms);
    world_pump(w);
    client_accept(a, "r");
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    struct client *a2 = client_back(w, a);
    client_never(a2, "session-", NULL);
    assert_non_null(world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick));
    world_free(&w);
}

static void journal_empties_with_the_house(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    assert_true(w->pair_count > 6);
    client_send(a, "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\"/>");
    client_send(b, "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\"/>");
    world_run(w, 70 * USEC_PER_SEC);
    for (size_t i = 0; i < w->pair_count; i++)
        fail_msg("left in the journal: %s", w->pairs[i].key);
    world_free(&w);
}

static void garbage_in_the_journal_is_survived(void **state)
{
    static const char *const keys[] = {
        "session/1",          "queue/1",  "queue/2", "text/9", "text/x", "room/r",
        "member/r/12345678",  "member/r", "event/1", "realm",  "",       "other",
        "session/99999999999"};
    static const char *const values[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"jid\":7}",
        "\x01\x02\x03",
        "{\"invite\":99,\"jingle\":{\"told\":[1]},\"info\":\"x\"}"};
    for (size_t v = 0; v < ARRAY_LEN(values); v++) {
        struct world *w = world_new(false);
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            realm_load(w->realm, slice_str(keys[k]), slice_str(values[v]));
        realm_loaded(w->realm);
        world_run(w, 80 * USEC_PER_SEC);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_goes_on_with_the_same_endpoints),
        cmocka_unit_test(what_was_not_acknowledged_survives),
        cmocka_unit_test(who_does_not_come_back_leaves),
        cmocka_unit_test(new_bridge_after_a_restart_means_new_offers),
        cmocka_unit_test(room_and_member_state_survives),
        cmocka_unit_test(offer_on_the_way_is_finished_after_a_restart),
        cmocka_unit_test(failed_saves_are_made_good),
        cmocka_unit_test(journal_empties_with_the_house),
        cmocka_unit_test(garbage_in_the_journal_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
